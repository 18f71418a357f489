"""Models to torch and back: the same bits, and outputs to rounding; what has no counterpart is refused by name."""

from collections.abc import Callable
import copy
from functools import partial
import importlib
import pickle
import sys
from typing import Any

from attrs import frozen as record
from hypothesis import given
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.arrays import Shape
from fnmlp.expressions import call_of
from fnmlp.interop.torch.table import TABLE
from fnmlp.layer import combinator
from fnmlp.tree import tree_leaves
from tests.catalogue import LAYERS, PORTABLE, Specimen
from tests.refusals import refusal
from tests.steps import assert_close, draw, same_bits, seeds
from tests.sweep import each

torch = pytest.importorskip("torch", reason="models are taken to torch and back")
exchange = pytest.importorskip("tests.torch_exchange", reason="it needs torch")
interop = pytest.importorskip("fnmlp.interop.torch", reason="it needs torch")
nn, functional = torch.nn, torch.nn.functional
from_torch, to_state_dict, to_torch = interop.from_torch, interop.to_state_dict, interop.to_torch

X = draw(0, (5, 4), np.float32)


def outputs(module: Any, x: Any = X) -> Any:
    with torch.no_grad():
        return module(torch.from_numpy(x)).numpy()


def assert_read(module: Any, name: str, x: Any = X) -> Any:
    """Claim that a module becomes this layer, which computes the same, and return the parameters."""
    layer, params = from_torch(module)
    assert layer.name == name
    assert_close(layer.apply(params, x), outputs(module.eval(), x), at_least=1)
    return params


@given(model=exchange.drawn(), seed=seeds)
def test_random_models_come_back_from_torch_to_the_bit(model: tuple[fn.Layer[Any], Shape], seed: int) -> None:
    exchange.check_exchange(*model, seed)


EXCHANGED = [one for one in PORTABLE if one.example and not one.layer.name.startswith("frozen")]
"""All but `frozen`, which comes back as the layer inside it, and rows without features, which torch can't flatten."""


@each("specimen", EXCHANGED)
def test_every_layer_comes_back_from_torch_to_the_bit(specimen: Specimen) -> None:
    layer = specimen.layer
    params, x, _ = specimen.point(0, 4)
    module = to_torch(layer, params, wrap=True)
    assert not module.training
    again, same = from_torch(module)
    assert same_bits(same, params)
    assert_close(outputs(module.double(), x), layer.apply(params, x), eps=256, at_least=1)
    assert_close(again.apply(same, x), layer.apply(params, x), eps=256, at_least=1)
    assert {*module.state_dict()} == {*to_state_dict(layer, params)}
    module.load_state_dict({name: torch.tensor(array) for name, array in to_state_dict(layer, params).items()})
    copied = pickle.loads(pickle.dumps(copy.deepcopy(module))) if specimen.named else module  # noqa: S301
    assert same_bits(outputs(copied, x), outputs(module, x))


@each("specimen", LAYERS)
def test_every_layer_becomes_modules_of_torch_nn_or_is_refused_by_name(specimen: Specimen) -> None:
    layer = specimen.layer
    params, _ = layer.init(fn.Key(0), specimen.example)
    try:
        module = to_torch(layer, params)
    except fn.StructureError as error:
        assert "a layer that torch.nn has" in str(error)  # noqa: PT017
        assert layer.parts or layer.name in str(error)  # noqa: PT017
    else:
        assert {type(part).__module__.partition(".")[0] for part in module.modules()} == {"torch"}


def test_each_class_of_torch_nn_that_the_table_names_is_there_and_stands_for_one_layer() -> None:
    named = [entry.module for entry in TABLE.values() if entry.module]
    assert len({*named}) == len(named)
    assert [name for name in named if not hasattr(nn, name)] == []
    combinators = {"chain", "concat", "add", "parallel", "repeat", "residual", "strict", "tied"}
    owners = [one.layer for one in LAYERS if one.named and tree_leaves(one.layer.init(fn.Key(0), one.example)[0])]
    assert {call_of(layer).constructor for layer in owners} - combinators <= {*TABLE}


