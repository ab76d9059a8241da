"""What treadlec derives from a scan: kernels for whole sequences, for the next tokens, and for gradients."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from treadle.cli.common import UsageError
from treadle.frontend.scans import Scan

KERNELS = ("forward", "step", "backward")
_USUAL = ("forward", "step")
_OF_SEQUENCES = ("forward", "backward")
_MAX_ALIGN = 16


@dataclass(frozen=True)
class _Setting:
    """A choice for some of the kernels: the keyword of `Scan.to_mlir`, what it is without a flag, the flag's help."""

    kernels: tuple[str, ...]
    keyword: str
    default: bool
    help: str


_SETTINGS = {
    "initial-state": _Setting(_OF_SEQUENCES, "initial", True, "initial states are arguments, not the defaults"),
    "final-state": _Setting(_OF_SEQUENCES, "final", True, "final states are written, their gradients given"),
    "packed": _Setting(_OF_SEQUENCES, "packed", False, "sequences of different lengths lie one after the other"),
    "reverse": _Setting(_OF_SEQUENCES, "reverse", False, "from the last token to the first"),
    "causal": _Setting(_OF_SEQUENCES, "causal", True, "outputs see what came before them, not the whole sequence"),
    "separate": _Setting(("forward",), "separate", False, "states that change by themselves have kernels of their own"),
    "state-indices": _Setting(("step",), "indexed", False, "states live in pools, in which each sequence has an entry"),
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags for scans."""
    group = parser.add_argument_group("scans")
    group.add_argument("--derive", metavar="KERNELS", help=f"some of {','.join(KERNELS)} (default: {','.join(_USUAL)})")
    group.add_argument("--grouped", metavar="NAMES", help="inputs with a value for each group of heads, not each head")
    for name, setting in _SETTINGS.items():
        usual = "" if setting.default else "no-"
        group.add_argument(
            f"--{name}",
            action=argparse.BooleanOptionalAction,
            help=f"{', '.join(setting.kernels)}: {setting.help} (default: --{usual}{name})",
        )


def refuse_flags(options: argparse.Namespace, why: str) -> None:
    """An error where one of the flags is given though nothing is derived."""
    for name in ("derive", "grouped", *_SETTINGS):
        if getattr(options, _dest(name)) is not None:
            raise UsageError(f"{_shown(options, name)} {why}")


def kernels(options: argparse.Namespace) -> tuple[str, ...]:
    """The kernels that the flags ask for."""
    found = _USUAL
    if options.derive is not None:
        found = tuple(dict.fromkeys(options.derive.split(",")))
        for name in found:
            if name not in KERNELS:
                raise UsageError(f"--derive={options.derive}: expected some of {', '.join(KERNELS)}, found {name!r}")
    for name, setting in _SETTINGS.items():
        if getattr(options, _dest(name)) is not None and not {*setting.kernels} & {*found}:
            raise UsageError(f"{_shown(options, name)} is for --derive={setting.kernels[0]}, found {','.join(found)}")
    return found


def text(scan: Scan, kernel: str, constants: Mapping[str, Any], options: argparse.Namespace) -> str:
    """One of a scan's kernels as MLIR text."""
    settings: dict[str, Any] = {
        "initial": True,
        "final": True,
        "chunked": kernel != "step",
        "backward": kernel == "backward",
    }
    for name, setting in _SETTINGS.items():
        if kernel in setting.kernels:
            given = getattr(options, _dest(name))
            settings[setting.keyword] = setting.default if given is None else given
    grouped = [name for name in (options.grouped or "").split(",") if name]
    align = _align(scan, constants, options.dtype, settings)
    return scan.to_mlir(constants, options.dtype, **settings, grouped=grouped, align=align, fast_math=options.fast_math)


def without_locations(text: str) -> str:
    """The text of a scan without its source locations, which end lines."""
    return "\n".join(line.partition(" loc(")[0] for line in text.split("\n"))


def _align(scan: Scan, constants: Mapping[str, Any], dtype: str | None, settings: Mapping[str, bool]) -> dict[str, int]:
    """What the addresses of values are multiples of in arrays without gaps, as kernels assume it of rows."""
    sizes, stored = scan.resolve(constants), scan.element(dtype)
    size_of = {p.name: math.prod(p.shape(sizes)) * (p.dtype or stored).size for p in scan.inputs}
    size_of |= {output.name: math.prod(output.shape) * stored.size for output in scan.outputs(constants)}
    for p in scan.states:
        for keyword in ("initial", "final"):
            if settings[keyword]:
                size_of[f"{p.name}_{keyword}"] = math.prod(p.shape(sizes)) * 4
    return {name: min(_MAX_ALIGN, size & -size) for name, size in size_of.items()}


def _dest(name: str) -> str:
    return name.replace("-", "_")


def _shown(options: argparse.Namespace, name: str) -> str:
    """The flag as it was given."""
    return f"--no-{name}" if getattr(options, _dest(name)) is False else f"--{name}"
