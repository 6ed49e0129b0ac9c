"""The second thread beside a stream: the same pieces in the same order, and the same errors as in one thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from vault.aside import PIECE_SIZE, WAITING, ahead, behind


class Broke(Exception):
    pass


class Collecting:
    """Takes pieces, and breaks when it has had so many bytes."""

    def __init__(self, most: int = 1 << 40) -> None:
        self.content = bytearray()
        self.most = most

    def write(self, piece: bytes) -> None:
        self.content += piece
        if len(self.content) > self.most:
            raise Broke("the sink")


def numbered(count: int, size: int = 100_000) -> Iterator[bytes]:
    for number in range(count):
        yield number.to_bytes(4, "big") * (size // 4)


def breaking(after: int) -> Iterator[bytes]:
    yield from numbered(after)
    raise Broke("the source")


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread for thread in threading.enumerate() if thread.name == "aside"] == []


@pytest.mark.parametrize("count", [0, 1, WAITING, 50])
def test_pieces_come_in_order_to_their_end(count: int) -> None:
    with ahead(numbered(count)) as pieces:
        assert list(pieces) == list(numbered(count))


def test_it_runs_ahead_by_a_few_pieces_only() -> None:
    made = 0
    enough = threading.Event()

    def making() -> Iterator[bytes]:
        nonlocal made
        for piece in numbered(1000, 8):
            made += 1
            if made == WAITING + 1:
                enough.set()
            yield piece

    with ahead(making()) as pieces:
        assert enough.wait(10)
        next(pieces)
        assert WAITING < made <= WAITING + 2


@pytest.mark.parametrize("after", [0, 3, 30])
def test_what_the_source_raises_comes_after_its_pieces(after: int) -> None:
    taken = []
    with ahead(breaking(after)) as pieces, pytest.raises(Broke, match="the source"):
        taken.extend(pieces)
    # `extend` keeps what came before the error.
    assert taken == list(numbered(after))


@pytest.mark.parametrize("source", [numbered(1000), breaking(1000)])
def test_whoever_leaves_early_ends_the_thread(source: Iterator[bytes]) -> None:
    with pytest.raises(Broke, match="the taker"), ahead(source) as pieces:
        next(pieces)
        raise Broke("the taker")


@pytest.mark.parametrize("size", [0, 1, PIECE_SIZE - 1, PIECE_SIZE, 10 * PIECE_SIZE + 7])
def test_a_sink_gets_all_of_it(size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    sink = Collecting()
    with behind(sink) as writer:
        for start in range(0, size, 8192):
            writer.write(content[start : min(start + 8192, size)])
    assert bytes(sink.content) == content[:size]


@pytest.mark.parametrize("pieces", [1, 300])
def test_what_the_sink_raises_is_raised(pieces: int) -> None:
    with pytest.raises(Broke, match="the sink"), behind(Collecting(most=10)) as writer:
        for piece in numbered(pieces):
            writer.write(piece)


def test_the_earlier_error_is_told() -> None:
    """In one thread the sink would have failed before the writer came to its own error."""
    with pytest.raises(Broke, match="the sink"), behind(Collecting(most=10)) as writer:
        writer.write(b"x" * 100)
        raise Broke("the writer")


def test_the_writers_own_error_is_told_when_the_sink_was_content() -> None:
    sink = Collecting()
    with pytest.raises(Broke, match="the writer"), behind(sink) as writer:
        writer.write(b"x" * 100)
        raise Broke("the writer")
    assert len(sink.content) == 100
