"""Claims about `examples/serve.py`: it answers as `predict` does, refuses in one line, and ends when it is told to."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
import json
import os
from pathlib import Path
import re
import signal
import socket
import subprocess
import sys
from threading import Event, Thread
from typing import Any, NamedTuple

import click
import numpy as np
import pytest

from command_line import run
import fnmlp as fn
from json_service import Answer, Service
from serve import Classifier, load, main, predicted
import serve_load
from tests.sweep import each
from tests.warned import WARNINGS_ARE_ERRORS

PROGRAM = Path(__file__).resolve().parents[1] / "examples" / "serve.py"
NAMES = ["ant", "bee", "cat"]
LIMIT = 10_000
MODEL = fn.chain(fn.flatten(), fn.scale(1 / 16), fn.linear(5), fn.relu(), fn.linear(3), fn.softmax())
PARAMS, _ = MODEL.init(fn.Key(0), (2, 2))
ROWS = fn.generator(fn.Key(1)).normal(0, 9, (40, 2, 2)).astype(np.float32)


class Told(NamedTuple):
    """A response: its status, its header, and its JSON."""

    status: int
    header: Any
    content: Any


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model file whose notes name the classes."""
    path = tmp_path_factory.mktemp("served") / "model.safetensors"
    fn.save_model(path, MODEL, PARAMS, example=(2, 2), notes={"classes": json.dumps(NAMES)})
    return path


@contextmanager
def running(answer: Answer, *, patience: float = 60) -> Iterator[Service]:
    """Serve a function in a thread of this process."""
    service = Service(("127.0.0.1", 0), {"/predict": answer}, limit=LIMIT, patience=patience)
    with service:
        thread = Thread(target=service.serve_forever, args=(0.01,))
        thread.start()
        yield service
        service.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def service(model: Path) -> Iterator[Service]:
    """Serve the model."""
    with running(partial(predicted, load(model))) as service:
        yield service


def connected(port: int) -> "closing[HTTPConnection]":
    return closing(HTTPConnection("127.0.0.1", port, timeout=60))


def asked(connection: HTTPConnection, body: Any, method: str = "POST", path: str = "/predict", **header: str) -> Told:
    """Send a request, and return the response, which must be one line of JSON."""
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in header.items()})
    response = connection.getresponse()
    text = response.read().decode()
    assert response.headers["Content-Type"] == "application/json"
    assert text.count("\n") == (method != "HEAD")
    return Told(response.status, response.headers, json.loads(text) if text else None)


