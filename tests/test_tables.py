"""Claims about `fnmlp.tables`: what columns are taken for, and which numbers become of them."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from io import StringIO
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.tables import (
    CategoryColumn,
    NumberColumn,
    TableSchema,
    Target,
    encode,
    encode_target,
    fit_features,
    fit_schema,
    fit_target,
    schema_from_json,
    schema_to_json,
    table_features,
    unknown_values,
)

NAN = float("nan")


def kind_of(values: Any, **options: Any) -> str | None:
    """Return the kind of the column `x` of a table, or None if it is left out."""
    schema = fit_schema({"x": values, "filler": np.arange(len(values))}, min_frequency=1, **options)
    return schema.kinds.get("x")


def codes(values: Any, schema: TableSchema) -> list[float]:
    x = encode(schema, {schema.names[0]: values})[:, 0]
    return [None if np.isnan(number) else number for number in x.tolist()]  # type: ignore[misc]


# Kinds of columns.


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], "number"),
        ([1.5, NAN], "number"),
        (np.array([1, 2], np.uint8), "number"),
        (np.array([1, 2], ">f4"), "number"),
        ([1, 2.5], "number"),
        ([Decimal("1.5"), Fraction(1, 3)], "number"),
        (["1", " 2.5e3 "], "number"),
        ([".5", "-5.", "+1"], "number"),
        (["1", "?", "2"], "number"),
        ([1, "2", None], "number"),
        (["0", "0.5", "-0"], "number"),
        (["01067", "10115"], "category"),
        (["1_000", "2"], "category"),
        (["\u0661", "2"], "category"),  # a digit of another script
        (["1,5", "2"], "category"),
        (["a", "b"], "category"),
        (["1", "b"], "category"),
        ([True, False], "category"),
        (np.array([True, False]), "category"),
        ([True, None, False], "category"),
        (np.array(["a", "b"], "U1"), "category"),
        (np.array(["a", "b"], np.dtypes.StringDType()), "category"),
        (["2024-01-31", "2024-02-01"], "date"),
        (["2024-01-31 12:30", "2024-02-01T00:00:00.5Z", ""], "date"),
        ([date(2024, 1, 31), datetime(2024, 2, 1, tzinfo=UTC)], "date"),
        (np.array(["2024-01-31", "NaT", "2024-02-01"], "datetime64[ns]"), "date"),
        (["2024-02-30", "2024-02-01"], "category"),
        (["31.1.2024", "01.02.2024 18:30", "2024-02-03"], "date"),
        (["31.1.24", "1.2.24"], "category"),
        (["31/1/2024", "1/2/2024"], "category"),
        (["30.2.2024", "1.2.2024"], "category"),
        (["1.2.20245", "1.2.2024"], "category"),
        (["31. 1. 2024", "1.2.2024"], "category"),
        (["2024", "2025"], "number"),
        ([None, None], None),
        (["", "NA"], None),
        ([NAN, NAN], None),
        ([1.0, 1.0], None),
        (["a", "a"], None),
        ([1.0, NAN], "number"),
        (["a", None], "category"),
    ],
)
def test_the_kind_of_a_column_is_found_out(values: Any, kind: str | None) -> None:
    assert kind_of(values) == kind


def test_whole_numbers_are_categories_if_there_are_few_different_ones_and_the_caller_wants_that() -> None:
    for values in ([1, 2, 1], [1.0, 2.0, NAN], ["1", "2", ""], np.array([1, 2, 2], np.int8)):
        assert kind_of(values, integer_categories=2) == "category"
        assert kind_of(values, integer_categories=1) == "number"
    assert kind_of([1.5, 2.0], integer_categories=2) == "number"


def test_the_caller_can_choose_a_kind() -> None:
    assert kind_of([2023, 2024], kinds={"x": "category"}) == "category"
    assert kind_of(["007", "008"], kinds={"x": "number"}) == "number"
    days = np.array(["2024-01-31", "2024-02-01", "NaT"], "datetime64[D]")
    schema = fit_schema({"x": days}, kinds={"x": "category"}, min_frequency=1)
    assert codes(days, schema) == [0.0, 1.0, None]


def test_numbers_that_float32_could_not_tell_apart_are_counted_from_the_smallest() -> None:
    seconds = np.arange(1_700_000_000, 1_700_000_010)
    schema = fit_schema({"x": seconds})
    assert encode(schema, {"x": seconds})[:, 0].tolist() == list(range(10))
    assert fit_schema({"x": [1000, 1002]}).numbers[0].origin == 0.0
    assert encode(schema, {"x": [1.7e9 - 0.5]}, dtype="float64").tolist() == [[-0.5]]


def test_constant_columns_are_kept_on_request() -> None:
    table = {"x": [1, 1], "y": ["a", "a"], "z": [None, None]}
    schema = fit_schema(table, keep_constant=True)
    assert (schema.names, schema.unused) == (("x", "z", "y"), ())
    assert np.array_equal(encode(schema, table), [[0.0, NAN, 0.0]] * 2, equal_nan=True)


# Values.


def test_missing_values_of_every_library_are_missing() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas has missing values of its own")
    for gap in (None, NAN, np.float32("nan"), pandas.NA, pandas.NaT, "", " NA ", "?", "NaN", "null"):
        for present in (["a", "b"], [1.5, 2.5], ["1.5", "2"]):
            schema = fit_schema({"x": [*present, gap]}, min_frequency=1)
            assert np.isnan(encode(schema, {"x": [*present, gap]})[:, 0]).tolist() == [False, False, True]


def test_other_texts_for_missing_values_can_be_given() -> None:
    schema = fit_schema({"x": ["1", "2", "unknown", ""]}, missing=("unknown", ""))
    assert schema.kinds == {"x": "number"}
    assert codes(["unknown", "3"], schema) == [None, 3.0]
    assert kind_of(["1", "2", "NA"], missing=("",)) == "category"


def test_series_of_pandas_and_polars_are_columns() -> None:
    pandas = pytest.importorskip("pandas", reason="its series are columns too")
    polars = pytest.importorskip("polars", reason="its series are columns too")
    data: dict[str, list[Any]] = {
        "n": [1, 2, None],
        "f": [0.5, None, 2.5],
        "s": ["a", None, "b"],
        "b": [True, None, False],
        "d": [date(2024, 1, 31), None, date(2024, 2, 1)],
    }
    plain = fit_schema(data, min_frequency=1)
    assert plain.kinds == {"n": "number", "f": "number", "s": "category", "b": "category", "d": "date"}
    expected = encode(plain, data)
    tables: list[Any] = [pandas.DataFrame(data), pandas.DataFrame(data).convert_dtypes(), polars.DataFrame(data)]
    tables.append(pandas.DataFrame(data).astype({"s": "category"}))
    tables.append(polars.DataFrame(data).with_columns(polars.col("s").cast(polars.Categorical)))
    for table in tables:
        for columns in (table, {name: table[name] for name in data}):
            assert fit_schema(columns, min_frequency=1) == plain
            assert np.array_equal(encode(plain, columns), expected, equal_nan=True)
            assert unknown_values(plain, columns) == {}


def test_data_frames_have_targets_and_names() -> None:
    pandas = pytest.importorskip("pandas", reason="its frames are tables")
    polars = pytest.importorskip("polars", reason="its frames are tables")
    data = {"x": [1, 2, 3], "y": ["a", "b", "a"]}
    for frame in (pandas.DataFrame(data), polars.DataFrame(data)):
        schema = fit_schema(frame, target="y")
        assert encode_target(schema, frame).tolist() == [0, 1, 0]
        with pytest.raises(fn.DataError, match="expected the columns 'x', got 1 columns, none of which is 'x'"):
            encode(schema, frame[["y"]])
    with pytest.raises(fn.StructureError, match=r"fit_schema\(columns\): expected a str, got 0"):
        fit_schema(pandas.DataFrame([[1, 2]]))
    with pytest.raises(fn.StructureError, match=r"fit_schema\(columns\): expected a str, got"):
        fit_schema(pandas.DataFrame([[1, 2]], columns=pandas.MultiIndex.from_tuples([("a", "b"), ("a", "c")])))
    with pytest.raises(fn.ShapeError, match=r"column 'a': expected one value for each row, got shape \(1, 2\)"):
        fit_schema(pandas.DataFrame([[1, 2]], columns=["a", "a"]))
    assert fit_schema(pandas.DataFrame({"collect": [1, 2]})).numbers[0].name == "collect"
    with pytest.raises(
        fn.DtypeError, match=r"fit_schema\(columns\): expected a data frame, got a LazyFrame; .*collect"
    ):
        fit_schema(polars.DataFrame(data).lazy())
    with pytest.raises(fn.DtypeError, match=r"expected a data frame, got a Table; pass what its to_pydict\(\) returns"):
        fit_schema(pytest.importorskip("pyarrow", reason="its tables are nearly frames").table(data))


def test_codes_survive_a_csv_file_that_is_read_as_texts() -> None:
    pandas = pytest.importorskip("pandas", reason="it reads CSV files")
    polars = pytest.importorskip("polars", reason="it reads CSV files")
    text = "code,age\n" + "01067,31\n80331,28\n" * 2
    for frame in (polars.read_csv(StringIO(text), infer_schema=False), pandas.read_csv(StringIO(text), dtype=str)):
        schema = fit_schema(frame)
        assert schema.kinds == {"age": "number", "code": "category"}
        assert schema.categories[0].values == ("01067", "80331")


def test_the_same_category_has_the_same_code_whatever_its_type() -> None:
    numbers = fit_schema({"x": [1, 2]}, kinds={"x": "category"}, min_frequency=1)
    for values in ([2, 1], [2.0, 1.0], ["2", "1"], np.array([2, 1], np.int8), [Decimal(2), 1], np.array([2.0, 1.0])):
        assert codes(values, numbers) == [1.0, 0.0]
    texts = fit_schema({"x": ["1.0", "2.50", "n/a"]}, min_frequency=1)
    for known in (texts, TableSchema((), (CategoryColumn("x", ("1.0", "2.50", "n/a")),))):
        assert codes([1, 2.5], known) == codes(["1", "2.5"], known) == codes(["+1.", "2.500"], known) == [0.0, 1.0]
        assert unknown_values(known, {"x": ["1", "01", "n/a"]}) == {"x": {"01": 1}}
    longs = fit_schema({"x": ["9007199254740993", "9007199254740992", "n/a"]}, min_frequency=1)
    assert codes(["9007199254740992", "9007199254740993"], longs) == [0.0, 1.0]
    truths = fit_schema({"x": [True, False]}, min_frequency=1)
    objects = np.array([np.True_, np.False_], object)
    for given in ([True, False], ["True", "False"], ["true", "FALSE"], np.array([True, False]), objects):
        assert codes(given, truths) == [1.0, 0.0]


def test_categories_are_sorted_as_people_sort_them() -> None:
    schema = fit_schema({"x": ["10", "9", "b", "B", "a", "1.5"]}, min_frequency=1)
    assert schema.categories[0].values == ("1.5", "9", "10", "B", "a", "b")


def test_dates_are_days_since_1970() -> None:
    schema = fit_schema({"x": ["1970-01-01", "1971-01-01 06:00"]})
    assert codes(["1970-01-02", "1969-12-31T12:00", "1970-01-01T01:00+01:00", None], schema) == [1.0, -0.5, 0.0, None]
    assert codes(["02.01.1970", "1.1.1970 12:00", "31.12.1969"], schema) == [1.0, 0.5, -1.0]
    for unit in ("D", "h", "ns"):
        assert codes(np.array(["1970-01-03", "NaT"], f"datetime64[{unit}]"), schema) == [2.0, None]


def test_the_most_frequent_categories_are_kept_in_whatever_order_the_rows_are() -> None:
    values = [letter for letter, count in zip("abcdefg", (3, 1, 3, 2, 5, 2, 1), strict=True) for _ in range(count)]
    for order in (values, values[::-1]):
        assert fit_schema({"x": order}, max_categories=4).categories == (CategoryColumn("x", ("a", "c", "d", "e")),)
        assert fit_schema({"x": order}, min_frequency=3).categories == (CategoryColumn("x", ("a", "c", "e")),)


def test_a_hundred_thousand_categories_make_a_small_schema() -> None:
    values = [f"customer {number}" for number in range(100_000)]
    values[-100:] = ["often"] * 100
    schema = fit_schema({"x": values, "y": ["a", "b"] * 50_000})
    assert schema.categories == (CategoryColumn("x", ("often",)), CategoryColumn("y", ("a", "b")))


# Tables.


TABLE = {
    "age": [31.0, NAN, 25.0, 40.0],
    "size": ["S", "L", "S", "L"],
    "when": ["1970-01-02", "", "1970-01-05", "1970-01-03"],
    "same": [1, 1, 1, 1],
}


def test_numbers_come_first_then_categories_then_indicators() -> None:
    schema = fit_schema(TABLE)
    assert schema.names == ("age", "when", "size")
    assert (schema.indicators, schema.sizes, schema.width, schema.unused) == (("age", "when"), (2, 1, 1), 5, ("same",))
    expected = [[31, 1, 1, NAN, NAN], [NAN, NAN, 0, 0, 0], [25, 4, 1, NAN, NAN], [40, 2, 0, NAN, NAN]]
    assert np.array_equal(encode(schema, TABLE), expected, equal_nan=True)
    without = fit_schema(TABLE, indicators=False)
    assert np.array_equal(encode(without, TABLE), np.array(expected)[:, :3], equal_nan=True)


def test_columns_come_in_any_order_and_others_are_ignored() -> None:
    schema = fit_schema(TABLE)
    reordered = {"more": [1], **dict(reversed(TABLE.items()))}
    assert np.array_equal(encode(schema, reordered), encode(schema, TABLE), equal_nan=True)


def test_a_table_without_rows_is_encoded_too() -> None:
    assert encode(fit_schema(TABLE), {name: [] for name in TABLE}).shape == (0, 5)


def test_values_that_are_new_are_counted_and_become_zeros() -> None:
    schema, new = fit_schema(TABLE), {**TABLE, "size": ["S", "XL", "XXL", "XL"]}
    assert unknown_values(schema, new) == {"size": {"XL": 2, "XXL": 1}}
    assert unknown_values(schema, TABLE) == {}
    layer = table_features(numbers=2, sizes=schema.sizes)
    features = fn.predict(layer, fit_features(layer, encode(schema, TABLE)), encode(schema, new))
    assert features[:, 2:4].tolist() == [[0, 1], [0, 0], [0, 0], [0, 0]]


def test_arguments_are_not_written_to() -> None:
    ages, objects = np.array([1.0, np.nan]), np.array(["a", None], object)
    for array in (ages, objects):
        array.setflags(write=False)
    table = {"age": ages, "size": objects}
    encode(fit_schema(table, min_frequency=1), table)
    assert (ages[0], objects.tolist()) == (1.0, ["a", None])


# Targets.


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["b", "a", "b"], ("a", "b")),
        ([True, False, True], ("false", "true")),
        ([3, 1, 3, 1], ("1", "3")),
        ([2.0, 1.0, 2.0, 1.0], ("1", "2")),
        ([10, 9, 10, 9, 2, 2], ("2", "9", "10")),
        (["None", "Some", "None"], ("None", "Some")),
        ([1.5, 2.5, 1.5], ()),
        ([1, 2, 3], ()),
        (list(range(21)) * 2, ()),
        (["1.5", "2.5"], ()),
    ],
)
def test_the_task_is_found_out(values: Any, classes: tuple[str, ...]) -> None:
    target = fit_target("y", values)
    assert (target.classes, target.task) == (classes, "classification" if classes else "regression")


def test_the_caller_can_choose_the_task() -> None:
    assert fit_target("y", [1.5, 2.5], task="classification").classes == ("1.5", "2.5")
    schema = fit_schema({"x": [1, 2, 3, 4], "y": [1, 2, 1, 2]}, target="y", task="regression")
    assert encode_target(schema, {"y": ["1", 2.5]}).tolist() == [[1.0], [2.5]]


def test_inputs_and_targets_have_one_dtype() -> None:
    table = {"x": [1, 2, 3, 4], "y": [2.0**24, 2.0**24 + 1, 0.5, 1.5]}
    schema = fit_schema(table, target="y")
    x, y = encode(schema, table), encode_target(schema, table)
    assert x.dtype == y.dtype == np.float32
    layer, optimizer = fn.linear(1), fn.sgd(0.1)
    state = fn.train_state(layer, optimizer, key=fn.Key(0), example=(1,))
    assert np.isfinite(fn.train_step(layer, fn.mse, optimizer, state, fn.Batch(x, y)).loss)
    exact = encode_target(schema, table, dtype="float64")
    assert exact.dtype == np.float64
    assert exact[:, 0].tolist() == table["y"]
    assert encode(schema, table, dtype="float64").dtype == exact.dtype


def test_targets_are_class_numbers() -> None:
    schema = fit_schema({"x": [1, 2, 3, 4], "y": ["b", "a", "a", "c"]}, target="y")
    assert encode_target(schema, {"y": ["c", " a", "b"]}).tolist() == [2, 0, 1]
    assert schema.names == ("x",)


# Model files.


def test_a_schema_survives_json_and_a_model_file(tmp_path: Path) -> None:
    table = {**TABLE, "y": ["\u00e4", "b", "\u00e4", "b"], 'qu"ote\n': [1, 2, 3, 4]}
    schema = fit_schema(table, target="y")
    assert schema_from_json(schema_to_json(schema)) == schema
    x, layer = encode(schema, table), table_features(numbers=len(schema.numbers), sizes=schema.sizes)
    model = fn.chain(layer, fn.linear(2), fn.softmax())
    params = (fit_features(layer, x), *model.init(fn.Key(0), (schema.width,))[0][1:])
    notes = {"table": schema_to_json(schema)}
    fn.save_model(tmp_path / "m", model, params, example=(schema.width,), notes=notes)
    found = fn.load_model(tmp_path / "m")
    assert schema_from_json(found.notes["table"]) == schema
    again = fn.predict(found.model, found.params, encode(schema, dict(reversed(table.items()))))
    assert np.array_equal(again, fn.predict(model, params, x))
    assert np.isfinite(again).all()


WHOLE = json.loads(schema_to_json(fit_schema({**TABLE, "y": [1, 2, 1, 2]}, target="y")))


@pytest.mark.parametrize(
    "change",
    [
        lambda _: None,
        lambda told: [told],
        lambda told: {**told, "numbers": 3},
        lambda told: {**told, "numbers": [{"name": 3}]},
        lambda told: {**told, "numbers": [{"name": "a", "kind": "picture"}]},
        lambda told: {**told, "numbers": [{"name": "a", "indicator": 1}]},
        lambda told: {**told, "numbers": [{"name": "size"}]},
        lambda told: {**told, "categories": [{"name": "a", "values": ["b", "b"]}]},
        lambda told: {**told, "categories": [{"name": "a", "values": "bc"}]},
        lambda told: {**told, "categories": [{"name": "a", "values": ["b"], "more": 1}]},
        lambda told: {**told, "target": {"name": "y", "classes": [1, 2]}},
        lambda told: {**told, "target": "y"},
        lambda told: {**told, "missing": [None]},
        lambda told: {**told, "more": 1},
        lambda told: {name: part for name, part in told.items() if name != "target"},
    ],
)
def test_a_text_that_describes_no_schema_is_refused(change: Callable[[Any], Any]) -> None:
    with pytest.raises(fn.DataError, match="expected the text of a schema"):
        schema_from_json(json.dumps(change(WHOLE)))


@pytest.mark.parametrize("text", ["", "[" * 100_000, "{", "NaN"])
def test_a_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(fn.DataError, match="expected the text of a schema"):
        schema_from_json(text)


# The preprocessing.


@pytest.mark.parametrize(("numbers", "sizes", "width"), [(2, (3, 1), 6), (2, (), 2), (0, (3,), 3)])
def test_the_preprocessing_leaves_out_what_is_not_there(numbers: int, sizes: tuple[int, ...], width: int) -> None:
    layer = table_features(numbers=numbers, sizes=sizes)
    assert layer.init(fn.Key(0), (numbers + len(sizes),))[1] == (width,)
    assert fn.build(layer.name).name == layer.name


def test_the_preprocessing_is_fitted_to_the_training_rows() -> None:
    x = np.array([[1.0, 0.0], [2.0, 1.0], [NAN, NAN], [4.0, 1.0], [1e9, 0.0]])
    layer = table_features(numbers=1, sizes=(2,))
    y = layer.apply(fit_features(layer, x), x)
    assert np.isfinite(y).all()
    assert (np.abs(y[:, 0]) <= 3).all()
    assert y[2].tolist() == [0.0, 0.0, 0.0]  # the median, and no category
    assert y[:, 1:].sum(axis=1).tolist() == [1, 1, 0, 1, 1]


def test_any_composition_is_fitted_part_by_part() -> None:
    x = np.array([[1.0, 5.0], [NAN, 7.0], [4.0, 9.0]], np.float32)
    layer = fn.chain(fn.impute(), fn.concat(fn.rescale(), fn.linear(3)))
    of_impute, (of_rescale, of_linear) = fit_features(layer, x)
    assert (of_impute.value.tolist(), of_rescale.center.tolist()) == ([2.5, 7.0], [2.5, 7.0])
    assert of_linear.weight.shape == (2, 3)


# Errors.

OF_NUMBERS = TableSchema((), (), Target("y"))
OF_Y = TableSchema((), (), Target("y", ("a", "b")))


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda: fit_schema({}), "expected at least one column, got none"),
        (lambda: fit_schema([[1, 2]]), r"expected a Mapping, got \[\[1, 2\]\]"),  # type: ignore[arg-type]
        (lambda: fit_schema({1: [1, 2]}), "expected a str, got 1"),  # type: ignore[dict-item]
        (lambda: fit_schema({"x": []}), "expected at least one row, got none"),
        (lambda: fit_schema({"x": [1], "y": [1, 2]}), "column 'y': expected 1 rows, like 'x', got 2"),
        (lambda: fit_schema({"x": [1, 1]}), "expected a column to learn from, got none of 1 that holds values"),
        (
            lambda: fit_schema({"x": np.ones((2, 2))}),
            r"'x': expected one value for each row, got shape \(2, 2\)",
        ),
        (lambda: fit_schema({"x": np.ones(2, complex)}), "got complex128; convert it"),
        (lambda: fit_schema({"x": np.array([b"a", b"b"])}), r"got \|S1; convert it"),
        (lambda: fit_schema({"x": np.ones(2, "timedelta64[D]")}), "got timedelta64"),
        (lambda: fit_schema({"x": np.ma.masked_array([1.0, 2.0])}), "got a masked array; fill its gaps"),
        (lambda: fit_schema({"x": [[1], [2]]}), "got others .*; make a column of each of their parts"),
        (lambda: fit_schema({"x": ["a", 1j]}), "column 'x', row 1: expected a number, text, boolean or date, got 1j"),
        (lambda: fit_schema({"x": ["a", b"b"]}, first_row=2), "column 'x', row 3: .* got b'b'"),
        (lambda: fit_schema({"x": [1, np.inf]}), "column 'x', row 1: expected a finite number, got infinity"),
        (lambda: fit_schema({"x": [10**400, 1]}), "column 'x', row 0: expected a finite number, got infinity"),
        (lambda: fit_schema({"x": ["1", "-inf"]}), "column 'x', row 1: expected a finite number, got infinity"),
        (lambda: fit_schema({"x": [1, 2]}, target="y"), r"fit_schema\(target\): expected .* column, got 'y'; choose"),
        (lambda: fit_schema({"x": [1, 2]}, kinds={"y": "number"}), r"fit_schema\(kinds\): expected the name of a col"),
        (lambda: fit_schema({"x": [1, 2]}, kinds={"x": "picture"}), "'number' or 'date' or 'category', got 'picture'"),
        (lambda: fit_schema({"x": [1, 2]}, target="x", kinds={"x": "number"}), "got that of the target 'x'"),
        (lambda: fit_schema({"x": ["a", "1"]}, kinds={"x": "number"}), "row 0: expected a number, got 'a'; correct it"),
        (lambda: fit_schema({"x": [True, False]}, kinds={"x": "number"}), "row 0: expected a number, got True"),
        (
            lambda: fit_schema({"x": [1, 2]}, kinds={"x": "date"}),
            "expected a date such as 2024-12-31 or 31.12.2024, got 1",
        ),
        (
            lambda: fit_schema({"x": [1, 2]}, missing="NA"),
            r"missing\): expected a tuple of texts, got 'NA'",
        ),
        (lambda: fit_schema({"x": [1, 2]}, task="guess"), "expected 'auto' or 'classification' or 'regression'"),
        (lambda: fit_schema({"x": [1, 2]}, max_categories=0), "at least 1, got 0"),
        (lambda: fit_target("y", []), "column 'y': expected at least one row"),
        (lambda: fit_target("y", ["a", "", "b"]), "column 'y', row 1: expected a target, got a missing value"),
        (lambda: fit_target("y", ["a", "a"]), "expected at least two different targets, got the same in all rows"),
        (lambda: fit_target("y", [1.5, 1.5]), "expected at least two different targets"),
        (lambda: fit_target("y", ["2024-01-31", "2024-02-01"]), "expected classes or numbers as a target, got dates"),
        (lambda: fit_target("y", ["a", "b"], task="regression"), "row 0: expected a number, got 'a'"),
        (
            lambda: encode(fit_schema(TABLE), {"age": [1]}),
            "expected the columns .*, got 1 columns, none of",
        ),
        (
            lambda: encode(fit_schema(TABLE), {**TABLE, "age": [1, 2, 3, 1e39]}),
            "row 3: .* float32 can hold, got",
        ),
        (lambda: encode(fit_schema(TABLE), TABLE, dtype="float16"), "expected 'float32' or 'float64', got 'float16'"),
        (lambda: encode(TABLE, TABLE), r"encode\(schema\): expected a TableSchema"),  # type: ignore[arg-type]
        (lambda: encode(fit_schema(TABLE), {**TABLE, "age": ["old"] * 4}), "column 'age', row 0: .* got 'old'"),
        (lambda: encode(fit_schema(TABLE), {**TABLE, "when": [1] * 4}), "column 'when', row 0: expected a date"),
        (lambda: encode(fit_schema(TABLE), {**TABLE, "age": np.zeros(4, "M8[D]")}), "expected a number, got datetime"),
        (lambda: encode_target(fit_schema(TABLE), TABLE), "expected a schema with a target, got one without"),
        (
            lambda: encode_target(TableSchema((), (), Target("y", ("a", "b"))), {"y": ["a", "c"]}, first_row=2),
            "row 3: exp",
        ),
        (
            lambda: encode_target(TableSchema((), (), Target("y", ("a", "b"))), {"y": ["a", None]}),
            "row 1: expected a tar",
        ),
        (lambda: encode_target(TableSchema((), (), Target("y")), {"x": [1]}), "expected the columns 'y'"),
        (lambda: encode_target(OF_NUMBERS, {"y": [1, 1e39]}), "row 1: .* float32 can hold, got"),
        (lambda: encode_target(OF_NUMBERS, {"y": [1]}, dtype="int8"), "expected 'float32' or 'float64', got 'int8'"),
        (lambda: table_features(numbers=0), "table_features: expected at least one column, got none"),
        (lambda: table_features(numbers=-1), "at least 0, got -1"),
        (lambda: fit_features(table_features(numbers=1), np.ones(3)), r"expected rows of features, got \(3,\)"),
        (lambda: NumberColumn("x", "picture"), "expected 'number' or 'date', got 'picture'"),
        (lambda: CategoryColumn("x", ["a"]), r"expected a tuple of texts, got \['a'\]"),  # type: ignore[arg-type]
        (lambda: TableSchema((NumberColumn("x"),), (CategoryColumn("x", ("a",)),)), "each name once, got 'x' twice"),
        (lambda: TableSchema((3,), ()), r"TableSchema\(numbers\): expected a NumberColumn, got 3"),  # type: ignore[arg-type]
        (lambda: TableSchema((), (), "y"), r"TableSchema\(target\): expected a Target, got 'y'"),  # type: ignore[arg-type]
    ],
)
def test_an_error_says_where_and_what(attempt: Callable[[], object], words: str) -> None:
    with pytest.raises(fn.FnmlpError, match=words) as caught:
        attempt()
    assert "\n" not in fn.one_line(caught.value)
