"""Programs of loads and stores, matrix accesses, asynchronous copies and atomics. To add one, add a line or a program.

`ptx_programs.py` says how they are written. No result may depend on the order in which threads happen to run.
"""

from __future__ import annotations

from typing import Any

from ptx_programs import Program

WARPS_2, WARPS_4 = (64, 1, 1), (128, 1, 1)


def loads_and_stores() -> list[Program]:
    """ld and st of every width, in every state space."""
    # Address registers: from, to (16 bytes each, the thread's own), from which it reads after it wrote.
    accesses = """
        ld.{space}.(u|s)8 r0, [{a}+5]; put.b32 r0
        ld.{space}.(u|s)16 r0, [{a}+6]; put.b32 r0
        ld.{space}.b8 h0, [{a}+15]; put.b16 h0
        ld.{space}.(b|u|s)16 h0, [{a}+10]; put.b16 h0
        ld.{space}.(u|s|b|f)32 r0, [{a}+8]; put.b32 r0
        ld.{space}.(u|s|b|f)64 w0, [{a}+8]; put.b64 w0
        ld.{space}.(u|s)32 w0, [{a}+12]; put.b64 w0
        ld.{space}.v2.(u|s)8 {{h0, h1}}, [{a}+2]; put.b16 h0; put.b16 h1
        ld.{space}.v4.b8 {{h0, h1, h2, h3}}, [{a}+4]; put.b16 h0; put.b16 h1; put.b16 h2; put.b16 h3
        ld.{space}.v2.b16 {{h0, h1}}, [{a}+4]; put.b16 h1; put.b16 h0
        ld.{space}.v4.b16 {{h0, h1, h2, h3}}, [{a}+8]; put.b16 h0; put.b16 h1; put.b16 h2; put.b16 h3
        ld.{space}.v2.b32 {{r0, r1}}, [{a}+8]; put.b32 r1; put.b32 r0
        ld.{space}.v4.b32 {{r0, r1, r2, r3}}, [{a}]; put.b32 r3; put.b32 r2; put.b32 r1; put.b32 r0
        ld.{space}.v2.b64 {{w0, w1}}, [{a}]; put.b64 w1; put.b64 w0
    """
    stores = """
        st.{space}.v2.b64 [{a}], {{w8, w9}}
        st.{space}.v4.b32 [{a}+16], {{r8, r9, r10, r11}}
        st.{space}.v2.b32 [{a}+32], {{r9, r10}}
        st.{space}.v4.b16 [{a}+40], {{h8, h9, h10, h11}}
        st.{space}.v2.b16 [{a}+48], {{h11, h10}}
        st.{space}.v4.b8 [{a}+52], {{h8, h9, h10, h11}}
        st.{space}.v2.b8 [{a}+56], {{h8, h10}}
        st.{space}.b8 [{a}+58], h9
        st.{space}.u8 [{a}+59], r8
        st.{space}.b16 [{a}+60], h10
        st.{space}.u16 [{a}+62], r9
    """
    values = """
        get.b64 w8; get.b64 w9; get.b32 r8; get.b32 r9; get.b32 r10; get.b32 r11
        get.b16 h8; get.b16 h9; get.b16 h10; get.b16 h11
    """
    show = "\n".join(f"ld.{{space}}.b64 w0, [{{a}}+{8 * i}]; put.b64 w0" for i in range(8))
    declare = {"shared": ".shared .align 16 .b8 buffer[2048]", "local": ".local .align 16 .b8 buffer[64]"}
    own = {
        "global": "mad.wide.u32 w4, row, 64, memory",
        "shared": "mov.u32 r4, buffer\nmad.lo.u32 r4, tid, 64, r4",
        "local": "mov.u32 r4, buffer",
    }
    programs = []
    for space in ("global", "shared", "local"):
        a = "w4" if space == "global" else "r4"
        text = "\n".join([declare.get(space, ""), values, own[space], stores, show, accesses])
        programs.append(
            Program(
                f"access-{space}",
                "memory",
                f"ld.{space}, st.{space}: 8 to 64 bits, v2, v4",
                text.format(space=space, a=a),
                memory=("b32", 512),
            )
        )
    programs += [
        Program(
            "access-global-read-only",
            "memory",
            "ld.global.nc: 8 to 64 bits, v2, v4",
            "mad.wide.u32 w4, row, 16, memory" + accesses.format(space="global.nc", a="w4"),
            memory=("b32", 128),
        ),
        Program(
            "access-local-indexed",
            "memory",
            "ld.local, st.local at computed addresses",
            """
            .local .align 4 .b8 buffer[64]
            mov.u32 r4, buffer
            get.b32 r0; get.b32 r1; get.b32 r2; get.b32 r3
            mad.lo.u32 r5, lane, 4, 0; and.b32 r5, r5, 12; add.u32 r5, r5, r4
            st.local.b32 [r4], r0
            st.local.b32 [r4+4], r1
            st.local.b32 [r4+8], r2
            st.local.b32 [r4+12], r3
            ld.local.b32 r6, [r5]; put.b32 r6
            st.local.b32 [r5], 77
            ld.local.v4.b32 {r6, r7, r8, r9}, [r4]; put.b32 r6; put.b32 r7; put.b32 r8; put.b32 r9
            """,
        ),
        Program(
            "access-constant",
            "memory",
            "ld.const: 8 to 64 bits, v4, tables of .b8, .b32, .f32",
            """
            mov.u32 r1, constant_words
            and.b32 r2, lane, 7; mad.lo.u32 r3, r2, 4, r1
            ld.const.b32 r4, [r3]; put.b32 r4
            ld.const.u32 r4, [constant_words+12]; put.b32 r4
            ld.const.v4.b32 {r4, r5, r6, r7}, [constant_words+16]; put.b32 r4; put.b32 r5; put.b32 r6; put.b32 r7
            ld.const.b64 w0, [constant_words+8]; put.b64 w0
            mov.u32 r1, constant_bytes
            add.u32 r3, r1, r2
            ld.const.(u|s)8 r4, [r3]; put.b32 r4
            ld.const.s16 r4, [constant_bytes+4]; put.b32 r4
            mov.u32 r1, constant_floats; mad.lo.u32 r3, r2, 4, r1
            ld.const.f32 r4, [r3]; put.f32 r4
            """,
            module=".const .align 16 .b32 constant_words[8] = {1, -2, 0x7fffffff, 4, 0xdeadbeef, 6, 7, 8};\n"
            ".const .align 2 .b8 constant_bytes[8] = {255, 1, 128, 127, 254, 250, 0, 7};\n"
            ".const .align 4 .f32 constant_floats[8] = {0f3F800000, 0fC0490FDB, 2.5, -0.125};",
        ),
        Program(
            "access-generic",
            "memory",
            "cvta, ld and st of generic addresses",
            """
            .shared .align 8 .b64 buffer[32]
            .local .align 8 .b64 own[2]
            get.b64 w8; get.b64 w9
            mov.u64 w0, buffer; cvta.shared.u64 w0, w0; mad.wide.u32 w0, tid, 8, w0
            st.b64 [w0], w8; ld.b64 w1, [w0]; put.b64 w1
            cvta.to.shared.u64 w2, w0; cvt.u32.u64 r0, w2; ld.shared.b32 r1, [r0+4]; put.b32 r1
            mov.u64 w3, own; cvta.local.u64 w3, w3
            st.b64 [w3+8], w9; ld.s32 r1, [w3+12]; put.b32 r1
            mad.wide.u32 w4, row, 8, memory; cvta.to.global.u64 w5, w4; ld.global.b32 r1, [w5]; put.b32 r1
            ld.u16 r1, [w4+2]; put.b32 r1
            st.b32 [w0+4], r1; ld.b32 r1, [w0+4]; put.b32 r1
            """,
            memory=("b32", 64),
        ),
        Program(
            "access-param",
            "memory",
            "ld.param of a parameter and of its parts",
            """
            ld.param.b64 w0, [out_param]; mov.b64 {r0, r1}, w0
            ld.param.(u|s|f)64 w1, [out_param]; sub.s64 w2, w1, w0; put.b64 w2
            ld.param.(b|u|s|f)32 r2, [out_param]; sub.s32 r3, r2, r0; put.b32 r3
            ld.param.(b|u|s|f)32 r2, [out_param+4]; sub.s32 r3, r2, r1; put.b32 r3
            ld.param.v2.b32 {r2, r3}, [out_param]; xor.b32 r2, r2, r0; put.b32 r2; xor.b32 r3, r3, r1; put.b32 r3
            ld.param.u16 r2, [out_param+2]; shr.u32 r3, r0, 16; sub.s32 r3, r2, r3; put.b32 r3
            """,
        ),
        Program(
            "exchange-shared",
            "memory",
            "st.shared, bar.sync, ld.shared between warps",
            """
            .shared .align 16 .b8 buffer[2048]
            get.b32 r0; get.b32 r1; get.b32 r2; get.b32 r3
            mov.u32 r4, buffer; mad.lo.u32 r5, tid, 16, r4; xor.b32 r6, tid, 101; mad.lo.u32 r6, r6, 16, r4
            st.shared.v4.b32 [r5], {r0, r1, r2, r3}
            bar.sync 0
            ld.shared.v4.b32 {r0, r1, r2, r3}, [r6]; put.b32 r3; put.b32 r2; put.b32 r1; put.b32 r0
            bar.sync 0
            st.shared.b16 [r5+6], r1; st.shared.b8 [r5+3], r2
            bar.sync 0
            ld.shared.v2.b64 {w0, w1}, [r6]; put.b64 w0; put.b64 w1
            """,
            block=WARPS_4,
        ),
    ]
    return programs


