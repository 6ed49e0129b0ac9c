"""The other side of a token: a request to the vault is believed to come from whoever the token names.

Whether the token is recorded, not revoked, and of nobody suspended is not decided here: the database does that, at every
act, by the token's secret id.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from vault.errors import Unauthenticated
from vault.oauth.dpop import NonceNeeded, ProofRefused, require_proof
from vault.oauth.jose import ALGORITHMS
from vault.oauth.server import OAuthParts
from vault.oauth.tokens import AccessToken, TokenVerifier


class ResourceGuard:
    """Reads the Authorization and DPoP headers of a request."""

    def __init__(self, parts: OAuthParts) -> None:
        self._parts = parts
        self._verifier = TokenVerifier(parts.keys, parts.issuer)

    async def authenticate(
        self, authorization: str | None, method: str, path: str, dpop_proofs: Sequence[str] = ()
    ) -> AccessToken:
        """The verified token of one request; its DPoP proof, where it needs one, is verified and burnt.

        Shapes: ``path`` as it was sent, percent-encoding included, without the query. Raises: Unauthenticated (see
        :func:`challenge_headers`), DatabaseUnavailable. Source: RFC 6750 §2.1, RFC 9449 §7.
        """
        scheme, _, jwt = (authorization or "").partition(" ")
        if scheme.lower() not in ("bearer", "dpop") or not jwt:
            raise Unauthenticated("the request needs an access token in its Authorization header")
        now = self._parts.clock()
        token = self._verifier.verify_access_token(jwt, now)
        if scheme.lower() == "bearer":
            # RFC 9449 §7.2: a bound token is worth nothing without its proof, whatever scheme it is sent under.
            if token.jkt is not None:
                raise ProofRefused("this access token is bound to a key; send it as DPoP, with a proof")
            return token
        proof = require_proof(
            token, jwt, method, self._parts.url(path), dpop_proofs, now=now, nonces=self._parts.nonces
        )
        if not await self._parts.register.burn("dpop", proof.replay_digest, proof.kept_until):
            raise ProofRefused("the jti of the DPoP proof was used before")
        return msgspec.structs.replace(token, next_nonce=proof.next_nonce)


def challenge_headers(error: Unauthenticated, authorization: str | None) -> dict[str, str]:
    """The headers of the 401 answer to a request with that Authorization header.

    Who sent no token is told both schemes and no error. Source: RFC 6750 §3 and §3.1, RFC 9449 §7.1, §7.2 and §9.
    """
    algorithms = f'algs="{" ".join(ALGORITHMS)}"'
    if isinstance(error, ProofRefused):
        headers = {"WWW-Authenticate": f'DPoP error="{error.code.replace("-", "_")}", {algorithms}'}
        return headers | ({"DPoP-Nonce": error.nonce} if isinstance(error, NonceNeeded) else {})
    scheme = (authorization or "").partition(" ")[0].lower()
    if scheme == "dpop":
        return {"WWW-Authenticate": f'DPoP error="invalid_token", {algorithms}'}
    if scheme == "bearer":
        return {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return {"WWW-Authenticate": f'Bearer realm="vault", DPoP {algorithms}'}
