"""A client's copy of a PDF: the withheld pages are replaced, and nothing of them is left in the file.

A page lives on in more places than its own stream: in pictures and fonts that pages share, in bookmarks, attachments, form
fields, comments and metadata. So the copy is made anew and takes only what the kept pages draw: their content streams and
the resources that these name. Comments and fields are drawn into the page first.
Source: FI 621/1999 § 25 (the marking says which part and which provision); ISO 32000-2 §7.7.3.3, §7.8.3.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import fpdf
import msgspec
import pikepdf

from vault.errors import InvalidInput

MAX_PAGES = 5000

_CATEGORIES = ("/ExtGState", "/ColorSpace", "/Pattern", "/Shading", "/XObject", "/Font", "/Properties")
_BOXES = ("/MediaBox", "/CropBox", "/BleedBox", "/TrimBox", "/ArtBox", "/Rotate", "/UserUnit", "/Group")
_HIDDEN = ("/PieceInfo", "/Metadata", "/Ref", "/OPI", "/Alternates", "/StructParent", "/StructParents", "/AF")


class Marking(msgspec.Struct, frozen=True):
    """What stands on the page that replaces a withheld one; ``{page}`` in ``heading`` is the page's number."""

    heading: str
    paragraphs: tuple[str, ...]


def withhold_pages(content: bytes, pages: Sequence[int], marking: Marking, *, language: str) -> bytes:
    """A copy of the PDF in which these pages (numbered from 1) are replaced by the marking.

    Raises: InvalidInput when it is no PDF that can be opened, is encrypted, or has no such page.
    Source: FI 621/1999 § 25.
    """
    wanted = frozenset(pages)
    try:
        with pikepdf.open(io.BytesIO(content)) as source, pikepdf.new() as copy:
            _require_pages(wanted, len(source.pages))
            source.generate_appearance_streams()
            source.flatten_annotations("all")
            for number, page in enumerate(source.pages, 1):
                if number in wanted:
                    box = [float(edge) for edge in page.mediabox]
                    with pikepdf.open(io.BytesIO(_notice(marking, number, box[2] - box[0], box[3] - box[1]))) as notice:
                        copy.pages.extend(notice.pages)
                else:
                    _append(copy, page)
            copy.Root["/Lang"] = pikepdf.String(language)
            out = io.BytesIO()
            copy.save(out, fix_metadata_version=False, object_stream_mode=pikepdf.ObjectStreamMode.generate)
            return out.getvalue()
    except pikepdf.PasswordError:
        raise InvalidInput("the file is encrypted; withhold it as a whole", field="pages", code="not-a-pdf") from None
    except (pikepdf.PdfError, pikepdf.ForeignObjectError, ValueError, TypeError, KeyError, IndexError) as error:
        detail = f"the file cannot be taken apart ({type(error).__name__}); withhold it as a whole"
        raise InvalidInput(detail, field="pages", code="not-a-pdf") from None


def _require_pages(wanted: frozenset[int], count: int) -> None:
    if count > MAX_PAGES:
        raise InvalidInput(f"more than {MAX_PAGES} pages; withhold it as a whole", field="pages", code="too-large")
    if not wanted or min(wanted) < 1 or max(wanted) > count:
        raise InvalidInput(f"the document has pages 1 to {count}", field="pages", code="unknown-page")


def _append(copy: pikepdf.Pdf, page: pikepdf.Page) -> None:
    """Append a page that keeps its boxes, its content and what this draws; no annotation, no link, no action."""
    used = _names(pikepdf.parse_content_stream(page))
    resources = _pruned(page.resources, used, set())
    kept = pikepdf.Dictionary(Type=pikepdf.Name.Page, Resources=resources)
    for name in _BOXES:
        if (value := _inherited(page.obj, name)) is not None:
            kept[name] = value
    if "/Contents" in page.obj:
        page.contents_coalesce()
        kept["/Contents"] = page.obj["/Contents"]
    copy.pages.append(pikepdf.Page(_owned(page, kept)))