# One warp: r7: the shared address of the row (16 bytes) that lane (lane ^ 5) owns, r5: of the lane's own.
_MATRIX_ROWS = """
    .shared .align 16 .b8 buffer[512]
    mov.u32 r4, buffer
    mad.lo.u32 r5, lane, 16, r4
    xor.b32 r7, lane, 5
    mad.lo.u32 r7, r7, 16, r4
"""


def matrices() -> list[Program]:
    """ldmatrix, stmatrix, movmatrix."""
    registers = {1: "{r10}", 2: "{r10, r11}", 4: "{r10, r11, r12, r13}"}
    loads = [
        f"ldmatrix.sync.aligned.m8n8.x{n}{trans}.shared.b16 {registers[n]}, [r7]; "
        + "; ".join(f"put.b32 r{10 + i}" for i in range(n))
        for n in registers
        for trans in ("", ".trans")
    ]
    fill = "get.b32 r0; get.b32 r1; get.b32 r2; get.b32 r3\nst.shared.v4.b32 [r5], {r0, r1, r2, r3}\nbar.sync 0\n"
    programs = [
        Program("matrix-load", "memory", "ldmatrix.{x1,x2,x4}{,.trans}", _MATRIX_ROWS + fill + "\n".join(loads)),
        Program(
            "matrix-transpose",
            "warp",
            "movmatrix.sync.aligned.m8n8.trans.b16",
            "get.b32 r0; movmatrix.sync.aligned.m8n8.trans.b16 r1, r0; put.b32 r1",
        ),
    ]
    for n in registers:
        for trans in ("", ".trans"):
            body = f"""
            get.b32 r10; get.b32 r11; get.b32 r12; get.b32 r13
            st.shared.v4.b32 [r5], {{lane, 1, 2, 3}}
            bar.sync 0
            stmatrix.sync.aligned.m8n8.x{n}{trans}.shared.b16 [r7], {registers[n]}
            bar.sync 0
            ld.shared.v4.b32 {{r0, r1, r2, r3}}, [r5]; put.b32 r0; put.b32 r1; put.b32 r2; put.b32 r3
            """
            name = f"matrix-store-x{n}{trans.replace('.', '-')}"
            programs.append(Program(name, "memory", f"stmatrix.x{n}{trans}", _MATRIX_ROWS + body))
    return programs


