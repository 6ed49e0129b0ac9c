"""A second thread beside the one that works: it makes pieces ahead of it, or takes them in behind it, in order and a few at a time.

Hashing, reading and opening let other threads run meanwhile, so that a stream that is hashed and encrypted uses two
processors. Leaving waits for the thread, whatever happened; what came of the stream is the same as in one thread.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

WAITING: Final = 4
PIECE_SIZE: Final = 1024 * 1024


class Sink(Protocol):
    def write(self, piece: bytes, /) -> object: ...


@contextmanager
def ahead(pieces: Iterable[bytes]) -> Iterator[Iterator[bytes]]:
    """The same pieces, made in a thread, at most a few ahead of whoever takes them.

    Raises, where the piece would come that could not be made: what ``pieces`` raised.
    """
    waiting: queue.Queue[bytes | None] = queue.Queue(WAITING)
    left = threading.Event()
    failures: list[BaseException] = []

    def make() -> None:
        for piece in pieces:
            waiting.put(piece)
            if left.is_set():
                return

    def taken() -> Iterator[bytes]:
        while (piece := waiting.get()) is not None:
            yield piece
        if failures:
            raise failures[0]

    thread = _start(make, failures, lambda: waiting.put(None))
    try:
        yield taken()
    finally:
        left.set()
        while thread.is_alive():  # it may wait for room, once for a piece and once for the end
            _drain(waiting)
            thread.join(0.01)


@contextmanager
def behind(sink: Sink) -> Iterator[Sink]:
    """A sink that hands on what it is given, in pieces of a mebibyte and in a thread, to ``sink``.

    Raises, at a later write or on leaving: what ``sink`` raised, also where something failed meanwhile that came after it.
    """
    writer = _Behind(sink)
    try:
        yield writer
    finally:
        writer.close()


class _Behind:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._waiting: queue.Queue[bytes | None] = queue.Queue(WAITING)
        self._gathered = bytearray()
        self._failures: list[BaseException] = []
        self._thread = _start(self._take, self._failures, self._drop)

    def write(self, piece: bytes, /) -> None:
        if self._failures:
            raise self._failures[0]
        self._gathered += piece
        if len(self._gathered) >= PIECE_SIZE:
            self._hand_on()

    def close(self) -> None:
        self._hand_on()
        self._waiting.put(None)
        self._thread.join()
        if self._failures:
            raise self._failures[0]

    def _hand_on(self) -> None:
        self._waiting.put(bytes(self._gathered))
        self._gathered.clear()

    def _take(self) -> None:
        while (piece := self._waiting.get()) is not None:
            self._sink.write(piece)

    def _drop(self) -> None:
        """After a failure: whoever hands on must not wait for room for ever."""
        while self._failures and self._waiting.get() is not None:
            pass


def _start(work: Callable[[], None], failures: list[BaseException], at_end: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised again in the other thread, whatever it was
            failures.append(error)
        at_end()

    thread = threading.Thread(target=run, name="aside", daemon=True)
    thread.start()
    return thread


def _drain(waiting: queue.Queue[bytes | None]) -> None:
    try:
        while True:
            waiting.get_nowait()
    except queue.Empty:
        return
