"""A headless Chromium for tests: real mouse, fingers and keys over the WebDriver protocol, which is plain HTTP."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_START_S = 30.0
Action = dict[str, Any]


class Browser:
    """One window of Chromium."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, url: str) -> None:
        """Load a page to its end."""
        _call("POST", f"{self._session}/url", {"url": url})

    def run(self, script: str) -> Any:
        """The value that a function body of JavaScript returns."""
        return _call("POST", f"{self._session}/execute/sync", {"script": script, "args": []})

    def screenshot(self, path: Path) -> None:
        """Write what the window shows as PNG."""
        path.write_bytes(base64.b64decode(_call("GET", f"{self._session}/screenshot")))

    def drop(self, *paths: Path) -> None:
        """Let files and folders fall on the middle of the window, as from a desktop."""
        x, y = self.run("return [innerWidth / 2, innerHeight / 2]")
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self._devtools("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def download_to(self, folder: Path) -> None:
        """Where downloads go, without a question."""
        self._devtools("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    @contextmanager
    def another_tab(self, url: str) -> Iterator[None]:
        """Work in a second tab for as long as the context lasts; the first one goes on behind it."""
        first = _call("GET", f"{self._session}/window")
        made = _call("POST", f"{self._session}/window/new", {"type": "tab"})
        _call("POST", f"{self._session}/window", {"handle": made["handle"]})
        try:
            self.open(url)
            yield
        finally:
            _call("DELETE", f"{self._session}/window")
            _call("POST", f"{self._session}/window", {"handle": first})

    def _devtools(self, command: str, **parameters: Any) -> None:
        _call("POST", f"{self._session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def log(self) -> list[str]:
        """What the console said since the last call: errors, blocked requests."""
        return [entry["message"] for entry in _call("POST", f"{self._session}/se/log", {"type": "browser"})]

    def drag(self, start: tuple[float, float], end: tuple[float, float], *, kind: str = "mouse") -> None:
        """Press at a point of the window, move to another, let go; ``kind`` is ``mouse`` or ``touch``."""
        self._act(_pointer(kind, 0, start, end))

    def pinch(self, centre: tuple[float, float], *, start: float, end: float) -> None:
        """Two fingers at a distance from a point, moved to another distance."""
        x, y = centre
        fingers = [_pointer("touch", i, (x + s * start, y), (x + s * end, y)) for i, s in enumerate((-1, 1))]
        self._act(*fingers)

    def wheel(self, point: tuple[float, float], pixels: int) -> None:
        """Turn the wheel over a point."""
        turn = {"type": "scroll", "x": round(point[0]), "y": round(point[1]), "deltaX": 0, "deltaY": pixels}
        self._act({"type": "wheel", "id": "wheel", "actions": [{**turn, "duration": 0}]})

    def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keyboard", "actions": actions})

    def _act(self, *sources: Action) -> None:
        _call("POST", f"{self._session}/actions", {"actions": list(sources)})
        _call("DELETE", f"{self._session}/actions")


@contextmanager
def chromium(profile: Path, *, width: int = 1200, height: int = 900, dark: bool = False) -> Iterator[Browser]:
    """Start Chromium with no network and end it again.

    Args:
        profile: An empty folder for it to live in.
        width: Of the window in pixels.
        height: Of the window.
        dark: Whether the reader's desktop is dark.

    Raises:
        RuntimeError: If Chromium or its driver is not installed.
    """
    driver, binary = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or binary is None:
        raise RuntimeError("Expected chromium and chromedriver: apt-get install chromium chromium-driver.")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
    arguments += [f"--user-data-dir={profile}", f"--window-size={width},{height}", "--proxy-server=127.0.0.1:9"]
    arguments += ["--blink-settings=preferredColorScheme=0"] if dark else []
    options = {"binary": binary, "args": arguments}
    wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
    process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(f"http://127.0.0.1:{port}")
        made = _call("POST", f"http://127.0.0.1:{port}/session", {"capabilities": {"alwaysMatch": wanted}})
        session = f"http://127.0.0.1:{port}/session/{made['sessionId']}"
        try:
            yield Browser(session)
        finally:
            _call("DELETE", session)
    finally:
        process.terminate()
        process.wait()


def _pointer(kind: str, number: int, start: tuple[float, float], end: tuple[float, float]) -> Action:
    """A pointer's way: to a point, down, in four steps to another, up."""
    steps = [tuple(a + (b - a) * step / 4 for a, b in zip(start, end, strict=True)) for step in range(5)]
    moves = [{"type": "pointerMove", "duration": 0, "x": round(x), "y": round(y)} for x, y in steps]
    down, up = {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}
    actions = [moves[0], down, *moves[1:], up]
    return {"type": "pointer", "id": f"{kind}{number}", "parameters": {"pointerType": kind}, "actions": actions}


def _wait(server: str) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            _call("GET", f"{server}/status")
            return
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _call(method: str, url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
    try:
        # Only ever this machine: no proxy that the environment may name.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{method} {url}: {error.read().decode()[:500]}") from error
