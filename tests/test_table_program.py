"""Claims about `examples/table.py`: from a file to predictions, and runs that are stopped and go on."""

import csv
from doctest import ELLIPSIS, OutputChecker
from io import StringIO
import json
from pathlib import Path
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import click
import numpy as np
import pytest

polars = pytest.importorskip("polars", reason="it reads the tables")

import fnmlp as fn  # noqa: E402
from fnmlp.storage import format as checkpoint  # noqa: E402
from fnmlp.storage.environment import environment  # noqa: E402
from fnmlp.tables import encode, fit_features, fit_schema, schema_from_json, schema_to_json, table_features  # noqa: E402
from table_columns import quoted  # noqa: E402
from table_problem import held_out  # noqa: E402
from table_remarks import doubts, numbers_rows  # noqa: E402
from table_reports import score_table, scores_of  # noqa: E402
from tests.faults.processes import repeatable  # noqa: E402
from tests.table_program import (  # noqa: E402
    SMALL_NETWORK,
    TABLE_PROGRAM,
    commands,
    people,
    run_table,
    succeed_table,
    write_csv,
)
from tests.trainer import SMALL, succeed  # noqa: E402

TRAIN = ("--target", "rich", "--ignore", "income")
LEARN = ("--epochs", 40, "--members", 2, "--hidden", 16, "--rate", 0.01)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a table and models for both of its targets."""
    folder = tmp_path_factory.mktemp("home")
    data = write_csv(folder / "people.csv", people(200))
    files = ("--history", folder / "history", "--plot", folder / "plot.png")
    report = succeed_table("train", data, *TRAIN, *LEARN, *files, "--output", folder / "rich")
    (folder / "report").write_text(report)
    report = succeed_table(
        "train", data, "--target", "income", "--ignore", "rich", *LEARN, "--output", folder / "income"
    )
    (folder / "report of income").write_text(report)
    return folder


def predicted(model: Path, data: Path, *options: object) -> Any:
    return polars.read_csv(StringIO(run_table("predict", model, data, *options).out))


# From a file to predictions.


def test_a_report_has_the_columns_the_splits_the_epochs_and_the_scores(home: Path) -> None:
    lines = (home / "report").read_text().splitlines()
    assert lines[0] == f"{home / 'people.csv'}: 200 rows, 5 columns"
    assert lines[1:6] == [
        "target: 'rich', 2 classes: 'no', 'yes'",
        "1 column of numbers: 'age'",
        "1 column of dates: 'since'",
        "1 column of categories (how many): 'job' (3)",
        "1 column with missing numbers: 'age'",
    ]
    assert lines[6] == "140 rows to train on, 30 rows to validate on, 30 rows to test on"
    assert [int(line.split()[1]) for line in lines if line.startswith("epoch ")] == list(range(4, 41, 4))
    names = [line[:19].strip() for line in lines if re.match(r"(majority|logistic|network)", line)]
    assert names == ["majority", "logistic regression", "network"]
    assert lines[-3:] == [
        f"history saved to {home / 'history'}",
        f"model saved to {home / 'rich'}",
        f"curves and contributions drawn to {home / 'plot.png'}",
    ]
    assert (home / "plot.png").read_bytes().startswith(b"\x89PNG")


def scores_in(report: str) -> dict[str, list[float]]:
    rows = re.findall(r"^(majority|logistic regression|mean|ridge regression|network) +(.+)$", report, re.MULTILINE)
    return {name: [float(number) for number in numbers.split()] for name, numbers in rows}


def test_what_can_be_learned_is_learned(home: Path) -> None:
    classes, numbers = (scores_in((home / name).read_text()) for name in ("report", "report of income"))
    assert classes["majority"][0] <= 0.6
    assert classes["network"][0] > classes["majority"][0] + 0.2
    assert abs(numbers["mean"][0]) < 0.1
    assert numbers["network"][0] > 0.85
    assert numbers["ridge regression"][0] > 0.7


def test_the_scores_are_those_of_the_rows_that_were_held_out(home: Path) -> None:
    found = json.loads(fn.load_model(home / "rich").notes["training"])["scores"]
    table = scores_in((home / "report").read_text())["network"]
    assert [round(value, 4) for part in found.values() for value in part.values()] == table


def test_the_history_has_an_object_for_each_epoch(home: Path) -> None:
    entries = [json.loads(line) for line in (home / "history").read_text().splitlines()]
    assert [entry["epoch"] for entry in entries] == list(range(1, 41))
    assert [*entries[0]] == [
        *("epoch", "train_loss", "validation_loss", "validation_accuracy", "seconds", "steps", "parameters_sha256"),
    ]
    best = min(entries, key=lambda entry: float(entry["validation_loss"]))
    assert json.loads(fn.load_model(home / "rich").notes["training"])["epoch"] == best["epoch"]


def test_predictions_have_the_probability_of_each_class(home: Path) -> None:
    found = predicted(home / "rich", home / "people.csv", "--keep", "income", "--keep", "since")
    assert found.columns == ["income", "since", "predicted rich", "probability of no", "probability of yes"]
    shares = found.select(polars.col("^probability.*$")).to_numpy()
    assert np.abs(shares.sum(axis=1) - 1).max() < 1e-6
    assert found["predicted rich"].to_list() == [("no", "yes")[place] for place in shares.argmax(axis=1)]
    right = (found["predicted rich"] == polars.Series(people(200)["rich"])).mean()
    assert f"accuracy {right:.4f}" in succeed_table("evaluate", home / "rich", home / "people.csv")


def test_kept_columns_are_copied_as_they_stand_in_the_file(home: Path, tmp_path: Path) -> None:
    ids = ["1500", "900719925474099301", "900719925474099302", "00001", "1,50", ""]
    table = {name: values[: len(ids)] for name, values in people(20).items()}
    for name, texts in (("id", ids), ("long", ids[:3] * 2), ("price", ["1,5", "2,25"] * 3)):
        data = write_csv(tmp_path / "new.csv", table | {name: texts}, separator=";")
        lines = run_table("predict", home / "rich", data, "--keep", name).out.splitlines()
        assert next(csv.reader(lines))[0] == name
        assert [row[name] for row in csv.DictReader(lines)] == texts
    whole = polars.Series("id", [2**63 - 1, None, 2**53 + 1, 1, 2, 3], polars.Int64)
    polars.DataFrame(table).with_columns(whole).write_parquet(tmp_path / "new.parquet")
    run_table("predict", home / "rich", tmp_path / "new.parquet", "--keep", "id", "--output", tmp_path / "out.parquet")
    assert polars.read_parquet(tmp_path / "out.parquet")["id"].equals(whole)


def test_a_kept_column_does_not_give_way_to_predictions(home: Path, tmp_path: Path) -> None:
    table = people(3) | {"predicted rich": ["yes"] * 3}
    done = run_table("predict", home / "rich", write_csv(tmp_path / "new.csv", table), "--keep", "predicted rich")
    assert (done.status, done.out) == (2, "")
    assert "--keep predicted rich: the output has a column of predictions of this name; rename yours" in done.err


def test_the_name_of_no_column_is_told_with_those_that_there_are(home: Path) -> None:
    for name, remedy in (("customer", "check its name and the --separator"), ("jobb", "did you mean 'job'?")):
        done = run_table("predict", home / "rich", home / "people.csv", "--keep", name)
        words = f"a column '{name}' (--keep), got only 'age', 'job', 'since', 'income', 'rich'; {remedy}\n"
        assert (done.status, done.out) == (1, "")
        assert done.err.endswith(words)
    done = run_table("train", home / "people.csv", *TRAIN, "--ignore", "nope")
    assert done.err.endswith("; check its name and the --separator\n")


def test_numbers_are_predicted_in_their_own_units(home: Path) -> None:
    found = predicted(home / "income", home / "people.csv")
    truth = np.array([float(text) for text in people(200)["income"]])
    outputs = found["predicted income"].to_numpy()
    assert 0.5 * truth.std() < outputs.std() < 1.5 * truth.std()
    out = run_table("evaluate", home / "income", home / "people.csv", "--plot", home / "scatter.svg").out
    # The targets are rounded to float32 for neither; what is printed is rounded to 4 places.
    assert abs(float(re.findall(r"mean error ([\d.]+)", out)[0]) - np.abs(outputs - truth).mean()) < 1e-3
    assert out.endswith(f"predictions drawn to {home / 'scatter.svg'}\n")


def test_columns_are_found_by_name_in_any_order(home: Path, tmp_path: Path) -> None:
    table = people(200)
    other = {"more": table["age"], **{name: table[name] for name in ("since", "job", "age")}}
    data = write_csv(tmp_path / "other.csv", other, separator=";", end="\r\n")
    done = run_table("predict", home / "rich", data)
    assert done.out == run_table("predict", home / "rich", home / "people.csv").out
    assert done.err == "note: columns that were not there in training, and are not used: 'more'\n"


def test_predictions_are_written_as_csv_or_parquet(home: Path, tmp_path: Path) -> None:
    for name in ("out.csv", "out.parquet"):
        out = run_table("predict", home / "rich", home / "people.csv", "--output", tmp_path / name).out
        assert out == f"predictions for 200 rows saved to {tmp_path / name}\n"
    found = polars.read_parquet(tmp_path / "out.parquet")
    assert found.equals(polars.read_csv(tmp_path / "out.csv", schema=found.schema))
    assert (tmp_path / "out.csv").read_text() == run_table("predict", home / "rich", home / "people.csv").out


def test_values_that_are_new_or_missing_are_taken_and_counted(home: Path, tmp_path: Path) -> None:
    new = {"age": ["", "30", ""], "job": ["clown", "clown", ""], "since": ["", "", "2030-01-01"]}
    done = run_table("predict", home / "rich", write_csv(tmp_path / "new.csv", new))
    assert (done.status, len(done.out.splitlines())) == (0, 4)
    assert done.err == "note: values that were not there in training, or once: 2, such as 'clown' in 'job'\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"age": None}, "expected the columns that {model} was trained on, got none of 'age'; add them, empty if"),
        ({"age": ["old"]}, "column 'age', row 2: expected a number, got 'old'; correct it, or leave it empty"),
        (
            {"since": ["yesterday"]},
            "column 'since', row 2: expected a date such as 2024-12-31 or 31.12.2024, got 'yesterday'",
        ),
        ({"age": ["1e99"]}, "column 'age', row 2: expected a number that float32 can hold, got 1e+99"),
        ({"age": ["inf"]}, "column 'age', row 2: expected a finite number, got infinity"),
    ],
)
def test_new_data_that_do_not_fit_are_refused_in_one_line(
    change: dict[str, list[str] | None], words: str, home: Path, tmp_path: Path
) -> None:
    table = {
        name: values for name, values in ({"age": ["30"], "job": ["cook"], "since": [""]} | change).items() if values
    }
    done = run_table("predict", home / "rich", write_csv(tmp_path / "new.csv", table), "--output", tmp_path / "out.csv")
    assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
    assert words.format(model=home / "rich") in done.err
    assert done.err.startswith(f"error: {tmp_path / 'new.csv'}: ")
    assert not (tmp_path / "out.csv").exists()


def test_evaluation_needs_the_target_in_each_row(home: Path, tmp_path: Path) -> None:
    row = {"age": ["30", "31"], "job": ["cook", "cook"], "since": ["", ""]}
    for more, words in (
        ({}, "expected the target column 'rich', got none; evaluate rows whose target is known"),
        ({"rich": ["yes", ""]}, "column 'rich', row 3: expected a target, got a missing value"),
        ({"rich": ["yes", "perhaps"]}, "column 'rich', row 3: expected one of the 2 classes, got 'perhaps'"),
    ):
        done = run_table("evaluate", home / "rich", write_csv(tmp_path / "new.csv", row | more))
        assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
        assert words in done.err
        assert done.err.startswith(f"error: {tmp_path / 'new.csv'}: ")


def test_evaluation_prints_and_draws_the_confusion_matrix(home: Path) -> None:
    out = run_table("evaluate", home / "rich", home / "people.csv", "--plot", home / "matrix.svg").out
    cells = [[int(cell.replace(".", "0")) for cell in line.split()[1:]] for line in out.splitlines()[2:4]]
    assert sum(map(sum, cells)) == 200
    assert f"accuracy {(cells[0][0] + cells[1][1]) / 200:.4f}" in out
    assert (home / "matrix.svg").exists()


def test_a_description_tells_the_columns_and_the_network(home: Path) -> None:
    out = succeed_table("describe", home / "rich")
    assert "target: 'rich', 2 classes: 'no', 'yes'\n1 column of numbers: 'age'\n" in out
    assert "trained on 140 rows of people.csv; best epoch " in out
    assert "ensemble_linear(16)" in out
    report = (home / "report").read_text()
    assert report.partition("fall of accuracy")[2].partition("history saved")[0] in out
    assert "target: 'income', a number\n" in succeed_table("describe", home / "income")


def test_other_files_are_no_models_for_tables(home: Path, tmp_path: Path) -> None:
    succeed(tmp_path, "train", *SMALL, "--output", tmp_path / "digits", "--checkpoint", tmp_path / "run")
    fn.save_model(tmp_path / "bare", fn.relu(), (), example=(2,), notes={"table": "{}", "training": "{}"})
    for name, words in (
        ("digits", "expected notes on the columns of a table, got none that fit"),
        ("run", "expected a model, got the checkpoint of a run"),
        ("bare", "expected notes on the columns of a table, got none that fit"),
        ("none", "none: expected a file, got none; check the path"),
    ):
        for command in (["describe"], ["predict"], ["evaluate"]):
            more = [] if command == ["describe"] else [home / "people.csv"]
            done = run_table(*command, tmp_path / name, *more)
            assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
            assert words in done.err


@pytest.mark.parametrize(("target", "outputs", "ending"), [("rich", 2, fn.softmax()), ("income", 1, fn.identity())])
def test_a_model_of_ones_own_with_a_schema_is_a_model_for_tables(
    target: str, outputs: int, ending: fn.Layer[Any], home: Path, tmp_path: Path
) -> None:
    table = polars.read_csv(home / "people.csv", infer_schema=False)
    schema = fit_schema(table, target=target)
    layer = table_features(numbers=len(schema.numbers), sizes=schema.sizes)
    model = fn.chain(layer, fn.linear(outputs), ending)
    params = (fit_features(layer, encode(schema, table)), *model.init(fn.Key(0), (schema.width,))[0][1:])
    notes = {"table": schema_to_json(schema)}
    fn.save_model(tmp_path / "model", model, params, example=(schema.width,), notes=notes)
    assert succeed_table("describe", tmp_path / "model").startswith(f"target: {target!r}, ")
    assert predicted(tmp_path / "model", home / "people.csv").columns[0] == f"predicted {target}"
    assert succeed_table("evaluate", tmp_path / "model", home / "people.csv").startswith("200 rows  ")
    if schema.target and schema.target.classes:
        bare = fn.chain(*model.parts[:2])
        fn.save_model(tmp_path / "bare", bare, params[:2], example=(schema.width,), notes=notes)
        words = (
            "bare: expected probabilities of 2 classes, got outputs that don't add up to 1; end the model with softmax"
        )
        assert words in run_table("predict", tmp_path / "bare", home / "people.csv").err


# Options.


def test_kinds_of_columns_and_missing_values_can_be_chosen(tmp_path: Path) -> None:
    table = people(40) | {"code": [str(row % 3) for row in range(40)], "size": ["9", "unknown", "3", "4"] * 10}
    table["row"] = [str(row) for row in range(40)]
    data = write_csv(tmp_path / "data.csv", table)
    options = ("--category", "code", "--missing", "unknown", "--number", "row")
    out = succeed_table("train", data, *TRAIN, *options, *SMALL_NETWORK, "--output", tmp_path / "model")
    assert "3 columns of numbers: 'age', 'size', 'row'" in out
    assert "'code' (3)" in out
    schema = schema_from_json(fn.load_model(tmp_path / "model").notes["table"])
    assert {*schema.unused} == {"income"}
    assert "unknown" in schema.missing


def test_a_number_can_be_a_class_and_a_class_a_number(tmp_path: Path) -> None:
    table = people(40) | {"grade": [str(row % 4) for row in range(40)]}
    data = write_csv(tmp_path / "data.csv", table)
    line = ("train", data, "--target", "grade", *SMALL_NETWORK)
    assert "4 classes: '0', '1', '2', '3'" in succeed_table(*line)
    assert "target: 'grade', a number" in succeed_table(*line, "--task", "regression")
    done = run_table(*line, "--task", "regression", "--label-smoothing", 0.1)
    assert "--label-smoothing is for classes, and 'grade' has numbers; leave it out" in done.err
    done = run_table(*line[:2], "--target", "rich", "--task", "regression")
    assert f"column 'rich', row 2: expected a number, got {table['rich'][0]!r}" in done.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ("--ignore", "jo"),
            "column 'jo' (--ignore), got only 'age', 'job', 'since', 'income', 'rich'; did you mean 'job'?",
        ),
        (("--category", "age", "--number", "age"), "--category age contradicts --number age; give one of them"),
        (("--ignore", "rich"), "--ignore rich contradicts --target rich"),
        (
            ("--validation", 0.5, "--test", 0.5),
            "--validation and --test leave no rows to train on",
        ),
        (("--hidden", "4,x"), "'4,x' is no list of units; write for instance 64,32"),
        (("--members", "x"), "Invalid value for '--members': 'x' is not a valid integer.\n"),
        (("--rate", "x"), "Invalid value for '--rate': 'x' is not a valid number.\n"),
        (("--hidden", "0"), "'0' is no list of units"),
        (("--test", 0.001), "--validation and --test: expected rows to test on, got none; give larger or smaller"),
        (("--resume",), "--resume needs --checkpoint FILE: nothing is saved without it"),
        (("--rate", 2), "--rate"),
        (("--output", "no/such/folder"), "does not exist; create it first"),
        (("--plot", "a.gif"), "a.gif must end in .png, .pdf or .svg"),
        (("--output", "a", "--history", "a"), "--output and --history name the same file"),
    ],
)
def test_options_that_can_not_be_heeded_are_refused_in_one_line(
    options: tuple[object, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run_table(
        "train", write_csv(tmp_path / "people.csv", people()), "--target", "rich", *SMALL_NETWORK, *options
    )
    assert done.status in (1, 2)
    assert done.err.count("\n") == 1
    assert words in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["people.csv"]


def test_a_file_is_not_overwritten_by_what_is_made_of_it(home: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "people.csv", people())
    for line in (
        ("train", data, *TRAIN, "--output", data),
        ("predict", home / "rich", data, "--output", data),
        ("predict", home / "rich", data, "--output", home / "rich"),
    ):
        done = run_table(*line)
        assert done.status == 2
        assert "name the same file" in done.err


def test_quiet_prints_nothing_and_a_seed_decides_every_bit(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "people.csv", people())
    line = ("train", data, *TRAIN, *SMALL_NETWORK, "--quiet", "--output")
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert succeed_table(*line, tmp_path / name, "--seed", seed) == ""
    contents = [(tmp_path / name).read_bytes() for name in "abc"]
    assert contents[0] == contents[1] != contents[2]


# Parts.


def test_rows_are_held_out_evenly_over_the_targets() -> None:
    targets = np.repeat([0, 1, 2], [10, 40, 150])
    for share in (0.1, 0.15, 0.5):
        held = held_out(targets, share, fn.Key(3))
        counts = np.bincount(targets[held], minlength=3)
        assert (np.abs(counts - share * np.array([10, 40, 150])) <= 1).all()
        assert not np.array_equal(held, held_out(targets, share, fn.Key(4)))
    assert not held_out(targets, 0.0, fn.Key(3)).any()


def test_row_numbers_are_recognized() -> None:
    assert numbers_rows(np.arange(10.0))
    for start in (1, 5, 1000, -3):
        assert numbers_rows(np.arange(start, start + 10))
    assert not numbers_rows(np.arange(0.5, 10))
    assert not numbers_rows(np.arange(20)[::-1])
    assert not numbers_rows(np.arange(0, 20, 2))
    assert not numbers_rows(np.full(10, np.nan))
    assert not numbers_rows(np.array(["0"] * 10, object))
    assert not numbers_rows(np.array([*range(9), np.nan]))
    assert not numbers_rows(np.arange(3))


def test_columns_that_are_nearly_numbers_or_dates_are_named() -> None:
    table = {
        "size": ["1", "2", "3", "n/k", "4"],
        "grade": ["A", "B", "1", "2", "3"],
        "zip": ["01067", "10115", "20095", "50667", "x"],
        "when": ["31/1/2024", "1/2/2024 12:00", "", "2.3.24", "4-5-2024"],
    }
    table["since"] = ["01.02.2024", "02.03.2024", "2024-04-05", "30.2.2024", "5.6.2024"]
    table["until"] = ["31/1/2024", "n/k", "1/2/2024", "2/2/2024", "3/2/2024"]
    columns = {name: np.array(values, object) for name, values in table.items()}
    said = [*doubts(columns, dict.fromkeys(columns, "category"), ("grade",), ("",))]
    assert [line.partition(" holds")[0] for line in said[:-1]] == ["'size'", "'when'", "'since'", "'until'"]
    assert said[2] == (
        "'since' holds categories, because '30.2.2024' is not a date; "
        "a text for a missing value can be named with --missing"
    )
    assert said[-1] == "missing values in categories, which count as none of them: 'when'"
    assert not [*doubts(columns, {"size": "category"}, ("size",), ())]


def test_a_wrong_text_among_numbers_is_a_warning_and_the_last_line(tmp_path: Path) -> None:
    table = people(60)
    for wrong, count in (("warning: ", 6), ("", 7)):
        ages = ["unknown"] * count + [str(20 + row % 30) for row in range(60 - count)]
        data = write_csv(tmp_path / "data.csv", table | {"age": ages})
        lines = succeed_table("train", data, *TRAIN, *SMALL_NETWORK).splitlines()
        told = f"{wrong}'age' holds categories, because 'unknown' is not a number; "
        places = [place for place, line in enumerate(lines) if line.startswith(told)]
        assert places == ([1, len(lines) - 1] if wrong else [1])
    line = ("train", data, "--target", "age", *SMALL_NETWORK)
    assert "\n'age' holds categories, because 'unknown'" in succeed_table(*line)
    assert "holds categories" not in succeed_table(*line, "--task", "classification")
    for option, words in (("--missing", "unknown"), ("--category", "age")):
        assert "unknown" not in succeed_table("train", data, *TRAIN, *SMALL_NETWORK, option, words)
    done = run_table("train", data, *TRAIN, "--number", "age")
    assert done.err.startswith(f"error: {data}: column 'age', row 2: expected a number, got 'unknown'")


@pytest.mark.parametrize("mark", [".", ","])
def test_a_text_among_numbers_of_either_decimal_mark_is_named_with_its_row(mark: str, tmp_path: Path) -> None:
    prices = [f"{300 + row % 3}{mark}50" for row in range(60)]
    texts = {"whole": prices, "gap": [*prices[:17], "n/v", *prices[18:]], "new": ["300" + mark + "5", "n/v"]}
    whole, gap, new = (
        write_csv(tmp_path / name, people(len(column)) | {"price": column}, separator=";")
        for name, column in texts.items()
    )
    warning = "warning: 'price' holds categories, because 'n/v' is not a number; "
    out = succeed_table("train", gap, *TRAIN, *SMALL_NETWORK, "--output", tmp_path / "of categories")
    assert out.splitlines()[-1].startswith(warning)
    for options in (("--missing", "n/v"), ("--missing", "n/v", "--number", "price")):
        out = succeed_table("train", gap, *TRAIN, *SMALL_NETWORK, *options)
        assert "2 columns of numbers: 'age', 'price'" in out
        assert "'n/v'" not in out
    succeed_table("train", whole, *TRAIN, *SMALL_NETWORK, "--output", tmp_path / "of numbers")
    for row, line in (
        (19, ("train", gap, *TRAIN, "--number", "price")),
        (3, ("predict", tmp_path / "of numbers", new)),
        (19, ("evaluate", tmp_path / "of numbers", gap)),
    ):
        assert f": column 'price', row {row}: expected a number, got 'n/v'; correct it" in run_table(*line).err
    # What was a category in training is one in a file of numbers alone.
    assert "not there in training" not in run_table("predict", tmp_path / "of categories", whole).err


def test_a_model_remembers_the_decimal_commas_of_its_columns(tmp_path: Path) -> None:
    table = {"price": [f"{row}.000,5" for row in range(1, 41)], "costly": ["no"] * 20 + ["yes"] * 20}
    data, model = write_csv(tmp_path / "data.csv", table, separator=";"), tmp_path / "model"
    succeed_table("train", data, "--target", "costly", *LEARN, "--output", model)
    plain, marked = (
        run_table("predict", model, write_csv(tmp_path / name, {"price": [price], "costly": ["?"]}, separator=";"))
        for name, price in (("plain", "30.000"), ("marked", "30.000,0"))
    )
    assert plain == marked
    assert plain.err == "note: numbers with decimal commas: 'price'\n"


def test_a_table_of_scores_is_laid_out_by_parts() -> None:
    scores = {"a": {"validation": {"R²": 0.5, "mean error": 2.0}, "test": {"R²": 0.25, "mean error": 12345.678}}}
    assert score_table(scores) == [
        "   validation                test",
        "           R²  mean error      R²  mean error",
        "a      0.5000      2.0000  0.2500    12345.68",
    ]
    assert scores_of(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]]), classes=False)["mean error"] == 1.0
    assert quoted([*"abcdefg"]) == "'a', 'b', 'c', 'd', 'e' and 2 more"


# Stops.


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an uninterrupted run and every checkpoint that it wrote."""
    folder = tmp_path_factory.mktemp("whole")
    data, save = write_csv(folder / "people.csv", people()), checkpoint.save

    def save_and_keep(path: Any, *rest: Any) -> None:
        save(path, *rest)
        if Path(path).name == "checkpoint":
            shutil.copy(path, folder / f"checkpoint-{len(list(folder.glob('checkpoint-*')))}")

    files = ("--history", folder / "history", "--output", folder / "model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", save_and_keep)
        succeed_table("train", data, *RUN, *files, "--checkpoint", folder / "checkpoint", "--checkpoint-every", 5)
    return folder


