"""Random steps: what the front end accepts is consistent and accepted by treadle-opt; the rest is a KernelError."""

import subprocess
import tempfile
from pathlib import Path

import pytest
import treadle as td
from frontend_cases import write
from hypothesis import given, settings
from hypothesis import strategies as st
from step_text import take_apart

OPT = Path(__file__).resolve().parents[3] / "build" / "bin" / "treadle-opt"
FOLDER = Path(tempfile.mkdtemp(prefix="treadle-steps-"))
HEADER = """\
import treadle as td

@td.function
def twice(x):
    return x + x

@td.scan
def f(q: td.In["K"], v: td.In["V"], a: td.In, w: td.Param["K", "V"], i: td.Shared[td.i32], S: td.State["K", "V"],
      z: td.State["K"] = -td.inf, *, P: td.Const = 4):
"""
LEAVES = (
    "q", "v", "a", "w", "i", "S", "z", "2", "0.5", "P", "K", "td.arange(K)", "q[:, None]", "S.T", "td.factorials(P)",
    "S.shape[1]", "td.zeros((K, V), td.f32)", "td.position()", "S[0]", "S[:, -1]",
)  # fmt: skip
BINARY = ("+", "-", "*", "/", "//", "%", "<", "==", "&", "@", "@")
WRAPS = (
    "td.exp({})", "td.abs({})", "td.silu({})", "-({})", "({}).to(td.f32)", "({}).to(td.i32)", "({}).sum(axis=0)",
    "({}).max()", "({})[None, :]", "({})[..., None]", "td.where({} > 0, {}, 0)", "td.maximum({}, 1)",
    "td.outer({}, {})", "({} if P > 2 else a)", "({}) ** 2", "min({}, 7)", "td.logaddexp({}, z)", "td.softplus({})",
    "td.broadcast_to({}, (K, V))", "td.powers({}, P)", "({}, {})[0]", "not ({})", "td.stop_gradient({})", "twice({})",
    "td.argmax({}, 0)", "td.reduce(lambda x, y: x * y, {}, 0)", "({} if a > 2 else {})", "td.cumsum({})",
    "({})[0]", "({})[-2:]", "({})[..., :2]", "td.concat([{}, {}])", "td.concat([{}, 1])", "td.concat([{}, S], -1)",
    "td.taylor({}, 1)", "td.taylor({})",
)  # fmt: skip


def wrap(pair: tuple[str, str]) -> str:
    pattern, inner = pair
    return pattern.replace("{}", inner)


expressions = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(BINARY), inner).map(lambda x: f"({x[0]} {x[1]} {x[2]})"),
        st.tuples(st.sampled_from(WRAPS), inner).map(wrap),
    ),
    max_leaves=8,
)


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@settings(max_examples=250, deadline=None, database=None)
@given(expressions, expressions, st.sampled_from([(80, 64), (3, 3), (1, 7)]), st.booleans())
def test_random_steps(output: str, state: str, sizes: tuple[int, int], causal: bool) -> None:
    """The state's expression is fitted to its shape, so that many are accepted."""
    lines = f"    new = {state}\n    S = S + new\n    z = td.maximum(z, S.max(1))\n    return {output}, S, z\n"
    file = write(FOLDER, HEADER + lines)
    try:
        text = td.load_scans(file)["f"].to_mlir({"K": sizes[0], "V": sizes[1]}, causal=causal)
    except td.KernelError as error:
        assert error.file == file and error.line >= 5 and "^" in str(error)
        return
    finally:
        Path(file).unlink()
    take_apart(text)
    if OPT.exists():
        run = subprocess.run([OPT, "-"], input=text, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