def copies() -> list[Program]:
    """cp.async."""
    # r5: the thread's own 16 bytes; w0: where it copies from.
    begin = """
        .shared .align 16 .b8 buffer[2048]
        mov.u32 r4, buffer; mad.lo.u32 r5, tid, 16, r4; mad.wide.u32 w0, tid, 16, memory
        st.shared.v4.b32 [r5], {-1, -2, -3, -4}
    """
    show = "ld.shared.v4.b32 {r0, r1, r2, r3}, [r5]; put.b32 r0; put.b32 r1; put.b32 r2; put.b32 r3\n"
    forms = [
        ("ca-4", "ca", "4"),
        ("ca-8", "ca", "8"),
        ("ca-16", "ca", "16"),
        ("cg-16", "cg", "16"),
        ("ca-4-zero-fill", "ca", "4, r6"),
        ("ca-8-zero-fill", "ca", "8, r6"),
        ("ca-16-zero-fill", "ca", "16, r6"),
        ("cg-16-zero-fill", "cg", "16, r6"),
    ]
    programs = [
        Program(
            f"copy-{name}",
            "memory",
            f"cp.async.{cache}.shared.global, {size.replace('r6', '0 to all bytes')}; cp.async.wait_all",
            f"""
            {begin}
            rem.u32 r6, tid, {int(size.split(",")[0]) + 1}
            cp.async.{cache}.shared.global [r5], [w0], {size}
            cp.async.wait_all
            {show}
            """,
            block=WARPS_2,
            memory=("b32", 256),
        )
        for name, cache, size in forms
    ]
    programs.append(
        Program(
            "copy-groups",
            "memory",
            "cp.async.{commit_group,wait_group 2,1,0}, bar.sync",
            """
            .shared .align 16 .b8 buffer[3072]
            mov.u32 r4, buffer; mad.lo.u32 r5, tid, 16, r4; mad.wide.u32 w0, tid, 16, memory
            xor.b32 r6, tid, 45; mad.lo.u32 r6, r6, 16, r4
            cp.async.cg.shared.global [r5], [w0], 16
            cp.async.commit_group
            cp.async.ca.shared.global [r5+1024], [w0+1024], 8
            cp.async.ca.shared.global [r5+1032], [w0+1040], 4
            cp.async.ca.shared.global [r5+1036], [w0+1044], 4
            cp.async.commit_group
            cp.async.cg.shared.global [r5+2048], [w0+2048], 16, 12
            cp.async.commit_group
            cp.async.wait_group 2
            bar.sync 0
            ld.shared.v4.b32 {r0, r1, r2, r3}, [r6]; put.b32 r0; put.b32 r1; put.b32 r2; put.b32 r3
            cp.async.wait_group 1
            bar.sync 0
            ld.shared.v4.b32 {r0, r1, r2, r3}, [r6+1024]; put.b32 r0; put.b32 r1; put.b32 r2; put.b32 r3
            cp.async.wait_group 0
            bar.sync 0
            ld.shared.v4.b32 {r0, r1, r2, r3}, [r6+2048]; put.b32 r0; put.b32 r1; put.b32 r2; put.b32 r3
            """,
            block=WARPS_2,
            memory=("b32", 1024),
        )
    )
    return programs


