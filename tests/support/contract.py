"""schemathesis, as anybody would run it: it asks whatever the OpenAPI document allows, and what it does not.

A run may know ids of things that exist, which it mixes with those that it makes up; then it also reaches what only an id
that is known reaches, and follows the document's links from there.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.caller import Caller

PROGRAM = Path(sys.executable).with_name("schemathesis")
SEED = 20260302
KNOWN_SHARE = 0.7
# Days, codes and identity codes are wrong in ways that no schema tells: right by the schema is not accepted by the rules.
UNSAID = "positive_data_acceptance"
COVERAGE = ("--phases=coverage",)


@dataclass(frozen=True)
class Told:
    """What one run did: how many requests, how many of the document's links it followed, what answered with success."""

    requests: int
    links: int
    answered: frozenset[str]


def stateful(scenarios: int) -> tuple[str, ...]:
    return ("--phases=stateful", f"--max-examples={scenarios}")


def fuzzing(scenarios: int, seconds: int) -> tuple[str, ...]:
    return ("--phases=fuzzing,stateful", f"--max-examples={scenarios}", f"--max-time={seconds}")


def schemathesis(
    caller: Caller,
    folder: Path,
    *options: str,
    ids: Mapping[str, str] | None = None,
    unseen: str = UNSAID,
    timeout_s: float = 600,
) -> Told:
    """Run it. Raises: AssertionError with what it says, when anything was found."""
    config, report = folder / "schemathesis.toml", folder / "report.ndjson"
    config.write_text("".join(_known(ids or {})))
    command = [
        str(PROGRAM), f"--config-file={config}", "run", f"{caller.service.url}/schema/openapi.json", "--warnings=off", f"--seed={SEED}",
        "--no-color", f"--exclude-checks={unseen}", "--report=ndjson", f"--report-ndjson-path={report}", *options,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Traceback" not in caller.service.log()
    links = re.search(r"API Links: +(\d+) covered", done.stdout)
    found = re.search(r"(\d+) generated", done.stdout)
    assert found, done.stdout
    return Told(int(found.group(1)), int(links.group(1)) if links else 0, frozenset(_answered(report)))


def _known(ids: Mapping[str, str]) -> Iterator[str]:
    for name, value in ids.items():
        yield f'[dictionaries.{name}]\nvalues = ["{value}"]\n'
    yield "[parameters]\n"
    for name in ids:
        yield f'"path.{name}" = {{ dictionary = "{name}", probability = {KNOWN_SHARE} }}\n'


def _answered(report: Path) -> Iterator[str]:
    """Operations that a request of the run got a 2xx from."""
    for line in report.read_text().splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for key, interaction in recorder.get("interactions", {}).items():
            if (interaction.get("response") or {}).get("status_code", 0) // 100 == 2:
                asked = recorder["cases"][key]["value"]
                yield f"{asked['method']} {asked['path']}"