def raw(port: int, sent: bytes) -> bytes:
    """Send bytes, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        line.sendall(sent)
        return b"".join(iter(lambda: line.recv(65536), b""))


def probabilities(rows: Any) -> Any:
    return fn.predict(MODEL, PARAMS, rows)


def test_answers_have_the_bits_of_predict(service: Service) -> None:
    with connected(service.server_port) as connection:
        status, _, content = asked(connection, json.dumps({"inputs": ROWS.tolist()}))
        expected = probabilities(ROWS)
        assert status == 200
        assert np.array_equal(np.array(content["probabilities"], np.float32), expected)
        assert content["probabilities"] == expected.tolist()
        assert content["classes"] == [NAMES[place] for place in expected.argmax(axis=1)]
        whole = asked(connection, '{"inputs": [[[1, 2], [3, 0]]]}')
        assert whole.content == asked(connection, '{"inputs": [[[1.0, 2], [3e0, 0.0]]]}', path="/predict?x").content


def test_eight_clients_at_once_get_their_own_answers(service: Service) -> None:
    def client(number: int) -> None:
        with connected(service.server_port) as connection:
            for request in range(50):
                row = (number * 50 + request) % len(ROWS)
                told = asked(connection, json.dumps({"inputs": ROWS[row : row + 1].tolist()}))
                assert told.content["probabilities"] == probabilities(ROWS[row : row + 1]).tolist()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(client, range(8)))


SHAPE = "numbers of shape (rows, 2, 2)"


@each(
    ("body", "said"),
    [
        ("[1", "expected JSON, got text that is not: Expecting ',' delimiter: line 1 column 3 (char 2)"),
        (b"\xff", "expected JSON, got text that is not: "),
        ("[" * 5000, "expected JSON, got text that is not: "),
        ("7" * 5000, "expected JSON, got text that is not: "),
        ("[]", 'request: expected an object with "inputs" alone'),
        ('{"input": []}', 'got something else; send {"inputs": [row, row, ...]}'),
        ('{"inputs": [], "more": 1}', 'request: expected an object with "inputs" alone'),
        ('{"inputs": []}', f"inputs: expected {SHAPE}, got shape (0,)"),
        ('{"inputs": 3}', f"inputs: expected {SHAPE}, got shape ()"),
        ('{"inputs": [[1, 2]]}', "got shape (1, 2)"),
        ('{"inputs": [[[1, 2], [3, 4], [5, 6]]]}', "got shape (1, 3, 2)"),
        ('{"inputs": [[[1, 2], [3]]]}', "got lists of several lengths"),
        ('{"inputs": [[[1, "2"], [3, null]]]}', "got a text and null"),
        ('{"inputs": [[[true, {}], [3, 4]]]}', "got an object and true or false"),
        ('{"inputs": [[[NaN, 2], [3, 4]]]}', "inputs: expected numbers that fit float32"),
        ('{"inputs": [[[1e39, 2], [3, 4]]]}', "inputs: expected numbers that fit float32"),
        ('{"inputs": [[[1e400, 2], [3, 4]]]}', "inputs: expected numbers that fit float32"),
        (f'{{"inputs": [[[1{"0" * 400}, 2], [3, 4]]]}}', "inputs: expected numbers that fit float32"),
    ],
)
def test_a_request_that_does_not_fit_is_told_what_does(service: Service, body: Any, said: str) -> None:
    with connected(service.server_port) as connection:
        told = asked(connection, body)
        assert told.status == 400
        assert list(told.content) == ["error"]
        assert said in told.content["error"]


def test_outputs_that_json_cannot_hold_are_an_error() -> None:
    steep = fn.chain(fn.scale(1e38), fn.softmax())
    saved = fn.SavedModel(steep, ((), ()), (2,), {})
    with pytest.raises(fn.DataError, match="outputs: expected finite numbers"):
        predicted(Classifier(saved, [0, 1], "float32"), {"inputs": [[1e30, 1e30]]})


@each(
    ("method", "path", "status", "said"),
    [
        ("POST", "/", 404, "expected /predict, got another path"),
        ("GET", "/predictions", 404, "expected /predict, got another path"),
        ("GET", "/predict", 405, "expected POST, got GET"),
        ("HEAD", "/predict", 405, None),
        ("PUT", "/predict", 405, "expected POST, got PUT"),
        ("DELETE", "/predict", 405, "expected POST, got DELETE"),
        ("BREW", "/predict", 501, "Unsupported method ('BREW')"),
    ],
)
def test_other_paths_and_methods_are_refused(
    service: Service, method: str, path: str, status: int, said: str | None
) -> None:
    with connected(service.server_port) as connection:
        told = asked(connection, "{}", method, path)
    assert told.status == status
    assert told.content == (None if said is None else {"error": said})
    assert told.header["Allow"] == ("POST" if status == 405 else None)
    assert told.header["Connection"] == "close"


@each(
    ("head", "status"),
    [
        (b"", 411),
        (b"Content-Length: x\r\n", 411),
        (b"Content-Length: -1\r\n", 411),
        (b"Content-Length: 2\r\nContent-Length: 3\r\n", 411),
        (b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", 411),
        (b"Content-Length: 1000000000000\r\nExpect: 100-continue\r\n", 413),
    ],
)
def test_a_body_of_unknown_or_too_large_size_is_refused_unread(service: Service, head: bytes, status: int) -> None:
    request = b"POST /predict HTTP/1.1\r\n" + head + b"\r\n"
    with socket.create_connection(("127.0.0.1", service.server_port), timeout=60) as line:
        line.sendall(request)
        answer = line.recv(65536)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"].startswith("expected ")


def test_a_client_that_sends_slightly_too_much_can_read_why(service: Service) -> None:
    with connected(service.server_port) as connection:
        told = asked(connection, b" " * (LIMIT + 1))
    error = f"expected at most {LIMIT} bytes, got {LIMIT + 1}; send fewer rows at a time"
    assert (told.status, told.content) == (413, {"error": error})


def test_a_client_may_wait_until_its_body_is_asked_for(service: Service) -> None:
    body = b'{"inputs": [[[1, 2], [3, 4]]]}'
    head = b"POST /predict HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.server_port), timeout=60) as line:
        line.sendall(head % len(body))
        assert line.recv(25, socket.MSG_WAITALL) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(body)
        assert line.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_what_is_no_http_is_refused_in_json(service: Service) -> None:
    assert raw(service.server_port, b"one two three four\r\n\r\n").startswith(b'{"error": "Bad request ')
    assert raw(service.server_port, b"GET " + b"/" * 65_533).startswith(b"HTTP/1.1 414 ")


def test_clients_that_hang_up_or_wait_do_not_stop_the_others(
    service: Service, capfd: pytest.CaptureFixture[str]
) -> None:
    starts = [b"", b"POST /pre", b"POST /predict HTTP/1.1\r\nContent-Length: 90\r\n\r\n{", b"GET / HTTP/1.1\r\n\r\n"]
    for _ in range(3):
        for start in starts:  # they hang up
            with socket.create_connection(("127.0.0.1", service.server_port)) as line:
                line.sendall(start)
    waiting = [socket.create_connection(("127.0.0.1", service.server_port)) for _ in range(20)]
    try:
        for number, line in enumerate(waiting):
            line.sendall(starts[number % 3])
        with connected(service.server_port) as connection:
            assert asked(connection, '{"inputs": [[[1, 2], [3, 4]]]}').status == 200
    finally:
        for line in waiting:
            line.close()
    assert capfd.readouterr() == ("", "")


def test_a_client_that_sends_too_slowly_is_told_so_and_let_go() -> None:
    with running(lambda request: request, patience=0.05) as service:
        answer = raw(service.server_port, b"POST /predict HTTP/1.1\r\nContent-Length: 9\r\n\r\n[1")
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert b"expected 9 bytes, and waited 0.05 s for the next of them" in answer
        assert raw(service.server_port, b"POST /pre") == b""


def test_an_error_of_our_own_is_one_line_and_does_not_end_the_service(capfd: pytest.CaptureFixture[str]) -> None:
    with running(lambda request: 1 // request) as service, connected(service.server_port) as connection:
        assert asked(connection, "0").content == {"error": "the service failed; its log says why"}
        assert asked(connection, "1").content == 1
    assert capfd.readouterr() == ("", "error: ZeroDivisionError: integer division or modulo by zero\n")


def test_the_end_waits_for_answers_that_are_due_and_not_for_idle_clients() -> None:
    begun, go_on = Event(), Event()

    def slow(request: Any) -> Any:
        begun.set()
        assert go_on.wait(60)
        return request

    with running(slow) as service, ThreadPoolExecutor(2) as pool, connected(service.server_port) as due:
        idle = socket.create_connection(("127.0.0.1", service.server_port), timeout=60)
        answer = pool.submit(asked, due, "[1, 2]")
        assert begun.wait(60)
        service.shutdown()
        end = pool.submit(service.server_close)
        assert idle.recv(1) == b""
        assert not end.done()
        go_on.set()
        assert answer.result().content == [1, 2]
        end.result()
        idle.close()


# The program.

START = f"""
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have told it to ignore Ctrl-C
sys.path.insert(0, {str(PROGRAM.parent)!r})
sys.argv[:1] = []
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_serves_until_it_is_told_to_stop(number: int, model: Path) -> None:
    command = [sys.executable, *WARNINGS_ARE_ERRORS, "-c", START, str(PROGRAM), str(model), "--port", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=os.environ, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        said = re.fullmatch(
            rf"serving {re.escape(str(model))} on http://127\.0\.0\.1:(\d+)\n", process.stdout.readline()
        )
        assert said
        with connected(int(said[1])) as connection:
            assert asked(connection, '{"inputs": [[[1, 2], [3, 4]]]}').status == 200
            process.send_signal(number)
            assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0


def failed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run the program in this process, expect it to fail, and return its one line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["serve.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            run(main)
    assert stop.value.code in (1, 2)
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


def test_options_and_files_that_cannot_be_used_end_in_one_line(
    model: Path, tmp_path: Path, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "/nowhere" in failed(capsys, "/nowhere")
    damaged = tmp_path / "damaged"
    damaged.write_bytes(model.read_bytes()[:-1] + b"?")
    assert "expected the bytes that were saved, got others" in failed(capsys, damaged)
    assert "--port" in failed(capsys, model, "--port", 65536)
    assert "--limit" in failed(capsys, model, "--limit", 0)
    taken = f"can't listen on 127.0.0.1, port {service.server_port}"
    assert taken in failed(capsys, model, "--port", service.server_port)
    assert "can't listen on x" in failed(capsys, model, "--host", "x" * 100, "--port", 0)


@each("notes", ["[", "{}", '["a", "b"]', '["a", "b", null]', '"abc"'])
def test_names_that_do_not_fit_the_classes_are_refused(tmp_path: Path, notes: str) -> None:
    fn.save_model(tmp_path / "model", MODEL, PARAMS, example=(2, 2), notes={"classes": notes})
    with pytest.raises(fn.CheckpointError, match="the note 'classes': expected a JSON list of 3 names"):
        load(tmp_path / "model")


def test_a_model_of_a_table_is_refused(tmp_path: Path) -> None:
    fn.save_model(tmp_path / "model", MODEL, PARAMS, example=(2, 2), notes={"table": "{}"})
    with pytest.raises(fn.CheckpointError, match="a model of arrays, got one of a table's columns; predict with"):
        load(tmp_path / "model")


@each("ending", [fn.identity(), fn.log_softmax(), fn.sigmoid()])
def test_a_model_without_probabilities_is_refused(tmp_path: Path, ending: Any) -> None:
    other = fn.chain(fn.linear(3), ending)
    fn.save_model(tmp_path / "model", other, other.init(fn.Key(0), (2,))[0], example=(2,))
    with pytest.raises(fn.CheckpointError, match=r"expected a model that returns a probability .*softmax\(\)"):
        load(tmp_path / "model")


def test_a_model_that_looks_rows_up_takes_integers_alone(tmp_path: Path) -> None:
    words = fn.chain(fn.embedding(5, 3), fn.flatten(), fn.linear(2), fn.softmax())
    params, _ = words.init(fn.Key(0), (2,))
    fn.save_model(tmp_path / "model", words, params, example=(2,))
    served = load(tmp_path / "model")
    expected = fn.predict(words, params, np.array([[4, 0]]))
    best = expected.argmax(axis=1).tolist()
    assert predicted(served, {"inputs": [[4, 0]]}) == {"classes": best, "probabilities": expected.tolist()}
    with pytest.raises(fn.DataError, match=r"integers of shape \(rows, 2\), got a fraction"):
        predicted(served, {"inputs": [[4, 0.5]]})
    with pytest.raises(fn.FnmlpError, match="embedding"):
        predicted(served, {"inputs": [[5, 0]]})
    with pytest.raises(fn.DataError, match="fit int64"):
        predicted(served, {"inputs": [[2**63, 0]]})


def test_the_load_test_prints_a_line_for_each_number_of_rows_and_clients(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serve_load, "CLIENTS", (2,))
    monkeypatch.setattr(serve_load, "ROWS", (3,))
    monkeypatch.setattr(sys, "argv", ["serve_load.py", str(model), "--seconds", "1", "--rounds", "1"])
    run(serve_load.main)
    head, line = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["rows", "clients", "requests/s"]
    rows, clients, *numbers = map(float, line.split())
    assert (rows, clients, len(numbers)) == (3, 2, 5)
    assert numbers[0] > 0


def test_the_load_test_stops_at_an_answer_that_is_an_error(service: Service) -> None:
    request = serve_load.request_of((7,), 1)
    with pytest.raises(click.ClickException, match=r"the server answered .*got shape"):
        serve_load.latencies(service.server_port, request, 1, 0)
