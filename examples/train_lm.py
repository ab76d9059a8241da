"""Train a small language model on bytes, its mixers run by Treadle's kernels and by their definition in PyTorch.

    python examples/train_lm.py --device=cuda --steps=1000
    python examples/train_lm.py --device=cpu --tiny

The layers are Lightning Attention and LightNet in turn. Both trainings begin with the same weights and see the same
bytes in the same order; PyTorch's mixers are f32 loops over tokens and masked matrices, without chunks. The text is
this repository, its Markdown and sources one after the other, or the files of --text. In the folder of --out:
losses.csv with the loss of every step and of held-out text, losses.svg with the curves. The last line says how far
they are apart.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / "python" / "treadle").is_dir():
    sys.path.insert(0, str(ROOT / "python"))

from treadle.torch import LightNetAttention, LightningAttention  # noqa: E402

COLOURS = {"treadle": "#1f6fb4", "torch": "#d1642c"}
Curves = dict[str, list[tuple[int, float]]]

# ---------------------------------------------------------------------------------------------------------------------
# The mixers' definition in PyTorch
# ---------------------------------------------------------------------------------------------------------------------


def lightning(q: Any, k: Any, v: Any, log_decay: Any, **_: Any) -> tuple[Any, None]:
    """o_t = sum of exp(log_decay (t - u)) (q_t . k_u) v_u over u <= t, as masked matrices. [B, T, H, ...]."""
    at = torch.arange(q.shape[1], device=q.device)
    distance = (at[:, None] - at[None, :]).clamp(min=0)
    weights = torch.exp(log_decay[:, None, None] * distance).tril()
    scores = torch.einsum("bihk,bjhk->bhij", q, k) * weights
    return torch.einsum("bhij,bjhv->bihv", scores, v), None


def lightnet(q: Any, k: Any, v: Any, scale: float = 1.0, **_: Any) -> tuple[Any, None]:
    """Means of values with running softmaxes of keys as weights, token by token. [B, T, H, ...]."""
    q, z = scale * F.silu(q), torch.logcumsumexp(k, 1)
    weight = torch.exp(k - z)
    decay = torch.exp(torch.cat([torch.zeros_like(z[:, :1]), z[:, :-1] - z[:, 1:]], 1))
    S, outputs = torch.zeros_like(k[:, 0, ..., None] * v[:, 0, ..., None, :]), []
    for t in range(q.shape[1]):
        S = decay[:, t, ..., None] * S + weight[:, t, ..., None] * v[:, t, ..., None, :]
        outputs.append((q[:, t, ..., None, :] @ S)[..., 0, :])
    return torch.stack(outputs, 1), None


def by_definition(model: nn.Module) -> nn.Module:
    """The model with its mixers' kernels replaced by their definition."""
    for module in model.modules():
        for kind, definition in ((LightningAttention, lightning), (LightNetAttention, lightnet)):
            if isinstance(module, kind):
                module.kernel = lambda definition=definition: definition
    return model


# ---------------------------------------------------------------------------------------------------------------------
# The model, and the text
# ---------------------------------------------------------------------------------------------------------------------


class Block(nn.Module):
    """A mixer, and a gated layer on each token, both on normalised inputs and added."""

    def __init__(self, mixer: nn.Module, d_model: int) -> None:
        super().__init__()
        self.mixer = mixer
        self.norms = nn.ModuleList(nn.RMSNorm(d_model, eps=1e-6) for _ in range(2))
        self.wide = nn.Linear(d_model, 4 * d_model, bias=False)
        self.narrow = nn.Linear(2 * d_model, d_model, bias=False)

    def forward(self, x: Any) -> Any:
        x = x + self.mixer(self.norms[0](x))
        a, b = self.wide(self.norms[1](x)).chunk(2, -1)
        return x + self.narrow(F.silu(a) * b)


