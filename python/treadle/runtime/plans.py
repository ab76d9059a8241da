"""Calls that are like earlier ones: what was checked and prepared then is launched with other addresses."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from treadle.runtime import _tensors

if TYPE_CHECKING:
    from treadle.runtime.bundle import Bundle, Prepared

_LIMIT = 256  # plans of one kernel or scan


class Likeness:
    """What decides how a call is launched, but for the addresses of its tensors, and those."""

    def __init__(self, *settings: Hashable) -> None:
        self.parts: list[Any] = [settings]
        self.tensors: list[Any] = []
        self.pointers: list[int] = []
        self.places: dict[Hashable, int] = {}
        """Of each tensor among them, by the name it was added with."""
        self.known = True
        """Whether all arguments are of kinds for which it is cheap to say."""

    def add(self, name: Hashable, value: Any) -> None:
        """Take an argument."""
        kind = type(value)
        if value is None or kind is int or kind is bool or kind is str:
            self.parts.append((name, kind, value))
        elif kind is float:  # equal keys must mean equal bits: 0.0 == -0.0
            self.parts.append((name, kind, repr(value)))
        elif (found := _tensors.signature(value)) is not None:
            self.parts.append((name, found[0]))
            self.places[name] = len(self.tensors)
            self.tensors.append(value)
            self.pointers.append(found[1])
        else:
            self.known = False

    def add_all(self, name: str, values: Any, names: Sequence[str]) -> None:
        """Take one array, or a tuple of several, by these names."""
        if values is None:
            self.parts.append(name)
            return
        several = values if isinstance(values, (tuple, list)) else (values,)
        self.known &= len(several) == len(names)
        for each, value in zip(names, several, strict=False):
            self.add(each, value)

    def key(self) -> Hashable:
        """Equal for calls that one plan serves."""
        return tuple(self.parts)


class Plan:
    """A prepared launch whose tensors are those of a call, in the call's order."""

    def __init__(self, bundle: Bundle, prepared: Prepared, places: Mapping[str, int]) -> None:
        self._prepared = prepared
        prepared.views = ()  # the tensors of the first call are not kept
        self._order = [places[param.name] for param in bundle.params if param.is_tensor]

    def launch(self, pointers: Sequence[int], stream: Any) -> None:
        """Launch with these addresses."""
        self._prepared.launch_pointers([pointers[i] for i in self._order], stream)


def store(plans: dict[Hashable, Any], key: Hashable, plan: Any) -> None:
    """Remember a plan; all are forgotten when there are too many."""
    if len(plans) >= _LIMIT:
        plans.clear()
    plans[key] = plan