def _owned(page: pikepdf.Page, kept: pikepdf.Dictionary) -> pikepdf.Dictionary:
    """The new page as an object of the source's, so that copying it over takes what it refers to along."""
    for name in list(page.obj.keys()):
        if name not in ("/Type", "/Parent"):
            del page.obj[name]
    for name, value in kept.items():
        page.obj[name] = value
    return page.obj


def _inherited(node: Any, name: str) -> Any:
    """A page's attribute, or the one of the nearest parent in the page tree (ISO 32000-2 §7.7.3.4)."""
    for _ in range(64):
        if name in node:
            return node[name]
        if "/Parent" not in node:
            return None
        node = node["/Parent"]
    return None


def _names(instructions: Iterable[Any]) -> set[str]:
    """Every name that stands among a content stream's operands."""
    used: set[str] = set()
    for instruction in instructions:
        for operand in instruction.operands:
            if isinstance(operand, pikepdf.Name):
                used.add(str(operand))
    return used


def _pruned(resources: Any, used: set[str], seen: set[tuple[int, int]]) -> pikepdf.Dictionary:
    """The resources that these names mean, each cleaned; what is drawn inside of them may name more of the same."""
    reached: set[str] = set()
    while reached != used:
        more = used - reached
        reached |= used
        for category in ("/XObject", "/Pattern"):
            entries = resources.get(category, pikepdf.Dictionary())
            for name in more & set(entries.keys()):
                if _draws(entries[name]) and "/Resources" not in entries[name]:
                    used = used | _names(pikepdf.parse_content_stream(entries[name]))
    kept = pikepdf.Dictionary()
    for category in _CATEGORIES:
        entries = resources.get(category, pikepdf.Dictionary())
        chosen = {name: entries[name] for name in entries.keys() if name in used}  # noqa: SIM118 - not a mapping
        if chosen:
            kept[category] = pikepdf.Dictionary(chosen)
            for thing in chosen.values():
                _clean(thing, seen)
    return kept


def _draws(thing: Any) -> bool:
    return isinstance(thing, pikepdf.Stream) and thing.get("/Subtype") != pikepdf.Name.Image


def _clean(thing: Any, seen: set[tuple[int, int]]) -> None:
    """Take away what is not drawn: metadata, alternatives, and resources that nothing inside names."""
    if not isinstance(thing, (pikepdf.Stream, pikepdf.Dictionary)):
        return
    if thing.is_indirect:
        if thing.objgen in seen:
            return
        seen.add(thing.objgen)
    for name in _HIDDEN:
        if name in thing:
            del thing[name]
    if "/Resources" not in thing:
        return
    if isinstance(thing, pikepdf.Stream):
        used = _names(pikepdf.parse_content_stream(thing))
    else:  # a Type 3 font: its glyphs are content streams
        glyphs = thing.get("/CharProcs", pikepdf.Dictionary())
        used = set().union(*(_names(pikepdf.parse_content_stream(glyphs[name])) for name in glyphs.keys()))  # noqa: SIM118
    thing["/Resources"] = _pruned(thing["/Resources"], used, seen)


def _notice(marking: Marking, number: int, width: float, height: float) -> bytes:
    """One page of that size (in points) that says what was withheld and why."""
    width, height = max(width, 200.0), max(height, 200.0)
    paper = fpdf.FPDF(unit="pt", format=(width, height))
    paper.set_auto_page_break(auto=False)
    paper.add_page()
    margin = width / 10
    paper.set_margins(margin, margin, margin)
    paper.set_xy(margin, height / 5)
    paper.set_font("Helvetica", "B", 16)
    paper.multi_cell(width - 2 * margin, 22, marking.heading.format(page=number), align="L")
    paper.set_font("Helvetica", "", 11)
    for paragraph in marking.paragraphs:
        paper.set_xy(margin, paper.get_y() + 10)
        paper.multi_cell(width - 2 * margin, 15, paragraph, align="L")
    return bytes(paper.output())