def test_strict_is_refused_for_torch_can_not_keep_its_promise() -> None:
    model = fn.chain(fn.relu(), fn.strict(fn.linear(2)))
    params, _ = model.init(fn.Key(0), (4,))
    refusal(partial(to_torch, model, params, wrap=True), fn.StructureError, "layer 1, strict(linear(2))", "parts[0]")


def test_a_layer_that_torch_lacks_is_refused_with_its_place_and_the_way_to_wrap_it() -> None:
    model = fn.chain(fn.linear(4), fn.chain(fn.tanh(), fn.residual(fn.linear(4))))
    params, _ = model.init(fn.Key(0), (4,))
    refusal(partial(to_torch, model, params), fn.StructureError, "layer 1.1, residual(linear(4))", "wrap=True")
    refusal(partial(to_torch, fn.maxout(2, 2), ()), fn.StructureError, "to_torch: maxout(2, 2)", "wrap=True")


def test_parameters_of_another_layer_are_refused() -> None:
    refusal(partial(to_torch, fn.linear(2), ()), fn.StructureError, "linear(2)", "Linear", "tuple")


def test_what_a_state_dict_of_torchs_sequential_is_called_is_what_ours_is_called() -> None:
    model = fn.chain(fn.embedding(5, 3), fn.flatten(), fn.chain(fn.layer_norm(), fn.linear(4, bias=False)), fn.prelu())
    params, _ = model.init(fn.Key(0), (2,))
    module = nn.Sequential(
        nn.Embedding(5, 3), nn.Flatten(), nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 4, bias=False)), nn.PReLU()
    )
    state = {name: torch.tensor(array) for name, array in to_state_dict(model, params).items()}
    assert [*state] == [*module.state_dict()]
    module.load_state_dict(state, strict=True)
    assert same_bits(from_torch(module)[1], params)


def test_making_a_module_leaves_the_generator_of_torch_as_it_is() -> None:
    before = torch.get_rng_state()
    model = fn.chain(fn.embedding(5, 3), fn.flatten(), fn.linear(4))
    to_torch(model, model.init(fn.Key(0), (2,))[0])
    assert torch.equal(torch.get_rng_state(), before)


def test_parameters_are_copied_both_ways() -> None:
    module = nn.Linear(4, 2)
    layer, params = from_torch(module)
    before = fn.tree_sha256(params)
    with torch.no_grad():
        to_torch(layer, params).weight.zero_()
        module.weight.zero_()
    assert fn.tree_sha256(params) == before
    assert not params.weight.flags.writeable


def module_of(forward: Callable[..., Any], **parts: Any) -> Any:
    """Make a module of a user's from its forward and its children."""
    made = type("Net", (nn.Module,), {"forward": forward})()
    for name, part in parts.items():
        setattr(made, name, part)
    return made


def test_a_module_of_your_own_is_traced() -> None:
    def forward(net: Any, x: Any, hint: Any = None) -> Any:
        x = torch.flatten(x, 1)
        x = x.view(x.size(0), -1).reshape(x.shape[0], 4).view((-1, 4))
        x = functional.dropout(net.drop(functional.relu(net.fc1(x))), 0.5, net.training)
        x = functional.leaky_relu(functional.gelu(x, approximate="tanh"), 0.2, inplace=True).tanh_()
        return functional.log_softmax(net.fc2(torch.sigmoid(x)), dim=1)

    net = module_of(forward, fc1=nn.Linear(4, 6), fc2=nn.Linear(6, 3), drop=nn.Dropout(0.25)).eval()
    shared = "flatten(), flatten(), flatten(), flatten(), linear(6), relu(), dropout(0.25), "
    rest = "gelu(approximate='tanh'), leaky_relu(slope=0.2), tanh(), sigmoid(), linear(3), log_softmax(axis=1))"
    params = assert_read(net, f"chain({shared}{rest}")
    assert_read(net.train(), f"chain({shared}dropout(0.5), {rest}")
    state = to_state_dict(from_torch(net)[0], from_torch(net)[1], names=("fc1", "fc2"))
    net.load_state_dict({name: torch.tensor(array) for name, array in state.items()}, strict=True)
    assert same_bits(from_torch(net)[1], from_torch(net)[1])
    assert params[4].weight.shape == (4, 6)


