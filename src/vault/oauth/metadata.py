"""What the authorization server says of itself (RFC 8414)."""

from __future__ import annotations

from vault.oauth.jose import ALGORITHMS
from vault.oauth.server import CLIENT_CREDENTIALS, JWT_BEARER, REVOKE_PATH, TOKEN_PATH, OAuthParts

METADATA_PATH, JWKS_PATH = "/.well-known/oauth-authorization-server", "/oauth/jwks"


def server_metadata(parts: OAuthParts) -> dict[str, object]:
    """The metadata document. Source: RFC 8414 §2, RFC 9449 §5.1."""
    methods, algorithms = ["private_key_jwt"], list(ALGORITHMS)
    return {
        "issuer": parts.issuer,
        "token_endpoint": parts.url(TOKEN_PATH),
        "revocation_endpoint": parts.url(REVOKE_PATH),
        "jwks_uri": parts.url(JWKS_PATH),
        "grant_types_supported": [CLIENT_CREDENTIALS, JWT_BEARER],
        "response_types_supported": [],  # required by RFC 8414; there is no authorization endpoint
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "dpop_signing_alg_values_supported": algorithms,
    }
