"""Backwards in segments of time: where one keeps matrices of every token, only those of one segment exist at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from treadle.runtime.scan_binding import Bound
from treadle.runtime.scan_call import Launch

MOST = 4
"""How many times the bytes of inputs and outputs a backward may keep in matrices of every token."""
FREE = 64 << 20
"""Bytes that it may keep in any case."""
_MULTIPLE = 64  # tokens: what chunks divide, and after which addresses are aligned as before


def check_length(bound: Bound, length: Any, causal: bool) -> None:
    """Check the argument of `vjp`: how many tokens a segment has, 0 for all, None for the choice of `length_for`."""
    if length is not None and (type(length) is not int or length < 0):
        raise bound.fail("checkpoint", f"expected a number of tokens from 0, or None, found {length!r}")
    if length and not causal:
        raise bound.fail("checkpoint", f"expected 0, or None, with causal=False, found {length}")


def length_for(bound: Bound, kept: Mapping[str, tuple[int, ...]], given: int) -> int:
    """How many tokens a segment has by default; 0: all, since what is kept is little.

    kept: the shapes of what the backward keeps, in f32, of all tokens; given: the bytes of inputs and outputs.

    What is kept of a segment and all checkpoints are least together where they are equal. Segments are twice as long as
    that, for a quarter more memory and half as many launches, or longer where that is within half of what is free.
    """
    matrices = sum(4 * math.prod(shape) for shape in kept.values() if len(shape) >= len("BTH") + 2)
    if matrices <= max(MOST * given, FREE):
        return 0
    tokens = bound.indices["T"]
    token = sum(4 * math.prod(shape) for shape in kept.values()) / tokens
    values = sum(math.prod(bound.state_shape(p)) for p in bound.scan.states)
    checkpoint = 4 * values * bound.sequences * bound.indices["H"]
    length = max(2 * math.sqrt(tokens * checkpoint / token), FREE / 2 / token)
    return math.ceil(length / _MULTIPLE) * _MULTIPLE


def segments_of(bound: Bound, length: int) -> list[slice]:
    """The tokens of every segment: all have as many, but the last."""
    tokens = bound.indices["T"]
    return [slice(start, min(start + length, tokens)) for start in range(0, tokens, length)]


def segment(launch: Launch, times: slice) -> Launch:
    """A launch on some of the tokens, without copies.

    Of packed sequences each has those of its tokens that are among them, maybe none; its states pass through then.
    """
    bound = launch.bound
    count, ends = times.stop - times.start, bound.cu_seqlens
    timed = {p.name for p in bound.scan.inputs if "T" in p.indices}
    part = replace(
        bound,
        head_first=False,
        inputs={name: x[:, times] if name in timed else x for name, x in bound.inputs.items()},
        indices={**bound.indices, "T": count},
        cu_seqlens=None if ends is None else (ends - times.start).clip(0, count),
    )
    return launch.of(part)