def test_a_subclass_that_keeps_the_forward_is_what_it_is_a_subclass_of() -> None:
    head, linear = (type("Own", (kind,), {}) for kind in (nn.Sequential, nn.Linear))
    assert_read(head(linear(4, 3), nn.ReLU6(), head()), "chain(linear(3), relu6(), chain())")


FOREIGN: tuple[tuple[Callable[..., Any], str], ...] = (
    (lambda net, x: x + net.fc(x), "add"),
    (lambda net, x: net.fc(torch.relu(net.fc(x))), "fc and fc share some"),
    (lambda net, x: net.fc(x) if x.sum() > 0 else x, "control flow"),
    (lambda net, x: net.fc(x) * net.fc.bias, "other inputs"),
    (lambda net, x: functional.linear(x, net.fc.weight), "other inputs"),
    (lambda net, x: net.fc(x, 3), "options for fc"),
    (lambda net, x, y: net.fc(x + y), "a second input, y"),
    (lambda net, x: torch.cumsum(net.fc(x), 1), "cumsum"),
    (lambda _, x: torch.flatten(x), "start_dim=1"),
    (lambda _, x: x.view(2, 2, -1), "view"),
    (lambda _, x: x.view(-1, -1), "view"),
    (lambda _, x: x.view(8, -1), "view"),
    (lambda _, x: functional.softmax(x, 1, dtype=torch.float64), "softmax"),
    (lambda _, x: functional.relu(x, False, 3), "relu"),
    (lambda _, x: x.softmax(1, torch.float64), "softmax(x, 1, torch.float64)"),
    (lambda _, x: functional.softplus(x, 2), "beta=1"),
    (lambda _, x: functional.layer_norm(x, (4,)), "layer_norm"),
    (lambda *_: 1 / 0, "division by zero"),
)


@each("forward, got", FOREIGN)
def test_a_forward_that_does_more_is_refused_by_what_it_does(forward: Callable[..., Any], got: str) -> None:
    def own(net: Any, x: Any) -> Any:
        return forward(net, x)

    traced: Any = forward if "second" in got else own
    refusal(partial(from_torch, module_of(traced, fc=nn.Linear(4, 4))), fn.StructureError, "from_torch: ", got)


UNKNOWN: tuple[tuple[Callable[[], Any], type[fn.FnmlpError], str], ...] = (
    (lambda: nn.Sequential(nn.Flatten(), nn.Sequential(nn.Conv1d(1, 2, 3))), fn.StructureError, "1.0: Conv1d"),
    (lambda: nn.Sequential(nn.BatchNorm1d(4)), fn.StructureError, "0: BatchNorm1d"),
    (lambda: nn.BatchNorm1d(4, track_running_stats=False).eval(), fn.StructureError, "BatchNorm1d"),
    (lambda: nn.ModuleList([nn.ReLU()]), fn.StructureError, "ModuleList"),
    (lambda: nn.LayerNorm((2, 3)), fn.ShapeError, "(2, 3)"),
    (lambda: nn.RMSNorm(4), fn.StructureError, "eps"),
    (lambda: nn.Softplus(beta=2.0), fn.StructureError, "beta=1"),
    (lambda: nn.Hardtanh(0, 1), fn.StructureError, "min_val=-1"),
    (lambda: nn.Flatten(0), fn.StructureError, "start_dim=1"),
    (lambda: nn.GLU(0), fn.StructureError, "dim=-1"),
    (lambda: nn.Embedding(3, 2, padding_idx=0), fn.StructureError, "padding_idx=None"),
    (lambda: nn.Sequential(nn.Dropout(1.0)), fn.OptionError, "0: Dropout"),
    (lambda: nn.LeakyReLU(2.0), fn.OptionError, "LeakyReLU"),
    (lambda: nn.Softmax(), fn.OptionError, "Softmax"),  # noqa: PLW0108 (it is not there without torch)
    (lambda: nn.Linear(4, 2, device="meta"), fn.DtypeError, "without data"),
    (lambda: nn.Linear(4, 2, dtype=torch.complex64), fn.DtypeError, "complex64"),
)


