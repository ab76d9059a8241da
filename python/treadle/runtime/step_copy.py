"""A step as a Python function on NumPy values: the same code with the language's functions replaced."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

from treadle.errors import TreadleError
from treadle.frontend.declared import Function
from treadle.frontend.scans import Scan
from treadle.language import BUILTINS
from treadle.runtime.step_values import FUNCTIONS


class _Module:
    """A module whose members are translated: `td.exp` is NumPy's."""

    def __init__(self, module: ModuleType, translate: Callable[[Any], Any]) -> None:
        self._module = module
        self._translate = translate

    def __getattr__(self, name: str) -> Any:
        return self._translate(getattr(self._module, name))


class _Translator:
    """Translates functions, each once: they may call one another."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]], call: Callable[..., Any]) -> None:
        self.functions = functions
        self.call = call
        self.copies: dict[int, FunctionType] = {}

    def value(self, value: Any) -> Any:
        if isinstance(value, Function):
            return self.function(value.fn)
        if isinstance(value, Scan):
            return functools.partial(self.call, value)
        if isinstance(value, ModuleType):
            return _Module(value, self.value)
        if isinstance(value, FunctionType):
            return self.builtin(BUILTINS[value]) if value in BUILTINS else self.function(value)
        return value

    def builtin(self, name: str) -> Callable[..., Any]:
        if name not in self.functions:

            def stray(*args: object, **kwargs: object) -> object:
                raise TreadleError(f"td.{name} has no meaning in a step")

            return stray
        return self.functions[name]

    def function(self, fn: FunctionType) -> FunctionType:
        if id(fn) in self.copies:
            return self.copies[id(fn)]
        space = dict(fn.__globals__)
        cells = tuple(CellType() for _ in fn.__closure__ or ())
        copy = FunctionType(fn.__code__, space, fn.__name__, fn.__defaults__, cells)
        copy.__kwdefaults__ = fn.__kwdefaults__
        self.copies[id(fn)] = copy
        for name in _names(fn.__code__) & space.keys():
            space[name] = self.value(space[name])
        for cell, original in zip(cells, fn.__closure__ or (), strict=True):
            cell.cell_contents = self.value(original.cell_contents)
        return copy


def _names(code: CodeType) -> set[str]:
    """The global names that code and the code within it may use."""
    inner = [_names(c) for c in code.co_consts if isinstance(c, CodeType)]
    return set(code.co_names).union(*inner)


def on_numpy(
    fn: FunctionType,
    names: Mapping[str, Any],
    functions: Mapping[str, Callable[..., Any]],
    call: Callable[..., Any],
) -> Callable[..., Any]:
    """The function on `step_values.Value`s.

    names: what it may use beside its globals, such as sizes of axes. functions: those of the language that are not as
    in `step_values`. call: what a call of a scan is, the scan its first argument.
    """
    copy = _Translator({**FUNCTIONS, **functions}, call).function(fn)
    copy.__globals__.update(names)
    return copy
