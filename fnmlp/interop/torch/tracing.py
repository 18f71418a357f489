"""What a module's own `forward` does, if it applies modules and functions one after another."""

from collections.abc import Callable
from typing import Any

from torch import fx, nn

from fnmlp.errors import StructureError, one_line
from fnmlp.interop.torch.table import TABLE

LIMIT = 200
"""The number of characters of torch's reason that an error shows."""

INTERNAL = ("inplace", "_stacklevel")
"""Options of torch's functions that don't change what they compute."""


class _Tracer(fx.Tracer):
    """Records which modules `forward` calls, without looking into them."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:  # noqa: ARG002 (as torch calls it)
        return True


def steps(module: nn.Module, where: str) -> list[tuple[str, nn.Module]]:
    """Return the modules that `forward` calls, with their names, in order; a function becomes the module of its kind.

    `forward` runs once, by torch.fx, which records its calls and knows no numbers. So a decision that depends on the
    input is found, and refused; one that depends on something else, such as `self.training`, is taken as it is now.
    Raises:   StructureError if a result is used twice, or for any other call.

    >>> import torch
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc = nn.Linear(4, 2)
    ...     def forward(self, x):
    ...         return torch.relu(self.fc(x.view(x.size(0), -1)))
    >>> steps(Net(), "Net")
    [('view', Flatten(start_dim=1, end_dim=-1)), ('fc', Linear(in_features=4, out_features=2, bias=True)), ...]
    """
    try:
        graph = _Tracer().trace(module)
    except Exception as error:
        raise _refused(where, " ".join(one_line(error).split())[:LIMIT]) from error
    current, found = next(node for node in graph.nodes if node.op == "placeholder"), []
    for node in graph.nodes:
        if node.op == "placeholder":
            if node is not current and node.users:
                raise _refused(where, f"a second input, {node.name}")
        elif not _is_size(node):
            if not node.args or node.args[0] is not current or _uses(node.args[1:], node.kwargs):
                raise _refused(where, f"{node.name}, which takes other inputs than the result before it")
            if node.op != "output":
                found += _step(module, where, node)
                current = node
    return found


def _refused(where: str, got: str) -> StructureError:
    remedy = "write it as an nn.Sequential, or take the parameters with from_state_dict"
    return StructureError(where, "a forward that applies known layers one after another", got, remedy)


def _is_size(node: fx.Node) -> bool:
    """Tell whether a node is the shape of a result, or a part of it."""
    if node.op == "call_method":
        return node.target == "size"
    if node.op != "call_function":
        return False
    name = getattr(node.target, "__name__", "")
    if name == "getattr":
        return node.args[1] == "shape"
    return name == "getitem" and isinstance(node.args[0], fx.Node) and _is_size(node.args[0])


def _uses(args: Any, options: Any) -> bool:
    """Tell whether a call takes results of other calls than sizes."""
    found: list[fx.Node] = []
    fx.map_arg((args, options), found.append)
    return not all(map(_is_size, found))


def _step(module: nn.Module, where: str, node: fx.Node) -> list[tuple[str, nn.Module]]:
    if node.op == "call_module":
        if len(node.args) > 1 or node.kwargs:
            raise _refused(where, f"options for {node.target}")
        return [(str(node.target), module.get_submodule(str(node.target)))]
    name = getattr(node.target, "__name__", str(node.target)).removesuffix("_")
    if name in SHAPING:
        found = SHAPING[name](*node.args[1:], **node.kwargs)
    else:
        found = _as_module(name, node.args[1:], dict(node.kwargs))
    if found is None:
        raise _refused(where, f"{name}{_shown(node)}")
    return [(name, made) for made in found]


def _shown(node: fx.Node) -> str:
    options = [f"{name}={value}" for name, value in node.kwargs.items()]
    return f"({', '.join([*map(str, node.args), *options])})"


def _as_module(name: str, args: tuple[Any, ...], options: dict[str, Any]) -> list[nn.Module] | None:
    """Return the module of a function in the table, or None."""
    entry = TABLE.get(name)
    if entry is None or not entry.module or entry.record is not None:
        return None
    names = [*entry.options.values(), *entry.fixed, *(["training"] if name == "dropout" else [])]
    if len(args) > len(names):
        return None
    given = {**dict(zip(names, args, strict=False)), **options}
    training = given.pop("training", True)
    own = {option: value for option, value in given.items() if option not in INTERNAL and value is not None}
    if not {*own} <= {*names}:
        return None
    return [getattr(nn, entry.module)(**own)] if training else []


def _flatten(start_dim: Any = 0, end_dim: Any = -1) -> list[nn.Module] | None:
    return [nn.Flatten(start_dim, end_dim)]


def _view(*shape: Any) -> list[nn.Module] | None:
    """Return Flatten for the shapes that keep the rows: (rows, -1), (rows, n) and (-1, n)."""
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
    if len(sizes) != 2:
        return None
    rows, features = sizes
    keeps = isinstance(features, int) and (isinstance(rows, fx.Node) or rows == -1 != features)
    return [nn.Flatten()] if keeps else None


SHAPING: dict[str, Callable[..., list[nn.Module] | None]] = {"flatten": _flatten, "view": _view, "reshape": _view}
"""Functions that only change shapes. `view(-1, n)` keeps the rows if examples have n numbers, as the layer after it
checks."""
