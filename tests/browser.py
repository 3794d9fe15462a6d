"""A headless Chromium, driven through its DevTools protocol as far as the tests need it."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from websocket import create_connection

EXECUTABLES = ("chromium", "chromium-browser", "google-chrome", "chrome")
TIMEOUT_SECONDS = 60.0  # a busy machine draws a page in less
POLL_INTERVAL_SECONDS = 0.05


def find_chromium() -> str | None:
    """Return the path of a Chromium on this machine, or None if there is none."""
    return next(filter(None, map(shutil.which, EXECUTABLES)), None)


class Browser:
    """One page of a browser, with the errors and warnings of its console.

    Args:
        profile: An empty folder for the browser's own files.
        width: The width of the window, in pixels; below 600, it is that of a phone.
        height: The height of the window, in pixels.
        dark: Whether the page is told that the user prefers dark colours.
    """

    def __init__(self, profile: Path, width: int, height: int = 900, *, dark: bool = False):
        port_file = profile / "DevToolsActivePort"
        flags = (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        )
        self.process = subprocess.Popen(
            [find_chromium(), *flags, "--remote-debugging-port=0", f"--user-data-dir={profile}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: port_file.is_file() and "\n" in port_file.read_text())
        port, address = port_file.read_text().splitlines()[:2]
        self.socket = create_connection(
            f"ws://127.0.0.1:{port}{address}", suppress_origin=True, timeout=TIMEOUT_SECONDS
        )
        self.session, self.sent, self.console_errors = None, 0, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[theme])

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
        self.process.terminate()
        try:
            self.process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(TIMEOUT_SECONDS)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; note errors that the page reports meanwhile."""
        self.sent += 1
        message = {"id": self.sent, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while (answer := json.loads(self.socket.recv())).get("id") != self.sent:
            self._note(answer)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{method}: no answer in {TIMEOUT_SECONDS:.0f} s")
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event["method"] == "Runtime.exceptionThrown":
            self.console_errors.append(str(params["exceptionDetails"]))
        if event["method"] == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.console_errors.append(str(params["args"]))
        if event["method"] == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.console_errors.append(params["entry"]["text"])

    def open(self, path: Path) -> None:
        """Open a file and wait until its scripts have run."""
        self.call("Page.navigate", url=path.resolve().as_uri())
        wait_until(lambda: self.evaluate("document.readyState") == "complete")

    def evaluate(self, script: str) -> Any:
        """Run a script in the page and return its value."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def resize(self, width: int, height: int) -> None:
        """Show the page at a size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def hover(self, x: float, y: float) -> None:
        """Move the mouse to a place of the window."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press(self, key: str) -> None:
        """Press a key where the focus is."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def screenshot(self, path: Path) -> None:
        """Write a picture of the whole page."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


def wait_until(condition: Callable[[], Any]) -> None:
    """Wait until a condition is true; raise TimeoutError if it stays false."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the condition was not true within {TIMEOUT_SECONDS:.0f} s")
        time.sleep(POLL_INTERVAL_SECONDS)
