"""A client's copy holds nothing of the withheld pages, wherever a PDF may keep it."""

from __future__ import annotations

import io

import fpdf
import pikepdf
import pytest
from PIL import Image

from vault.errors import InvalidInput
from vault.formats.withheld_pdf import Marking, withhold_pages

MARKING = Marking("Sivu {page} on jätetty pois", ("Peruste: laki åäö.",))
SHADES = (60, 120, 180)


def original() -> bytes:
    """Three pages that share one dictionary of resources, with bookmarks, a comment, an attachment and metadata."""
    paper = fpdf.FPDF()
    paper.set_title("TITLEMARK")
    paper.set_font("Helvetica", size=12)
    for number, shade in enumerate(SHADES, 1):
        paper.add_page()
        paper.start_section(f"SECTIONMARK{number}")
        paper.cell(0, 10, f"PAGEMARK{number}")
        paper.text_annotation(50, 50, f"COMMENTMARK{number}")
        paper.image(Image.frombytes("RGB", (60, 60), bytes([shade]) * 10_800), x=10, y=40, w=50)
    with pikepdf.open(io.BytesIO(bytes(paper.output()))) as made:
        shared = made.make_indirect(
            pikepdf.Dictionary(Font=made.pages[0].resources["/Font"], XObject=pikepdf.Dictionary())
        )
        for page in made.pages:
            for name, image in page.resources["/XObject"].items():
                shared["/XObject"][name] = image
        for page in made.pages:
            page.obj["/Resources"] = shared
        made.attachments["FILEMARK.txt"] = b"ATTACHEDMARK"
        out = io.BytesIO()
        made.save(out)
        return out.getvalue()


def everything(content: bytes) -> bytes:
    with pikepdf.open(io.BytesIO(content)) as opened:
        streams = [one.read_bytes() for one in opened.objects if isinstance(one, pikepdf.Stream)]
        return b"".join(streams) + "".join(repr(one) for one in opened.objects).encode()


def test_nothing_of_a_withheld_page_is_left() -> None:
    whole, copy = everything(original()), everything(withhold_pages(original(), [2], MARKING, language="fi"))
    gone = [
        b"PAGEMARK2",
        b"SECTIONMARK2",
        b"COMMENTMARK2",
        b"TITLEMARK",
        b"ATTACHEDMARK",
        b"FILEMARK",
        bytes([120]) * 500,
    ]
    for mark in gone:
        assert mark in whole, mark
        assert mark not in copy, mark
    for mark in (b"PAGEMARK1", b"PAGEMARK3", bytes([60]) * 500, bytes([180]) * 500, b"Sivu 2 on j"):
        assert mark in copy, mark


@pytest.mark.parametrize("pages", [[], [0], [4], [1, 9], [-1]])
def test_pages_that_are_not_there_are_refused(pages: list[int]) -> None:
    with pytest.raises(InvalidInput) as caught:
        withhold_pages(original(), pages, MARKING, language="fi")
    assert caught.value.narrow == "unknown-page"


def test_every_page_may_be_withheld_and_sizes_stay() -> None:
    with pikepdf.open(io.BytesIO(withhold_pages(original(), [1, 2, 3], MARKING, language="sv"))) as copy:
        assert len(copy.pages) == 3
        assert [round(float(edge)) for edge in copy.pages[0].mediabox] == [0, 0, 595, 842]


def test_an_encrypted_or_broken_file_is_withheld_as_a_whole() -> None:
    locked = io.BytesIO()
    with pikepdf.open(io.BytesIO(original())) as made:
        made.save(locked, encryption=pikepdf.Encryption(owner="insecure", user="insecure"))
    for content in (locked.getvalue(), original()[:200], b"", b"not a PDF"):
        with pytest.raises(InvalidInput) as caught:
            withhold_pages(content, [1], MARKING, language="fi")
        assert caught.value.narrow == "not-a-pdf"
