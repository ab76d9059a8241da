"""`scan.reference_vjp` and the rules it is made of: compared with differences of values; what is chosen at kinks."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import steps
import treadle as td
import window_steps
from scan_checks import listed
from treadle.errors import LaunchError, TreadleError
from treadle.runtime.scan_call import one_or_all
from treadle.runtime.step_rules import RULES
from treadle.runtime.step_values import FUNCTIONS, Value, gradients, in_order

KERNELS = Path(__file__).parents[2] / "kernels"
INF = math.inf


def draw(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def difference(at: Callable[[float], float]) -> float:
    """The derivative of a function at 0, from four of its values."""
    e = 1e-4
    return (8 * (at(e) - at(-e)) - (at(2 * e) - at(-2 * e))) / (12 * e)


# ---------------------------------------------------------------------------------------------------------------------
# Whole scans
# ---------------------------------------------------------------------------------------------------------------------


def total(results: Any, weights: Any) -> float:
    """Σ <result, weight>, without what is infinite."""
    pairs = [pair for part in zip(results, weights, strict=True) for pair in zip(*map(listed, part), strict=True)]
    return sum(float(result[weight != 0] @ weight[weight != 0]) for result, weight in pairs)


def check(scan: Any, inputs: dict[str, Any], start: Any = None, final: bool = True, **settings: Any) -> dict[str, Any]:
    """Compare gradients with differences, each along a direction; final: of the final states too."""
    rng = np.random.default_rng(1)

    def call(name: str = "", change: Any = 0.0) -> Any:
        changed = {n: np.asarray(x + change) if n == name else x for n, x in inputs.items()}
        states = [np.asarray(x + change) if name == f"state {k}" else x for k, x in enumerate(listed(start))]
        initial = one_or_all(states) if states else None
        return scan.reference(**changed, initial_state=initial, output_final_state=final, **settings)

    results, pullback = scan.reference_vjp(**inputs, initial_state=start, output_final_state=final, **settings)
    for part, expected in zip(results, call(), strict=True):
        assert type(part) is type(expected)
        for x, y in zip(listed(part), listed(expected), strict=True):
            np.testing.assert_array_equal(x, y)
    drawn = [[np.where(np.isfinite(x), rng.standard_normal(x.shape), 0.0) for x in listed(part)] for part in results]
    weights = [tuple(part) for part in drawn]
    found = pullback(one_or_all(weights[0]), one_or_all(weights[1]) if final else None)
    floats = {name: x for name, x in inputs.items() if np.asarray(x).dtype.kind == "f"}
    assert found.keys() == {*floats, *(() if start is None else ("initial_state",))}
    assert type(found.get("initial_state")) is type(start)
    states = zip(listed(start), listed(found.get("initial_state")), strict=True)
    pairs = {name: (x, found[name]) for name, x in floats.items()}
    for name, (x, g) in {**pairs, **{f"state {k}": pair for k, pair in enumerate(states)}}.items():
        assert g.shape == x.shape and g.dtype == np.float64, name
        to = rng.standard_normal(x.shape)
        expected = difference(lambda e, name=name, to=to: total(call(name, e * to), weights))
        assert float(np.sum(g * to)) == pytest.approx(expected, rel=1e-6, abs=1e-8), name
    return found


PACKAGES = {
    f"{folder.parent.name}-{name}": scan
    for folder in sorted(KERNELS.glob("*/kernel.py"))
    if "@td.scan" in folder.read_text()
    for name, scan in td.load_scans(folder).items()
}
STEPS = {name: scan for name, scan in vars(steps).items() if isinstance(scan, td.Scan)}
SCANS = {**PACKAGES, **STEPS, **window_steps.SCANS, "saturating": window_steps.saturating}


SIZES = {"K": 4, "V": 3, "D": 3, "W": 3, "A": 2, "K1": 2, "K2": 3, "P": 4, "N": 2}


def inputs_of(scan: Any, B: int = 2, T: Any = 4, H: int = 2, few: str = "", seed: int = 0) -> dict[str, Any]:
    """Inputs of a scan, and those of its constants that are no sizes of inputs; few: inputs of one head."""
    found: dict[str, Any] = {"P": SIZES["P"]} if "P" in scan.constants else {}
    for k, p in enumerate(scan.inputs):
        size = {"B": (B,), "T": T if isinstance(T, tuple) else (T,), "H": (1 if p.name in few else H,)}
        leading = [n for letter in p.indices for n in size[letter]]
        found[p.name] = np.asarray(draw(*leading, *(axis.size(SIZES) for axis in p.axes), seed=seed + k))
    if scan is steps.logarithms:
        found["v"] = np.abs(found["v"])
    return found


def states_of(scan: Any, B: int = 2, T: Any = 2, H: int = 2, axis: int | None = None) -> Any:
    """States that a scan left."""
    inputs = inputs_of(scan, B=B, T=T, H=H, seed=20)
    return scan.reference(**inputs, axis=axis, output_final_state=True)[1]


def of_outputs_alone(scan: Any) -> dict[str, bool]:
    """Of element-wise attention, states depend on a scale that is not differentiated; outputs do not."""
    return {"final": "mu" not in [p.name for p in scan.states]}


@pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS)
def test_scans(scan: Any) -> None:
    check(scan, inputs_of(scan), **of_outputs_alone(scan))


@pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS)
def test_initial_states(scan: Any) -> None:
    start = states_of(scan)
    check(scan, inputs_of(scan, T=3), start, **of_outputs_alone(scan))


CAUSAL_ALONE = {*window_steps.SIZES} - {"based", "linear_features", "joined_keys"}


@pytest.mark.parametrize("name", [name for name in SCANS if name not in CAUSAL_ALONE and "conv" not in name])
@pytest.mark.parametrize("reverse", [False, True])
def test_noncausal(name: str, reverse: bool) -> None:
    scan = SCANS[name]
    start = states_of(scan)
    check(scan, inputs_of(scan, T=3), start, causal=False, reverse=reverse, **of_outputs_alone(scan))


SOME = ["lightnet", "delta_rule", "convolved_attention", "every_part", "joined_keys", "element_wise_attention"]


@pytest.mark.parametrize("name", SOME)
def test_reverse(name: str) -> None:
    scan = SCANS[name]
    check(scan, inputs_of(scan), states_of(scan), reverse=True, **of_outputs_alone(scan))


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("reverse", [False, True])
def test_packed(name: str, reverse: bool) -> None:
    scan = SCANS[name]
    ends, inputs = np.array([0, 2, 2, 5, 6]), inputs_of(scan, B=1, T=6)
    settings = {"cu_seqlens": ends, "reverse": reverse, **of_outputs_alone(scan)}
    check(scan, inputs, states_of(scan, B=4), **settings)
    check(scan, inputs, **settings)


@pytest.mark.parametrize("name", SOME)
def test_head_first(name: str) -> None:
    scan = SCANS[name]
    inputs = inputs_of(scan, H=3)
    timed = {p.name for p in scan.inputs if p.indices == "BTH"}
    turned = {name: x.swapaxes(1, 2) if name in timed else x for name, x in inputs.items()}
    check(scan, turned, states_of(scan, H=3), head_first=True, **of_outputs_alone(scan))


@pytest.mark.parametrize(
    ("name", "few"), [("lightnet", "kv"), ("delta_rule", "kv"), ("convolved_attention", "k"), ("hgrn", "f")]
)
def test_grouped(name: str, few: str) -> None:
    scan = SCANS[name]
    found = check(scan, inputs_of(scan, H=4, few=few), states_of(scan, H=4))
    for name in few:
        assert found[name].shape[2] == 1


@td.scan
def every_kind(x: td.In["D"], y: td.In["D"], b: td.Shared["N"], w: td.Param["N"], u: td.PerHead["D"], h: td.State["D"]):
    h = h / (1 + y * y) + x * (b @ w) + u
    return h, h.sum(), h


@td.scan
def without_shared(x: td.Window["D", 3], w: td.Param, u: td.PerHead["D"], h: td.State["D"]):
    h = td.tanh(u) * h + w * (x[0] + x[1] * x[2]) * td.position()
    return h, h


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("scan", [every_kind, without_shared, SCANS["lightnet"]], ids=lambda s: s.name)
def test_along_one_of_several_axes(scan: Any, axis: int) -> None:
    inputs, start = inputs_of(scan, T=(2, 3)), states_of(scan, T=(2, 3), axis=axis)
    check(scan, inputs, start, axis=axis, reverse=axis == 1)
    check(scan, inputs, axis=axis, causal=scan is without_shared)


def test_positions_by_name_along_an_axis() -> None:
    inputs = inputs_of(every_kind, T=(2, 3))
    o, pullback = every_kind.reference_vjp(*inputs.values(), axis=2)
    expected = every_kind.reference_vjp(**inputs, axis=2)[1](o[0])
    for name, g in pullback(o[0]).items():
        np.testing.assert_array_equal(g, expected[name])


def test_a_formula() -> None:
    """Of linear attention: dq_i = Σ_{j <= i} (do_i · v_j) k_j, dk_j = Σ_{i >= j} (do_i · v_j) q_i."""
    q, k, v, do = (draw(2, 5, 3, 4, seed=s) for s in range(4))
    _, pullback = steps.lightning_attention.reference_vjp(q, k, v, np.zeros(3))
    found = pullback(do)
    weights = np.einsum("bihv,bjhv->bhij", do, v) * np.tri(5)
    np.testing.assert_allclose(found["q"], np.einsum("bhij,bjhk->bihk", weights, k), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found["k"], np.einsum("bhij,bihk->bjhk", weights, q), rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------------------------------------------------------------
# What is returned, and mistakes
# ---------------------------------------------------------------------------------------------------------------------


@td.scan
def counted(x: td.In["D"], n: td.In[td.i32], h: td.State["D"]):
    h = h + x * n.to(td.f32)
    return h, n, h


@td.scan
def stopped(x: td.In["D"], y: td.In["D"], h: td.State["D"]):
    h = h + td.stop_gradient(x * y) + x
    return h, td.stop_gradient(h)


@td.scan
def given_back(x: td.In["D"], h: td.State["D"]):
    return x, h, 2.0, h


@td.scan
def foreign(x: td.In["D"], h: td.State["D"]):
    return np.cbrt(x), h


def test_integers_have_no_gradient() -> None:
    x, n = draw(2, 3, 1, 4), np.arange(6, dtype=np.int32).reshape(2, 3, 1)
    assert check(counted, {"x": x, "n": n}, draw(2, 1, 4)).keys() == {"x", "initial_state"}


@pytest.mark.parametrize("causal", [True, False])
def test_what_is_stopped(causal: bool) -> None:
    x, y = draw(2, 3, 1, 4), draw(2, 3, 1, 4, seed=1)
    (o, h), pullback = stopped.reference_vjp(x, y, initial_state=draw(2, 1, 4), output_final_state=True, causal=causal)
    found = pullback(np.ones_like(o), np.ones_like(h))
    assert (found["x"] == causal).all() and not found["y"].any()
    first = np.zeros((2, 1, 4)) + causal
    np.testing.assert_array_equal(found["initial_state"], first)


def test_values_given_back() -> None:
    x, h = draw(2, 3, 1, 4), draw(2, 1, 4)
    _, pullback = given_back.reference_vjp(x, initial_state=[h], output_final_state=True)
    found = pullback((x, None, None), None)
    np.testing.assert_array_equal(found["x"], x)
    assert isinstance(found["initial_state"], tuple) and not found["initial_state"][0].any()
    found = pullback(None, h)
    np.testing.assert_array_equal(found["initial_state"][0], h)
    assert not found["x"].any()
    found = pullback((None, x, None), [h])
    np.testing.assert_allclose(found["initial_state"][0], h + x.sum(1), rtol=1e-12)


def test_stored_dtypes_are_widened() -> None:
    x, f = draw(2, 3, 1, 4).astype(np.float32), draw(3, 4)
    o, pullback = window_steps.short_convolution.reference_vjp(x, f)
    found, same = pullback(o[0].astype(np.float32)), pullback(o[0].astype(np.float32).astype(np.float64))
    for name in ("x", "f"):
        assert found[name].dtype == np.float64
        np.testing.assert_array_equal(found[name], same[name])


@pytest.mark.parametrize("causal", [True, False])
def test_no_token(causal: bool) -> None:
    q, v, start = np.zeros((2, 0, 3, 4)), np.zeros((2, 0, 3, 5)), (draw(2, 3, 4, 5), draw(2, 3, 4))
    (o, final), pullback = steps.lightnet.reference_vjp(
        q, q, v, initial_state=start, output_final_state=True, causal=causal
    )
    found = pullback(o, final)
    assert found["q"].shape == q.shape and found["v"].shape == v.shape
    for g, state in zip(found["initial_state"], start, strict=True):
        np.testing.assert_array_equal(g, state)


def test_where_there_was_nothing() -> None:
    """z is -inf before the first token: no gradient is NaN."""
    q, k, v = draw(2, 3, 1, 4), draw(2, 3, 1, 4, seed=1), draw(2, 3, 1, 4)
    start = (np.zeros((2, 1, 4, 4)), np.full((2, 1, 4), -INF))
    (o, final), pullback = steps.lightnet.reference_vjp(q, k, v, initial_state=start, output_final_state=True)
    found = pullback(o, final)
    assert all(np.isfinite(g).all() for name in "qkv" for g in found[name])
    assert not any(g.any() for g in found["initial_state"])


def test_wrong_gradients_are_errors() -> None:
    q, k, v = (draw(2, 3, 1, 4, seed=s) for s in range(3))
    (o, final), pullback = steps.lightnet.reference_vjp(q, k, v, output_final_state=True)
    name = "lightnet: argument"
    for given, message in [
        ((o[0],), r"'grad_outputs': expected \(2, 3, 1, 4\), as the result has, found \(3, 1, 4\)"),
        (((o, o),), "'grad_outputs': expected one array, found 2"),
        (("o",), "'grad_outputs': expected an array of NumPy or PyTorch, found str"),
        ((o, final[0]), r"'grad_final_state': expected a tuple of 2 arrays, found one"),
        ((o, (*final, o)), r"'grad_final_state': expected a tuple of 2 arrays, found 3"),
        ((o, (None, o)), r"'grad_final_state\[z\]': expected \(2, 1, 4\), as the result has, found \(2, 3, 1, 4\)"),
    ]:
        with pytest.raises(LaunchError, match=f"{name} {message}"):
            pullback(*given)
    for axis in (None, 1):
        _, pullback = steps.lightnet.reference_vjp(q, k, v, axis=axis)
        with pytest.raises(LaunchError, match="'grad_final_state': expected None, as output_final_state is False"):
            pullback(o, final)
        with pytest.raises(LaunchError, match="'grad_outputs': expected"):
            pullback(o[:1])
    with pytest.raises(LaunchError, match=r"'grad_outputs\[1\]': expected \(2, 3, 1, 4\), as the result has, found"):
        given_back.reference_vjp(q)[1]((q, q[0], None))
    with pytest.raises(LaunchError, match="lightnet: argument 'k': expected K = 4, found 3"):
        steps.lightnet.reference_vjp(q, k[..., :3], v)
    with pytest.raises(TreadleError, match=r"the derivative of numpy\.cbrt is not known"):
        foreign.reference_vjp(q)[1](q)


# ---------------------------------------------------------------------------------------------------------------------
# Rules
# ---------------------------------------------------------------------------------------------------------------------

X, Y = np.array([[0.3, 1.7, 0.9], [2.1, 0.6, 1.2]]), np.array([1.4, 0.5, 1.1])
N = Value(np.array([2, 0, 3]))


CASES: dict[str, Any] = {
    **{
        name: (FUNCTIONS[name], X - 1)
        for name in ("abs", "cos", "erf", "exp", "exp2", "sigmoid", "silu", "sin", "softplus", "tanh")
    },
    **{name: (FUNCTIONS[name], X) for name in ("log", "log1p", "log2", "rsqrt", "sqrt")},
    **{name: (FUNCTIONS[name], X, Y) for name in ("logaddexp", "maximum", "minimum")},
    "broadcast_to": (lambda x: FUNCTIONS["broadcast_to"](x, (4, 2, 3)), X),
    "concat": (lambda x, y, z: FUNCTIONS["concat"]([y, z, N, 2, x[0]]) * 1.5, X, Y, np.array(0.7)),
    "concat along another": (lambda x, y: FUNCTIONS["concat"]((x, x[:, :1], y[None][[0, 0]]), axis=-1), X, Y),
    "dot": (lambda x, y: FUNCTIONS["dot"](x, x.T, acc=y[:2]), X, Y),
    "full": (lambda z: FUNCTIONS["full"]((2, 3), z, td.f32), np.array(0.7)),
    "outer": (FUNCTIONS["outer"], X[0], Y),
    "outer of tiles": (FUNCTIONS["outer"], X, Y),
    "powers": (lambda x, y: FUNCTIONS["powers"](x[0], 4, first=y), X - 1, Y),
    "powers from 1": (lambda x: FUNCTIONS["powers"](x, 3), np.array([[0.0, -0.4], [1.5, 0.0]])),
    "powers of a number": (lambda y: FUNCTIONS["powers"](2.0, 3, first=y), Y),
    "reduce": (lambda x: FUNCTIONS["reduce"](lambda a, b: a + b + a * b, x, -1), X),
    "reduce two": (
        lambda x, y: FUNCTIONS["reduce"](lambda a, b, c, d: (a * c, b * c + d), (x, x * y), 0)[1], X, Y,
    ),
    "reshape": (lambda x: FUNCTIONS["reshape"](x, (3, 2)) * X.reshape(3, 2), X),
    "taylor": (FUNCTIONS["taylor"], Y),
    "taylor of order 1": (lambda y: FUNCTIONS["taylor"](y, order=1), Y),
    "transpose": (lambda x: FUNCTIONS["transpose"](x[None], (2, -3, 1)), X),
    "transpose two": (lambda x: FUNCTIONS["transpose"](x), X),
    "where": (lambda x, y: FUNCTIONS["where"](x > 1, x * x, y), X, Y),
    "add": (lambda x, y: x + y + 1, X, Y),
    "divide": (lambda x, y: x / y + 2 / x + y / 3, X, Y),
    "max": (lambda x: x.max(1) + x.max() + x.max(0, keepdims=True)[:, :2], X),
    "min": (lambda x: x.min(1) + x.min() + x.min(axis=-1, keepdims=True), X),
    "matmul": (lambda x, y: y @ x.T, X, Y),
    "matmul from the left": (lambda x, y: x @ y, X, Y),
    "matmul of vectors": (lambda y, z: y @ z, Y, X[0]),
    "matmul of many": (lambda x, y: x @ y, draw(5, 2, 3), draw(3, 4)),
    "matmul of many and a vector": (lambda x, y: y @ x, draw(5, 3, 2), Y),
    "multiply": (lambda x, y: x * y * 3, X, Y),
    "negative": (lambda x: -x, X),
    "part": (lambda x: x[1, 1:] * x[:, -1] + x[..., :2].sum(), X),
    "positive": (lambda x: +x, X),
    "power": (lambda x, y: x**3 + x**y + 2**y + x**N + x**0 + x**1, X, Y),
    "remainder": (lambda x, y: x % y, X, Y),
    "subtract": (lambda x, y: 1 - (x - y), X, Y),
    "sum": (lambda x: x.sum(1) + x.sum() + x.sum(-1, keepdims=True)[:, 0], X),
    "swapped": (lambda x: x.T, X),
    "to": (lambda x: (x > 1).to(td.f32) + x.to(td.f32) + N.to(td.f32) + x.to(td.i32).to(td.f32), X),
}  # fmt: skip
"""What is differentiated, by function or operator; more of one after its name."""

WITHOUT: dict[str, Any] = {
    "argmax": lambda x: FUNCTIONS["argmax"](x, 1).to(td.f32),
    "cdiv": lambda x: FUNCTIONS["cdiv"](x, 2.0),
    "stop_gradient": FUNCTIONS["stop_gradient"],
    "zeros": lambda x: FUNCTIONS["zeros"](x.shape, td.f32) + x.to(td.i1).to(td.f32),
    "comparisons": lambda x: sum(c.to(td.f32) for c in (x < 1, x <= 1, x > 1, x >= 1, x == 1, x != 1)),
    "integers": lambda x: (((x.to(td.i32) << 2) >> 1 & 7 | 8) ^ 3).to(td.f32) + (~(x > 1)).to(td.f32),
}
"""What has no gradient."""

OF_CONSTANTS = {"arange", "factorials", "next_power_of_two", "static_assert", "static_range"}
"""Functions that only make values of constants, or none."""

OF_A_RUN = {"position"}
"""Functions that only a run has: above."""


@pytest.mark.parametrize("case", CASES)
def test_rules(case: str) -> None:
    rng = np.random.default_rng(1)
    call, *operands = CASES[case]
    values = [Value(x) for x in operands]
    out = call(*values)
    g = rng.standard_normal(out.shape)
    found = gradients([(out, g)])
    for k, x in enumerate(operands):
        slope = found[id(values[k])]
        assert slope.shape == x.shape and slope.dtype == np.float64
        to = rng.standard_normal(x.shape)

        def at(e: float, k: int = k, to: Any = to) -> float:
            moved = [Value(x + e * to) if i == k else Value(x) for i, x in enumerate(operands)]
            return float(np.sum(call(*moved).array * g))

        assert float(np.sum(slope * to)) == pytest.approx(difference(at), rel=1e-6, abs=1e-8), f"operand {k}"


@pytest.mark.parametrize("case", WITHOUT)
def test_what_has_no_gradient(case: str) -> None:
    x = Value(X)
    out = WITHOUT[case](x)
    assert id(x) not in gradients([(out, np.ones(out.shape))])


def test_every_function_and_rule_is_tested() -> None:
    names = {case.split()[0] for case in CASES} | WITHOUT.keys() | OF_CONSTANTS | OF_A_RUN
    assert FUNCTIONS.keys() - names == set()
    with np.errstate(all="ignore"):
        made = [call(*map(Value, operands)) for call, *operands in CASES.values()]
        made += [call(Value(X)) for call in WITHOUT.values()]
    used = {id(node.rule) for node in in_order(made)}
    assert [name for name, rule in RULES.items() if id(rule) not in used] == []


# ---------------------------------------------------------------------------------------------------------------------
# Kinks and infinities
# ---------------------------------------------------------------------------------------------------------------------


def slopes(call: Any, *operands: Any) -> list[Any]:
    """The gradients of a sum of results, as lists."""
    values = [Value(np.asarray(x, np.float64)) for x in operands]
    with np.errstate(all="ignore"):
        out = call(*values)
        found = gradients([(out, np.ones(out.shape))])
    return [found[id(x)].tolist() for x in values]


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_equal_operands(name: str) -> None:
    above = float(name == "maximum")
    call = FUNCTIONS[name]
    assert slopes(call, [2.0, 1.0, 1.0, INF, -INF], [1.0, 2.0, 1.0, INF, 0.0]) == [
        [above, 1 - above, 0.5, 0.5, 1 - above],
        [1 - above, above, 0.5, 0.5, above],
    ]
    assert slopes(lambda x: call(x, 0.0), [0.0, 1.0]) == [[0.5, above]]
    assert slopes(lambda x: call(x, x), 3.0) == [1.0]
    assert slopes(call, [math.nan], [1.0]) == [[1.0], [1.0]]


def test_equal_elements() -> None:
    x = [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [INF, 0.0, INF]]
    assert slopes(lambda x: x.max(1), x) == [[[0, 0.5, 0.5], [1 / 3] * 3, [0.5, 0, 0.5]]]
    assert slopes(lambda x: x.min(0, keepdims=True), x) == [[[1, 0, 0], [0, 0, 1], [0, 1, 0]]]
    assert slopes(lambda x: x.max(), [1.0, 1.0, 0.0, 1.0]) == [[1 / 3, 1 / 3, 0, 1 / 3]]
    assert slopes(lambda x: x.max(), [1.0, math.nan]) == [[0.0, 1.0]]


def test_where_there_is_no_derivative() -> None:
    assert slopes(FUNCTIONS["abs"], [-2.0, 0.0, 2.0]) == [[-1, 0, 1]]
    assert slopes(lambda x: x**0, [0.0, 2.0, INF]) == [[0, 0, 0]]
    assert slopes(lambda x: x**1 + x**2, [0.0, -1.0]) == [[1, -1]]
    assert slopes(lambda x, y: x**y, [0.0, 0.0], [2.0, 0.0]) == [[0, 0], [0, 0]]
    x = Value(0.0)
    out = FUNCTIONS["powers"](x, 3)
    assert [float(gradients([(out, row)])[id(x)]) for row in np.eye(4)] == [0, 1, 0, 0]
    assert slopes(lambda x: FUNCTIONS["powers"](x, 3)[..., :2], [0.0, INF]) == [[1, 1]]


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("exp", [-INF, 0.0], [0, 1]),
        ("exp2", [-INF, 0.0], [0, math.log(2)]),
        ("sigmoid", [-INF, 0.0, INF, -800.0], [0, 0.25, 0, 0]),
        ("silu", [-INF, 0.0, INF, -800.0, 800.0], [0, 0.5, 1, 0, 1]),
        ("softplus", [-INF, 0.0, INF], [0, 0.5, 1]),
        ("tanh", [-INF, 0.0, INF, 800.0], [0, 1, 0, 0]),
        ("erf", [-INF, 0.0, INF], [0, 2 / math.sqrt(math.pi), 0]),
        ("log", [0.0, INF], [INF, 0]),
        ("sqrt", [0.0, INF], [INF, 0]),
        ("rsqrt", [0.0, INF], [-INF, 0]),
    ],
)
def test_infinite_operands(name: str, x: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(slopes(FUNCTIONS[name], x)[0], expected, rtol=1e-14)


def test_logaddexp_of_infinities() -> None:
    """Half each where both are: as of equal numbers."""
    x = [-INF, 1.0, -INF, INF, INF, 2.0]
    y = [1.0, -INF, -INF, INF, 0.0, 2.0]
    assert slopes(FUNCTIONS["logaddexp"], x, y) == [[0, 1, 0.5, 0.5, 1, 0.5], [1, 0, 0.5, 0.5, 0, 0.5]]


def test_nothing_comes_of_what_is_not_chosen() -> None:
    where = FUNCTIONS["where"]
    for name, worst in (("sqrt", 0.0), ("log", 0.0), ("rsqrt", 0.0), ("exp", INF), ("log1p", -1.0), ("log2", 0.0)):
        chosen = lambda x, fn=FUNCTIONS[name]: where(x > 1, fn(x), 0.0) + where(x <= 1, x, fn(x))  # noqa: E731
        (found,) = slopes(chosen, [worst, worst])
        assert found == [1, 1] if worst <= 1 else [INF, INF], name
    y = np.array([[INF, 1.0], [2.0, INF]])
    masked = [
        lambda x: where(x > 5, x * Value(y[0]), x),
        lambda x: where(x > 5, x / Value(np.zeros(2)), x),
        lambda x: where(x > 5, x @ Value(y), x),
        lambda x: where(x > 5, Value(y) @ x, x),
        lambda x: where(x > 5, FUNCTIONS["outer"](x, Value(y[0]))[0], x),
        lambda x: where(x > 5, (1 / (x - 1)) ** 2, x),
        lambda x: where(x > 5, FUNCTIONS["powers"](x / 0.0, 1).sum(1), x),
    ]
    for call in masked:
        assert slopes(call, [1.0, 2.0]) == [[1, 1]]
    assert slopes(lambda x: where(Value(np.array(True)), x[0], x[1] / 0.0), [1.0, 2.0]) == [[1, 0]]
