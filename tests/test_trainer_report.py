"""Claims about `examples/mnist.py train --report`."""

from pathlib import Path
import re

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.data import digits
from run_page import judged
from tests.browser import complaints, seen_in_browser
from tests.trainer import SMALL, run, succeed

HEADINGS = ["Curves", "Confusion matrix", "Worst mistakes", "Model", "Settings", "Environment"]


def section(html: str, heading: str) -> str:
    """Return a section of a page."""
    return html.partition(f"<h2>{heading}</h2>")[2].partition("</section>")[0]


def test_a_report_tells_what_the_other_commands_tell(tmp_path: Path) -> None:
    files = ("--report", tmp_path / "run.html", "--output", tmp_path / "model", "--history", tmp_path / "history")
    out = succeed(tmp_path, "train", *SMALL, "--rate", 4, *files)
    assert out.splitlines()[-1] == f"report written to {tmp_path / 'run.html'}"
    html = (tmp_path / "run.html").read_text()
    assert re.findall("<h2>(.*)</h2>", html) == HEADINGS
    lines = succeed(tmp_path, "evaluate", tmp_path / "model").splitlines()
    share, counts = float(lines[0].split("accuracy ")[1]), [line.split()[1:] for line in lines[2:]]
    assert abs(float(re.findall(r"<p>([\d.]+)% of 359 test images", html)[0]) - 100 * share) <= 0.0051
    cells = re.findall('<td(?: class="right")? style="--share: [^"]*">([0-9]*)</td>', section(html, "Confusion matrix"))
    assert [count or "." for count in cells] == [count for row in counts for count in row]
    assert html.count("data:image/png") == min(
        24, sum(int(count) for at, count in enumerate(cells) if count and at % 11)
    )
    assert fn.summary(fn.load_model(tmp_path / "model").model, (8, 8)) in html
    assert "<div><dt>rate</dt><dd>4.0</dd></div>" in section(html, "Settings")
    assert "epoch 2: test accuracy" in section(html, "Curves")
    digest = re.findall('"parameters_sha256": "(.*?)"', (tmp_path / "history").read_text())[-1]
    assert digest in section(html, "Environment")


def test_the_mistakes_of_a_report_are_test_images_that_predict_takes_for_something_else(tmp_path: Path) -> None:
    succeed(tmp_path, "train", *SMALL, "--rate", 4, "--report", tmp_path / "a.html", "--output", tmp_path / "model")
    found = re.findall(r'alt="(\d), taken for (\d)\nat ([\d.]+)%\nno. (\d+)"', (tmp_path / "a.html").read_text())
    shares = [float(share) for _, _, share, _ in found]
    assert shares == sorted(shares, reverse=True)
    label, guess, share, place = found[0]
    line = succeed(tmp_path, "predict", tmp_path / "model", "--index", place)
    assert line.startswith(f"test image {place}, label {label}: {guess} ")
    assert abs(float(re.findall(rf"{guess} (\d\.\d+)", line)[0]) - float(share) / 100) < 0.0011


def test_a_browser_shows_all_of_a_report_on_a_phone_and_on_a_desk(tmp_path: Path) -> None:
    succeed(tmp_path, "train", *SMALL, "--report", tmp_path / "run.html")
    seen = seen_in_browser((tmp_path / "run.html").read_text(), tmp_path)
    assert complaints(seen) == []
    for shown in seen.values():
        assert shown["headings"] == ["digits, recipe lab", *HEADINGS]
        assert len(shown["pictures"]) == 24
        assert "of 359 test images are classified correctly" in shown["text"]
        assert re.search(r"Layer +Output shape +Parameters", shown["text"])
        assert "True classes down, predicted ones across" in shown["text"]
        assert shown["ground"] == [255, 255, 255]
        assert re.search(r"blas kernel\s+\S", shown["text"])


def test_a_report_without_an_evaluation_says_so(tmp_path: Path) -> None:
    succeed(tmp_path, "train", *SMALL, "--no-eval", "--report", tmp_path / "run.html")
    html = (tmp_path / "run.html").read_text()
    assert "<p>Not evaluated. The training loss of the last epoch is 0.0" in html
    assert re.findall("<h2>(.*)</h2>", html) == ["Curves", "Model", "Settings", "Environment"]


def test_a_report_on_a_model_without_mistakes_says_so() -> None:
    data = digits()
    sections = [*judged(np.eye(10)[data.test.targets], data)]
    assert "There are none." in sections[1]
    assert "img" not in sections[1]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (("--report", "run.txt"), "must end in .html"),
        (("--report", "no/run.html"), "does not exist; create it first"),
        (("--report", "a.html", "--output", "a.html"), "name the same file"),
    ],
)
def test_a_place_that_a_report_can_not_have_is_an_error_before_any_work(
    files: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(tmp_path, "train", *SMALL, *files)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    assert words in done.err