@each("make, kind, place", UNKNOWN)
def test_modules_and_options_without_a_counterpart_are_refused_with_their_place(
    make: Callable[[], Any], kind: type[fn.FnmlpError], place: str
) -> None:
    refusal(partial(from_torch, make()), kind, "from_torch", place)


def test_only_modules_are_read() -> None:
    refusal(partial(from_torch, {}), fn.StructureError, "from_torch(module)", "dict")


def test_a_hook_that_changes_results_is_refused() -> None:
    hooked, prepared, replaced = nn.ReLU(), nn.ReLU(), nn.ReLU()
    hooked.register_forward_hook(lambda *given: given[-1])
    prepared.register_forward_pre_hook(lambda *given: given[-1])
    replaced.forward = torch.sigmoid
    for module in (hooked, prepared, replaced):
        refusal(partial(from_torch, nn.Sequential(module)), fn.StructureError, "0: ReLU", "hooks")


def test_modules_that_share_all_parameters_are_tied_and_others_are_refused() -> None:
    square = nn.Linear(4, 4)
    assert_read(nn.Sequential(square, square), "tied(linear(4), linear(4))")
    assert_read(module_of(lambda net, x: net.fc(net.fc(x)), fc=square), "tied(linear(4), linear(4))")
    block = nn.Sequential(square, nn.ReLU()), nn.Sequential(square, nn.Tanh())
    assert_read(nn.Sequential(*block), "tied(chain(linear(4), relu()), chain(linear(4), tanh()))")
    other = nn.Linear(4, 4)
    other.bias = square.bias
    refusal(partial(from_torch, nn.Sequential(square, other)), fn.StructureError, "0 and 1 share some")
    refusal(partial(from_torch, nn.Sequential(square, nn.ReLU(), square)), fn.StructureError, "0 and 2 share some")


def test_layers_that_are_tied_share_their_tensors_and_those_of_two_layouts_are_refused() -> None:
    model = fn.tied(fn.chain(fn.linear(4), fn.tanh()), fn.chain(fn.linear(4), fn.relu()))
    module = to_torch(model, model.init(fn.Key(0), (4,))[0])
    assert module[0][0].weight is module[1][0].weight
    mixed = fn.tied(fn.linear(4), fn.ntk_linear(4))
    params, _ = mixed.init(fn.Key(0), (4,))
    refusal(partial(to_torch, mixed, params, wrap=True), fn.StructureError, "tied(linear(4), ntk_linear(4))")


def test_frozen_parameters_need_no_gradient_in_torch() -> None:
    inner = fn.linear(3)
    model = fn.chain(fn.frozen(inner, inner.init(fn.Key(0), (4,))[0]), fn.linear(2))
    module = to_torch(model, model.init(fn.Key(1), (4,))[0])
    assert [parameter.requires_grad for parameter in module.parameters()] == [False, False, True, True]
    assert_read(module, "chain(linear(3), linear(2))")


