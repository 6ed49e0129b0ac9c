"""The made-up people and agencies of the demo; no keys, no secrets.

Names of real public agencies are used so that the papers read as in life; every person, every private company and
everything that happens is invented. The client's code has a serial from 900 to 999, which is never given to anybody.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

_CHECK = "0123456789ABCDEFHJKLMNPRSTUVWXY"


@dataclass(frozen=True)
class Names:
    """One name in the three languages of the service."""

    fi: str
    sv: str
    en: str

    def in_language(self, language: str) -> str:
        """The name in ``fi``, ``sv`` or ``en``; any other language gets the Finnish one."""
        return {"sv": self.sv, "en": self.en}.get(language, self.fi)


@dataclass(frozen=True)
class Unit:
    """A part of an agency; ``id`` is ``agency/part``."""

    id: str
    name: Names


@dataclass(frozen=True)
class Professional:
    """A person acting for an agency; ``sub`` is the agency's own opaque id for them."""

    sub: str
    name: str
    role: str
    unit: str | None = None


@dataclass(frozen=True)
class Application:
    """An agency's software that talks with the vault; its keys are made when the demo starts."""

    client_id: str
    name: str
    dpop_required: bool


@dataclass(frozen=True)
class Agency:
    """One organisation of the demo with its people; the first application takes Bearer tokens, the second DPoP."""

    id: str
    name: Names
    member_role: str
    units: tuple[Unit, ...]
    professionals: tuple[Professional, ...]

    @property
    def applications(self) -> tuple[Application, Application]:
        """Two applications: ``<id>-app`` for Bearer tokens, ``<id>-app-dpop`` that requires DPoP."""
        return (
            Application(f"{self.id}-app", f"{self.name.fi}, asiakastietojärjestelmä", dpop_required=False),
            Application(f"{self.id}-app-dpop", f"{self.name.fi}, mobiilisovellus", dpop_required=True),
        )

    def first(self, role: str) -> Professional:
        """The first professional with that role. Raises: LookupError when there is none."""
        for person in self.professionals:
            if person.role == role:
                return person
        raise LookupError(f"{self.id} has no {role}")


@dataclass(frozen=True)
class Client:
    """The person whose matter it is; the fields are those of ``POST /v1/cases``."""

    name: str
    born: dt.date
    personal_identity_code: str
    language: str


def personal_identity_code(born: dt.date, serial: int) -> str:
    """A temporary personal identity code.

    Shapes: ddmmyy, the sign of the century, three digits, a check character.
    Raises: ValueError for a serial outside 900-999, which a living person could have, or for another century.
    Source: FI 690/2022 § 2.
    """
    if not 900 <= serial <= 999:
        raise ValueError("a made-up code needs a serial from 900 to 999")
    sign = {19: "-", 20: "A"}.get(born.year // 100)
    if sign is None:
        raise ValueError("only the 1900s and the 2000s are in use")
    digits = f"{born:%d%m%y}{serial:03d}"
    return f"{digits[:6]}{sign}{digits[6:]}{_CHECK[int(digits) % 31]}"


_BORN = dt.date(1999, 5, 14)
CLIENT = Client("Maija Mallikas", _BORN, personal_identity_code(_BORN, 923), "fi")

PIRHA = Agency(
    "pirha",
    Names("Pirkanmaan hyvinvointialue", "Birkalands välfärdsområde", "The wellbeing services county of Pirkanmaa"),
    "coordinator",
    (
        Unit(
            "pirha/tyokyky",
            Names(
                "Työ- ja toimintakyvyn yksikkö",
                "Enheten för arbets- och funktionsförmåga",
                "Work Ability and Functioning Unit",
            ),
        ),
        Unit(
            "pirha/miepa",
            Names(
                "Mielenterveys- ja päihdepalvelut",
                "Mentalvårds- och missbrukartjänster",
                "Mental Health and Substance Use Services",
            ),
        ),
    ),
    (
        Professional("pirha-1001", "Aino Saarivuo", "coordinator"),
        Professional("pirha-1002", "Lauri Tammelo", "physician", "pirha/tyokyky"),
        Professional("pirha-1003", "Sanna Poutakorpi", "nurse", "pirha/miepa"),
        Professional("pirha-1004", "Tiina Kirjola", "records-officer"),
        Professional("pirha-1005", "Arvo Hyllinen", "archivist"),
        Professional("pirha-1006", "Helmi Lipastola", "archivist"),
        Professional("pirha-1007", "Outi Valpas", "security-officer"),
    ),
)
KELA = Agency(
    "kela",
    Names("Kela", "FPA", "Kela, the Social Insurance Institution"),
    "insurance-secretary",
    (),
    (
        Professional("kela-2001", "Kaisa Etulahti", "insurance-secretary"),
        Professional("kela-2002", "Mikael Förmånsvik", "insurance-secretary"),
    ),
)
EMPLOYMENT = Agency(
    "te-palvelut",
    Names(
        "Tampereen seudun työllisyyspalvelut",
        "Sysselsättningstjänsterna i Tammerforsregionen",
        "Tampere Region Employment Services",
    ),
    "employment-officer",
    (),
    (
        Professional("te-palvelut-3001", "Jukka Työlahti", "employment-officer"),
        Professional("te-palvelut-3002", "Nea Uravuori", "coach"),
    ),
)
EDUCATION = Agency(
    "tampere-koulutus",
    Names("Tampereen Esimerkkiopisto", "Exempelinstitutet i Tammerfors", "Tampere Example College"),
    "education-officer",
    (),
    (Professional("tampere-koulutus-4001", "Camilla Lärdomsby", "education-officer"),),
)
PROVIDER = Agency(
    "kuntoutus-oy",
    Names("Esimerkki-Kuntoutus Oy", "Esimerkki-Kuntoutus Oy", "Esimerkki-Kuntoutus Oy"),
    "service-provider",
    (),
    (
        Professional("kuntoutus-oy-5001", "Petra Valmenniemi", "service-provider"),
        Professional("kuntoutus-oy-5002", "Samuli Ohjasto", "coach"),
    ),
)

AGENCIES = (PIRHA, KELA, EMPLOYMENT, EDUCATION, PROVIDER)
"""In the order in which the demo registers them; the first is the coordinator's."""

COORDINATOR = PIRHA.first("coordinator")


def agency(slug: str) -> Agency:
    """The agency with that id. Raises: LookupError when there is none."""
    for one in AGENCIES:
        if one.id == slug:
            return one
    raise LookupError(f"no agency {slug} in the demo")


def professionals() -> Iterator[tuple[Agency, Professional]]:
    """Every professional with the agency they act for, in the order of AGENCIES."""
    for one in AGENCIES:
        for person in one.professionals:
            yield one, person
