"""The papers that the demo files: a signed consent form, statements, plans, a photograph, a large scan, odd files.

All dates count from the day on which the consent is signed, so that the demo can be walked on any day. Working papers
fall on weekdays. The same day gives the same bytes.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources

from vault.demo import cast
from vault.demo.papers_pdf import Setting, set_pdf
from vault.demo.papers_photo import photograph
from vault.demo.papers_scan import scan_chunks

SCAN_SIZE = 200_000_000
"""Bytes of the large scan, unless told otherwise."""

_PIECE = 1 << 18
_MONTHS_EN = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_DAY = re.compile(r"([dx])([+-]\d+)")


@dataclass(frozen=True)
class Paper:
    """One paper to be filed; the fields before ``filename`` are those of ``POST /v1/cases/{case}/documents``.

    ``key`` is the demo's short name for the paper, ``attachment_of`` another paper's key, ``agency`` who files it.
    ``size`` is the length of ``content`` in bytes; a callable content yields it anew each time, in bounded memory.
    """

    key: str
    type: str
    title: str
    language: str
    dated: dt.date
    filename: str
    media_type: str
    content: bytes | Callable[[], Iterator[bytes]]
    size: int
    agency: str
    protected_classes: tuple[str, ...] = ()
    third_persons: bool = False
    attachment_of: str | None = None

    def chunks(self) -> Iterator[bytes]:
        """Yield the content in pieces of at most 1 MiB; an empty paper yields nothing."""
        if isinstance(self.content, bytes):
            whole = self.content
            return (whole[at : at + _PIECE] for at in range(0, len(whole), _PIECE))
        return self.content()


def papers(signed_on: dt.date, *, scan_size: int = SCAN_SIZE) -> tuple[Paper, ...]:
    """Every paper of the demo in the order of filing; the signed form is the first, an attachment follows its report.

    Raises: ValueError when ``scan_size`` is too small for a scan.
    """
    return (
        consent_form(signed_on),
        statement(signed_on),
        decision(signed_on),
        report(signed_on),
        plan(signed_on),
        memo(signed_on),
        own_goals(signed_on),
        scan(signed_on, scan_size),
        empty(signed_on),
        odd_name(signed_on),
    )


def consent_form(signed_on: dt.date) -> Paper:
    """The signed form; its clauses are those of ``papers_consent.provisions``."""
    return _pdf("consent", "suostumus", "suostumus", signed_on)


def statement(signed_on: dt.date) -> Paper:
    """The physician's B statement, two pages, about mental health."""
    return _pdf("statement", "b-lausunto", "b-lausunto", signed_on, protected_classes=("mental-health",))


def decision(signed_on: dt.date) -> Paper:
    """The English summary of the benefit decision."""
    return _pdf("decision", "paatos", "paatos", signed_on)


def report(signed_on: dt.date) -> Paper:
    """The rehabilitation provider's feedback report."""
    return _pdf("report", "kuntoutuspalaute", "kuntoutuspalaute", signed_on)


def plan(signed_on: dt.date) -> Paper:
    """The vocational plan in Swedish, an attachment of the report."""
    return _pdf("plan", "ammatillinen-suunnitelma", "ammatillinen-suunnitelma", signed_on, attachment_of="report")


def memo(signed_on: dt.date) -> Paper:
    """The group's meeting memo, Finnish with a Swedish summary."""
    return _pdf("memo", "muistio", "muistio", signed_on)


def own_goals(signed_on: dt.date) -> Paper:
    """The client's own goals: a handwritten page, photographed. It speaks of her sister."""
    content = _photograph(_read("omat-tavoitteeni.txt"))
    return Paper(
        "goals",
        "omat-tavoitteeni",
        "Omat tavoitteeni",
        "fi",
        _weekday(signed_on, -21),
        "IMG_2041.jpg",
        "image/jpeg",
        content,
        len(content),
        cast.PROVIDER.id,
        third_persons=True,
    )


