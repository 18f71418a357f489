"""The examples of the scikit-learn estimators run, with either library and on a cluster."""

from pathlib import Path

from click.testing import CliRunner
import pytest

pytest.importorskip("sklearn", reason="the estimators need scikit-learn")

import sklearn_networks


@pytest.mark.parametrize("library", ["fnmlp", "sklearn"])
@pytest.mark.parametrize(
    ("study", "epochs", "said"),
    [
        ("weights", 2, ["training score 0.", "drawn to"]),
        ("regularisation", 2, ["moons ", "circles ", "two clusters ", "drawn to"]),
        ("solvers", 1, ["iris", "digits", "moons", "circles", "  Adam ", "drawn to"]),
    ],
)
def test_only_the_import_differs(library: str, study: str, epochs: int, said: list[str], tmp_path: Path) -> None:
    plot = tmp_path / "plot.png"
    line = [study, "--library", library, "--epochs", str(epochs), "--plot", str(plot)]
    result = CliRunner().invoke(sklearn_networks.main, line, catch_exceptions=False)
    for words in said:
        assert words in result.output
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_grid_is_searched_on_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed", reason="the cluster is one of Dask's")
    import grid_dask

    monkeypatch.setattr(grid_dask, "GRID", {"hidden_layer_sizes": [(4,), (8,)]})
    options = {"processes": False, "n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        line = ["--scheduler", cluster.scheduler_address, "--epochs", "1"]
        result = CliRunner().invoke(grid_dask.main, line, catch_exceptions=False)
    assert "2 settings on 1 workers, the best last" in result.output
    assert "on test images" in result.output
