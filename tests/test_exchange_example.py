"""The script that takes a model from PyTorch to onnxruntime, from the middle on where torch can't be imported."""

from pathlib import Path
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.optional import optional

torch = pytest.importorskip("torch", reason="the model comes from there")
pytest.importorskip("onnxruntime", reason="it serves the model")
saving = optional("safetensors.torch")

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "exchange.py"
WITHOUT_TORCH = """
import runpy, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
sys.path.insert(0, sys.argv[1].rpartition("/")[0])
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def counts(text: str) -> dict[str, int]:
    """Return the number of images that each line says are right."""
    return {name: int(count) for name, count in re.findall(r"^([\w -]+): +(\d+) of 359", text, re.MULTILINE)}


def apart(state: dict[str, Any]) -> float:
    """Bound how far apart rounding can bring two results of the network, for inputs from 0 to 1.

    Source:   Higham 2002, "Accuracy and Stability of Numerical Algorithms", section 3.5; no probability changes by more
              than its logits do.
    """
    (w1, b1), (w2, b2) = ([abs(state[f"{place}.{name}"]).double() for name in ("weight", "bias")] for place in "02")
    unit = 2.0**-24
    gamma = 66 * unit / (1 - 66 * unit)
    hidden = w1.sum(dim=1) + b1
    logits = w2 @ (gamma * hidden) + gamma * (w2 @ hidden + b2)
    return 2 * float(logits.max()) + 32 * unit


def test_a_model_of_pytorch_is_improved_without_it_and_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from exchange import teach

    weights, served = tmp_path / "digits.safetensors", tmp_path / "digits.onnx"
    teach.main([str(weights), "--dataset", "digits"], standalone_mode=False)
    taught = counts(capsys.readouterr().out)
    command = [sys.executable, "-c", WITHOUT_TORCH, SCRIPT.as_posix(), "use", str(weights), str(served)]
    finished = subprocess.run([*command, "--dataset", "digits"], capture_output=True, text=True, check=False)
    assert finished.stderr == ""
    used = counts(finished.stdout)
    assert used["as read"] == taught["PyTorch"] > 180
    assert used["onnxruntime"] == used["fine-tuned"] > used["as read"]
    state = saving.load_file(weights)
    assert float(re.findall(r"differ by (\S+) at most", finished.stdout)[0]) <= apart(state)
    module = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    module.load_state_dict(state, strict=True)
