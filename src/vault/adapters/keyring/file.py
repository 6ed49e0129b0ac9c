"""The keyring as a directory of files: for development, the demo and small installations without an HSM.

    root-<8 hex digits>.key   a root key; older ones stay until nothing is wrapped under them
    current                   the id of the root key that wraps what is made now; a rotation replaces it
    own                       the id of the root key that seals what belongs to no case; it stays
    promise.key               Ed25519, signs the log's promises
    log.key                   Ed25519, signs the log's checkpoints
    issuer-<kid>.key          Ed25519, signs access tokens from the time in its id on; all are published
    sign-in.key               P-256, says who we are to the providers that identify people
    sign-in-open.key          RSA, opens ID tokens that they encrypt to us; both are made by `vault provider key`

Whoever can read the directory can open everything, so a directory or file that others could read is refused.
Only root and signing keys stay in memory; every other key is opened for one call and forgotten.

Source: docs/spec/keys.md; keys/README.md.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from vault.adapters.keyring import files
from vault.errors import InvalidInput, InvariantViolated, KeyringUnavailable, KeyUnopenable
from vault.formats import wrapping
from vault.model import Clearance, KeyKind, WrappedKey

# root, epoch, case, document make four; a longer chain is somebody's forgery or a cycle
_MAX_CHAIN = 8


class FileKeyring:
    """ports.Keyring over a directory; safe for several threads and processes.

    Raises: KeyringUnavailable, naming the file and what to do, when the directory is missing, incomplete or readable
    by others.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = Path(directory)
        self._load()

    def _load(self) -> None:
        self._seen = files.changed_at(self._directory)
        self._contents = files.load(self._directory)

    @classmethod
    def create_new(cls, directory: Path) -> FileKeyring:
        """Make a directory with new keys of every kind, wholly or not at all; refuses one that is not empty."""
        files.create_directory(Path(directory))
        return cls(directory)

    def new_root(self) -> str:
        """Add a root key and make it the current one; returns its id. What it wraps is re-wrapped by ``rewrap``."""
        root_id = files.add_root(self._directory)
        self._load()
        return root_id

    def destroy_root(self, root_id: str) -> bool:
        """Destroy a root key that wraps nothing any more; False for one that is still in use here, which stays."""
        self._load()
        if root_id in {self._contents.current, self._contents.own}:
            return False
        files.destroy_root(self._directory, root_id)
        self._load()
        return True

    def new_issuer_key(self, after: dt.timedelta = dt.timedelta()) -> str:
        """Add a token-signing key, published at once, that signs from so long ahead on; returns its key id.

        The older ones stay published.
        """
        kid = files.add_issuer(self._directory, after)
        self._load()
        return kid

    def end_issuer_key(self, kid: str) -> None:
        """Destroy a token-signing key: what it signed is refused from now on.

        Raises: InvalidInput for the one that signs, or none.
        """
        known = [one for one, _ in self.issuer_keys()]
        if kid not in known:
            raise InvalidInput("the keyring has no token-signing key of this id; see: vault key status")
        if kid == known[0]:
            raise InvalidInput("this key signs now: another must do so first; see: vault key issuer")
        files.destroy_issuer(self._directory, kid)
        self._load()

    def new_lookup_key(self) -> WrappedKey:
        """A new lookup key under the current root, for set-up to install; made without a clearance, since it opens nothing."""
        subject, parent = str(KeyKind.LOOKUP), self.current_root
        root, key = self._root(parent.removeprefix("root:")), secrets.token_bytes(wrapping.KEY_SIZE)
        wrapped = wrapping.wrap_key(root, key, kind=KeyKind.LOOKUP, subject=subject, parent=parent, nonce=_nonce())
        return WrappedKey(kind=KeyKind.LOOKUP, subject=subject, parent=parent, wrapped=wrapped)

    @property
    def current_root(self) -> str:
        """``root:<id>`` of the key that wraps what is made now.

        Another process may have replaced it a moment ago, or destroyed an older one, which is then forgotten here too.
        """
        current = files.current_root(self._directory)
        if current != self._contents.current or files.changed_at(self._directory) != self._seen:
            self._load()
        return f"root:{self._contents.current}"

    @property
    def own_root(self) -> str:
        """The id of the key that seals what belongs to no case."""
        return self._contents.own

    def root_ids(self) -> list[str]:
        """The ids of all root keys held here, sorted."""
        return sorted(self._contents.roots)

    def issuer_keys(self) -> list[tuple[str, Ed25519PrivateKey]]:
        """Key id and key of every token-signing key: the first signs, all are published.

        After it the earlier ones, newest first, then those that will sign later. Another process may have added or ended one a
        moment ago.
        """
        if files.issuer_ids(self._directory) != tuple(kid for kid, _ in self._contents.issuers):
            self._load()
        coming = [one for one in self._contents.issuers if files.signs_from(one[0]) > files.now()]
        signing = [one for one in self._contents.issuers if one not in coming]
        return signing + coming[::-1]

    def sign_in_key(self) -> EllipticCurvePrivateKey:
        """The key by which the providers that identify people know us."""
        key = files.read_sign_in(self._directory)
        if key is None:
            raise KeyringUnavailable("the keyring has no sign-in.key yet; it is made by: vault provider key")
        return key

    def sign_in_open_key(self) -> RSAPrivateKey | None:
        """The key to which providers encrypt ID tokens; None before `vault provider key` made it."""
        return files.read_sign_in_open(self._directory)

    def make_sign_in_key(self) -> EllipticCurvePrivateKey:
        """The same, made now if there is none."""
        files.add_sign_in(self._directory)
        return self.sign_in_key()

    def promise_public(self) -> tuple[str, bytes]:
        """Key id and the 32 raw bytes of the public key that checks the log's promises."""
        kid, key = self._contents.promise
        return kid, key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def create(
        self,
        clearance: Clearance,
        kind: KeyKind,
        subject: str,
        *,
        parent: str | None = None,
        beside: Sequence[WrappedKey] = (),
    ) -> WrappedKey:
        return self._wrap(clearance, secrets.token_bytes(wrapping.KEY_SIZE), kind, subject, parent, beside)

    def document_key(self, clearance: Clearance, document: str, *, beside: Sequence[WrappedKey] = ()) -> bytes:
        return self._open_key(clearance, f"{KeyKind.DOCUMENT}:{document}", beside)

    def export_key(self, clearance: Clearance, export: str, *, beside: Sequence[WrappedKey] = ()) -> bytes:
        return self._open_key(clearance, f"{KeyKind.EXPORT}:{export}", beside)

    def seal(
        self, clearance: Clearance, key: str, context: str, plaintext: bytes, *, beside: Sequence[WrappedKey] = ()
    ) -> bytes:
        return wrapping.seal_field(self._open_key(clearance, key, beside), context, plaintext, nonce=_nonce())

    def open(
        self, clearance: Clearance, key: str, context: str, sealed: bytes, *, beside: Sequence[WrappedKey] = ()
    ) -> bytes:
        return wrapping.open_field(self._open_key(clearance, key, beside), context, sealed)

    def seal_own(self, context: str, plaintext: bytes) -> bytes:
        own = self._contents.own
        key = self._contents.roots[own]
        return wrapping.seal_own_field(key, bytes.fromhex(own), context, plaintext, nonce=_nonce())

    def open_own(self, context: str, sealed: bytes) -> bytes:
        return wrapping.open_own_field(self._root(wrapping.root_id_of(sealed).hex()), context, sealed)

    def lookup(self, clearance: Clearance, label: str, text: str) -> bytes:
        if "|" in label:
            raise InvariantViolated("no label holds a bar")
        mac = HMAC(self._open_key(clearance, f"{KeyKind.LOOKUP}:lookup", ()), SHA256())
        mac.update(f"vault/lookup/v1|{label}|{text}".encode())
        return mac.finalize()

    def rewrap(
        self, clearance: Clearance, key: WrappedKey, *, parent: str | None = None, beside: Sequence[WrappedKey] = ()
    ) -> WrappedKey:
        opened = self._unwrap(key, self._known(clearance, beside), _MAX_CHAIN)
        return self._wrap(clearance, opened, key.kind, key.subject, parent, beside)

    def own_mac(self, label: str, data: bytes) -> bytes:
        mac = HMAC(wrapping.own_mac_key(self._root(self._contents.own), label), SHA256())
        mac.update(data)
        return mac.finalize()

    def sign_promise(self, message: bytes) -> tuple[str, bytes]:
        kid, key = self._contents.promise
        return kid, key.sign(message)

    def log_public(self) -> bytes:
        """The 32 raw bytes of the public key that checks the log's checkpoints."""
        return self._contents.log.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign_checkpoint(self, message: bytes) -> bytes:
        """Sign a checkpoint's text (Ed25519, 64 bytes); only the sequencer does."""
        return self._contents.log.sign(message)

    def _wrap(
        self,
        clearance: Clearance,
        key: bytes,
        kind: KeyKind,
        subject: str,
        parent: str | None,
        beside: Sequence[WrappedKey],
    ) -> WrappedKey:
        under = parent or self.current_root
        parent_key = self._open_key(clearance, under, beside)
        wrapped = wrapping.wrap_key(parent_key, key, kind=kind, subject=subject, parent=under, nonce=_nonce())
        return WrappedKey(kind=kind, subject=subject, parent=under, wrapped=wrapped)

    def _open_key(self, clearance: Clearance, name: str, beside: Sequence[WrappedKey]) -> bytes:
        return self._open_name(name, self._known(clearance, beside), _MAX_CHAIN)

    def _known(self, clearance: Clearance, beside: Sequence[WrappedKey]) -> dict[str, WrappedKey]:
        """By name, the keys made a moment ago before those that the door gave."""
        return {key.name: key for key in (*clearance.keys, *beside)}

    def _open_name(self, name: str, known: dict[str, WrappedKey], steps: int) -> bytes:
        """Open the named key by walking up to a root key; ``steps`` bounds the walk, so a cycle ends."""
        kind, _, subject = name.partition(":")
        if kind == "root":
            return self._root(subject)
        if name not in known or steps == 0:
            raise KeyUnopenable("a key's chain does not lead to a root key")
        return self._unwrap(known[name], known, steps)

    def _unwrap(self, key: WrappedKey, known: dict[str, WrappedKey], steps: int) -> bytes:
        parent_key = self._open_name(key.parent, known, steps - 1)
        return wrapping.unwrap_key(parent_key, key.wrapped, kind=key.kind, subject=key.subject, parent=key.parent)

    def _root(self, root_id: str) -> bytes:
        """The root key; one that is not known yet may have been added by another process a moment ago."""
        key = self._contents.roots.get(root_id)
        if key is None and files.has_root(self._directory, root_id):
            self._load()
            key = self._contents.roots.get(root_id)
        if key is None:
            raise KeyUnopenable("a key's chain does not lead to a root key")
        return key


def open_keyring(directory: Path) -> FileKeyring:
    """The keyring in that directory, with a plain word when there is none."""
    if not Path(directory).is_dir():
        raise KeyringUnavailable(f"there is no keyring at {directory}; make one with: vault key create")
    return FileKeyring(directory)


def _nonce() -> bytes:
    return secrets.token_bytes(wrapping.NONCE_SIZE)
