"""Measure how many requests `serve.py` answers: `python examples/serve_load.py model.safetensors`."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
import json
from math import nan
import os
from pathlib import Path
import re
from socket import create_connection
from subprocess import PIPE, Popen
import sys
from time import perf_counter

from imports import import_failure

try:
    import click
    import numpy as np

    from command_line import FILE, option, run
    import fnmlp as fn
except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
    sys.exit(f"error: {import_failure(error)}")

SERVER = Path(__file__).with_name("serve.py")
HEAD = "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n"
CLIENTS, ROWS = (1, 8, 32), (1, 64)


@contextmanager
def served(model: Path) -> Iterator[tuple[int, int]]:
    """Serve a model in a process of its own; yield its port and its number."""
    with Popen([sys.executable, str(SERVER), str(model), "--port", "0"], stdout=PIPE, text=True) as process:  # noqa: S603
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not (found := re.search(r":(\d+)$", line)):
                raise click.ClickException("the server did not start")
            yield int(found[1]), process.pid
        finally:
            process.terminate()


def request_of(example: fn.Shape, rows: int) -> bytes:
    """Return a request with rows of random bytes, such as pixels."""
    pixels = fn.generator(fn.Key(0)).integers(256, size=(rows, *example))
    body = json.dumps({"inputs": pixels.tolist()}).encode()
    return HEAD.format(len(body)).encode() + body


def latencies(port: int, request: bytes, seconds: float, client: int) -> list[float]:
    """Send a request again and again over one connection; return the seconds that each answer took."""
    taken = []
    with create_connection(("127.0.0.1", port)) as line, line.makefile("rb") as answers:
        end = perf_counter() + seconds
        while (began := perf_counter()) < end:
            line.sendall(request)
            status, length = answers.readline(), 0
            while (field := answers.readline()) != b"\r\n":
                if field.startswith(b"Content-Length:"):
                    length = int(field[15:])
            answer = answers.read(length)
            taken.append(perf_counter() - began)
            if b" 200 " not in status:
                raise click.ClickException(f"the server answered {answer.decode()}")
    return taken


def used(process: int) -> float:
    """Return the seconds of processor time that a process has used; NaN where there is no /proc."""
    with suppress(FileNotFoundError):
        user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return nan


def measured(port: int, process: int, request: bytes, clients: int, seconds: float) -> tuple[float, ...]:
    """Return requests per second, the median and the 99th percentile of ms until an answer, and ms of work for each."""
    with ThreadPoolExecutor(clients) as pool:
        began, before = perf_counter(), used(process)
        taken = [*pool.map(partial(latencies, port, request, seconds), range(clients))]
        took, worked = perf_counter() - began, used(process) - before
    answers = sum(map(len, taken))
    return answers / took, *(1000 * np.percentile(np.concatenate(taken), (50, 99))), 1000 * worked / answers


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", type=FILE)
@option("--seconds", type=click.IntRange(1, 3600), default=2, help="The time for each measurement.")
@option("--rounds", type=click.IntRange(1), default=3, help="Measurements for each line of the table.")
def main(model: Path, seconds: int, rounds: int) -> None:
    """Start the service of MODEL on this machine, and ask it from 1, 8 and 32 clients at once.

    Prints the median time until an answer is there, the time that 99 % of the answers keep, and the processor time that
    the service spends on a request. Each line is that of the round with the most requests. Close other programs first.
    """
    example = fn.load_model(model).example
    cells = [(rows, clients) for rows in ROWS for clients in CLIENTS]
    requests = {rows: request_of(example, rows) for rows in ROWS}
    with served(model) as (port, process):
        found = [
            [measured(port, process, requests[rows], clients, seconds) for rows, clients in cells]
            for _ in range(rounds)
        ]
    click.echo("rows  clients  requests/s   rows/s  median ms  99 % ms  work ms")
    for (rows, clients), lines in zip(cells, zip(*found, strict=True), strict=True):
        rate, median, slow, work = max(lines)
        click.echo(f"{rows:4}  {clients:7}  {rate:10.0f} {rate * rows:8.0f}  {median:9.2f} {slow:8.2f} {work:8.2f}")


if __name__ == "__main__":
    run(main)