def _own_cell(space: str, width: int) -> Program:
    """A cell for each thread, so that what an atomic returns does not depend on the order of threads."""
    shared = space == "shared"
    at = "r10" if shared else "w0"
    cell = "mov.u32 r10, cells; mad.lo.u32 r10, tid, 8, r10" if shared else "mad.wide.u32 w0, row, 8, memory"
    value, other, first, found = ("r0", "r1", "r2", "r3") if width == 32 else ("w4", "w5", "w6", "w7")
    counts = f"atom.{space}.(inc|dec).u32 {found}, [{at}], {other}; put.b32 {found}" if width == 32 else ""
    return Program(
        f"atomic-{space}-{width}",
        "memory",
        f"atom.{space}.{{add,min,max,and,or,xor,exch,cas{',inc,dec' if counts else ''}}}, {width} bits",
        f"""
        {".shared .align 8 .b64 cells[128]" if shared else ""}
        get.b{width} {value}; get.b{width} {other}
        {cell}
        and.b32 r9, tid, 1; setp.eq.u32 p0, r9, 0; selp.b{width} {first}, {value}, {other}, p0
        st.{space}.b{width} [{at}], {other}
        atom.{space}.cas.b{width} {found}, [{at}], {first}, {value}; put.b{width} {found}
        atom.{space}.add.u{width} {found}, [{at}], {value}; put.b{width} {found}
        atom.{space}.(min|max).(u|s){width} {found}, [{at}], {value}; put.b{width} {found}
        {counts}
        atom.{space}.(xor|and|or|exch).b{width} {found}, [{at}], {value}; put.b{width} {found}
        atom.{space}.(min|max).(s|u){width} {found}, [{at}], {first}; put.b{width} {found}
        ld.{space}.b{width} {found}, [{at}]; put.b{width} {found}
        """,
        block=WARPS_4,
        grid=(1, 1, 1) if shared else (2, 1, 1),
        memory=("b32", 512),
    )


