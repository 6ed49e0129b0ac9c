"""Key sets that applications publish: fetched seldom, and never in the way of anybody else."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import httpx
import pytest

from tests.support.signing import ED, public_jwk
from vault.oauth.remote_keys import AGAIN_S, FRESH_S, HttpRemoteKeys

URL = "https://kela.example/jwks"
KEY = public_jwk(ED, kid="one")


class Site:
    """A key server whose answer can be changed; counts how often it was asked."""

    def __init__(self) -> None:
        self.now, self.asked = 1000.0, 0
        self.answer: Callable[[], httpx.Response] = lambda: httpx.Response(200, json={"keys": [KEY]})
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._serve))
        self.remote = HttpRemoteKeys(http, lambda: self.now)

    def _serve(self, _: httpx.Request) -> httpx.Response:
        self.asked += 1
        return self.answer()

    def fail(self) -> httpx.Response:
        raise httpx.ConnectError("down")


async def test_keys_are_fetched_once_and_kept() -> None:
    site = Site()
    for _ in range(5):
        assert await site.remote.keys(URL, "one") == (KEY,)
    assert site.asked == 1
    site.now += FRESH_S
    await site.remote.keys(URL, "one")
    assert site.asked == 2


async def test_an_unknown_kid_fetches_again_but_not_at_every_try() -> None:
    site = Site()
    for _ in range(5):
        await site.remote.keys(URL, "two")
    assert site.asked == 1
    site.now += AGAIN_S
    for _ in range(5):
        await site.remote.keys(URL, "two")
    assert site.asked == 2


async def test_a_key_set_that_changes_is_followed() -> None:
    site, new = Site(), public_jwk(ED, kid="two")
    assert await site.remote.keys(URL, "one") == (KEY,)
    site.answer = lambda: httpx.Response(200, json={"keys": [KEY, new]})
    site.now += AGAIN_S
    assert await site.remote.keys(URL, "two") == (KEY, new)
    site.answer = lambda: httpx.Response(200, json={"keys": [new]})
    site.now += FRESH_S - 1
    assert await site.remote.keys(URL, "one") == (KEY, new)
    site.now += 1
    assert await site.remote.keys(URL, "one") == (new,), "what is no longer published has ended within five minutes"


async def test_known_keys_outlast_one_failure_and_no_more() -> None:
    site = Site()
    await site.remote.keys(URL, "one")
    site.answer = site.fail
    site.now += FRESH_S
    assert await site.remote.keys(URL, "one") == (KEY,)
    site.now += AGAIN_S
    assert await site.remote.keys(URL, "one") == ()


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404), httpx.Response(302, headers={"Location": "https://x.example"}), httpx.Response(200, text="no"),
        httpx.Response(200, json=[]), httpx.Response(200, json={"keys": {}}), httpx.Response(200, json={"keys": [KEY] * 21}),
        httpx.Response(200, content=b" " * 70000),
        httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(b'{"keys": []}' + b" " * 10**6)),
    ],
)  # fmt: skip
async def test_what_is_no_key_set_gives_no_keys(answer: httpx.Response) -> None:
    site = Site()
    site.answer = lambda: answer
    assert await site.remote.keys(URL, "one") == ()


async def test_nothing_is_asked_over_plain_http_but_on_this_machine() -> None:
    site = Site()
    for url in ("http://kela.example/jwks", "http://127.0.0.1.example/jwks", "ftp://127.0.0.1/jwks", "https:///jwks"):
        assert await site.remote.keys(url, "one") == ()
    assert site.asked == 0
    assert await site.remote.keys("http://127.0.0.1/jwks", "one") == (KEY,)
