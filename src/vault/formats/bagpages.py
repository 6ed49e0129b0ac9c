"""The two files for whoever opens a package in ten years: README.txt and index.html, in Finnish and English.

The index holds no script and loads nothing; it can be read without any other program of this project.

Source: docs/spec/archive-package.md §6.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from vault.formats.casefacts import CaseFacts, PaperFacts

Names = Mapping[str, Mapping[str, str]]
"""Names of codes for people: code to language (``fi``, ``en``) to name."""

_README = """\
MITÄ TÄSSÄ ON
=============

Tämä on yhden päättyneen asian arkistopaketti: asiakirjat sellaisina kuin ne tallennettiin, suostumukset
lomakkeineen, käyttölokin merkinnät sekä säännöt ja koodistot, jotka olivat voimassa.

Siirto             {transfer}
Siirron aika       {made_at}
Säilytys päättyy   {ends_fi}

Aloita tiedostosta index.html: se avautuu millä tahansa selaimella ilman verkkoyhteyttä.

  data/case.json     asia tietoina, ja luettelo kaikista tiedostoista tarkisteineen
  data/documents/    asiakirjat; kunkin vieressä .about.json kertoo, mikä se on
  data/consents/     suostumukset tietoina ja allekirjoitetut lomakkeet
  data/log/          käyttölokin merkinnät, yksi rivillä (JSON), ja kunkin todiste siitä, että se on lokissa
  data/rules/        säännöt ja koodistot

Tarkista, ettei mikään ole muuttunut (tässä kansiossa):

  sha512sum -c manifest-sha512.txt
  sha512sum -c tagmanifest-sha512.txt

Tarkista lokimerkintä: kopioi data/log/verifier.py.txt nimelle verifier.py, ja aja (Python 3, paketti cryptography)

  python3 verifier.py proof data/log/proofs/MERKINTÄ.tlog-proof data/log/proofs/MERKINTÄ.json --log "$(cat data/log/log-key.txt)"

Vertaa tiedoston data/log/log-key.txt avainta siihen, jonka palvelu on julkaissut.

Kansio on BagIt 1.0 -muotoa (RFC 8493). Sisältö on salassa pidettävää.


WHAT THIS IS
============

This is the archive package of one closed case: the documents as they were filed, the consents with their signed
forms, the entries of the access log, and the rules and code lists that applied.

Transfer           {transfer}
Time of transfer   {made_at}
Keeping ends       {ends_en}

Begin with index.html: any browser opens it, without a network.

  data/case.json     the case as data, and a list of all files with their digests
  data/documents/    the documents; beside each, .about.json says what it is
  data/consents/     the consents as data, and the signed forms
  data/log/          the entries of the access log, one a line (JSON), and for each the proof that it stands in the log
  data/rules/        the rules and code lists

Check that nothing has changed (in this folder):

  sha512sum -c manifest-sha512.txt
  sha512sum -c tagmanifest-sha512.txt

Check an entry of the log: copy data/log/verifier.py.txt as verifier.py, and run (Python 3, the package cryptography)

  python3 verifier.py proof data/log/proofs/ENTRY.tlog-proof data/log/proofs/ENTRY.json --log "$(cat data/log/log-key.txt)"

Compare the key in data/log/log-key.txt with the one that the service published.

