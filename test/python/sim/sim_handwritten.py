"""PTX for what the shipped kernels do not use: warp and named barriers, mbarriers, atomics, fences, local memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from treadle.testing import Array, poisoned


@dataclass(frozen=True)
class Source:
    """A kernel: the variables and instructions of its entry, tensors that are passed in order, and its launch."""

    variables: str
    body: str
    inputs: Mapping[str, Array]
    outputs: Mapping[str, tuple[int, ...]]
    """f32, and written before they are read."""
    grid: int
    block: int


def _tensor(name: str, dtype: str, shape: tuple[int, ...], access: str) -> dict[str, Any]:
    return {"kind": "tensor", "name": name, "dtype": dtype, "shape": list(shape), "strides": [1], "access": access}


def manifest(name: str, source: Source) -> dict[str, Any]:
    """The manifest of a bundle of this kernel. Integer tensors are read and written."""
    params = [
        _tensor(tensor, "i32", array.shape, "readwrite")
        if array.dtype == np.int32
        else _tensor(tensor, "f32", array.shape, "read")
        for tensor, array in source.inputs.items()
    ]
    params += [_tensor(tensor, "f32", shape, "write") for tensor, shape in source.outputs.items()]
    launch = {
        "entry": name,
        "grid": [source.grid, 1, 1],
        "block": [source.block, 1, 1],
        "shared_bytes": 0,
        "args": [{"pointer": param["name"]} for param in params],
    }
    return {"format": 1, "name": name, "arch": "sm_90a", "params": params, "launches": [launch]}


def ptx(name: str, source: Source) -> str:
    """The module. %x0, %x1, … are the tensors' addresses; %t is the thread, %o and %w four times that, %b the block."""
    tensors = [*source.inputs, *source.outputs]
    params = ", ".join(f".param .u64 {name}_param_{i}" for i in range(len(tensors)))
    loads = "\n".join(f"ld.param.u64 %x{i}, [{name}_param_{i}];" for i in range(len(tensors)))
    return f""".version 8.0
.target sm_90a
.address_size 64
.visible .entry {name}({params})
.reqntid {source.block}, 1, 1
{{
.reg .pred %p<9>;
.reg .b32 %t, %b, %o, %r<20>;
.reg .b64 %x<4>, %w, %rd<20>;
{source.variables}
{loads}
mov.u32 %t, %tid.x;
mov.u32 %b, %ctaid.x;
shl.b32 %o, %t, 2;
cvt.u64.u32 %w, %o;
{source.body.strip()}
ret;
}}
"""


def tensors(source: Source) -> dict[str, Array]:
    """Fresh arguments."""
    made = {name: poisoned(shape, "f32") for name, shape in source.outputs.items()}
    for name, array in source.inputs.items():
        made[name] = poisoned(array.shape, "i32" if array.dtype == np.int32 else "f32")
        made[name][...] = array
    return made


def _numbers(count: int) -> Array:
    return np.random.default_rng(1).standard_normal(count, np.float32)


def _zeros(count: int) -> Array:
    return np.zeros(count, np.int32)


