"""A web server where an agency publishes its keys, well or badly."""

from __future__ import annotations

import gzip
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes]


class KeySite:
    """Publishes ``keys`` at ``/keys`` (they may be changed) and fails in a way of its own at every other path."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)
        self.asked: Counter[str] = Counter()
        self.hurry = threading.Event()
        """Set: what is slow answers at once."""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked[self.path] += 1
                status, headers, body = site._answer(self.path)
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """Whoever asked went away: that is what the tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def close(self) -> None:
        self.hurry.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def _answer(self, path: str) -> Answer:
        good = json.dumps({"keys": self.keys}).encode()
        bad: dict[str, Callable[[], Answer]] = {
            "/redirects": lambda: (302, {"Location": self.url("/keys")}, b""),
            "/large": lambda: (200, {}, good[:-1] + b', "more": "' + b"m" * 70_000 + b'"}'),
            "/packed": lambda: (200, {"Content-Encoding": "gzip"}, gzip.compress(good)),
            "/text": lambda: (200, {}, b"<html>our keys have moved</html>"),
            "/error": lambda: (500, {}, good),
        }
        if path == "/slow":
            self.hurry.wait(20)
        return bad.get(path, lambda: (200, {"Content-Type": "application/jwk-set+json"}, good))()


@contextmanager
def key_site(*keys: dict[str, Any]) -> Iterator[KeySite]:
    site = KeySite(*keys)
    try:
        yield site
    finally:
        site.close()