RUN = (*TRAIN, "--epochs", 4, "--members", 2, "--hidden", "6,5", "--batch-size", 8, "--rate", 0.02)


@pytest.mark.parametrize(
    ("options", "saves"), [((), 12), (("--epochs", 1), 6), (("--checkpoint-every", 20), 2), (("--epochs", 20), 10)]
)
def test_a_short_run_is_saved_ten_times_unless_an_interval_is_given(
    options: tuple[object, ...], saves: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, paths = checkpoint.save, []

    def counted_save(path: Any, *rest: Any) -> None:
        paths.append(path)
        save(path, *rest)

    monkeypatch.setattr(checkpoint, "save", counted_save)
    line = ("train", write_csv(tmp_path / "people.csv", people()), *RUN, *options)
    succeed_table(*line, "--checkpoint", tmp_path / "checkpoint")
    assert len(paths) == saves  # of 24, 6, 24 and 120 steps


@pytest.mark.parametrize("number", range(5))
def test_a_run_that_goes_on_from_any_checkpoint_ends_with_the_same_bits(
    number: int, uninterrupted: Path, tmp_path: Path
) -> None:
    assert len(list(uninterrupted.glob("checkpoint-*"))) == 5  # of 24 steps
    shutil.copy(uninterrupted / f"checkpoint-{number}", tmp_path / "checkpoint")
    files = ("--history", tmp_path / "history", "--output", tmp_path / "model")
    more = ("--checkpoint", tmp_path / "checkpoint", "--resume")
    out = succeed_table("train", uninterrupted / "people.csv", *RUN, *files, *more)
    assert f"resumed from {tmp_path / 'checkpoint'}: epoch " in out
    assert (tmp_path / "model").read_bytes() == (uninterrupted / "model").read_bytes()
    if number < 4:
        assert repeatable(tmp_path / "history") == repeatable(uninterrupted / "history")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--seed", 1), "got"),
        (("--epochs", 5), "expected a run of epochs 5, got 4"),
        (("--rate", 0.5), "expected a run of rate 0.5, got 0.02"),
        (("--ignore", "age"), "expected a run of data"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(
    options: tuple[object, ...], words: str, uninterrupted: Path, tmp_path: Path
) -> None:
    shutil.copy(uninterrupted / "checkpoint-2", tmp_path / "checkpoint")
    line = ("train", uninterrupted / "people.csv", *RUN, *options, "--checkpoint", tmp_path / "checkpoint", "--resume")
    done = run_table(*line)
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert words in done.err
    assert (tmp_path / "checkpoint").read_bytes() == (uninterrupted / "checkpoint-2").read_bytes()


def test_another_environment_is_told(uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = ("train", uninterrupted / "people.csv", *RUN, "--checkpoint", tmp_path / "checkpoint")
    here = environment()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(checkpoint, "environment", lambda: here | {"numpy": "1.0"})
        succeed_table(*line)
    assert "the last bits may differ from an uninterrupted run: numpy 1.0, now " in succeed_table(*line, "--resume")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_killed_goes_on_with_the_same_bits(number: int, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "people.csv", people())
    options = ("train", data, *TRAIN, "--epochs", 100, "--hidden", 8, "--batch-size", 8)
    saved = (*options, "--checkpoint", tmp_path / "run")
    line = [sys.executable, str(TABLE_PROGRAM), *map(str, saved), "--checkpoint-every", "1"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        while not (tmp_path / "run").exists() and running.poll() is None:
            time.sleep(0.01)
        running.send_signal(number)
        _, err = running.communicate(timeout=60)
    assert running.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert number == signal.SIGKILL or err.decode().endswith(f"; continue from {tmp_path / 'run'} with --resume\n")
    succeed_table(*saved, "--resume", "--output", tmp_path / "resumed")
    succeed_table(*options, "--output", tmp_path / "whole")
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()


# Every option.

VALUES = {
    "--target": "income",
    "--task": "regression",
    "--ignore": "age",
    "--number": "code",
    "--category": "grade",
    "--missing": "cook",
    "--separator": ";",
    "--encoding": "latin-1",
    "--validation": "0.3",
    "--test": "0.3",
    "--hidden": "5",
    "--members": "2",
    "--epochs": "3",
    "--batch-size": "7",
    "--rate": "0.5",
    "--dropout": "0.5",
    "--label-smoothing": "0.5",
    "--weight-decay": "0.5",
    "--seed": "3",
    "--checkpoint": "run",
    "--checkpoint-every": "5",
    "--checkpoint-seconds": "9",
    "--checkpoint-keep": "2",
    "--output": "other",
    "--history": "other",
    "--plot": "a.png",
    "--keep": "job",
}
"""Options with the value to try; all others are switches."""


def outcome(folder: Path, line: tuple[object, ...]) -> tuple[Any, dict[str, bytes]]:
    """Run a command in a folder of its own; return what it said, without times, and the files that it wrote."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = run_table(*line)
    times = re.compile(rb"\d+\.\d\d s\b|\"seconds\": [\d.]+")
    said = (done.status, times.sub(b"", done.out.encode()), done.err)
    return said, {path.name: times.sub(b"", path.read_bytes()) for path in folder.iterdir()}


def test_each_option_has_an_effect_or_is_refused_by_its_name(tmp_path: Path) -> None:
    table = people(40) | {"code": ["01", "02"] * 20, "k\u00e4se": ["1", "2"] * 20}
    table["grade"] = [str(row % 9) for row in range(40)]
    data = write_csv(tmp_path / "people.csv", table)
    model = tmp_path / "model"
    succeed_table("train", data, "--target", "rich", *SMALL_NETWORK, "--output", model)
    scenes: dict[str, tuple[object, ...]] = {
        "train": (data, "--target", "grade", *SMALL_NETWORK, "--history", "history", "--output", "model"),
        "predict": (model, data),
        "evaluate": (model, data),
        "describe": (model,),
    }
    ignored, number = [], 0
    for name, line in scenes.items():
        plain = outcome(tmp_path / f"plain {name}", (name, *line))
        assert plain[0][0] == 0, plain
        for param in commands()[name].params:
            if isinstance(param, click.Option):
                number += 1
                added = (param.opts[0],) if param.is_flag else (param.opts[0], VALUES[param.opts[0]])
                found = outcome(tmp_path / str(number), (name, *line, *added))
                if found == plain or (found[0][0] and not mentions(added, found[0][2])):
                    ignored.append((name, added, found[0]))
    assert not ignored, "\n".join(map(str, ignored))


def mentions(added: tuple[str, ...], error: str) -> bool:
    """Tell whether an error names an option, or a column that is not found because of how the file is read."""
    return added[0] in error or (added[0] in ("--separator", "--encoding") and "got none" in error)


# The documentation.

PAGE = Path(__file__).resolve().parents[1] / "docs" / "tables.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_commands_and_the_code_of_the_page_do_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write, use = blocks("python")
    (said,) = [text for text in blocks("text") if text.startswith("flowers.csv: ")]
    (commands,) = blocks("sh")
    subprocess.run([sys.executable, "-c", write], check=True)
    out = "".join(succeed_table(*line.split()[2:]) for line in commands.splitlines())
    known, printed = (re.sub(r"\d+\.\d+", "@", text.partition("best epoch")[0]) for text in (said, out))
    assert OutputChecker().check_output(known, printed, ELLIPSIS)
    assert out.splitlines()[-2:] == said.splitlines()[-2:]
    assert len((tmp_path / "predicted.csv").read_text().splitlines()) == 151
    done = subprocess.run([sys.executable, "-c", use], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("('setosa', 'versicolor', 'virginica') [[")
