"""Of `vault doctor`: whether the keys that sign access tokens are changed in time, and the earlier ones ended.

Source: keys/README.md; NIST SP 800-57 part 1 §5.3 (a key that signs has a period, and an end).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from vault.adapters.keyring.files import now, signs_from
from vault.cli.finding import Finding

CHANGE_AFTER = dt.timedelta(days=90)
TELL_BEFORE = dt.timedelta(days=14)
TOKENS_LAST = dt.timedelta(minutes=5)
END_WITHIN = dt.timedelta(days=1)


def of_issuer_keys(kids: Sequence[str]) -> Iterator[Finding]:
    """Findings about the token-signing keys, as ``FileKeyring.issuer_keys`` orders them."""
    signer, *others = kids
    coming = [kid for kid in others if signs_from(kid) > now()]
    yield _signer(signer, coming)
    for kid in others:
        if kid not in coming:
            yield _earlier(kid, since=signs_from(signer))


def _signer(kid: str, coming: Sequence[str]) -> Finding:
    age, what = now() - max(signs_from(kid), _LONG_AGO), "token-signing key"
    if coming:
        return Finding("ok", what, f"{kid} signs; {coming[0]} takes over at {signs_from(coming[0]):%Y-%m-%d %H:%M} UTC")
    if age > CHANGE_AFTER:
        remedy = "run: vault key issuer; and end this one as it says"
        return Finding("wrong", what, f"{kid} has signed for {age.days} days, longer than {CHANGE_AFTER.days}", remedy)
    if age > CHANGE_AFTER - TELL_BEFORE:
        left = (CHANGE_AFTER - age).days
        return Finding("note", what, f"{kid} is to be changed within {left} days, with: vault key issuer")
    return Finding("ok", what, f"{kid} has signed for {age.days} days")


def _earlier(kid: str, *, since: dt.datetime) -> Finding:
    over, what = now() - since, "token-signing key"
    if over > END_WITHIN:
        found = f"the earlier one {kid} still stands {over.days} days after the last token that it signed"
        return Finding("wrong", what, found, f"run: vault key end-issuer {kid}")
    if over > TOKENS_LAST:
        return Finding("note", what, f"the earlier one may be ended now, with: vault key end-issuer {kid}")
    return Finding("note", what, f"the earlier one {kid} stands for five minutes more")


_LONG_AGO = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
