"""A package's README.txt, in Finnish and English; it names nobody.

Source: docs/spec/archive-package.md §6.
"""

from __future__ import annotations

import datetime as dt

from vault.formats.casefacts import CaseFacts

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


def _day(day: dt.date | None) -> str:
    return day.isoformat() if day else ""


def _time(at: dt.datetime | None) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC" if at else ""
