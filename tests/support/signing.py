"""Keys of every kind that may sign, and some that may not; compact JWS by them, right or wrong in any way that a test wants."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, OKPKey, RSAKey

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
ED, OTHER_ED = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
P256, P384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
RSA = rsa.generate_private_key(65537, 2048)
SHORT_RSA = rsa.generate_private_key(65537, 1024)


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _number(value: int, size: int | None = None) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def public_jwk(key: PrivateKey, **more: Any) -> dict[str, Any]:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key().public_bytes_raw())} | more
    if isinstance(key, ec.EllipticCurvePrivateKey):
        numbers, size = key.public_key().public_numbers(), (key.key_size + 7) // 8
        return {
            "kty": "EC",
            "crv": f"P-{key.key_size}",
            "x": _number(numbers.x, size),
            "y": _number(numbers.y, size),
        } | more
    public = key.public_key().public_numbers()
    return {"kty": "RSA", "n": _number(public.n), "e": _number(public.e)} | more


def private_jwk(key: PrivateKey, **more: Any) -> dict[str, Any]:
    """The whole key, for whoever signs with it elsewhere."""
    kind = {"OKP": OKPKey, "EC": ECKey, "RSA": RSAKey}[public_jwk(key)["kty"]]
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return kind.import_key(pem).as_dict(private=True) | more


def sign(key: PrivateKey, message: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = (key.key_size + 7) // 8
        r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return key.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def alg_of(key: PrivateKey) -> str:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "EdDSA"
    return "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "PS256"


def jws(key: PrivateKey, claims: Any, header: dict[str, Any]) -> str:
    """A compact JWS; ``claims`` may also be raw bytes, and a header value of None leaves the name out."""
    head = {name: value for name, value in ({"alg": alg_of(key)} | header).items() if value is not None}
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    message = f"{b64(json.dumps(head).encode())}.{b64(body)}"
    return f"{message}.{b64(sign(key, message.encode()))}"
