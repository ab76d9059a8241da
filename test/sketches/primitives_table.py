"""The table in README.md of which primitive each chunk form uses. Run to rewrite it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from launch import SKETCHES
from tiles import PRIMITIVES, record

README = Path(__file__).with_name("README.md")
SECTION = re.compile(r"(?<=<!-- primitives -->\n).*?(?=<!-- end -->)", re.DOTALL)


def table() -> str:
    used = {}
    for sketch in SKETCHES:
        with record() as counts:
            sketch.run(sketch.draw(2, np.random.default_rng(0)))
        used[sketch.name] = counts
    rows = [["primitive", *used], ["---"] * (1 + len(used))]
    rows += [[f"`{p}`", *("x" if counts[p] else "" for counts in used.values())] for p in PRIMITIVES]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


if __name__ == "__main__":
    README.write_text(SECTION.sub(table(), README.read_text()))
