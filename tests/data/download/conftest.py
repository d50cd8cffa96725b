"""A site to download from."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.data.download.site import Site


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server of one zip with three photos; attempts follow each other at once."""
    monkeypatch.setattr("srgan.data.download.transfer._PAUSE", 0.0)
    monkeypatch.setattr("srgan.data.download.transfer._TIMEOUT", 10.0)
    monkeypatch.setattr("srgan.data.download.transfer._CHUNK", 1000)
    page = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page.answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        page.url = f"http://127.0.0.1:{server.server_port}/photos/set.zip?download=1"
        yield page
        server.shutdown()
        thread.join()
