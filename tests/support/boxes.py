"""Where a service under test keeps its objects: a directory or a bucket, and how a test meddles with it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from tests.support.rgw import Account, Gateway


class Box(Protocol):
    """A store from outside, with all rights over it."""

    url: str
    settings: dict[str, str]

    def names(self) -> set[str]:
        """Every object's name, and every unfinished one's that can be seen."""

    def read(self, name: str) -> bytes: ...

    def write(self, name: str, content: bytes) -> None: ...

    def delete(self, name: str) -> None: ...

    def away(self) -> AbstractContextManager[None]:
        """A context in which the store does not answer."""


class DirectoryBox:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"file://{path}"
        self.settings: dict[str, str] = {}

    def names(self) -> set[str]:
        return {path.name for path in self.path.rglob("*") if path.is_file()}

    def read(self, name: str) -> bytes:
        return self._file(name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        self._file(name).write_bytes(content)

    def delete(self, name: str) -> None:
        self._file(name).unlink()

    @contextmanager
    def away(self) -> Iterator[None]:
        aside = self.path.with_name("away")
        self.path.rename(aside)
        self.path.write_text("no directory")  # also root, who may enter everything, finds no objects here
        try:
            yield
        finally:
            self.path.unlink()
            aside.rename(self.path)

    def _file(self, name: str) -> Path:
        return self.path / name[:2] / name


class BucketBox:
    def __init__(self, gateway: Gateway, endpoint: str | None = None) -> None:
        """The service reaches it at ``endpoint``, which may be a proxy's; a test always directly."""
        self._gateway = gateway
        self.name = self._bucket = gateway.bucket()
        self._client = gateway.client()
        self.url = f"s3://{self._bucket}?endpoint={endpoint or gateway.endpoint}"
        self.settings = {
            "VAULT_STORE_ACCESS_KEY": gateway.owner.access_key,
            "VAULT_STORE_SECRET_KEY": gateway.owner.secret_key,
        }

    def seen_by(self, account: Account) -> None:
        """Look into it as this account: what an account put, its bucket's owner may not read."""
        self._client = self._gateway.client(account)

    def names(self) -> set[str]:
        # The library's own listing of unfinished uploads; it has no public one.
        unfinished = self._client._list_multipart_uploads(self._bucket).uploads
        stored = self._client.list_objects(self._bucket, recursive=True)
        return {str(one.object_name) for one in stored} | {f"{one.object_name} unfinished" for one in unfinished}

    def read(self, name: str) -> bytes:
        answer = self._client.get_object(self._bucket, name)
        try:
            return bytes(answer.read())
        finally:
            answer.close()
            answer.release_conn()

    def write(self, name: str, content: bytes) -> None:
        self._client.put_object(self._bucket, name, io.BytesIO(content), len(content))

    def delete(self, name: str) -> None:
        self._client.remove_object(self._bucket, name)

    @contextmanager
    def away(self) -> Iterator[None]:
        self._gateway.kill()
        try:
            yield
        finally:
            self._gateway.restart()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Connections stand, and nothing is said on them."""
        self._gateway.pause()
        try:
            yield
        finally:
            self._gateway.resume()


@contextmanager
def boxed(kind: str, folder: Path) -> Iterator[Box]:
    """A store of that kind, ``directory`` or ``bucket``, gone with the context."""
    if kind == "directory":
        yield DirectoryBox(folder / "objects")
        return
    gateway = Gateway()
    try:
        yield BucketBox(gateway)
    finally:
        gateway.stop()