SOURCES: Mapping[str, Source] = {
    # y[i] = x[i ^ 16]: lanes of a warp exchange values through shared memory.
    "warp_exchange": Source(
        ".shared .align 256 .b8 buffer[256];",
        """
add.u64 %rd1, %x0, %w;
ld.global.b32 %r1, [%rd1];
mov.u32 %r2, buffer;
add.u32 %r3, %r2, %o;
st.shared.b32 [%r3], %r1;
bar.warp.sync -1;
xor.b32 %r4, %o, 64;
add.u32 %r5, %r2, %r4;
ld.shared.b32 %r6, [%r5];
add.u64 %rd2, %x1, %w;
st.global.b32 [%rd2], %r6;
""",
        {"x": _numbers(64)},
        {"y": (64,)},
        1,
        64,
    ),
    # Warps 0 and 1 produce, and go on; warps 2 and 3 consume in the opposite order, after barrier 1.
    "named_barrier": Source(
        ".shared .align 16 .b8 buffer[256];",
        """
mov.u32 %r1, buffer;
setp.ge.u32 %p1, %t, 64;
@%p1 bra consume;
add.u64 %rd1, %x0, %w;
ld.global.b32 %r2, [%rd1];
add.u32 %r3, %r1, %o;
st.shared.b32 [%r3], %r2;
bar.arrive 1, 128;
bra done;
consume:
bar.sync 1, 128;
sub.u32 %r4, 508, %o;
add.u32 %r5, %r1, %r4;
ld.shared.b32 %r6, [%r5];
add.u64 %rd2, %x1, %w;
st.global.b32 [%rd2+-256], %r6;
done:
""",
        {"x": _numbers(64)},
        {"y": (64,)},
        1,
        128,
    ),
    # The same with an mbarrier: one warp fills, the other waits for all of its lanes to arrive.
    "mbarrier": Source(
        ".shared .align 8 .b8 full[8];\n.shared .align 16 .b8 buffer[128];",
        """
setp.ne.u32 %p1, %t, 0;
@%p1 bra begun;
mbarrier.init.shared.b64 [full], 32;
begun:
bar.sync 0;
mov.u32 %r1, buffer;
setp.ge.u32 %p2, %t, 32;
@%p2 bra consume;
add.u64 %rd1, %x0, %w;
ld.global.b32 %r2, [%rd1];
add.u32 %r3, %r1, %o;
st.shared.b32 [%r3], %r2;
mbarrier.arrive.shared.b64 %rd3, [full];
bra done;
consume:
wait:
mbarrier.try_wait.parity.shared.b64 %p3, [full], 0;
@!%p3 bra wait;
sub.u32 %r4, 252, %o;
add.u32 %r5, %r1, %r4;
ld.shared.b32 %r6, [%r5];
add.u64 %rd2, %x1, %w;
st.global.b32 [%rd2+-128], %r6;
done:
""",
        {"x": _numbers(32)},
        {"y": (32,)},
        1,
        64,
    ),
    # counts[bin[i]] += 1.
    "histogram": Source(
        "",
        """
shl.b32 %r1, %b, 8;
cvt.u64.u32 %rd1, %r1;
add.u64 %rd2, %x0, %rd1;
add.u64 %rd3, %rd2, %w;
ld.global.b32 %r2, [%rd3];
mul.wide.u32 %rd4, %r2, 4;
add.u64 %rd5, %x1, %rd4;
red.global.add.u32 [%rd5], 1;
""",
        {"bins": (np.arange(128) * 5 % 8).astype(np.int32), "counts": _zeros(8)},
        {},
        2,
        64,
    ),
    # y[0] = x[0] + ... + x[3], by the block that ends last; every block publishes its part behind a fence.
    "last_block": Source(
        "",
        """
setp.ne.u32 %p1, %t, 0;
@%p1 bra done;
mul.wide.u32 %rd1, %b, 4;
add.u64 %rd2, %x0, %rd1;
ld.global.b32 %r1, [%rd2];
add.u64 %rd3, %x2, %rd1;
st.global.b32 [%rd3], %r1;
membar.gl;
atom.global.add.u32 %r2, [%x1], 1;
setp.ne.u32 %p2, %r2, 3;
@%p2 bra done;
membar.gl;
ld.global.b32 %r3, [%x2];
ld.global.b32 %r4, [%x2+4];
ld.global.b32 %r5, [%x2+8];
ld.global.b32 %r6, [%x2+12];
add.f32 %r7, %r3, %r4;
add.f32 %r8, %r7, %r5;
add.f32 %r9, %r8, %r6;
st.global.b32 [%x3], %r9;
done:
""",
        {"x": _numbers(4), "ticket": _zeros(1)},
        {"parts": (4,), "y": (1,)},
        4,
        32,
    ),
    # y[b] = x[b] + y[b - 1]: every block waits for the flag of the one before it.
    "relay": Source(
        "",
        """
setp.ne.u32 %p1, %t, 0;
@%p1 bra done;
mul.wide.u32 %rd1, %b, 4;
add.u64 %rd2, %x0, %rd1;
add.u64 %rd3, %x1, %rd1;
add.u64 %rd4, %x2, %rd1;
ld.global.b32 %r1, [%rd2];
setp.eq.u32 %p2, %b, 0;
@%p2 bra first;
wait:
ld.acquire.gpu.global.b32 %r2, [%rd3+-4];
setp.eq.u32 %p3, %r2, 0;
@%p3 bra wait;
ld.global.b32 %r3, [%rd4+-4];
add.f32 %r1, %r1, %r3;
first:
st.global.b32 [%rd4], %r1;
st.release.gpu.global.b32 [%rd3], 1;
done:
""",
        {"x": _numbers(3), "flags": _zeros(3)},
        {"y": (3,)},
        3,
        32,
    ),
    # y[i] = table[i % 8], of a table that every thread keeps in its local memory and reads through a generic address.
    "local_table": Source(
        ".local .align 4 .b8 table[32];",
        """
mov.u64 %rd1, table;
ld.global.b32 %r1, [%x0];
st.local.b32 [table], %r1;
ld.global.b32 %r2, [%x0+4];
st.local.b32 [table+4], %r2;
ld.global.v2.b32 {%r3, %r4}, [%x0+8];
st.local.v2.b32 [table+8], {%r3, %r4};
ld.global.v4.b32 {%r5, %r6, %r7, %r8}, [%x0+16];
st.local.b32 [table+16], %r5;
st.local.b32 [table+20], %r6;
st.local.b32 [table+24], %r7;
st.local.b32 [table+28], %r8;
cvta.local.u64 %rd2, %rd1;
and.b32 %r9, %t, 7;
mul.wide.u32 %rd3, %r9, 4;
add.u64 %rd4, %rd2, %rd3;
ld.b32 %r10, [%rd4];
add.u64 %rd5, %x1, %w;
st.global.b32 [%rd5], %r10;
""",
        {"x": _numbers(8)},
        {"y": (32,)},
        1,
        32,
    ),
    # y[i] = x[63 - i], through generic addresses of shared memory.
    "generic_reverse": Source(
        ".shared .align 16 .b8 buffer[256];",
        """
mov.u64 %rd1, buffer;
cvta.shared.u64 %rd2, %rd1;
add.u64 %rd3, %x0, %w;
ld.b32 %r1, [%rd3];
add.u64 %rd4, %rd2, %w;
st.b32 [%rd4], %r1;
bar.sync 0;
mov.u64 %rd5, 252;
sub.u64 %rd6, %rd5, %w;
add.u64 %rd7, %rd2, %rd6;
ld.b32 %r2, [%rd7];
add.u64 %rd8, %x1, %w;
st.b32 [%rd8], %r2;
""",
        {"x": _numbers(64)},
        {"y": (64,)},
        1,
        64,
    ),
}