def test_a_batch_norm_of_evaluation_becomes_a_rescaling() -> None:
    for affine in (True, False):
        norm = nn.BatchNorm1d(4, affine=affine)
        norm(3 * torch.from_numpy(draw(1, (9, 4), np.float32)) + 1)
        if affine:
            norm.weight.data, norm.bias.data = torch.tensor([1.0, -2.0, 0.5, 3.0]), torch.arange(4.0)
        assert_read(nn.Sequential(norm.eval(), nn.Linear(4, 2)), "chain(rescale(), linear(2))")
    norm = nn.BatchNorm1d(2).eval()
    norm.weight.data[0] = 0
    refusal(partial(from_torch, norm), fn.StructureError, "BatchNorm1d", "weight of 0")


def test_norms_without_parameters_get_those_that_change_nothing() -> None:
    bare = nn.LayerNorm(4, elementwise_affine=False), nn.LayerNorm(4, bias=False), nn.RMSNorm(4, 1e-3, False)
    for module in bare:
        params = assert_read(
            nn.Sequential(nn.Linear(4, 4), module).double(),
            from_torch(nn.Sequential(nn.Linear(4, 4), module))[0].name,
            X.astype(np.float64),
        )
        assert {leaf.dtype for leaf in tree_leaves(params)} == {np.dtype(np.float64)}


@each("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_half_precision_is_widened_exactly_and_other_dtypes_are_kept(dtype: str) -> None:
    module = nn.Linear(4, 3).to(getattr(torch, dtype))
    _, params = from_torch(module)
    assert params.weight.dtype == (np.float64 if dtype == "float64" else np.float32)
    assert torch.equal(torch.from_numpy(params.weight.T.copy()).to(module.weight.dtype), module.weight.data)


def test_a_parametrized_module_is_read_as_it_is_now() -> None:
    assert_read(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), "linear(3)")


def test_a_wrapped_layer_makes_noise_in_training_mode_as_torchs_seed_says() -> None:
    module = to_torch(fn.gaussian_noise(0.5), (), wrap=True)
    assert same_bits(outputs(module), X)
    module.train()
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(outputs(module))
    assert same_bits(drawn[0], drawn[1])
    assert not same_bits(drawn[0], drawn[2])
    assert "gaussian_noise(0.5)" in repr(module)


def test_parameters_of_a_layer_of_your_own_are_named_by_their_paths() -> None:
    own = fn.Layer[Any]("mine", fn.relu().init, lambda params, x: x * params[0], fn.relu().vjp)
    params = (
        np.ones(4, np.float32),
        fn.layers.Prelu(np.ones(1, np.float32)),
        (np.ones(2, np.float32), np.ones((), np.float32)),
    )
    module = to_torch(own, params, wrap=True)
    assert [*module.state_dict()] == ["0", "1.slope", "2.0", "2.1"]
    assert same_bits(from_torch(module)[1], params)
    single = to_torch(own, np.ones(4, np.float32), wrap=True)
    assert [*single.state_dict()] == ["value"]


@record
class Inner:
    """The parameters of a combinator of a user's."""

    inner: tuple[()]


def inner_of(params: Any) -> tuple[Any, ...]:
    return (params.inner,)


def test_a_combinator_whose_parameters_are_not_its_parts_is_refused() -> None:
    relu = fn.relu()
    odd: fn.Layer[Any] = combinator("odd(relu())", (relu,), relu.init, relu.apply, relu.vjp, deal=inner_of)
    module = to_torch(odd, Inner(()), wrap=True)
    refusal(partial(from_torch, module), fn.StructureError, "odd(relu())", "one of your own")


@each("module", ["building", "data", "functions", "reading"])
def test_without_torch_the_error_says_how_to_get_it(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    room = importlib.import_module(f"fnmlp.interop.torch.{module}")
    monkeypatch.setitem(sys.modules, "torch", None)
    refusal(partial(importlib.reload, room), fn.MissingDependencyError, "no module torch", "'fnmlp[torch]'")