def _reduce(space: str, name: str, shown: str, inputs: str, operations: list[str], **launch: Any) -> Program:
    """Reductions by all threads on the same cells: what the cells come to does not depend on the order of threads.
    Shared cells begin as copies of global ones, and every thread shows them in the end."""
    at, begin, end = "memory", "", ""
    if space == "shared":
        at = "r10"
        begin = """
        .shared .align 4 .b32 cells[16]
        mov.u32 r10, cells; mad.lo.u32 r11, tid, 4, r10
        setp.lt.u32 p0, tid, 16; mad.wide.u32 w0, tid, 4, memory
        @p0 ld.global.b32 r12, [w0]
        @p0 st.shared.b32 [r11], r12
        bar.sync 0
        """
        end = "bar.sync 0\n" + "\n".join(f"ld.shared.b32 r12, [r10+{4 * i}]; put.b32 r12" for i in range(10))
    lines = [f"red.{space}.{op} [{at}+{4 * i}], {value}" for i, (op, value) in enumerate(map(str.split, operations))]
    return Program(name, "memory", f"red.{space}.{shown}", "\n".join([inputs, begin, *lines, end]), **launch)


# By the kind of the values: the modifiers of an atomic addition. Registers, where they are not those of 32 bits.
_FLOAT_SUMS = {"f32": "f32", "f64": "f64"} | {kind: f"noftz.{kind}" for kind in ("f16", "f16x2", "bf16", "bf16x2")}
_FLOAT_REGISTERS = {"f64": ("w4", "w5", "w6", 64)} | dict.fromkeys(("f16", "bf16"), ("h0", "h1", "h2", 16))


