"""The catalogues are whole, and hold exactly what the pages say."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import pytest

from vault.pages.texts import LANGUAGES, missing, read_language
from vault.pages.words import Words
from vault.rules.requests import CLOCKS

ROOT = Path(__file__).parents[3]
PLACES = re.compile(r"%\(\w+\)[a-z]|%%")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_message_is_without_its_translation(language: str) -> None:
    assert {area: missing(catalog) for area, catalog in read_language(language).items() if missing(catalog)} == {}


@pytest.mark.parametrize("language", ["fi", "sv"])
def test_every_translation_fills_the_same_places(language: str) -> None:
    wrong = []
    for catalog in read_language(language).values():
        for message in catalog:
            ids = message.id if isinstance(message.id, tuple) else (message.id,)
            texts = message.string if isinstance(message.string, tuple) else (message.string,)
            wanted = set(PLACES.findall(str(ids[-1])))
            # The singular may leave the number out; nothing may name a place that is not given.
            wrong += [text for text in texts if set(PLACES.findall(str(text))) - wanted]
            wrong += [text for text in texts[-1:] if set(PLACES.findall(str(text))) != wanted]
    assert wrong == []


@pytest.mark.parametrize("language", ["fi", "sv"])
def test_a_message_reads_the_same_in_every_area(language: str) -> None:
    said: dict[object, set[object]] = {}
    for catalog in read_language(language).values():
        for message in catalog:
            if message.id:
                said.setdefault(str(message.id), set()).add(str(message.string))
    assert {message: texts for message, texts in said.items() if len(texts) > 1} == {}


def test_the_catalogues_are_those_of_the_code() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools/messages.py", "--check"], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_days_sizes_and_lists_are_each_languages_own() -> None:
    fi, sv, en = (Words(language) for language in LANGUAGES)
    # A number and what it belongs to stay on one line.
    assert [one.day("2026-03-02") for one in (fi, sv, en)] == [
        "2.\N{NO-BREAK SPACE}maaliskuuta 2026",
        "2\N{NO-BREAK SPACE}mars 2026",
        "2\N{NO-BREAK SPACE}March 2026",
    ]
    # An instant late in the evening of UTC is the next day in Helsinki.
    late = "2026-06-30T21:30:00+00:00"
    assert [one.moment(late) for one in (fi, sv, en)] == [
        "1.\N{NO-BREAK SPACE}heinäkuuta 2026 klo\N{NO-BREAK SPACE}00.30", "1\N{NO-BREAK SPACE}juli 2026 kl.\N{NO-BREAK SPACE}00.30", "1\N{NO-BREAK SPACE}July 2026 at\N{NO-BREAK SPACE}00:30",
    ]  # fmt: skip
    assert [one.size(1_430_000) for one in (fi, sv, en)] == [
        "1,4\N{NO-BREAK SPACE}MB",
        "1,4\N{NO-BREAK SPACE}MB",
        "1.4\N{NO-BREAK SPACE}MB",
    ]
    assert [one.size(size) for size in (0, 999, 1000, 12_345) for one in (fi,)] == [
        "0\N{NO-BREAK SPACE}B",
        "999\N{NO-BREAK SPACE}B",
        "1\N{NO-BREAK SPACE}kB",
        "12\N{NO-BREAK SPACE}kB",
    ]
    assert [one.listed(["a", "b", "c"]) for one in (fi, sv, en)] == ["a, b ja c", "a, b och c", "a, b and c"]
    assert sv.document_type("kuntoutuspalaute") != "kuntoutuspalaute"
    assert fi.role("no-such-role") == "no-such-role"
    assert fi.names({"sv": "FPA"}) == "FPA"


def test_every_clock_of_a_request_names_its_law_in_words() -> None:
    folder = files("vault.adapters.postgres")
    told = [*(folder / "migrations").iterdir(), *(folder / "sql").iterdir()]
    rows = re.findall(
        r"\('[a-z-]+', '\d+ (?:months?|days)', (?:NULL|'\d+ \w+'), '([^']+)'\)", "".join(map(_text, told))
    )
    assert set(rows) == set(CLOCKS)
    assert all("Art." not in Words(language).clock_law(source) for source in CLOCKS for language in LANGUAGES)


def _text(file: Traversable) -> str:
    return file.read_text("utf-8") if file.name.endswith(".sql") else ""
