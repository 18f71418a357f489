"""Claims about downloads, made against a real server: a file appears only when it is whole and verified."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler
import os
from pathlib import Path
import signal
import socket
import subprocess
import sys
import threading

from attrs import evolve
import numpy as np
import pytest

from fnmlp.data import download as module
from fnmlp.data import load_dataset, mnist, read_idx
from fnmlp.data.download import download
from fnmlp.data.folders import FOLDER_VARIABLE
from fnmlp.data.sources import SOURCES
from fnmlp.errors import DataError, DataNotFoundError, one_line
from tests.data_sets import PARTS, known_as, made_up, mark_of, write_set
from tests.mirrors import (
    ARRAYS,
    BODIES,
    CLOSED,
    DIGESTS,
    FAULTS,
    FILES,
    SECOND,
    WRONG_BODIES,
    Answer,
    Mirror,
    Start,
    bodies_of,
    good,
    missing,
    page,
    sends,
    stall,
    stall_in_the_body,
    wrong_bytes,
)
from tests.refusals import refusal
from tests.sweep import each
from tests.warned import WARNINGS_ARE_ERRORS

EACH_FAULT = pytest.mark.parametrize(("answer", "words"), FAULTS.values(), ids=FAULTS)


@pytest.fixture
def mirror() -> Iterator[Start]:
    """Start servers, and stop them when the test is over."""
    with ExitStack() as servers:
        yield lambda answer: servers.enter_context(closing(Mirror(answer)))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name an empty cache of this test alone, and forget proxies."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    return tmp_path / "fnmlp" / "mnist"


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less than a second and take 200,000 bytes, so that the tests of these limits are short."""
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.8)
    monkeypatch.setattr(module, "SIZE_LIMIT", 200_000)


def why_not_downloaded(mirrors: tuple[str, ...], cache: Path) -> str:
    """Say why nothing was downloaded; whatever went wrong, the cache is then as empty as before."""
    text = refusal(lambda: download(mirrors, cache, DIGESTS), DataNotFoundError)
    assert list(cache.iterdir()) == []
    return text


def assert_whole(cache: Path) -> None:
    assert sorted(os.listdir(cache)) == FILES
    for name, array in ARRAYS.items():
        assert np.array_equal(read_idx(cache / f"{name}.gz"), array)


def test_a_download_leaves_the_verified_files_under_their_names_and_nothing_else(mirror: Start, cache: Path) -> None:
    server = mirror(good)
    files = download((server.url,), cache, DIGESTS)
    assert files == {name: cache / f"{name}.gz" for name in PARTS}
    assert_whole(cache)
    assert server.asked == list(BODIES)


