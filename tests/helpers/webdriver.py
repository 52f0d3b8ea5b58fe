"""Drives Chromium by chromedriver (W3C WebDriver over HTTP on 127.0.0.1), with real keys and the browser's own logs."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

DRIVER = shutil.which("chromedriver")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Space": "\ue00d", "ArrowDown": "\ue015", "PageDown": "\ue00f"}
_SECONDS = 120
_TRIES = 3


class Browser:
    """A browser window, used as a context manager; ``folder`` has its profile."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options = folder, options

    def __enter__(self) -> Self:
        assert DRIVER is not None
        self.log = (self.folder / "chromedriver.log").open("wb")
        try:
            self.base = f"http://127.0.0.1:{self._started()}"
            self.session = self._new_session()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._ask("DELETE", "")
        finally:
            self._end()

    def _end(self) -> None:
        self._stop()
        self.log.close()

    def _stop(self) -> None:
        self.driver.terminate()
        self.driver.wait(_SECONDS)
        if self.driver.stdout:
            self.driver.stdout.close()

    def _started(self) -> int:
        """The port of a chromedriver: any free one, which another program may take before chromedriver does."""
        for _ in range(_TRIES):
            self.driver = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=self.log, text=True)
            for line in self.driver.stdout or ():
                if "started successfully on port" in line:
                    return int(line.rstrip(".\n ").rpartition(" ")[2])
            self._stop()
        raise AssertionError("chromedriver did not start")

    def _new_session(self) -> str:
        root = ["--no-sandbox"] if os.getuid() == 0 else []
        own = ["--headless=new", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking"]
        arguments = [*own, *root, f"--user-data-dir={self.folder / 'profile'}", *self.options]
        wanted = {
            "goog:chromeOptions": {"binary": BROWSER, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        asked = {"capabilities": {"alwaysMatch": wanted}}
        return str(self._send("POST", f"{self.base}/session", asked)["sessionId"])

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        return self._send(method, f"{self.base}/session/{self.session}{path}", body)

    def _send(self, method: str, address: str, body: object) -> Any:
        data = json.dumps({} if body is None else body).encode() if method == "POST" else None
        head = {"Content-Type": "application/json"}
        request = urllib.request.Request(address, data, head, method=method)  # noqa: S310 - chromedriver's address
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=_SECONDS) as answer:
            return json.load(answer)["value"]

    def open(self, address: str) -> None:
        """Load ``address``, and wait until the page says that it is drawn."""
        self._ask("POST", "/url", {"url": "about:blank"})
        self._ask("POST", "/url", {"url": address})
        self.wait("return document.documentElement.dataset.ready !== undefined")

    def size(self, width: int, height: int = 900) -> None:
        """Make the page ``width`` pixels wide, which a window of a phone's width is not."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)

    def media(self, media: str = "", scheme: str = "light") -> None:
        """Show the page as on ``media`` (``print``), for those who prefer the colours ``scheme``."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.devtools("Emulation.setEmulatedMedia", {"media": media, "features": features})

    def devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        """The answer to a command of the DevTools protocol."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def run(self, script: str, *arguments: object) -> Any:
        """What the body of a function returns in the page."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": arguments})

    def run_later(self, script: str, *arguments: object) -> Any:
        """What the body of a function gives to its last argument, a function."""
        return self._ask("POST", "/execute/async", {"script": script, "args": arguments})

    def wait(self, script: str) -> None:
        """Wait until the body of a function returns something that is true."""
        deadline = time.monotonic() + _SECONDS
        while not self.run(script):
            assert time.monotonic() < deadline, script
            time.sleep(0.05)

    def press(self, *keys: str) -> None:
        """Press and release each key, as a person does; a name of :data:`KEYS`, or a character."""
        actions = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def console(self) -> list[str]:
        """What the browser logged since the last call: errors, warnings, and violations of the page's policy."""
        return [one["message"] for one in self._ask("POST", "/se/log", {"type": "browser"})]

    def requests(self) -> list[str]:
        """The addresses that were asked since the last call."""
        events = [
            json.loads(one["message"])["message"] for one in self._ask("POST", "/se/log", {"type": "performance"})
        ]
        sent = [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]
        return [one for one in sent if not one.startswith("data:")]

    def screenshot(self) -> bytes:
        """The window as PNG."""
        return base64.b64decode(self._ask("GET", "/screenshot"))
