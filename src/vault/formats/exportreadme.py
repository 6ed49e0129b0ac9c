"""README.txt beside an export's log: how to check, without the vault, that its entries were not altered.

Source: docs/spec/export.md §5.
"""

from __future__ import annotations

_TEXTS = {
    "fi": (
        "KÄYTTÖLOKIN MERKINNÄT JA TODISTEET",
        (
            "Jokainen merkintä kansiossa entries kertoo, kuka teki mitä ja millä perusteella. Kansiossa proofs on samalla tunnuksella"
            " todiste siitä, että merkintä on lokissa sellaisena kuin se kirjoitettiin. Kukaan ei voi muuttaa tai poistaa merkintää"
            " jälkikäteen ilman, että se huomataan."
        ),
        "Tarkista yksi merkintä (tarvitset Python-ohjelman ja sen cryptography-paketin, et verkkoyhteyttä):",
        "Vertaa ensin, että log.vkey on sama kuin palvelun julkaisema avain.",
        "Ilman todistetta on {n} merkintää: ne kirjoitettiin juuri ennen pakettia. Niiden todisteet saa palvelusta myöhemmin.",
    ),
    "sv": (
        "ANVÄNDNINGSLOGGENS POSTER OCH BEVIS",
        (
            "Varje post i mappen entries säger vem som gjorde vad och på vilken grund. I mappen proofs finns med samma id ett bevis på att"
            " posten står i loggen så som den skrevs. Ingen kan ändra eller ta bort en post i efterhand utan att det märks."
        ),
        "Kontrollera en post (du behöver Python och dess paket cryptography, inget nätverk):",
        "Jämför först att log.vkey är samma nyckel som tjänsten har publicerat.",
        "Utan bevis är {n} poster: de skrevs strax före paketet. Bevisen för dem fås senare från tjänsten.",
    ),
    "en": (
        "THE ACCESS LOG'S ENTRIES AND THEIR PROOFS",
        (
            "Each entry in the folder entries says who did what, on which basis. The folder proofs holds, under the same id, the proof that"
            " the entry stands in the log as it was written. Nobody can alter or remove an entry afterwards without being found out."
        ),
        "Check one entry (you need Python and its package cryptography, no network):",
        "First compare that log.vkey is the key that the service has published.",
        "{n} entries have no proof: they were written just before the package. Their proofs can be had from the service later.",
    ),
}


def log_readme(language: str, witnessed: bool, unproved: int) -> str:
    """The text in that language (fi, sv, en).

    Source: docs/spec/export.md §5.
    """
    title, what, how, first, rest = _TEXTS[language]
    witness = ' --witness "$(cat witness.vkey)" --quorum 1' if witnessed else ""
    command = f'  python3 verifier.py proof proofs/ID.txt entries/ID.json --log "$(cat log.vkey)"{witness}'
    also = f'  vault log verify proof proofs/ID.txt entries/ID.json --log "$(cat log.vkey)"{witness}'
    lines = [title, "=" * len(title), "", what, "", first, "", how, "", command, also]
    if unproved:
        lines += ["", rest.format(n=unproved)]
    return "\n".join([*lines, ""])
