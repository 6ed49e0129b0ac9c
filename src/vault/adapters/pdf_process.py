"""Takes PDFs apart in a process of its own, with bounded memory and time: what people file is not to be trusted.

Plaintext passes through pipes only; the process holds no key, opens no file and reaches no network.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import struct
import sys
from collections.abc import Sequence

import msgspec

from vault.errors import InvalidInput, Unavailable
from vault.formats.withheld_pdf import Marking, withhold_pages

MEMORY_BYTES = 1536 * 1024 * 1024
CPU_S = 60
WAIT_S = 120.0
AT_ONCE = 2

_REFUSED = b"\x00"
_MADE = b"\x01"


class _Order(msgspec.Struct, frozen=True):
    pages: list[int]
    marking: Marking
    language: str


class _Fault(msgspec.Struct, frozen=True):
    detail: str
    field: str | None
    code: str


class PdfProcess:
    """ports.PageWithholder; at most ``AT_ONCE`` at once, the others wait."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def withhold(self, content: bytes, pages: Sequence[int], marking: Marking, language: str) -> bytes:
        order = msgspec.json.encode(_Order(list(pages), marking, language))
        async with self._turn:
            answer = await _run(struct.pack(">I", len(order)) + order + content)
        if answer[:1] == _MADE:
            return answer[1:]
        fault = msgspec.json.decode(answer[1:], type=_Fault)
        raise InvalidInput(fault.detail, field=fault.field, code=fault.code)


async def _run(given: bytes) -> bytes:
    """The answer of a fresh process; one that takes too much or too long is ended. Raises: InvalidInput, Unavailable."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        env={"PYTHONPATH": ":".join(p for p in sys.path if p)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        answer, _ = await asyncio.wait_for(process.communicate(given), WAIT_S)
    except TimeoutError:
        raise Unavailable("the file took too long to take apart; withhold it as a whole") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if answer[:1] not in (_MADE, _REFUSED):
        detail = "the file takes too much to take apart; withhold it as a whole"
        raise InvalidInput(detail, field="pages", code="not-a-pdf")
    return answer


def main() -> None:
    """The process: an order and a PDF on standard input, a copy or a refusal on standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    given = sys.stdin.buffer.read()
    (length,) = struct.unpack(">I", given[:4])
    order = msgspec.json.decode(given[4 : 4 + length], type=_Order)
    try:
        copy = withhold_pages(given[4 + length :], order.pages, order.marking, language=order.language)
    except InvalidInput as wrong:
        fault = _Fault(wrong.detail, wrong.field, wrong.narrow)
        sys.stdout.buffer.write(_REFUSED + msgspec.json.encode(fault))
    else:
        sys.stdout.buffer.write(_MADE + copy)


if __name__ == "__main__":
    main()
