"""What a person can ask for that has a clock, how a request goes on, and why it may be refused: codes and their words.

The clocks stand in the database (vault.request_kind); the steps are the same table as vault.request_next. A provision is
told with the answer; the way to the ombudsman is told with every refusal.
Source: GDPR Art. 12(3)-(6), 15, 16, 18; FI 703/2023 § 11, § 12; FI 381/2023 § 12; FI 1050/2018 § 34; FI 621/1999 § 11, § 25; design.md §3.3.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

from vault.errors import InvalidInput


class RequestKind(StrEnum):
    """What can be asked for."""

    EXPORT_REVIEW = "export-review"  # that papers which wait are checked
    SELF_ACCESS = "self-access"  # one's own data, asked for on paper, by phone or in person
    CORRECTION = "correction"
    RESTRICTION = "restriction"  # of processing (GDPR Art. 18)
    EXPLANATION = "explanation"  # "ask why": the grounds of one entry of the log
    LOG_NAMES = "log-names"
    LOG_OLDER = "log-older"
    FEEDBACK = "feedback"  # on how usable the pages are, or anything else (FI 306/2019 § 10)


class RequestState(StrEnum):
    """How a request stands; the last three end its clock."""

    RECEIVED = "received"
    IDENTIFIED = "identified"
    UNDER_WAY = "under-way"
    EXTENDED = "extended"
    ANSWERED = "answered"
    PARTLY_REFUSED = "partly-refused"
    REFUSED = "refused"


ENDED = frozenset({RequestState.ANSWERED, RequestState.PARTLY_REFUSED, RequestState.REFUSED})

_RUNNING = frozenset(RequestState) - ENDED
STEPS: Mapping[str, tuple[frozenset[RequestState], RequestState]] = MappingProxyType(
    {
        "identify": (_RUNNING, RequestState.IDENTIFIED),  # also again: better, or only later
        "take-up": (frozenset({RequestState.RECEIVED, RequestState.IDENTIFIED}), RequestState.UNDER_WAY),
        "extend": (_RUNNING - {RequestState.EXTENDED}, RequestState.EXTENDED),
        "answer": (_RUNNING, RequestState.ANSWERED),
        "refuse-part": (_RUNNING, RequestState.PARTLY_REFUSED),
        "refuse": (_RUNNING, RequestState.REFUSED),
    }
)
"""step -> (the states from which it may be taken, where it leads)"""

RECEIVED_HOW = ("paper", "phone", "in-person")
IDENTIFIED_HOW = ("identity-document", "signature", "known-in-person", "strong-identification")

IDENTIFIED_ENOUGH: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "strong-identification": frozenset({"own-pages", *RECEIVED_HOW}),
        "identity-document": frozenset({"own-pages", *RECEIVED_HOW}),
        "signature": frozenset({"paper", "in-person"}),
        "known-in-person": frozenset({"in-person"}),
    }
)
"""How somebody was identified -> how their request may have come for everything about them to be handed out in one piece."""

HANDED_HOW: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "medium-in-person": frozenset({"identity-document", "known-in-person"}),
        "print-in-person": frozenset({"identity-document", "known-in-person"}),
        "medium-by-letter": frozenset({"receipt-of-delivery"}),
        "print-by-letter": frozenset({"receipt-of-delivery"}),
    }
)
"""How a package is handed over -> how the receiver may have been identified: a registered letter, against its receipt."""


class Words(msgspec.Struct, frozen=True):
    """The same in three languages."""

    fi: str
    sv: str
    en: str

    def in_language(self, language: str) -> str:
        """In that language; Finnish where it has none."""
        return {"sv": self.sv, "en": self.en}.get(language, self.fi)


class Provision(msgspec.Struct, frozen=True):
    """Why something may be kept from a person: the law, and what it says in plain words.

    ``judged`` says that a named professional of health or social care decides it; ``documents`` that papers can be
    withheld on it (the others refuse a request as a whole); ``only`` the kind of request that it speaks of, if of one alone.
    """

    law: Words
    meaning: Words
    judged: bool = False
    documents: bool = True
    only: RequestKind | None = None


_GDPR = Words(
    "EU:n yleinen tietosuoja-asetus", "EU:s allmänna dataskyddsförordning", "EU General Data Protection Regulation"
)


def _articles(*numbers: int) -> Words:
    fi, sv, en = (word.join(map(str, numbers)) for word in (" ja ", " och ", " and "))
    many = len(numbers) > 1
    return Words(f"{_GDPR.fi}, {fi} artikla", f"{_GDPR.sv}, {'artiklarna' if many else 'artikel'} {sv}",
                 f"{_GDPR.en}, {'Articles' if many else 'Article'} {en}")  # fmt: skip


_LOG_LAW = Words(
    "asiakastietolaki (703/2023) 11 §", "kunduppgiftslagen (703/2023) 11 §", "Client Data Act (703/2023) § 11"
)
CLOCKS: Mapping[str, Words] = MappingProxyType(
    {
        "GDPR Art. 12(3), 15": _articles(12, 15),
        "GDPR Art. 12(3), 16": _articles(12, 16),
        "GDPR Art. 12(3), 18": _articles(12, 18),
        "GDPR Art. 12(3); FI 703/2023 § 11": Words(
            f"{_articles(12).fi}; {_LOG_LAW.fi}",
            f"{_articles(12).sv}; {_LOG_LAW.sv}",
            f"{_articles(12).en}; {_LOG_LAW.en}",
        ),
        "FI 703/2023 § 11": _LOG_LAW,
        "FI 306/2019 § 10": Words(
            "laki digitaalisten palvelujen tarjoamisesta (306/2019) 10 §",
            "lagen om tillhandahållande av digitala tjänster (306/2019) 10 §",
            "Act on the Provision of Digital Services (306/2019) § 10",
        ),
    }
)
"""The law behind each clock of vault.request_kind, as people read it."""

GROUNDS: Mapping[str, Words] = MappingProxyType(
    {
        "accuracy": Words(
            "Tieto minusta ei pidä paikkaansa",
            "En uppgift om mig stämmer inte",
            "Something about me is not right",
        ),
        "unlawful": Words(
            "Tietojani käsitellään lain vastaisesti, mutta en halua, että ne poistetaan",
            "Mina uppgifter behandlas i strid med lagen, men jag vill inte att de raderas",
            "My information is handled unlawfully, but I do not want it to be erased",
        ),
        "claim": Words(
            "Tarvitsen tietoja valitusta, oikeudenkäyntiä tai muuta vaatimusta varten",
            "Jag behöver uppgifterna för ett besvär, en rättegång eller ett annat anspråk",
            "I need the information for an appeal, a court case or another claim",
        ),
        "objection": Words(
            "Olen vastustanut tietojeni käsittelyä ja odotan vastausta",
            "Jag har gjort en invändning mot behandlingen och väntar på svar",
            "I have objected to the processing and wait for the answer",
        ),
    }
)
"""The four grounds of GDPR Art. 18(1), in the words of the person who asks."""

PROVISIONS: Mapping[str, Provision] = MappingProxyType(
    {
        "1050-2018-34-health": Provision(
            Words("tietosuojalaki (1050/2018) 34 §", "dataskyddslagen (1050/2018) 34 §", "Data Protection Act (1050/2018) § 34"),
            Words(
                "Tiedon saaminen voisi vaarantaa vakavasti terveyttäsi tai hoitoasi.",
                "Att få uppgiften kunde allvarligt äventyra din hälsa eller vård.",
                "Getting this could seriously endanger your health or your care.",
            ),
            judged=True,
        ),
        "1050-2018-34-rights": Provision(
            Words("tietosuojalaki (1050/2018) 34 §", "dataskyddslagen (1050/2018) 34 §", "Data Protection Act (1050/2018) § 34"),
            Words(
                "Tiedon antaminen voisi vaarantaa vakavasti jonkun oikeuksia.",
                "Att lämna ut uppgiften kunde allvarligt äventyra någons rättigheter.",
                "Giving this could seriously endanger somebody's rights.",
            ),
        ),
        "1050-2018-34-security": Provision(
            Words("tietosuojalaki (1050/2018) 34 §", "dataskyddslagen (1050/2018) 34 §", "Data Protection Act (1050/2018) § 34"),
            Words(
                "Tiedon antaminen voisi haitata turvallisuutta tai rikoksen selvittämistä.",
                "Att lämna ut uppgiften kunde skada säkerheten eller utredningen av ett brott.",
                "Giving this could harm security or the investigation of a crime.",
            ),
        ),
        "621-1999-11": Provision(
            Words("julkisuuslaki (621/1999) 11 §", "offentlighetslagen (621/1999) 11 §", "Act on Openness (621/1999) § 11"),
            Words(
                "Kohdassa on toisen ihmisen yksityisiä tietoja.",
                "Stället innehåller en annan människas privata uppgifter.",
                "The part holds another person's private information.",
            ),
        ),
        "621-1999-11-informant": Provision(
            Words(
                "julkisuuslaki (621/1999) 11 § 2 momentti 7 kohta",
                "offentlighetslagen (621/1999) 11 § 2 mom. 7 punkten",
                "Act on Openness (621/1999) § 11(2)(7)",
            ),
            Words(
                "Kohdasta selviäisi, kuka on antanut tiedon.",
                "Stället skulle visa vem som har gett uppgiften.",
                "The part would show who gave the information.",
            ),
        ),
        "621-1999-11-draft": Provision(
            Words(
                "julkisuuslaki (621/1999) 11 § 2 momentti 3 kohta",
                "offentlighetslagen (621/1999) 11 § 2 mom. 3 punkten",
                "Act on Openness (621/1999) § 11(2)(3)",
            ),
            Words(
                "Asiakirja on vielä kesken.", "Handlingen är inte färdig ännu.", "The document is not finished yet."
            ),
        ),
        "gdpr-15-4": Provision(
            Words(
                "yleinen tietosuoja-asetus 15 artikla 4 kohta",
                "allmänna dataskyddsförordningen artikel 15.4",
                "General Data Protection Regulation Art. 15(4)",
            ),
            Words(
                "Jäljennös vaikuttaisi haitallisesti muiden oikeuksiin.",
                "Kopian skulle inverka menligt på andras rättigheter.",
                "The copy would adversely affect the rights of others.",
            ),
        ),
        "gdpr-12-5": Provision(
            Words(
                "yleinen tietosuoja-asetus 12 artikla 5 kohta",
                "allmänna dataskyddsförordningen artikel 12.5",
                "General Data Protection Regulation Art. 12(5)",
            ),
            Words(
                "Pyyntö on ilmeisen perusteeton tai kohtuuton.",
                "Begäran är uppenbart ogrundad eller orimlig.",
                "The request is manifestly unfounded or excessive.",
            ),
            documents=False,
        ),
        "gdpr-12-6": Provision(
            Words(
                "yleinen tietosuoja-asetus 12 artikla 6 kohta",
                "allmänna dataskyddsförordningen artikel 12.6",
                "General Data Protection Regulation Art. 12(6)",
            ),
            Words(
                "Emme voineet varmistaa, kuka pyynnön teki.",
                "Vi kunde inte säkerställa vem som gjorde begäran.",
                "We could not make sure who made the request.",
            ),
            documents=False,
        ),
        "gdpr-16": Provision(
            Words(
                "yleinen tietosuoja-asetus 16 artikla",
                "allmänna dataskyddsförordningen artikel 16",
                "General Data Protection Regulation Art. 16",
            ),
            Words(
                "Tieto ei ole virheellinen tai puutteellinen.",
                "Uppgiften är inte felaktig eller ofullständig.",
                "The information is not wrong or incomplete.",
            ),
            documents=False,
        ),
        "381-2023-12": Provision(
            Words(
                "laki työllistymisen monialaisesta edistämisestä (381/2023) 12 §",
                "lagen om sektorsövergripande främjande av sysselsättningen (381/2023) 12 §",
                "Act on the Multisectoral Promotion of Employment (381/2023) § 12",
            ),
            Words(
                "Tässä yhteistyössä ei ole oikeutta käsittelyn rajoittamiseen.",
                "I detta samarbete finns inte rätten att få behandlingen begränsad.",
                "In this cooperation there is no right to have the processing restricted.",
            ),
            documents=False,
            only=RequestKind.RESTRICTION,
        ),
        "703-2023-12-health": Provision(
            Words("asiakastietolaki (703/2023) 12 §", "kunduppgiftslagen (703/2023) 12 §", "Client Data Act (703/2023) § 12"),
            Words(
                "Rajoittaminen voisi vaarantaa vakavasti terveyttäsi tai hoitoasi.",
                "Begränsningen kunde allvarligt äventyra din hälsa eller vård.",
                "Restricting the processing could seriously endanger your health or your care.",
            ),
            judged=True,
            documents=False,
            only=RequestKind.RESTRICTION,
        ),
        "703-2023-12-rights": Provision(
            Words("asiakastietolaki (703/2023) 12 §", "kunduppgiftslagen (703/2023) 12 §", "Client Data Act (703/2023) § 12"),
            Words(
                "Rajoittaminen voisi vaarantaa vakavasti sinun tai jonkun muun oikeuksia.",
                "Begränsningen kunde allvarligt äventyra dina eller någon annans rättigheter.",
                "Restricting the processing could seriously endanger your rights or somebody else's.",
            ),
            documents=False,
            only=RequestKind.RESTRICTION,
        ),
        "gdpr-18": Provision(
            Words(
                "yleinen tietosuoja-asetus 18 artikla",
                "allmänna dataskyddsförordningen artikel 18",
                "General Data Protection Regulation Art. 18",
            ),
            Words(
                "Mikään laissa mainituista syistä ei täyty.",
                "Ingen av de grunder som lagen nämner uppfylls.",
                "None of the grounds that the law names applies.",
            ),
            documents=False,
            only=RequestKind.RESTRICTION,
        ),
        "703-2023-11": Provision(
            Words("asiakastietolaki (703/2023) 11 §", "kunduppgiftslagen (703/2023) 11 §", "Client Data Act (703/2023) § 11"),
            Words(
                "Lokitietoa ei voi antaa: siihen ei ole lain tarkoittamaa syytä, tai se voisi vaarantaa jonkun.",
                "Logguppgiften kan inte lämnas ut: lagens grund saknas, eller den kunde äventyra någon.",
                "The log cannot be given: there is no ground in law for it, or it could endanger somebody.",
            ),
            documents=False,
        ),
    }
)  # fmt: skip

OMBUDSMAN = Words(
    "Jos olet eri mieltä, voit viedä asian tietosuojavaltuutetulle: tietosuoja.fi. Se on maksutonta.",
    "Om du är av annan åsikt kan du föra saken till dataombudsmannen: tietosuoja.fi. Det är avgiftsfritt.",
    "If you disagree, you can take the matter to the Data Protection Ombudsman: tietosuoja.fi. It is free of charge.",
)


NO_RESTRICTION: Final = ("tym", "381-2023-12")
"""The process without a right to restriction, and the provision that says so (FI 381/2023 § 12)."""


def provisions_for(kind: str, processes: Collection[str] = ()) -> dict[str, Provision]:
    """The provisions on which a request of that kind, about cases in those processes, can be refused.

    Source: GDPR Art. 18; FI 1050/2018 § 34; FI 703/2023 § 12; FI 381/2023 § 12.
    """
    process, excepted = NO_RESTRICTION
    if kind != RequestKind.RESTRICTION:
        sees = kind not in (RequestKind.CORRECTION, RequestKind.FEEDBACK)  # papers are withheld from who asks to see
        return {c: one for c, one in PROVISIONS.items() if one.only in (None, kind) and (sees or not one.documents)}
    found = {code: one for code, one in PROVISIONS.items() if one.only == kind}
    found |= {code: PROVISIONS[code] for code in ("gdpr-12-5", "gdpr-12-6")}
    if process in processes:
        return {excepted: found[excepted]} | found  # it is told first
    del found[excepted]
    return found


def require_provision_for(code: str, kind: str, processes: Collection[str]) -> None:
    """That a request of that kind can be refused on this provision.

    Raises: InvalidInput otherwise.
    Source: GDPR Art. 18; FI 703/2023 § 12; FI 381/2023 § 12.
    """
    usable = provisions_for(kind, processes)
    if code not in usable:
        raise InvalidInput("one of: " + ", ".join(usable), field="provision", code="unknown-provision")


def require_provision(code: str, *, for_document: bool, field: str = "provision") -> Provision:
    """The provision of that code.

    Raises: InvalidInput for a code that is not known, or on which papers are not withheld.
    Source: FI 1050/2018 § 34; FI 621/1999 § 11.
    """
    found = PROVISIONS.get(code)
    if found is None or (for_document and not found.documents):
        usable = [name for name, one in PROVISIONS.items() if one.documents or not for_document]
        raise InvalidInput("one of: " + ", ".join(usable), field=field, code="unknown-provision")
    return found


def require_step(step: str) -> str:
    """A step's name.

    Raises: InvalidInput for another word.
    Source: GDPR Art. 12(3).
    """
    if step not in STEPS:
        raise InvalidInput("one of: " + ", ".join(STEPS), field="step", code="unknown-step")
    return step