The folder is BagIt 1.0 (RFC 8493). Its content is secret by law.
"""

_STYLE = (
    "body{font:1rem/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#111;background:#fff}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;"
    "border-bottom:1px solid #999}h2{margin-top:2rem}code{overflow-wrap:anywhere}a{color:#003f8a}"
)


def readme(facts: CaseFacts) -> str:
    """README.txt; it names nobody.

    Source: docs/spec/archive-package.md §6.
    """
    ends = _day(facts.retention_ends)
    return _README.format(
        transfer=facts.transfer,
        made_at=_time(facts.made_at),
        ends_fi=ends or "ei määräaikaa",
        ends_en=ends or "no last day",
    )


def index_page(
    facts: CaseFacts, names: Names, places: Mapping[uuid.UUID, str], entries: Sequence[Mapping[str, Any]] = ()
) -> str:
    """index.html: the case, its documents, consents and log entries, with links to the files beside it.

    ``places`` gives each paper's path within the bag; ``entries`` are those of ``data/log/entries.jsonl``.
    Source: docs/spec/archive-package.md §6.
    """
    return (
        '<!DOCTYPE html>\n<html lang="fi"><head><meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Arkistopaketti {facts.transfer}</title>\n<style>{_STYLE}</style></head>\n<body>\n"
        f"<h1>{_name(names, facts.process)}</h1>\n"
        f"{_case_table(facts)}\n"
        f"{_heading('Asiakirjat', 'Documents')}\n{_papers(facts.documents, names, places)}\n"
        f"{_heading('Suostumukset', 'Consents')}\n{_consents(facts, places)}\n"
        f"{_heading('Käyttöloki', 'Access log')}\n{_log(entries, names)}\n"
        f"{_heading('Muut tiedostot', 'Other files')}\n"
        '<p><a href="data/case.json">data/case.json</a> · <a href="data/log/">data/log/</a> · '
        '<a href="data/rules/">data/rules/</a> · <a href="README.txt">README.txt</a></p>\n'
        "</body></html>\n"
    )


def _case_table(facts: CaseFacts) -> str:
    client = facts.client
    rows = [
        ("Asiakas", "Client", client.name),
        ("Henkilötunnus", "Personal identity code", client.personal_identity_code or ""),
        ("Syntynyt", "Born", _day(client.born)),
        ("Asia", "Case", str(facts.case)),
        ("Avattu", "Opened", _time(facts.opened_at)),
        ("Käsittely päättyi", "Handling ended", _time(facts.closed_at)),
        ("Päättämisen syy", "Reason of closing", facts.closing_reason),
        ("Säilytys päättyy", "Keeping ends", _day(facts.retention_ends)),
        ("Säilytyksen peruste", "Basis of keeping", facts.retention_source),
        ("Salassapidon peruste", "Basis of secrecy", facts.secrecy_source),
        ("Rekisterinpitäjä ennen siirtoa", "Controller before the transfer", facts.controller_from),
        ("Rekisterinpitäjä siirron jälkeen", "Controller after the transfer", facts.controller_to),
        ("Siirto", "Transfer", f"{facts.transfer}, {_time(facts.made_at)}"),
    ]
    told = "\n".join(
        f'<tr><th scope="row">{_both(fi, en)}</th><td>{escape(value)}</td></tr>' for fi, en, value in rows if value
    )
    return f"<table>\n{told}\n</table>"


def _papers(papers: Sequence[PaperFacts], names: Names, places: Mapping[uuid.UUID, str]) -> str:
    head = [("Nro", "No."), ("Laji", "Type"), ("Otsikko", "Title"), ("Päivätty", "Dated"), ("Tallentanut", "Filed by"),
            ("Tiedosto", "File")]  # fmt: skip
    rows = [
        [str(number), _name(names, paper.type), escape(paper.title), _day(paper.dated), escape(paper.filed_by),
         _link(places[paper.id], paper.filename)]
        for number, paper in enumerate(papers, start=1)
    ]  # fmt: skip
    return _table(head, rows)


def _consents(facts: CaseFacts, places: Mapping[uuid.UUID, str]) -> str:
    head = [("Nro", "No."), ("Allekirjoitettu", "Signed"), ("Voimassa", "In force"), ("Peruutettu", "Withdrawn"),
            ("Lomake", "Form")]  # fmt: skip
    rows = [
        [str(number), _day(consent.signed_on), f"{_day(consent.valid_from)}–{_day(consent.valid_until)}",
         _time(consent.withdrawn_at), _link(places[consent.form.id], consent.form.filename) if consent.form else ""]
        for number, consent in enumerate(facts.consents, start=1)
    ]  # fmt: skip
    return _table(head, rows)


def _log(entries: Sequence[Mapping[str, Any]], names: Names) -> str:
    head = [("Aika", "Time"), ("Tapahtuma", "Act"), ("Kuka", "Who"), ("Asiakirja", "Document"), ("Tarkoitus", "Purpose"),
            ("Ratkaisu", "Decision"), ("Todiste", "Proof")]  # fmt: skip
    rows = [
        [escape(entry["at"][:19].replace("T", " ")), f"<code>{escape(entry['act'])}</code>",
         escape(" · ".join(str(entry[key]) for key in ("agency", "role") if entry.get(key)) or str(entry["actor"])),
         _name(names, entry["document_type"]) if entry.get("document_type") else "",
         _name(names, entry["purpose"]) if entry.get("purpose") else "", escape(str(entry.get("decision") or "")),
         _link(f"data/log/proofs/{entry['entry']}.tlog-proof", "tlog-proof")]
        for entry in entries
    ]  # fmt: skip
    return _table(head, rows)


def _table(head: Iterable[tuple[str, str]], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    heads = "".join(f'<th scope="col">{_both(fi, en)}</th>' for fi, en in head)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"


def _heading(fi: str, en: str) -> str:
    return f"<h2>{_both(fi, en)}</h2>"


def _both(fi: str, en: str) -> str:
    return f'{fi} / <span lang="en">{en}</span>'


def _name(names: Names, code: str) -> str:
    known = names.get(code, {})
    return _both(escape(known.get("fi", code)), escape(known.get("en", code)))


def _link(path: str, label: str) -> str:
    return f'<a href="{escape(path)}">{escape(label)}</a>'


def _day(day: dt.date | None) -> str:
    return day.isoformat() if day else ""


def _time(at: dt.datetime | None) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC" if at else ""
