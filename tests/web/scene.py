"""A case with a bit of everything, for requests that are wrong, and a count of everything that they could leave behind."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.caller import Acting, Caller, must, paper
from tests.support.service import Service

# What grows with every request, refused ones included: the log, what tokens leave, uploads that were begun and ended.
GROWING = (
    "entry", "entry_pending", "entry_position", "clearance", "token", "token_end", "assertion", "burnt", "participant", "attempt",
    "attempt_end", "fact_version", "outbox", "known", "migration", "lease",
)  # fmt: skip


def facts(service: Service) -> dict[str, int]:
    """How many rows every table of facts has, the store's objects, and the uploads that nobody ended."""
    tables = [r[0] for r in service.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'vault' ORDER BY 1")]
    kept = [name for name in tables if not name.startswith(GROWING)]
    counts = ", ".join(f"(SELECT count(*) FROM vault.{name}) AS {name}" for name in kept)
    dangling = (
        "SELECT count(*) FROM vault.attempt a WHERE NOT EXISTS (SELECT FROM vault.filing f WHERE f.object = a.object) "
        "AND NOT EXISTS (SELECT FROM vault.attempt_end x WHERE x.object = a.object)"
    )
    return dict(service.sql(f"SELECT {counts}")[0]) | {
        "dangling": service.one(dangling),
        "objects": len(service.box.names()),
    }


@contextmanager
def nothing_left(service: Service) -> Iterator[None]:
    before = facts(service)
    yield
    assert facts(service) == before


def settled(service: Service, before: dict[str, int]) -> None:
    """Wait until the service has cleared up after a caller that went away, and stays so: it may not have begun yet."""
    deadline = time.monotonic() + 10
    equal, now = 0, facts(service)
    while equal < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
        now = facts(service)
        equal = equal + 1 if now == before else 0
    assert now == before


def problem(answer: httpx.Response) -> tuple[int, str, str | None]:
    assert answer.headers["content-type"] == "application/problem+json", (answer.status_code, answer.text[:300])
    body = answer.json()
    assert body["type"] == f"urn:vault:problem:{body['code']}"
    assert body["status"] == answer.status_code
    assert body["title"]
    assert body["detail"]
    return answer.status_code, body["code"], body.get("field")


@dataclass
class Scene:
    """One case with a bit of everything in it."""

    caller: Caller
    case: str
    other_case: str
    document: str
    waiting: str
    consent: str
    form: str
    ids: dict[str, str] = field(default_factory=dict)

    def path(self, template: str) -> str:
        return template.format(
            case=self.case,
            document=self.document,
            waiting=self.waiting,
            consent=self.consent,
            unknown=uuid.uuid4(),
            **self.ids,
        )

    @property
    def desk(self) -> Acting:
        return self.caller.coordinator

    def until(self, query: str, *arguments: object, count: int = 1) -> list[Any]:
        """The rows, as soon as there are so many."""
        deadline = time.monotonic() + 10
        while len(rows := self.caller.service.sql(query, *arguments)) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        return rows

    def awaiting(self) -> str:
        """A new document that has no content yet."""
        return str(must(self.desk.post(f"/v1/cases/{self.case}/documents", paper()))["id"])