def scan(signed_on: dt.date, size: int = SCAN_SIZE) -> Paper:
    """A bundle of certificates as one large scan of ``size`` bytes. Raises: ValueError for an impossible size."""
    scan_chunks(size)
    return Paper(
        "scan",
        "todistus",
        "Työ- ja koulutodistukset, skannattu nippu",
        "fi",
        _weekday(signed_on, -200),
        "todistukset-skannaus.tif",
        "image/tiff",
        lambda: scan_chunks(size),
        size,
        cast.PIRHA.id,
    )


def empty(signed_on: dt.date) -> Paper:
    """A file without a byte: what a broken scanner leaves behind, and what must still be kept as it came."""
    return Paper("empty", "muu", "Tyhjä tiedosto", "fi", signed_on, "tyhja.txt", "text/plain", b"", 0, cast.PIRHA.id)


def odd_name(signed_on: dt.date) -> Paper:
    """A small text whose file name climbs out of its folder and is not ASCII."""
    content = _read("liite.txt").encode()
    return Paper(
        "odd-name",
        "muu",
        "Liite: työkokeilun kulut",
        "fi",
        _weekday(signed_on, -7),
        "../../liite ä€.txt",
        "text/plain; charset=utf-8",
        content,
        len(content),
        cast.EMPLOYMENT.id,
    )


def _pdf(
    key: str,
    kind: str,
    name: str,
    signed_on: dt.date,
    *,
    protected_classes: tuple[str, ...] = (),
    attachment_of: str | None = None,
) -> Paper:
    head, text = _head(_read(f"{name}.txt"))
    language, agency = head["language"], cast.agency(head["agency"])
    dated = _day(head["dated"], signed_on)
    setting = Setting(
        agency.name.in_language(language),
        head["unit"],
        head["kind"],
        head["title"],
        language,
        _written(dated, language),
        dated,
    )
    content = set_pdf(setting, _filled(text, language, signed_on, dated))
    return Paper(
        key,
        kind,
        head["title"],
        language,
        dated,
        f"{name}.pdf",
        "application/pdf",
        content,
        len(content),
        agency.id,
        protected_classes=protected_classes,
        attachment_of=attachment_of,
    )


@functools.cache
def _photograph(text: str) -> bytes:
    return photograph(text)


def _read(name: str) -> str:
    return resources.files("vault.demo").joinpath("texts", name).read_text(encoding="utf-8")


def _head(source: str) -> tuple[dict[str, str], str]:
    head, text = source.split("\n\n", 1)
    return dict(line.split(": ", 1) for line in head.splitlines()), text


def _filled(text: str, language: str, signed_on: dt.date, dated: dt.date) -> str:
    """Fill in ``{client}``, ``{code}``, ``{age}``, a day (``{d-14}``), ``{agency:id}`` or a professional's id."""

    def value(match: re.Match[str]) -> str:
        name, _, asked = match[0][1:-1].partition("/")
        return _value(name, asked or language, signed_on, dated)

    return re.sub(r"\{[^}]+\}", value, text)


def _value(name: str, language: str, signed_on: dt.date, dated: dt.date) -> str:
    client = cast.CLIENT
    if _DAY.fullmatch(name):
        return _written(_day(name, signed_on), language)
    if name.startswith("agency:"):
        return cast.agency(name.removeprefix("agency:")).name.in_language(language)
    known = {"client": client.name, "code": client.personal_identity_code, "age": str(_age(client.born, dated))}
    return known.get(name) or next(one.name for _, one in cast.professionals() if one.sub == name)


def _day(code: str, signed_on: dt.date) -> dt.date:
    """``x+364``: that many days from the signing; ``d-14``: the same, moved away from it to a weekday."""
    match = _DAY.fullmatch(code)
    if match is None:
        raise ValueError(f"no day: {code}")
    return signed_on + dt.timedelta(int(match[2])) if match[1] == "x" else _weekday(signed_on, int(match[2]))


def _weekday(signed_on: dt.date, days: int) -> dt.date:
    day, step = signed_on + dt.timedelta(days), dt.timedelta(-1 if days < 0 else 1)
    while day.weekday() > 4:
        day += step
    return day


def _written(day: dt.date, language: str) -> str:
    if language == "en":
        return f"{day.day} {_MONTHS_EN[day.month - 1]} {day.year}"
    return f"{day.day}.{day.month}.{day.year}"


def _age(born: dt.date, day: dt.date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
