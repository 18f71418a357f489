"""Local servers to download a data set from: a good one, and one for each fault."""

from collections.abc import Callable, Mapping
from contextlib import suppress
import gzip
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import socket
import threading
from typing import Any

from numpy.typing import NDArray

from tests.data_sets import PARTS, digests_of, idx_bytes, made_up


def bodies_of(arrays: Mapping[str, NDArray[Any]]) -> dict[str, bytes]:
    """Return the bodies that a mirror of a data set sends, by path."""
    return {f"/{name}.gz": gzip.compress(idx_bytes(array)) for name, array in arrays.items()}


ARRAYS = made_up(8)
DIGESTS = digests_of(ARRAYS)
BODIES = bodies_of(ARRAYS)
WRONG_BODIES = {path: gzip.compress(gzip.decompress(body)[:-1] + b"\7") for path, body in BODIES.items()}
FILES = sorted(f"{name}.gz" for name in PARTS)
SECOND = f"/{PARTS[1]}.gz"
CLOSED = "http://127.0.0.1:1/"

Answer = Callable[["Mirror", BaseHTTPRequestHandler], object]
Start = Callable[[Answer], "Mirror"]


class Mirror:
    """A local server: `answer` says what it does, and `asked` lists the paths that were requested."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[str] = []
        self.released = threading.Event()
        self.holding = threading.Semaphore(0)
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked.append(self.path)
                with suppress(ConnectionError):
                    answer(mirror, self)

            def log_message(self, *_: object) -> None:
                """Say nothing on stderr."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def hold(self) -> None:
        """Keep a connection open without sending another byte until the test is over."""
        self.holding.release()
        assert self.released.wait(60)

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


def sends(
    change: Callable[[bytes], bytes] = bytes, *, of: Mapping[str, bytes] = BODIES, status: int = 200, **headers: object
) -> Answer:
    """Answer with a file, perhaps changed, and perhaps with false headers."""

    def answer(_: Mirror, handler: BaseHTTPRequestHandler) -> None:
        body = change(of[handler.path])
        handler.send_response(status)
        for name, value in ({"Content_Length": len(body)} | headers).items():
            handler.send_header(name.replace("_", "-"), str(value))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


good, missing, wrong_bytes = sends(), sends(status=404), sends(of=WRONG_BODIES)
page = sends(lambda _: b"<!DOCTYPE html><html>Please sign in to this network</html>")


def stall(mirror: Mirror, _: BaseHTTPRequestHandler) -> None:
    mirror.hold()


def stall_in_the_body(mirror: Mirror, handler: BaseHTTPRequestHandler) -> None:
    sends(lambda body: body[:10], Content_Length=1000)(mirror, handler)
    mirror.hold()


FAULTS = {
    "wrong bytes": (wrong_bytes, "other bytes than the known ones"),
    "short body": (sends(Content_Length=1000), "IncompleteRead"),
    "cut body": (sends(lambda body: body[:-9]), "the end of the file"),
    "empty body": (sends(lambda _: b""), "an empty file"),
    "HTML page": (page, "an HTML or XML page"),
    "raw IDX": (sends(gzip.decompress), "raw IDX"),
    "404": (missing, "HTTP status 404"),
    "503": (sends(status=503), "HTTP status 503"),
    "redirect": (sends(status=301, Location="/moved"), "HTTP status 301"),
    "stall": (stall, "no answer within 0.8 s"),
    "stall in the body": (stall_in_the_body, "no answer in time"),
    "too large": (sends(lambda _: bytes(300_000)), "more than 200000 bytes"),
    "not HTTP": (lambda _, handler: handler.wfile.write(b"220 a mail server\r\n"), "220 a mail server"),
    "hangs up": (lambda _, handler: handler.connection.shutdown(socket.SHUT_RDWR), "closed connection"),
    "404 at the second": (lambda *both: (missing if both[1].path == SECOND else good)(*both), "HTTP status 404"),
}