def test_the_mirrors_are_asked_once_and_then_the_cache_serves(
    mirror: Start, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = mirror(good)
    known_as(monkeypatch, ARRAYS)
    for _ in range(2):
        assert mark_of(mnist(mirrors=(server.url,))) == 8
        assert_whole(cache)
    assert server.asked == list(BODIES)


@pytest.mark.usefixtures("cache")
@each("name", [name for name, source in SOURCES.items() if source.mirrors])
def test_a_data_set_with_mirrors_is_downloaded_under_the_names_of_its_files(
    name: str, mirror: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = made_up(8, name)
    server = mirror(sends(of=bodies_of(arrays)))
    known_as(monkeypatch, arrays, name)
    monkeypatch.setitem(SOURCES, name, evolve(SOURCES[name], mirrors=(server.url,)))
    assert mark_of(load_dataset(name)) == 8
    assert server.asked == [f"/{part}.gz" for part in SOURCES[name].files]


@pytest.mark.usefixtures("small_limits")
@EACH_FAULT
def test_a_mirror_at_fault_is_named_with_its_fault_and_leaves_nothing(
    answer: Answer, words: str, mirror: Start, cache: Path
) -> None:
    server = mirror(answer)
    text = why_not_downloaded((server.url,), cache)
    assert f"{server.url}: " in text
    assert words in text
    assert len(text.splitlines()) == 1
    assert "/moved" not in server.asked
    assert server.holding.acquire(timeout=0) == (answer in (stall, stall_in_the_body)), "it was waited for to the end"


@pytest.mark.usefixtures("small_limits")
@EACH_FAULT
def test_the_next_mirror_is_as_good_as_the_first(answer: Answer, words: str, mirror: Start, cache: Path) -> None:
    assert words
    download((CLOSED, mirror(answer).url, mirror(good).url), cache, DIGESTS)
    assert_whole(cache)


def test_a_data_set_that_no_mirror_serves_is_missing_and_each_says_why(mirror: Start, cache: Path) -> None:
    urls = [mirror(answer).url for answer in (missing, wrong_bytes, page)]
    with pytest.raises(DataNotFoundError) as caught:
        mnist(mirrors=(*urls, CLOSED))
    text = str(caught.value)
    for url, words in zip(urls, ["HTTP status 404", "other bytes", "HTML"], strict=True):
        assert words in text.split(url)[1].split("http:", maxsplit=1)[0]
    for words in (f"{CLOSED}: connection refused", str(cache), "--data-dir"):
        assert words in text


@pytest.mark.usefixtures("small_limits")
def test_a_host_that_can_not_be_looked_up_is_a_fault_like_any_other(cache: Path) -> None:
    text = why_not_downloaded(("http://nowhere.invalid/",), cache)
    assert "the host's name can't be resolved" in text or "no answer within 0.8 s" in text


@pytest.mark.usefixtures("small_limits")
def test_a_look_up_that_hangs_is_left_while_it_still_hangs(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(60) and [])
    try:
        assert "http://a.example/: no answer within 0.8 s" in why_not_downloaded(("http://a.example/",), cache)
    finally:
        release.set()


@pytest.mark.usefixtures("small_limits")
def test_what_a_mirror_sends_after_it_was_given_up_never_reaches_the_cache(mirror: Start, cache: Path) -> None:
    late_is_asked_to_send, late_has_sent = threading.Event(), threading.Event()

    def late(_: Mirror, handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nX-Slow: ")
        while not late_is_asked_to_send.wait(0.1):  # each byte keeps the connection alive
            handler.wfile.write(b".")
        handler.wfile.write(b"\r\n\r\n" + WRONG_BODIES[handler.path])
        late_has_sent.set()

    def next_one(mirror: Mirror, handler: BaseHTTPRequestHandler) -> None:
        if handler.path == SECOND:  # the first file is here and verified
            late_is_asked_to_send.set()
            assert late_has_sent.wait(60)
            mirror.released.wait(0.2)
        good(mirror, handler)

    download((mirror(late).url, mirror(next_one).url), cache, DIGESTS)
    assert late_has_sent.is_set()
    assert_whole(cache)


def test_threads_that_download_at_once_all_end_with_whole_files(mirror: Start, cache: Path) -> None:
    server = mirror(good)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: download((server.url,), cache, DIGESTS), range(4)))
    assert results == [{name: cache / f"{name}.gz" for name in PARTS}] * 4
    assert_whole(cache)


def test_programs_that_download_at_once_all_end_with_whole_files(mirror: Start, cache: Path) -> None:
    server = mirror(good)
    code = "import sys; from pathlib import Path; from fnmlp.data.download import download\n"
    code += f"download((sys.argv[1],), Path(sys.argv[2]), {DIGESTS})"
    command = [sys.executable, *WARNINGS_ARE_ERRORS, "-c", code, server.url, str(cache)]
    programs = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    assert [(program.communicate()[1], program.returncode) for program in programs] == [(b"", 0)] * 2
    assert_whole(cache)


@pytest.mark.parametrize("there", range(1, 4))
def test_a_cache_that_an_earlier_download_left_incomplete_is_completed(
    there: int, mirror: Start, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known_as(monkeypatch, ARRAYS)
    write_set(cache, {name: ARRAYS[name] for name in PARTS[:there]})
    assert mark_of(mnist(mirrors=(mirror(good).url,))) == 8
    assert_whole(cache)


def test_a_link_in_the_place_of_a_file_is_replaced_and_its_target_left_alone(
    mirror: Start, cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "precious").write_text("mine")
    cache.mkdir(parents=True)
    (cache / FILES[0]).symlink_to(tmp_path / "precious")
    download((mirror(good).url,), cache, DIGESTS)
    assert (tmp_path / "precious").read_text() == "mine"
    assert_whole(cache)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_not_even_to_the_known_bytes(status: int, mirror: Start, cache: Path) -> None:
    plain = mirror(good)
    redirecting = mirror(sends(status=status, Location=f"{plain.url}{FILES[0]}"))
    assert f"{redirecting.url}: HTTP status {status}" in why_not_downloaded((redirecting.url,), cache)
    assert plain.asked == []


FOREVER = """
import sys
from pathlib import Path
from fnmlp.data import download
download.ANSWER_SECONDS = 60
download.download((sys.argv[1],), Path(sys.argv[2]), {"train-images-idx3-ubyte": ""})
"""


def test_what_a_killed_download_left_is_deleted_by_the_next(mirror: Start, cache: Path) -> None:
    server = mirror(stall_in_the_body)
    program = subprocess.Popen([sys.executable, "-c", FOREVER, server.url, str(cache)])
    assert server.holding.acquire(timeout=60)
    program.send_signal(signal.SIGKILL)
    assert program.wait() == -signal.SIGKILL
    assert [name[:10] for name in os.listdir(cache)] == [".download-"]
    download((mirror(good).url,), cache, DIGESTS)
    assert_whole(cache)


def test_the_cache_is_made_for_its_user_alone(mirror: Start, cache: Path) -> None:
    download((mirror(good).url,), cache, DIGESTS)
    for folder in (cache, cache.parent):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_nothing_is_downloaded_through_a_link_or_to_where_others_may_write(
    mirror: Start, cache: Path, tmp_path: Path
) -> None:
    server, target = mirror(good), tmp_path / "target"
    target.mkdir()
    cache.parent.mkdir()
    cache.symlink_to(target)
    with pytest.raises(DataError, match="mnist: expected a folder, got a symbolic link"):
        download((server.url,), cache, DIGESTS)
    target.chmod(0o777)
    with pytest.raises(DataError, match="got permissions 777; run chmod 700"):
        download((server.url,), target, DIGESTS)
    assert os.listdir(target) == []
    assert server.asked == []


def test_a_damaged_file_in_the_cache_is_downloaded_again(
    mirror: Start, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = mirror(good)
    known_as(monkeypatch, ARRAYS)
    for damage in (b"", b"half of it", WRONG_BODIES[SECOND]):
        download((server.url,), cache, DIGESTS)
        (cache / SECOND[1:]).write_bytes(damage)
        assert mark_of(mnist(mirrors=(server.url,))) == 8
        assert_whole(cache)


def test_a_link_in_the_cache_is_not_read_but_replaced(
    mirror: Start, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, away = mirror(good), tmp_path / "away.gz"
    known_as(monkeypatch, ARRAYS)
    download((server.url,), cache, DIGESTS)
    (cache / FILES[0]).rename(away)
    (cache / FILES[0]).symlink_to(away)
    with pytest.raises(DataError, match=r"ubyte\.gz: expected a file, got a symbolic link"):
        mnist(mirrors=())
    assert mark_of(mnist(mirrors=(server.url,))) == 8
    assert not (cache / FILES[0]).is_symlink()
    assert_whole(cache)


def test_damage_that_no_mirror_mends_is_named_with_what_the_mirrors_did(
    mirror: Start, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = mirror(missing)
    known_as(monkeypatch, ARRAYS)
    download((mirror(good).url,), cache, DIGESTS)
    (cache / SECOND[1:]).write_bytes(WRONG_BODIES[SECOND])
    with pytest.raises(DataError) as caught:
        mnist(mirrors=(server.url,))
    assert not isinstance(caught.value, DataNotFoundError)
    assert caught.value.where == str(cache / SECOND[1:])
    assert f"{server.url}: HTTP status 404" in one_line(caught.value)


def test_the_packed_file_of_the_cache_counts_because_it_is_the_one_that_is_downloaded(
    mirror: Start, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = mirror(good)
    known_as(monkeypatch, ARRAYS)
    write_set(cache, made_up(7), ending="")
    for _ in range(2):
        assert mark_of(mnist(mirrors=(server.url,))) == 8
    assert server.asked == list(BODIES)


@pytest.mark.parametrize(
    ("blocked", "words"), [("", "mnist: expected a folder, got a file"), ("fnmlp", "a cache that can be written")]
)
def test_a_file_in_the_place_of_the_cache_is_an_error_that_names_it(
    blocked: str, words: str, mirror: Start, cache: Path
) -> None:
    place = cache.parent if blocked else cache
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("in the way")
    server = mirror(good)
    with pytest.raises(DataError, match=words) as caught:
        download((server.url,), cache, DIGESTS)
    assert str(cache) in str(caught.value)
    assert place.read_text() == "in the way"
    assert server.asked == []
