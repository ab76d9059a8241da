"""What the arrays of a call say about a scan: sizes, heads, groups, sequences. Every mistake is a LaunchError."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from treadle.errors import LaunchError
from treadle.runtime import scan_arrays as arrays
from treadle.runtime.call import Remembered, remembered

if TYPE_CHECKING:
    from treadle.frontend.scans import Scan
    from treadle.frontend.stepparams import Field, InputParam, StateParam

_state_shapes: Remembered[tuple[int, ...]] = weakref.WeakKeyDictionary()


@dataclass
class Bound:
    """The inputs of a call, and what their shapes say."""

    scan: Scan
    head_first: bool = False
    one_token: bool = False
    """The arrays of the call have no T."""
    inputs: dict[str, Any] = field(default_factory=dict)
    """By name, as [B, T, H, ...] (those axes that each has), whatever the layout of the call."""
    constants: dict[str, Any] = field(default_factory=dict)
    """Those given, and the sizes of axes."""
    indices: dict[str, int] = field(default_factory=dict)
    """The sizes of B, T and H."""
    heads: dict[str, int] = field(default_factory=dict)
    """Of every input that has heads."""
    cu_seqlens: Any = None
    """int64, where it was given."""

    @property
    def grouped(self) -> tuple[str, ...]:
        """The inputs that have fewer heads than the output."""
        return tuple(name for name, heads in self.heads.items() if heads != self.indices["H"])

    @property
    def sequences(self) -> int:
        """How many sequences there are, each with its states."""
        return self.indices["B"] if self.cu_seqlens is None else arrays.shape_of(self.cu_seqlens)[0] - 1

    @property
    def first(self) -> Any:
        """The first input."""
        return next(iter(self.inputs.values()))

    @property
    def model(self) -> Any:
        """The first input that is stored as the outputs are."""
        return next((self.inputs[p.name] for p in self.scan.inputs if p.dtype is None), self.first)

    def state_shape(self, p: StateParam) -> tuple[int, ...]:
        """The shape of one value of a state."""

        def make() -> tuple[int, ...]:
            return tuple(map(int, p.shape(self.scan.resolve(self.constants))))

        return remembered(_state_shapes, self.scan, (p.name, *sorted(self.constants.items())), make)

    def output_shape(self, value: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of an output in the layout of the call, from that of one value."""
        batch, time, heads = (self.indices[letter] for letter in "BTH")
        if self.one_token:
            return (batch, heads, *value)
        return (batch, heads, time, *value) if self.head_first else (batch, time, heads, *value)

    def inner(self, array: Any, indices: str = "BTH") -> Any:
        """An array of the call as [B, T, H, ...], without a copy."""
        if self.one_token:
            return array[:, None] if "T" in indices else array
        return array.swapaxes(1, 2) if self.head_first and indices == "BTH" else array

    # -----------------------------------------------------------------------------------------------------------------
    # Checks
    # -----------------------------------------------------------------------------------------------------------------

    def fail(self, argument: str, message: str) -> LaunchError:
        """An error about an argument."""
        return LaunchError(f"{self.scan.name}: argument '{argument}': {message}")

    def check_array(self, argument: str, value: Any) -> None:
        """Check that this is an array in the same place as the others."""
        if not arrays.is_array(value):
            raise self.fail(argument, f"expected an array of NumPy or PyTorch, found {type(value).__name__}")
        if self.inputs and arrays.place_of(value) != arrays.place_of(self.first):
            name, place = next(iter(self.inputs)), arrays.place_of(self.first)
            raise self.fail(argument, f"expected one of {place}, as '{name}' is, found one of {arrays.place_of(value)}")

    def check_dtype(self, argument: str, value: Any, expected: str) -> None:
        """Check how an array is stored."""
        if arrays.dtype_of(value) != expected:
            raise self.fail(argument, f"expected {expected}, found {arrays.shown_dtype(value)}")

    def dtype(self) -> str:
        """The dtype of outputs and of the inputs that have none of their own, after checking all."""
        found, first = self.scan.dtype, ""
        for p in self.scan.inputs:
            value = self.inputs[p.name]
            if p.dtype is not None:
                self.check_dtype(p.name, value, p.dtype.name)
            elif not first:
                found, first = arrays.dtype_of(value), p.name
                if found not in ("f32", "f16", "bf16"):
                    raise self.fail(p.name, f"expected f32, f16 or bf16, found {arrays.shown_dtype(value)}")
            elif arrays.dtype_of(value) != found:
                raise self.fail(p.name, f"expected {found}, as '{first}' is, found {arrays.shown_dtype(value)}")
        return found

    # -----------------------------------------------------------------------------------------------------------------
    # States and other arrays of a call
    # -----------------------------------------------------------------------------------------------------------------

    def states(self, argument: str, value: Any, rows: int | None, letter: str) -> dict[str, Any]:
        """Arrays for all states, by the states' names, each [rows, H, ...]. rows: None for any number."""
        params = self.scan.states
        given = value if isinstance(value, (tuple, list)) else (value,)
        if len(given) != len(params):
            names = ", ".join(p.name for p in params)
            expected = "one array" if len(params) == 1 else f"a tuple of {len(params)} arrays"
            found = "one" if not isinstance(value, (tuple, list)) else f"{len(given)}"
            raise self.fail(argument, f"expected {expected} ({names}), found {found}")
        for p, array in zip(params, given, strict=True):
            label = argument if len(params) == 1 else f"{argument}[{p.name}]"
            self.check_array(label, array)
            self._state_axes(label, p, arrays.shape_of(array), rows, letter)
        return {p.name: array for p, array in zip(params, given, strict=True)}

    def _state_axes(self, label: str, p: StateParam, shape: tuple[int, ...], rows: int | None, letter: str) -> None:
        """Check the shape of a state; axes that no input has get their sizes here."""
        axes = [letter, "H", *(axis.text for axis in p.axes)]
        if len(shape) != len(axes):
            raise self.fail(label, wrong_rank(axes, shape))
        self._name_axes(p, shape[2:])
        expected = (shape[0] if rows is None else rows, self.indices["H"], *self.state_shape(p))
        if shape != expected:
            raise self.fail(label, f"expected [{', '.join(axes)}] = {expected}, found {shape}")

    def integers(self, argument: str, value: Any, size: int | None, what: str) -> Any:
        """A vector of integers as int64."""
        self.check_array(argument, value)
        shape = arrays.shape_of(value)
        if not arrays.is_integer(value):
            raise self.fail(argument, f"expected int64 or int32, found {arrays.shown_dtype(value)}")
        if len(shape) != 1 or size not in (None, shape[0]):
            wanted = f"[{what}]" if size is None else f"[{what}] = ({size},)"
            raise self.fail(argument, f"expected {wanted}, found {shape}")
        return arrays.to_int64(value)

    def pack(self, value: Any) -> None:
        """Take `cu_seqlens`, which says where in T each sequence begins, and where the last one ends."""
        found = self.integers("cu_seqlens", value, None, "N + 1")
        if self.indices["B"] != 1:
            found_batch = self.indices["B"]
            raise self.fail("cu_seqlens", f"expected inputs of batch 1, all sequences in T, found batch {found_batch}")
        if not arrays.shape_of(found)[0]:
            raise self.fail("cu_seqlens", "expected [N + 1], one number at least, found none")
        if arrays.device_of(found) < 0:
            ends = [int(x) for x in found]
            if ends[0] != 0 or ends[-1] != self.indices["T"] or ends != sorted(ends):
                raise self.fail(
                    "cu_seqlens", f"expected numbers that rise from 0 to T = {self.indices['T']}, found {_short(ends)}"
                )
        self.cu_seqlens = found

    def pool_entries(self, indices: Any, pools: Iterable[Any]) -> None:
        """Check which entries of the states' pools are used, where that is cheap."""
        if arrays.device_of(indices) >= 0:
            return
        entries = min(arrays.shape_of(pool)[0] for pool in pools)
        found = [int(i) for i in indices]
        for i in found:
            if not 0 <= i < entries:
                raise self.fail("state_indices", f"expected entries of a pool of {entries}, from 0, found {i}")
        if len(set(found)) != len(found):
            twice = next(i for i in found if found.count(i) > 1)
            raise self.fail("state_indices", f"expected an entry for each sequence alone, found {twice} twice")

    # -----------------------------------------------------------------------------------------------------------------
    # Inputs
    # -----------------------------------------------------------------------------------------------------------------

    def take(self, p: InputParam, value: Any) -> None:
        """Take an input."""
        self.check_array(p.name, value)
        letters = p.indices
        if self.one_token:
            letters = letters.replace("T", "")
        elif self.head_first:
            letters = letters.replace("TH", "HT")
        axes = [*letters, *(axis.text for axis in p.axes)]
        shape = arrays.shape_of(value)
        if len(shape) != len(axes):
            raise self.fail(p.name, wrong_rank(axes, shape))
        for letter, size in zip(letters, shape, strict=False):
            if letter == "H":
                self.heads[p.name] = size
            elif self.indices.setdefault(letter, size) != size:
                raise self.fail(p.name, f"expected {letter} = {self.indices[letter]}, as other inputs, found {size}")
        self._name_axes(p, shape[len(letters) :])
        self.inputs[p.name] = self.inner(value, p.indices)

    def _name_axes(self, p: Field, sizes: tuple[int, ...]) -> None:
        """Axes that are names have the sizes of the first array with them."""
        for axis, size in zip(p.axes, sizes, strict=True):
            if axis.is_name:
                self.constants.setdefault(axis.text, size)

    def settle(self) -> None:
        """Check what takes all inputs together."""
        self.indices.setdefault("B", 1)
        self.indices.setdefault("T", 1)
        self._count_heads()
        known = {**self.scan.constants, **self.constants}
        for p in self.scan.inputs:
            sizes = arrays.shape_of(self.inputs[p.name])[len(p.indices) :]
            for axis, size in zip(p.axes, sizes, strict=True):
                if any(not isinstance(known[name], int) for name in axis.names):
                    continue  # which the front end says better
                expected = axis.size(known)
                if expected != size:
                    label = axis.text if axis.names else "an axis"
                    raise self.fail(p.name, f"expected {label} = {int(expected)}, found {size}")

    def _count_heads(self) -> None:
        """Which inputs are grouped."""
        most = self.indices["H"] = max(self.heads.values(), default=1)
        counts = sorted(set(self.heads.values()), reverse=True)
        for name, heads in self.heads.items():
            if heads != most and (heads == 0 or most % heads):
                raise self.fail(name, f"expected a number of heads that divides {most}, found {heads}")
            if heads not in counts[:2]:
                raise self.fail(name, f"expected {most} or {counts[1]} heads, as other inputs, found {heads}")