class Model(nn.Module):
    """Bytes in, logarithms of weights of the next byte out."""

    def __init__(self, d_model: int, layers: int, heads: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(256, d_model)
        mixers = (
            LightNetAttention(d_model, heads)
            if i % 2
            else LightningAttention(d_model, heads, layer=i, num_layers=layers)
            for i in range(layers)
        )
        self.blocks = nn.Sequential(*(Block(mixer, d_model) for mixer in mixers))
        self.norm = nn.RMSNorm(d_model, eps=1e-6)
        self.head = nn.Linear(d_model, 256, bias=False)

    def forward(self, tokens: Any) -> Any:
        return self.head(self.norm(self.blocks(self.embedding(tokens))))


def read_text(files: list[Path]) -> Any:
    """The bytes of files, one after the other; without any, of this repository."""
    if not files:
        kinds = (".md", ".py", ".cpp", ".h", ".td")
        folders = ("docs", "kernels", "lib", "python", "test", "tools", "dialect")
        files = [
            ROOT / "README.md",
            *(f for name in folders for f in sorted((ROOT / name).rglob("*")) if f.suffix in kinds),
        ]
    content = b"".join(file.read_bytes() for file in files if file.is_file())
    return torch.frombuffer(bytearray(content), dtype=torch.uint8).long()


def batches(text: Any, count: int, size: int, length: int, seed: int) -> Iterator[Any]:
    """Windows of length + 1 bytes [size, length + 1], the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        starts = torch.randint(len(text) - length, (size,), generator=generator)
        yield torch.stack([text[start : start + length + 1] for start in starts.tolist()])


# ---------------------------------------------------------------------------------------------------------------------
# Training
# ---------------------------------------------------------------------------------------------------------------------


def loss_of(model: Callable[[Any], Any], windows: Any, device: str) -> Any:
    windows = windows.to(device)
    return F.cross_entropy(model(windows[:, :-1]).float().flatten(0, 1), windows[:, 1:].flatten())


def train(name: str, text: Any, held_out: Any, options: argparse.Namespace) -> tuple[Curves, float]:
    """The losses of every step and of held-out text, and the seconds that a step took."""
    torch.manual_seed(options.seed)
    model = Model(options.d_model, options.layers, options.heads).to(options.device)
    if name == "torch":
        by_definition(model)
    half = name == "treadle" and options.dtype == "bf16"
    optimiser = torch.optim.AdamW(model.parameters(), lr=options.lr, betas=(0.9, 0.95), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.lr, total_steps=options.steps, pct_start=0.1)
    run = torch.compile(model) if options.compile and name == "treadle" else model
    curves: Curves = {"loss": [], "held out": []}
    took, size, length = [], options.batch, options.length
    for step, windows in enumerate(batches(text, options.steps, size, length, options.seed)):
        began = time.perf_counter()
        with torch.autocast(options.device, dtype=torch.bfloat16, enabled=half):
            loss = loss_of(run, windows, options.device)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        curves["loss"].append((step, loss.item()))
        took.append(time.perf_counter() - began)
        last = step + 1 == options.steps
        if (step + 1) % options.every == 0 or last:
            with torch.no_grad(), torch.autocast(options.device, dtype=torch.bfloat16, enabled=half):
                found = [loss_of(run, w, options.device).item() for w in batches(held_out, 4, size, length, 1)]
            curves["held out"].append((step, sum(found) / len(found)))
            print(
                f"{name:8} step {step + 1}: loss {loss.item():.4f}, held out {curves['held out'][-1][1]:.4f}",
                flush=True,
            )
    return curves, sorted(took)[len(took) // 2]


# ---------------------------------------------------------------------------------------------------------------------
# What is written
# ---------------------------------------------------------------------------------------------------------------------


def smooth(curve: list[tuple[int, float]], width: int) -> list[tuple[int, float]]:
    """Means of as many values one after the other."""
    parts = (curve[i : i + width] for i in range(0, len(curve), width))
    return [(part[-1][0], sum(y for _, y in part) / len(part)) for part in parts]


def write_csv(path: Path, found: dict[str, Curves]) -> None:
    rows: dict[int, dict[str, float]] = {}
    names = [f"{name} {kind}" for name, curves in found.items() for kind in curves]
    for name, curves in found.items():
        for kind, curve in curves.items():
            for step, loss in curve:
                rows.setdefault(step, {})[f"{name} {kind}"] = loss
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *names])
        writer.writerows([step + 1, *(rows[step].get(name, "") for name in names)] for step in sorted(rows))


def write_svg(path: Path, found: dict[str, Curves], width: int = 720, height: int = 420) -> None:
    """The smoothed losses of training as lines, those of held-out text as dots."""
    steps = max(step for curves in found.values() for step, _ in curves["loss"]) + 1
    lines = {name: smooth(curves["loss"], max(1, steps // 100)) for name, curves in found.items()}
    every = [y for name in found for _, y in (*lines[name], *found[name]["held out"])]
    low, high, left, bottom = min(every), max(every), 56, height - 40

    def place(step: float, loss: float) -> str:
        x = left + step / steps * (width - left - 16)
        return f"{x:.1f},{bottom - (loss - low) / (high - low or 1) * (bottom - 24):.1f}"

    font = 'font-family="sans-serif" font-size="12"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {font}>']
    parts.append(f'<rect width="{width}" height="{height}" fill="white"/>')
    for i in range(6):
        loss, step = low + (high - low) * i / 5, steps * i / 5
        x, y = place(step, loss).split(",")
        parts.append(f'<path d="M{left},{y} H{width - 16}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y}" text-anchor="end" dominant-baseline="middle">{loss:.2f}</text>')
        parts.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{step:.0f}</text>')
    for row, (name, line) in enumerate(lines.items()):
        colour = COLOURS[name]
        points = " ".join(place(*point) for point in line)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        for point in found[name]["held out"]:
            x, y = place(*point).split(",")
            parts.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>')
        parts.append(f'<text x="{width - 24}" y="{36 + 18 * row}" text-anchor="end" fill="{colour}">{name}</text>')
    parts.append(f'<text x="{left}" y="16">loss, nats a byte: lines in training, dots on held-out text</text></svg>')
    path.write_text("\n".join(parts), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--length", type=int, default=256, help="tokens of a sequence")
    parser.add_argument("--d-model", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32", help="of Treadle's run: bf16 is autocast")
    parser.add_argument("--compile", action="store_true", help="Treadle's run with torch.compile")
    parser.add_argument("--mixers", choices=("both", "treadle", "torch"), default="both")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=100, help="steps from one look at held-out text to the next")
    parser.add_argument("--text", type=Path, nargs="*", default=[], help="files to train on instead of this repository")
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--tiny", action="store_true", help="sizes for a CPU and less than a minute")
    options = parser.parse_args()
    if options.tiny:
        tiny = {"steps": 40, "batch": 4, "length": 64, "d_model": 32, "heads": 2, "lr": 1e-2, "every": 20}
        vars(options).update(
            {name: value for name, value in tiny.items() if vars(options)[name] == parser.get_default(name)}
        )
    text = read_text(options.text)
    kept = len(text) * 19 // 20
    print(f"{len(text)} bytes, the last {len(text) - kept} of them held out")
    found: dict[str, Curves] = {}
    for name in ("treadle", "torch") if options.mixers == "both" else (options.mixers,):
        found[name], seconds = train(name, text[:kept], text[kept:], options)
        print(f"{name:8} {seconds * 1e3:.1f} ms a step")
    options.out.mkdir(parents=True, exist_ok=True)
    write_csv(options.out / "losses.csv", found)
    write_svg(options.out / "losses.svg", found)
    if len(found) == 2:
        width = max(1, options.steps // 20)
        pairs = zip(*(smooth(curves["loss"], width) for curves in found.values()), strict=True)
        apart = max(abs(a - b) for (_, a), (_, b) in pairs)
        ends = [curves["held out"][-1][1] for curves in found.values()]
        print(f"held out at the end {ends[0]:.4f} and {ends[1]:.4f}; means of {width} steps at most {apart:.4f} apart")
    return 0


if __name__ == "__main__":
    sys.exit(main())
