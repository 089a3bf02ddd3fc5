"""The Hub behind HTTP on loopback."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR, socket
from threading import Lock, Thread
from urllib.parse import parse_qs, unquote, urlsplit
from weakref import WeakSet

from hub_server.hub import Hub
from hub_server.messages import Answer, Refusal, Request
from hub_server.routes import find_route

_CLIENT_SETTINGS = ("HF_", "HUGGING", "TRANSFORMERS_")


@dataclass
class HubServer(Hub):
    """A Hub that serves, and the requests that were made as ``"METHOD path"``."""

    requests: list[str] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator["HubServer"]:
        """Serves on a free port of 127.0.0.1 until the block ends."""
        handler = type("Handler", (_Handler,), {"hub": self, "one_at_a_time": Lock()})
        with _Server(handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}"
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def client_environment(self, home: Path, token: str = "") -> dict[str, str]:
        """The environment of a new process whose clients come here, with their caches under ``home``."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_CLIENT_SETTINGS)}
        return inherited | {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_TOKEN": token,
            "HF_HUB_DISABLE_XET": "1",  # the clients upload by it unless told not to
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }


class _Server(ThreadingHTTPServer):
    """Ends its connections with itself: a client that keeps one would be served on after the end."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._connections: WeakSet[socket] = WeakSet()
        super().__init__(("127.0.0.1", 0), handler)

    def process_request(self, request: socket, client_address: tuple[str, int]) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self._connections):
            with suppress(OSError):  # it is closed already
                connection.shutdown(SHUT_RDWR)

    def handle_error(self, request: socket, client_address: tuple[str, int]) -> None:
        # A client that streams may leave before the end.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    one_at_a_time: Lock
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body waits for the acknowledgement of its headers otherwise

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Nothing: the requests are in the server's list."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            # One at a time, so that a commit's check of its parent and its writing are one step.
            with self.one_at_a_time:
                answer = self._answer(body)
        except Refusal as refusal:
            answer = refusal.answer()
        self._send(answer)

    def _answer(self, body: bytes) -> Answer:
        url = urlsplit(self.path)
        self.hub.requests.append(f"{self.command} {unquote(url.path)}")
        route, parts = find_route(self.command, url.path)
        request = Request(url.path, parts, parse_qs(url.query), self.headers, body)
        if route.writes:
            self.hub.check_may_write(request)
        return route.call(self.hub, request)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
