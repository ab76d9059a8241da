"""`treadlec --explain`: what was derived from a step, and why."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from treadle import testing

_BANDWIDTH = 4.2  # TB/s, of a copy on an H200

_WALKS = {
    "past": "the walk of the forward once more, for gradients that need no later token",
    "final": "the walk of the forward once more, for what outputs read of the final states",
    "totals": "sums over all tokens: gradients of the final states",
    "ends": "products of the final states and their gradients, where running sums begin",
    "future": "the walk back",
    "sums": "running sums from the end, which are gradients of decays",
    "piece": "some of the states",
}


def explanation(name: str, manifest: Mapping[str, Any]) -> str:
    """The kernel of a manifest in words."""
    return "\n".join(_lines(name, manifest))


def _lines(name: str, manifest: Mapping[str, Any]) -> Iterator[str]:
    launches = manifest["launches"]
    found = manifest.get("derivation", {"chunk": 1})
    walks = found if isinstance(found, list) else [found]
    tensors = [param for param in manifest["params"] if param["kind"] == "tensor"]
    for walk in walks:
        whole = launches[0]["entry"].removesuffix("_segments").removesuffix("_past").removesuffix("_piece_1")
        entry = f"{whole}_{walk.get('walk', '')}"
        launch = next((launch for launch in launches if launch["entry"] == entry), launches[-1])
        yield from _walk(f"{name}, {manifest['dtype']}, {manifest['arch']}", walk, launch["block"][0] // 32)
    kept = [f"{p['name']} {[size for size in p['shape'] if isinstance(size, int)]}" for p in tensors if _is_kept(p)]
    if "walk" in walks[0]:
        yield f"  kept for each token, for later walks: {', '.join(kept) or 'nothing'}; all else is recomputed"
    yield "  fused: everything that the step computes, from loads to stores"
    handed_on = [param["name"] for param in tensors if param["shape"][0] == "segments" or _is_kept(param)]
    for launch in launches:
        grid = ", ".join(_product(axis) for axis in launch["grid"])
        used = manifest.get("resources", {}).get(launch["entry"])
        registers = f", {used['registers']} registers" if used else ""
        spilled = f", {used['spill_stores']} bytes spilled" if used and used["spill_stores"] else ""
        yield (
            f"  launch {launch['entry']}: grid ({grid}), {launch['shared_bytes']} bytes of shared memory"
            f"{registers}{spilled}"
        )
    yield f"  workspace: {', '.join(handed_on) or 'none'}"
    blocks = launches[-1]["grid"][0]
    if isinstance(blocks, int) and blocks > 1:
        yield f"  {blocks} blocks share an axis of the states; what does not have it is read by each, from the L2 cache"
    must: Counter[str] = Counter()
    for param in tensors:
        if _is_kept(param):
            continue
        sizes = [size for size in param["shape"] if isinstance(size, int)]
        indices = "·".join(size for size in param["shape"] if isinstance(size, str))
        must[indices] += math.prod(sizes) * testing.itemsize(param["dtype"])
    yield f"  bytes that must move: {' + '.join(f'{n} {of}'.rstrip() for of, n in must.items())}"
    per_token = sum(n for of, n in must.items() if "T" in of.split("·"))
    yield f"  floor at {_BANDWIDTH} TB/s: {per_token / _BANDWIDTH / 1e3:.3f} ns for each token and head"


def _walk(title: str, derivation: Mapping[str, Any], warps: int) -> Iterator[str]:
    """One walk over the tokens."""
    how = "token by token" if derivation["chunk"] == 1 else f"in chunks of {derivation['chunk']} tokens"
    which = f", {_WALKS[derivation['walk'].partition('_')[0]]}" if "walk" in derivation else ""
    yield f"{title}{which}: {how}, {warps} warps a block"
    if "reason" in derivation:
        place = f" ({derivation['file']}:{derivation['line']})" if "line" in derivation else ""
        yield f"  not in chunks, because {derivation['reason']}{place}"
    elif derivation["chunk"] == 1:
        yield "  made for few tokens: the states are read and written once"
    for state in derivation.get("states", ()):
        yield f"  state {state['name']}: {state['class']}"
        if "decay" in state:
            yield f"    log-decay: {state['decay']}"
            yield f"    in a chunk: {state['chunk']}"


def _is_kept(param: Mapping[str, Any]) -> bool:
    """Whether this is an array that one walk keeps for another."""
    return bool(re.fullmatch(r"kept_\d+|decay_\d+_final_grad", param["name"]))


def _product(axis: Any) -> str:
    """A grid axis: a number, a name, or an operation on such."""
    if not isinstance(axis, list):
        return str(axis)
    signs = {"*": "·", "ceildiv": "⌈/⌉", "floordiv": "⌊/⌋"}
    op, left, right = axis
    return f"{_product(left)} {signs.get(op, op)} {_product(right)}"
