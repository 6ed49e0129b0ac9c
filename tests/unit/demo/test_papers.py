"""The demo's papers are real files of the kinds they claim to be, and the same each time."""

from __future__ import annotations

import datetime as dt
import io
import re
import zlib
from itertools import pairwise

import msgspec
import pytest
from PIL import Image

from vault.demo import cast
from vault.demo.papers import SCAN_SIZE, Paper, papers, scan
from vault.demo.papers_consent import provisions
from vault.demo.papers_hand import jitter, pen_strokes
from vault.demo.papers_scan import HEIGHT, SMALLEST, WIDTH, scan_chunks
from vault.rules.consent import Provision, check_provisions

DAY = dt.date(2026, 3, 2)
SMALL_SCAN = 2_000_000
PAGES = {"consent": 2, "statement": 2, "decision": 1, "report": 2, "plan": 2, "memo": 2}


@pytest.fixture(scope="module")
def filed() -> dict[str, Paper]:
    return {paper.key: paper for paper in papers(DAY, scan_size=SMALL_SCAN)}


def whole(paper: Paper) -> bytes:
    return b"".join(paper.chunks())


def streams(pdf: bytes) -> str:
    """What a PDF's content streams draw, as text; the core fonts write Windows-1252 in the clear."""
    found = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    drawn = b"".join(zlib.decompress(one) for one in found if one[:1] == b"\x78")
    return drawn.decode("cp1252").replace(") Tj (", "").replace("\\(", "(").replace("\\)", ")")


def test_every_paper_has_the_size_it_says_and_comes_in_bounded_pieces(filed: dict[str, Paper]) -> None:
    for paper in filed.values():
        pieces = list(paper.chunks())
        assert sum(map(len, pieces)) == paper.size, paper.key
        assert all(0 < len(piece) <= 1 << 20 for piece in pieces), paper.key


def test_the_papers_are_the_same_each_time(filed: dict[str, Paper]) -> None:
    for paper in papers(DAY, scan_size=SMALL_SCAN):
        assert whole(paper) == whole(filed[paper.key]), paper.key


@pytest.mark.parametrize("key", PAGES)
def test_a_pdf_is_whole_and_says_its_language_and_title(filed: dict[str, Paper], key: str) -> None:
    paper, pdf = filed[key], whole(filed[key])
    assert pdf.startswith(b"%PDF-1.")
    assert pdf.rstrip().endswith(b"%%EOF")
    xref = int(pdf.rsplit(b"startxref", 1)[1].split()[0])
    assert pdf[xref : xref + 4] == b"xref"
    assert len(re.findall(rb"/Type /Page\b", pdf)) == PAGES[key]
    assert f"/Lang ({paper.language}-".encode() in pdf
    utf_16 = ("\ufeff" + paper.title).encode("utf-16-be").hex()
    assert f"/Title ({paper.title})".encode("ascii", "replace") in pdf or f"/Title <{utf_16}>".encode() in pdf
    assert f"/CreationDate (D:{paper.dated:%Y%m%d}".encode() in pdf


@pytest.mark.parametrize("key", PAGES)
def test_a_pdf_names_the_client_and_leaves_no_placeholder(filed: dict[str, Paper], key: str) -> None:
    drawn = streams(whole(filed[key]))
    assert cast.CLIENT.name in drawn
    assert not re.search(r"\{[a-z]|\*\*|::", drawn)
    assert f"{PAGES[key]} ({PAGES[key]})" in drawn


def test_the_form_has_the_clauses_that_are_recorded(filed: dict[str, Paper]) -> None:
    drawn = streams(whole(filed["consent"]))
    assert re.findall(r"\((Sallin|Kiellän)\)", drawn) == [
        {"permit": "Sallin", "deny": "Kiellän"}[clause["effect"]] for clause in provisions()
    ]
    assert "2.3.2026 \N{EN DASH} 1.3.2027" in drawn
    assert "Oikeus peruuttaa" in drawn


