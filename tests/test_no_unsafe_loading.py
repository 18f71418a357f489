"""No file can make the package run code: it never unpickles, evaluates, or unpacks an archive to any place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fnmlp

PACKAGE = Path(fnmlp.__file__).parent
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
FILES = sorted([*PACKAGE.rglob("*.py"), *EXAMPLES.rglob("*.py")])
KIT = PACKAGE / "testing" / "layers.py"
"""That a layer survives pickling is a law: the kit pickles it, and unpickles those bytes of its own at once."""

MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "shelve", "yaml"}
MODULES |= {"builtins", "code", "codeop"}
HARMLESS = ("joblib", "parallel_config")
"""An import that only says where to compute."""
NAMES = {"eval", "exec", "compile", "__import__", "__builtins__"}
ATTRIBUTES = {"extract", "extractall", "unpack_archive", "read_pickle", "eval", "exec", "__builtins__"}


def dangers(source: str) -> Iterator[str]:
    """Yield the calls in a source text that could run code from a file."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name.split(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module), names=names):
                if module.split(".")[0] in MODULES and (module, *(alias.name for alias in names)) != HARMLESS:
                    yield module
                yield from (
                    alias.name
                    for alias in names
                    if (module, alias.name) == ("torch", "load") or alias.name in ATTRIBUTES
                )
            case ast.Name(id=name) if name in NAMES:
                yield name
            case ast.Attribute(attr=name) if name in ATTRIBUTES:
                yield name
            case ast.Attribute(attr="load", value=ast.Name(id="torch")):
                yield "torch.load"
            case ast.keyword(arg="allow_pickle"):
                yield "allow_pickle"
            case ast.Call(func=ast.Attribute(attr="load"), args=[_, _, _, *_]):
                yield "allow_pickle by its place"


def test_nothing_runs_what_a_file_says() -> None:
    found = {str(path): [*dangers(path.read_text())] for path in FILES if path != KIT}
    assert found
    assert {path: names for path, names in found.items() if names} == {}


def test_the_kit_unpickles_what_it_has_just_pickled_and_nothing_else() -> None:
    tree = ast.parse(KIT.read_text())
    assert [*dangers(KIT.read_text())] == ["pickle"]
    uses = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_pickle(node.value)]
    assert sorted(uses) == ["pickle.PicklingError", "pickle.dumps", "pickle.loads"]
    calls = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert [call for call in calls if call.startswith("pickle.loads")] == ["pickle.loads(pickle.dumps(case.layer))"]
    assert sum(map(is_pickle, ast.walk(tree))) == len(uses), "it has another name"


def is_pickle(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "pickle"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle", ["pickle"]),
        ("import os, pickle as p", ["pickle"]),
        ("from pickle import loads", ["pickle"]),
        ("def f():\n    from dill.source import getsource", ["dill.source"]),
        ("import marshal\nimport shelve", ["marshal", "shelve"]),
        ("eval(text)", ["eval"]),
        ("run = exec", ["exec"]),
        ("compile(text, name, 'exec')", ["compile"]),
        ("__import__(name)", ["__import__"]),
        ("import builtins", ["builtins"]),
        ("frame.eval('a + b')", ["eval"]),
        ("archive.extractall(folder)", ["extractall"]),
        ("shutil.unpack_archive(path)", ["unpack_archive"]),
        ("np.load(path, None, True)", ["allow_pickle by its place"]),
        ("torch.load(path)", ["torch.load"]),
        ("from torch import load", ["load"]),
        ("read(path, allow_pickle=True)", ["allow_pickle"]),
        ("import re\nre.compile(text)", []),
        ("ast.literal_eval(text)\njson.load(file)\nfn.load(path)\nnp.load(path)", []),
    ],
)
def test_a_danger_is_seen_wherever_and_however_it_is_written(source: str, found: list[str]) -> None:
    assert [*dangers(source)] == found
