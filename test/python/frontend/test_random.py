"""Random expression trees: whatever the front end accepts is consistent; what it rejects is a KernelError."""

import subprocess
import tempfile
from pathlib import Path

import pytest
import ssa_check
import treadle as td
from frontend_cases import body, compile_all, write
from hypothesis import given, settings
from hypothesis import strategies as st

OPT = Path(__file__).resolve().parents[3] / "build" / "bin" / "treadle-opt"
FOLDER = Path(tempfile.mkdtemp(prefix="treadle-frontend-"))
LEAVES = (
    "t", "v", "u.to(td.f32)", "a", "n", "i", "2", "0.5", "B", "td.arange(32)", "v[:, None]", "t.T", "ids[i]",
    "t[0:32, :]", "v[16:32]",
)  # fmt: skip
BINARY = ("+", "-", "*", "/", "//", "%", "<", "==", "&", "@")
WRAPS = (
    "td.exp({})", "td.abs({})", "td.silu({})", "-({})", "({}).to(td.f32)", "({}).to(td.bf16)", "({}).to(td.i32)",
    "({}).sum(axis=0)", "({}).max()", "({})[None, :]", "td.where({} > 0, {}, 0)", "td.maximum({}, 1)",
    "td.cumsum({}, axis=0)", "({} if n > 2 else {})", "({}) ** 2", "min({}, 7)", "td.logaddexp({}, 0.0)",
    "td.broadcast_to({}, (32, 32))", "td.cdiv({}, 3)", "({}, {})[0]", "not ({})",
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


def statements(first: str, second: str, shape: int) -> str:
    forms = (
        f"p = {first}\nq = {second}",
        f"p = {first}\nfor k in range(n):\n    p = {second}",
        f"p = {first}\nif n > 3:\n    p = {second}\nq = p",
        f"p = {first}\nwhile n > i:\n    p = {second}\nq = p",
        f"p = {first}\ny[i * B : i * B + B, j * B : j * B + B] = p",
    )
    return forms[shape]


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@settings(max_examples=250, deadline=None, database=None)
@given(expressions, expressions, st.integers(0, 4))
def test_random_programs(first: str, second: str, shape: int) -> None:
    file = write(FOLDER, body(statements(first, second, shape)))
    try:
        text = compile_all(file)["f"]
    except td.KernelError as error:
        assert error.file == file and error.line >= 12 and "^" in str(error)
        return
    finally:
        Path(file).unlink()
    ssa_check.check(text)
    if OPT.exists():
        run = subprocess.run([OPT, "-"], input=text, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