def bind(
    scan: Scan,
    args: tuple[Any, ...],
    given: Mapping[str, Any],
    reserved: frozenset[str],
    head_first: bool = False,
    step: bool = False,
) -> Bound:
    """Read the inputs and constants of a call. step: the inputs may have no T."""
    bound = Bound(scan, bool(head_first))
    constants = scan.constants
    values = _by_name(bound, args, given, reserved)
    bound.constants = {name: value for name, value in values.items() if name in constants}
    for p in scan.inputs:
        if p.name not in values:
            raise bound.fail(p.name, "expected an array, found none")
    if step:
        timed = [p for p in scan.inputs if "T" in p.indices and hasattr(values[p.name], "shape")]
        bound.one_token = any(len(values[p.name].shape) < len(p.indices) + len(p.axes) for p in timed[:1])
    for p in scan.inputs:
        bound.take(p, values[p.name])
    bound.settle()
    return bound


def _by_name(bound: Bound, args: tuple[Any, ...], given: Mapping[str, Any], reserved: frozenset[str]) -> dict[str, Any]:
    """The inputs and constants of a call."""
    scan = bound.scan
    names = [p.name for p in scan.inputs]
    for name in [*names, *scan.constants]:
        if name in reserved:
            raise bound.fail(name, "expected a name that is not an argument of every scan; rename the parameter")
    if len(args) > len(names):
        raise LaunchError(
            f"{scan.name}: expected at most {len(names)} inputs by position ({', '.join(names)}), found {len(args)}"
        )
    values = dict(zip(names, args, strict=False))
    for name, value in given.items():
        if name in values:
            raise bound.fail(name, "expected it once, found it by position and by name")
        if name not in names and name not in scan.constants:
            known = ", ".join([*names, *scan.constants, *sorted(reserved)])
            raise LaunchError(f"{scan.name}: expected arguments named {known}, found '{name}'")
        values[name] = value
    return values


def wrong_rank(axes: list[str], shape: tuple[int, ...]) -> str:
    """What is said of an array with another number of axes."""
    return f"expected {len(axes)} axes [{', '.join(axes)}], found {len(shape)}: {shape}"


def _short(numbers: list[int]) -> str:
    return str(numbers) if len(numbers) <= 10 else f"[{', '.join(map(str, numbers[:9]))}, … {numbers[-1]}]"
