"""Two answers for whoever supervises the process: /livez (it runs) and /readyz (people can reach it)."""

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def serve(address: tuple[str, int], ready: Callable[[], bool]) -> ThreadingHTTPServer:
    """Serve in a thread on host and port. Raises OSError if the address cannot be had."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # seconds for whoever connects and says nothing

        def do_GET(self) -> None:
            known = {"/livez": lambda: True, "/readyz": ready}
            check = known.get(self.path.partition("?")[0])
            status = 404 if check is None else 200 if check() else 503
            body = {200: b"ok\n", 404: b"not found\n", 503: b"not ready\n"}[status]
            self.send_response(status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            """Health checks are not news."""

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET

    server = Server(address, Handler)
    threading.Thread(target=server.serve_forever, args=(0.1,), name="http", daemon=True).start()
    return server