def atomics() -> list[Program]:
    """atom and red."""
    integers = ["add.u32 r0", "min.s32 r0", "max.u32 r0", "and.b32 r0", "or.b32 r0", "xor.b32 r0", "max.s32 r0"]
    integers += ["min.u32 r0", "inc.u32 100", "dec.u32 100"]
    floats = ["add.f32 r1", "add.noftz.f16x2 r2", "add.noftz.bf16x2 r3"]
    programs = []
    for space in ("global", "shared"):
        programs += [
            _own_cell(space, 32),
            _own_cell(space, 64),
            _reduce(
                space,
                f"reduce-{space}",
                "{add,min,max,and,or,xor,inc,dec}, all threads on the same cells",
                "get.b32 r0",
                integers,
                block=WARPS_4,
                grid=(1, 1, 1) if space == "shared" else (3, 1, 1),
                memory=("b32", 16),
            ),
            _reduce(
                space,
                f"reduce-{space}-float",
                "add.{f32,f16x2,bf16x2}, all threads on the same cells, whole numbers",
                "get.whole r1; get.whole16 r2; get.wholeb16 r3",
                floats,
                memory=("zero", 16),
            ),
        ]
        at, cell = ("r10", "r10") if space == "shared" else ("w0", "w0")
        place = (
            "mov.u32 r10, cells; mad.lo.u32 r10, tid, 8, r10"
            if space == "shared"
            else "mad.wide.u32 w0, row, 8, memory"
        )
        for kind, op in _FLOAT_SUMS.items():
            a, b, d, width = _FLOAT_REGISTERS.get(kind, ("r0", "r1", "r2", 32))
            programs.append(
                Program(
                    f"atomic-{space}-{kind}",
                    "memory",
                    f"atom.{space}.add.{op}, red.{space}.add.{op}",
                    f"""
                    {".shared .align 8 .b64 cells[256]" if space == "shared" else ""}
                    get.{kind} {a}; get.{kind} {b}
                    {place}
                    st.{space}.b{width} [{cell}], {a}
                    atom.{space}.add.{op} {d}, [{at}], {b}; put.{kind} {d}
                    ld.{space}.b{width} {d}, [{at}]; put.{kind} {d}
                    st.{space}.b{width} [{cell}], {b}
                    red.{space}.add.{op} [{at}], {a}
                    ld.{space}.b{width} {d}, [{at}]; put.{kind} {d}
                    """,
                    block=(256, 1, 1),
                    memory=("b32", 512),
                )
            )
        programs.append(
            Program(
                f"atomic-{space}-16",
                "memory",
                f"atom.{space}.cas.b16",
                f"""
                {".shared .align 8 .b64 cells[256]" if space == "shared" else ""}
                get.b16 h0; get.b16 h1
                {place}
                and.b32 r9, tid, 1; setp.eq.u32 p0, r9, 0; selp.b16 h2, h0, h1, p0
                st.{space}.b16 [{cell}], h0
                st.{space}.b16 [{cell}+2], h1
                atom.{space}.cas.b16 h3, [{at}(|+2)], h2, 77; put.b16 h3
                ld.{space}.b16 h3, [{cell}(|+2)]; put.b16 h3
                """,
                block=(256, 1, 1),
                memory=("b32", 512),
            )
        )
    for kind, op in _FLOAT_SUMS.items():
        a, b, d, width = _FLOAT_REGISTERS.get(kind, ("r0", "r1", "r2", 32))
        programs.append(
            Program(
                f"atomic-generic-{kind}",
                "memory",
                f"atom.add.{op}, red.add.{op}: odd threads in shared memory, even ones in global",
                f"""
                .shared .align 8 .b64 cells[256]
                get.{kind} {a}; get.{kind} {b}
                mov.u64 w1, cells; cvta.shared.u64 w1, w1; mad.wide.u32 w1, tid, 8, w1
                mad.wide.u32 w0, row, 8, memory
                and.b32 r9, tid, 1; setp.eq.u32 p0, r9, 0; selp.b64 w0, w0, w1, p0
                st.b{width} [w0], {a}
                atom.add.{op} {d}, [w0], {b}; put.{kind} {d}
                ld.b{width} {d}, [w0]; put.{kind} {d}
                st.b{width} [w0], {b}
                red.add.{op} [w0], {a}
                ld.b{width} {d}, [w0]; put.{kind} {d}
                """,
                block=(256, 1, 1),
                memory=("b32", 512),
            )
        )
    programs += [
        Program(
            "atomic-ordered",
            "memory",
            "atom.{relaxed,acquire,release,acq_rel}.{cta,gpu,sys}, fence, membar",
            """
            get.b32 r0
            mad.wide.u32 w0, row, 4, memory
            atom.(relaxed|acquire|release|acq_rel).(cta|gpu|sys).global.add.u32 r1, [w0], r0; put.b32 r1
            red.(relaxed|release).gpu.global.add.u32 [w0], r0
            fence.(acq_rel|sc).(cta|gpu)
            membar.(cta|gl)
            st.relaxed.gpu.global.b32 [w0], r0
            ld.(relaxed|acquire).gpu.global.b32 r1, [w0]; put.b32 r1
            st.release.gpu.global.b32 [w0], 7
            ld.volatile.global.b32 r1, [w0]; put.b32 r1
            """,
            memory=("b32", 32),
        ),
        Program(
            "atomic-last-block",
            "memory",
            "atom.acq_rel.gpu.global.add: the last block adds up what all have written",
            """
            .shared .align 4 .b32 turn
            get.b32 r0
            mov.u32 r10, turn
            mad.wide.u32 w0, row, 4, memory
            st.global.b32 [w0+512], r0
            bar.sync 0
            setp.ne.u32 p0, tid, 0
            @p0 bra TOGETHER
            atom.acq_rel.gpu.global.add.u32 r1, [memory], 1
            st.shared.b32 [r10], r1
            TOGETHER:
            bar.sync 0
            ld.shared.b32 r1, [r10]
            setp.ne.u32 p1, r1, 3
            @p1 bra DONE
            mad.wide.u32 w1, tid, 4, memory
            mov.u32 r2, 0
            ld.global.b32 r3, [w1+(512|768|1024|1280)]; add.u32 r2, r2, r3
            st.global.b32 [w1+16], r2
            DONE:
            """,
            block=WARPS_2,
            grid=(4, 1, 1),
            memory=("zero", 384),
        ),
    ]
    return programs
