"""The rows of the walk's tables: clauses as on the form, papers as filed, openings as the log has them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from vault.demo import cast
from vault.demo.papers import Paper
from vault.demo.tell import size_text
from vault.rules.catalogue import ROLES
from vault.rules.days import HELSINKI


def shown(filename: str) -> str:
    """A file name in a column of the page."""
    return filename if len(filename) <= 30 else filename[:27] + "…"


def clause_row(number: int, clause: dict[str, Any]) -> tuple[str, str, str, str, str]:
    def listed(name: str) -> str:
        if name not in clause:
            return "all"
        return ", ".join(_named(one) for one in clause[name])

    recipients = listed("recipients")
    if len(clause["recipients"]) == len(cast.AGENCIES):
        recipients = "all five agencies"
    act = f"{clause['effect']} {', '.join(clause.get('actions', ['all']))}"
    documents = listed("documents") + (f" ({', '.join(c)})" if (c := clause.get("protected_classes")) else "")
    return str(number), act, recipients, documents, ", ".join(clause.get("purposes", ["all"]))


def _named(one: dict[str, Any]) -> str:
    if one.get("any"):
        return "any"
    return " ".join(str(one[name]) for name in ("agency", "unit", "role", "type", "document") if name in one)


def paper_row(paper: Paper) -> tuple[str, str, str, str, str]:
    notes = [*paper.protected_classes]
    if paper.attachment_of:
        notes.append("an attachment of the report")
    if paper.third_persons:
        notes.append("speaks of a third person")
    title = paper.title if len(paper.title) <= 44 else paper.title[:43] + "…"
    return paper.agency, title, shown(paper.filename), size_text(paper.size), ", ".join(notes)


def opening_row(item: dict[str, Any]) -> tuple[str, ...]:
    at = dt.datetime.fromisoformat(item["at"]).astimezone(HELSINKI)
    role = ROLES[item["role"]].en if "role" in item else "its system"
    return f"{at:%H:%M}", item["agency"], role, item.get("document_type", ""), item.get("purpose", ""), *answer_of(item)


def answer_of(item: dict[str, Any]) -> tuple[str, str]:
    """What became of an opening, and the deciding reason."""
    if item.get("confirmation") == ["asked-to-confirm"]:
        return "confirm", "protected class"
    if item["decision"] == "permit":
        return "permitted", f"clause {item['provision']}" if "provision" in item else item["basis"]
    more = len(item["reasons"]) - 1
    return "denied", item["reasons"][-1] + (f", {more} more" if more else "")
