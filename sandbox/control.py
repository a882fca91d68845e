"""How the command line reaches a running sandbox: a small JSON server on loopback, and a file that says where it is."""

import json
import os
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

#: Names the control server of one sandbox; set in its env file, else the file below says where the last one runs.
URL_VARIABLE = "NLBTLS_SANDBOX_URL"
_WHERE = "running.json"

Json = Mapping[str, Any]
Verb = Callable[[Json], Json]


class NotRunningError(RuntimeError):
    """There is no sandbox to talk to."""


class RefusedError(RuntimeError):
    """The running sandbox says no; the text says why."""


class ControlServer:
    """Serves verbs: POST /<verb> with a JSON object, answered with one. ValueError becomes its sentence."""

    def __init__(self, verbs: Mapping[str, Verb]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                status, answer = _answer(verbs, self.path, self.headers.get("Content-Type", ""), body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="control", daemon=True).start()

    def stop(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()


def _answer(verbs: Mapping[str, Verb], path: str, content_type: str, body: bytes) -> tuple[int, Json]:
    verb = verbs.get(path.removeprefix("/"))
    if verb is None:
        return 404, {"sentence": f"There is no {path}."}
    if content_type != "application/json":  # a foreign web page can send forms, not JSON
        return 415, {"sentence": "Send JSON."}
    try:
        return 200, verb(json.loads(body or b"{}"))
    except (ValueError, KeyError) as error:
        return 400, {"sentence": str(error)}


def say_where(directory: Path, url: str) -> None:
    """Leave word where the sandbox that was started last can be reached."""
    directory.mkdir(parents=True, exist_ok=True)
    written = directory / f".{os.getpid()}.{_WHERE}"
    written.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    written.replace(directory / _WHERE)


def forget_where(directory: Path) -> None:
    """Take the word back, if it is still about this process."""
    file = directory / _WHERE
    if file.exists() and json.loads(file.read_text()).get("pid") == os.getpid():
        file.unlink()


def call(directory: Path, verb: str, **arguments: Any) -> dict[str, Any]:
    """Ask the running sandbox. Raises NotRunningError or RefusedError."""
    url = os.environ.get(URL_VARIABLE, "")
    if not url:
        file = directory / _WHERE
        if not file.exists():
            raise NotRunningError("No sandbox is running here; start one with: python -m sandbox")
        url = json.loads(file.read_text())["url"]
    request = Request(f"{url}/{verb}", json.dumps(arguments).encode(), {"Content-Type": "application/json"})  # noqa: S310 - our own loopback address
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except HTTPError as error:
        raise RefusedError(json.load(error)["sentence"]) from None
    except URLError:
        raise NotRunningError(f"The sandbox at {url} does not answer; is it still running?") from None
