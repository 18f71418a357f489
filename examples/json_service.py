"""A web service of functions from JSON to JSON, on Python's own server."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
import re
from socket import SHUT_RD
from socketserver import TCPServer
import sys
from typing import Any, TypeAlias, cast

import click

from command_line import signals_noted
import fnmlp as fn

Answer: TypeAlias = Callable[[Any], Any]
"""A request -> its answer; FnmlpError for a request that can't be answered."""

UNREAD = 404, 405, 411, 413
"""The errors after which the body of a request has not been read."""


class Service(ThreadingHTTPServer):
    """A server with a thread for each connection, which ends with the requests that are under way."""

    daemon_threads = False
    request_queue_size = 128
    timeout = 0.1  # seconds after which `handle_request` returns, so that signals are heeded

    def __init__(self, address: tuple[str, int], answers: Mapping[str, Answer], *, limit: int, patience: float) -> None:
        """Listen; `limit` is the most bytes of a body, `patience` the seconds to wait for a client."""
        self.answers, self.limit, self.patience = answers, limit, patience
        self.connections: set[Any] = set()
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Bind without a look-up of this machine's name, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, and answer it in a thread."""
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection, and close it."""
        self.connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Take no more requests, send the answers that are due, and close."""
        for connection in tuple(self.connections):
            with suppress(OSError):
                connection.shutdown(SHUT_RD)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 (socketserver's)
        """Say in one line what stopped a connection, unless the client did."""
        error = sys.exception()
        if error and not isinstance(error, OSError):
            report(error)


class Handler(BaseHTTPRequestHandler):
    """The requests of one connection."""

    protocol_version = "HTTP/1.1"  # a connection may bring many requests
    server_version, sys_version = "fnmlp", ""
    wbufsize = -1  # header and body in one packet: the second of two would wait for the client's receipt of the first
    disable_nagle_algorithm = True

    @property
    def service(self) -> Service:
        """The server, by its own type."""
        return cast("Service", self.server)

    def setup(self) -> None:
        """Bound the wait for a client."""
        super().setup()
        self.connection.settimeout(self.service.patience)

    def do_POST(self) -> None:
        """Answer a request."""
        if self.admitted():
            length = int(self.headers["Content-Length"])
            try:
                body = self.rfile.read(length)
            except TimeoutError:
                self.send_error(
                    408, f"expected {length} bytes, and waited {self.service.patience:g} s for the next of them"
                )
                return
            if len(body) == length:  # otherwise the client has gone
                self.send(*outcome(self.service.answers[self.route], body))

    do_GET = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_POST  # noqa: N815 (http.server's names)

    @property
    def route(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]

    def admitted(self) -> bool:
        """Tell whether the head of a request promises a body that can be answered; otherwise send an error."""
        length, known, limit = length_of(self.headers), " or ".join(self.service.answers), self.service.limit
        if self.route not in self.service.answers:
            self.send_error(404, f"expected {known}, got another path")
        elif self.command != "POST":
            self.send_error(405, f"expected POST, got {self.command}")
        elif length is None:
            self.send_error(411, "expected a body, and its size as Content-Length")
        elif length > limit:
            self.send_error(413, f"expected at most {limit} bytes, got {length}; send fewer rows at a time")
        else:
            return True
        return False

    def handle_expect_100(self) -> bool:
        """Ask for the body of a request only if it can be answered."""
        asking = self.admitted() and super().handle_expect_100()
        self.wfile.flush()
        return asking

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Send an error as JSON, and end the connection."""
        self.close_connection = True
        self.send(code, {"error": message or self.responses.get(code, ("an error",))[0]})
        if code in UNREAD:  # a client that still sends would be cut off before it reads the answer
            with suppress(OSError):
                self.wfile.flush()
                self.rfile.read(min(length_of(self.headers) or 0, self.service.limit))

    def send(self, status: int, told: Any) -> None:
        """Send an answer."""
        body = json.dumps(told, allow_nan=False).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 405:
            self.send_header("Allow", "POST")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
        """Write no log; a server in front has one."""


def length_of(headers: Message) -> int | None:
    """Return the size of a request's body, or None if its header does not say.

    >>> headers = Message()
    >>> headers["Content-Length"] = "12"
    >>> length_of(headers), length_of(Message())
    (12, None)
    """
    said = headers.get_all("Content-Length", [])
    plain = len(said) == 1 and re.fullmatch("[0-9]{1,18}", said[0]) and "Transfer-Encoding" not in headers
    return int(said[0]) if plain else None


def outcome(answer: Answer, body: bytes) -> tuple[int, Any]:
    """Return the status and the answer to a request.

    >>> outcome(lambda request: request, b"[1, 2]")
    (200, [1, 2])
    >>> outcome(lambda request: request, b"[1, 2")
    (400, {'error': "expected JSON, got text that is not: Expecting ',' delimiter: line 1 column 6 (char 5)"})
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        return 400, {"error": f"expected JSON, got text that is not: {fn.one_line(error)}"}
    try:
        return 200, answer(request)
    except fn.FnmlpError as error:
        return 400, {"error": fn.one_line(error)}
    except Exception as error:  # noqa: BLE001 (a request must not end the service)
        report(error)
        return 500, {"error": "the service failed; its log says why"}


def report(error: BaseException) -> None:
    """Print an error that is not a client's, in one line."""
    click.echo(f"error: {type(error).__name__}: {fn.one_line(error)}", err=True)


def serve(service: Service, said: str) -> None:
    """Serve until Ctrl-C or SIGTERM, then send the answers that are due."""
    with service, suppress(KeyboardInterrupt), signals_noted() as (_, going_on):
        click.echo(said)
        while going_on(None):
            service.handle_request()