def test_the_provisions_are_accepted_as_they_stand() -> None:
    assert len(check_provisions(msgspec.convert(provisions(), list[Provision]))) == 6
    for clause in provisions():
        needed = {"recipients", "documents"}
        if clause["effect"] == "permit":
            needed |= {"sources", "actions", "purposes"}
        assert all(clause[name] for name in needed), clause
        for recipient in clause["recipients"]:
            assert cast.agency(recipient["agency"])
    assert [clause["protected_classes"] for clause in provisions() if clause.get("protected_classes")] == [
        ["mental-health"]
    ]


def test_only_the_statement_is_protected_and_the_plan_is_the_reports_attachment(filed: dict[str, Paper]) -> None:
    assert {key for key, paper in filed.items() if paper.protected_classes} == {"statement"}
    assert {key: paper.attachment_of for key, paper in filed.items() if paper.attachment_of} == {"plan": "report"}
    order = list(filed)
    assert order[0] == "consent"
    assert order.index("report") < order.index("plan")
    assert {paper.language for paper in filed.values()} == {"fi", "sv", "en"}


@pytest.mark.parametrize("day", [dt.date(2024, 2, 29), dt.date(2026, 11, 22), dt.date(2027, 1, 1)])
def test_no_paper_is_dated_after_the_signing(day: dt.date) -> None:
    for paper in papers(day, scan_size=SMALLEST):
        assert paper.dated <= day
        assert paper.dated.weekday() < 5 or paper.dated == day


def test_the_photograph_opens(filed: dict[str, Paper]) -> None:
    paper = filed["goals"]
    assert 1_000_000 <= paper.size <= 2_000_000
    with Image.open(io.BytesIO(whole(paper))) as photo:
        assert photo.format == "JPEG"
        photo.load()
        assert min(photo.size) > 1500
        corner = photo.convert("L").resize((4, 4))
    assert int(corner.getpixel((1, 1))) > int(corner.getpixel((3, 3)))  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [SMALLEST, SMALLEST + WIDTH - 1, 3_000_001, 2 * WIDTH * HEIGHT + 12_345])
def test_a_scan_has_exactly_the_size_asked_and_opens(size: int) -> None:
    made = b"".join(scan_chunks(size))
    assert len(made) == size
    with Image.open(io.BytesIO(made)) as picture:
        assert picture.format == "TIFF"
        rows = 0
        for page in range(getattr(picture, "n_frames", 1)):
            picture.seek(page)
            picture.load()
            assert picture.width == WIDTH
            rows += picture.height
    assert 0 <= size - rows * WIDTH < WIDTH * 2


def test_a_scan_does_not_compress() -> None:
    made = b"".join(scan_chunks(SMALL_SCAN))
    assert len(zlib.compress(made, 6)) > 0.99 * len(made)


def test_the_large_scan_is_made_lazily() -> None:
    paper = scan(DAY)
    assert paper.size == SCAN_SIZE == 200_000_000
    pieces = paper.chunks()
    assert next(pieces)[:4] == b"II*\0"
    assert next(pieces) != next(pieces)


@pytest.mark.parametrize("size", [0, SMALLEST - 1, 1 << 32])
def test_a_scan_of_an_impossible_size_is_refused_at_once(size: int) -> None:
    with pytest.raises(ValueError, match="bytes"):
        scan(DAY, size)


def test_the_odd_files_are_odd(filed: dict[str, Paper]) -> None:
    assert whole(filed["empty"]) == b""
    odd = filed["odd-name"]
    assert odd.filename == "../../liite ä€.txt"
    assert "102,40 €" in whole(odd).decode()


def test_the_hand_is_the_same_each_time_and_no_two_letters_are_alike() -> None:
    once = list(pen_strokes("aa", seed="s", size=10))
    assert once == list(pen_strokes("aa", seed="s", size=10))
    first, second = once[0], once[2]
    assert [b[0] - a[0] for a, b in pairwise(first)] != [b[0] - a[0] for a, b in pairwise(second)]
    assert all(-1 <= jitter(n) < 1 for n in range(100))


def test_the_hand_refuses_what_it_cannot_write() -> None:
    with pytest.raises(KeyError):
        list(pen_strokes("Ж", seed="s", size=10))
