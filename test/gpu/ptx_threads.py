"""Programs whose threads work together: warps, barriers, branches, tensor cores. To add one, add a line or a program.

`ptx_programs.py` says how they are written. No result may depend on the order in which threads happen to run.
"""

from __future__ import annotations

from collections.abc import Sequence

from ptx_programs import Bound, Program

WARPS_2, WARPS_4 = (64, 1, 1), (128, 1, 1)

# ---------------------------------------------------------------------------------------------------------------------
# Warps and blocks
# ---------------------------------------------------------------------------------------------------------------------

# Lower and upper half-warps apart; p0: the upper one.
_HALVES = """
    setp.ge.u32 p0, lane, 16
    @p0 bra UPPER
    {lower}
    bra.uni TOGETHER
    UPPER:
    {upper}
    TOGETHER:
"""


def warps() -> list[Program]:
    """Shuffles, votes, matches and reductions in a warp."""
    # Segments of 32, 16, 8 and 4 lanes: the mask in bits 8-12, the last lane of a segment in bits 0-4.
    shuffles = "\n".join(
        f"shfl.sync.{mode}.b32 r1|p1, r0, {distance}, {segment << 8 | last}, -1; put.b32 r1; put.pred p1"
        for mode, last in (("up", 0), ("down", 31), ("bfly", 31), ("idx", 31))
        for segment in (0, 16, 24, 28)
        for distance in (0, 1, 3, 9, 31)
    )
    votes = """
        vote.sync.(all|any|uni).pred p1, (|!)p2, {mask}; put.pred p1
        vote.sync.ballot.b32 r1, (|!)p2, {mask}; put.b32 r1
    """
    programs = [
        Program(
            "shuffle-segments",
            "warp",
            "shfl.sync.{up,down,bfly,idx}.b32, segments, predicates",
            "get.b32 r0\n" + shuffles,
        ),
        Program(
            "shuffle-computed",
            "warp",
            "shfl.sync.{up,down,bfly,idx}.b32, lanes and clamps from registers",
            """
            get.b32 r0; get.count r2; get.bit r3; get.few r4
            shl.b32 r4, r4, 11
            or.b32 r5, r4, 31
            shfl.sync.(up|down|bfly|idx).b32 r1|p1, r0, r2, r5, -1; put.b32 r1; put.pred p1
            or.b32 r5, r4, r3
            shfl.sync.(up|down|bfly|idx).b32 r1|p1, r0, r2, r5, -1; put.b32 r1; put.pred p1
            shfl.sync.idx.b32 r1, r0, r3, 31, 0xffffffff; put.b32 r1
            """,
            block=WARPS_4,
        ),
        Program(
            "shuffle-partial",
            "warp",
            "shfl.sync of half-warps apart",
            "get.b32 r0"
            + _HALVES.format(
                lower="shfl.sync.bfly.b32 r1, r0, 3, 31, 0x0000ffff; add.u32 r1, r1, 1",
                upper="shfl.sync.up.b32 r1, r0, 1, 0x1000, 0xffff0000; add.u32 r1, r1, 2",
            )
            + "put.b32 r1",
        ),
        Program(
            "vote",
            "warp",
            "vote.sync.{all,any,uni,ballot}",
            """
            get.pred p2
            """
            + votes.format(mask="-1")
            + "setp.lt.u32 p2, lane, 32"
            + votes.format(mask="0xffffffff")
            + "setp.eq.u32 p2, lane, 32"
            + votes.format(mask="-1"),
            block=WARPS_2,
        ),
        Program(
            "vote-partial",
            "warp",
            "vote.sync.{all,any,uni,ballot} of half-warps apart",
            "get.pred p2"
            + _HALVES.format(
                lower=votes.format(mask="0x0000ffff"), upper=votes.format(mask="0xffff0000").replace("r1", "r2")
            ),
        ),
        Program(
            "match",
            "warp",
            "match.{any,all}.sync.{b32,b64}",
            """
            get.few r0; get.few r1
            match.any.sync.b32 r2, r0, -1; put.b32 r2
            match.all.sync.b32 r2|p0, r0, -1; put.b32 r2; put.pred p0
            match.all.sync.b32 r2|p0, 5, -1; put.b32 r2; put.pred p0
            mov.b64 w0, {r0, r1}
            match.any.sync.b64 r2, w0, -1; put.b32 r2
            match.all.sync.b64 r2|p0, w0, -1; put.b32 r2; put.pred p0
            """,
            block=WARPS_2,
        ),
        Program(
            "match-partial",
            "warp",
            "match.any.sync of half-warps apart",
            "get.few r0"
            + _HALVES.format(
                lower="match.any.sync.b32 r1, r0, 0x0000ffff", upper="match.any.sync.b32 r1, r0, 0xffff0000"
            )
            + "put.b32 r1",
        ),
        Program(
            "warp-reduce",
            "warp",
            "redux.sync.{add,min,max}.{u32,s32}, redux.sync.{and,or,xor}.b32",
            """
            get.b32 r0
            redux.sync.(add|min|max).(u|s)32 r1, r0, -1; put.b32 r1
            redux.sync.(and|or|xor).b32 r1, r0, -1; put.b32 r1
            """,
            block=WARPS_4,
        ),
        Program(
            "warp-reduce-partial",
            "warp",
            "redux.sync of half-warps apart",
            "get.b32 r0"
            + _HALVES.format(lower="redux.sync.add.u32 r1, r0, 0xffff", upper="redux.sync.xor.b32 r1, r0, 0xffff0000")
            + "put.b32 r1",
        ),
        Program(
            "warp-active",
            "warp",
            "activemask, within divergent branches too",
            "activemask.b32 r1; put.b32 r1"
            + _HALVES.format(lower="activemask.b32 r2", upper="activemask.b32 r2")
            + "put.b32 r2",
        ),
        Program(
            "warp-elect",
            "warp",
            "elect.sync",
            "elect.sync r1|p1, -1; put.b32 r1; put.pred p1"
            + _HALVES.format(lower="elect.sync r2|p2, 0xffff", upper="elect.sync r2|p2, 0xffff0000")
            + "put.b32 r2; put.pred p2",
        ),
        Program(
            "warp-barrier",
            "warp",
            "bar.warp.sync between the lanes of a warp and of half-warps",
            """
            .shared .align 4 .b32 buffer[32]
            get.b32 r0
            mov.u32 r4, buffer; mad.lo.u32 r5, lane, 4, r4; xor.b32 r6, lane, 7; mad.lo.u32 r6, r6, 4, r4
            st.shared.b32 [r5], r0
            bar.warp.sync -1
            ld.shared.b32 r1, [r6]; put.b32 r1
            bar.warp.sync 0xffffffff
            """
            + _HALVES.format(
                lower="st.shared.b32 [r5], lane; bar.warp.sync 0x0000ffff; ld.shared.b32 r1, [r6]",
                upper="st.shared.b32 [r5], 99; bar.warp.sync 0xffff0000; ld.shared.b32 r1, [r6]",
            )
            + "put.b32 r1",
        ),
    ]
    return programs


def blocks() -> list[Program]:
    """Barriers."""
    buffer = """
        .shared .align 8 .b64 barrier
        .shared .align 4 .b32 buffer[128]
        get.b32 r0
        mov.u32 r4, buffer; mad.lo.u32 r5, tid, 4, r4; xor.b32 r6, tid, 32; mad.lo.u32 r6, r6, 4, r4
        mov.u32 r7, barrier; setp.eq.u32 p0, tid, 0; setp.lt.u32 p1, tid, 32
    """
    # The first warp writes and arrives; the second waits and reads; then the other way round. Until the last lane has
    # arrived, the phase before this one has the parity that the first warp waits for.
    handshake = """
        @p0 mbarrier.init.shared.b64 [r7], {count}
        bar.sync 0
        @!p1 bra SECOND
        st.shared.b32 [r5], r0
        {arrive}
        bar.warp.sync -1
        {wait_1}
        ld.shared.b32 r1, [r6]
        bra.uni DONE
        SECOND:
        {wait_0}
        ld.shared.b32 r1, [r6]
        st.shared.b32 [r5], r0
        {arrive}
        bar.warp.sync -1
        DONE:
        put.b32 r1
    """

    def wait(form: str, parity: int) -> str:
        label = f"WAIT{parity}"
        return f"{label}:\nmbarrier.{form}.parity.shared.b64 p3, [r7], {parity}\n@!p3 bra {label}"

    def mbarrier(name: str, shown: str, form: str, count: int, arrive: str) -> Program:
        waits = {"wait_0": wait(form, 0), "wait_1": wait(form, 1)}
        body = buffer + handshake.format(count=count, arrive=arrive, **waits)
        return Program(name, "block", shown, body, block=WARPS_2)

    programs = [
        Program(
            "barrier-reduce",
            "block",
            "bar.red.{popc,and,or}",
            """
            get.pred p0
            bar.red.popc.u32 r0, 0, p0; put.b32 r0
            bar.red.popc.u32 r0, 1, !p0; put.b32 r0
            bar.red.(and|or).pred p1, 0, (|!)p0; put.pred p1
            setp.lt.u32 p2, tid, 128
            bar.red.(and|or).pred p1, 2, 128, (|!)p2; put.pred p1
            setp.eq.u32 p2, tid, 77
            barrier.sync 3
            barrier.red.popc.u32 r0, 0, p2; put.b32 r0
            bar.red.(and|or).pred p1, 0, (|!)p2; put.pred p1
            """,
            block=WARPS_4,
            grid=(2, 1, 1),
        ),
        Program(
            "barrier-named",
            "block",
            "bar.arrive, bar.sync with a number of threads, between two warps",
            buffer
            + """
            @!p1 bra SECOND
            st.shared.b32 [r5], r0
            bar.arrive 1, 64
            bar.sync 2, 64
            ld.shared.b32 r1, [r6]
            bra.uni DONE
            SECOND:
            bar.sync 1, 64
            ld.shared.b32 r1, [r6]
            st.shared.b32 [r5], r0
            bar.arrive 2, 64
            DONE:
            put.b32 r1
            """,
            block=WARPS_2,
        ),
        Program(
            "barrier-named-pairs",
            "block",
            "bar.sync of two pairs of warps, the number from a register",
            """
            .shared .align 4 .b32 buffer[128]
            get.b32 r0
            mov.u32 r4, buffer; mad.lo.u32 r5, tid, 4, r4; xor.b32 r6, tid, 33; mad.lo.u32 r6, r6, 4, r4
            shr.u32 r8, tid, 6; add.u32 r8, r8, 4
            st.shared.b32 [r5], r0
            barrier.sync r8, 64
            ld.shared.b32 r1, [r6]; put.b32 r1
            """,
            block=WARPS_4,
        ),
        *(
            Program(
                f"mbarrier-copies{suffix}",
                "block",
                f"cp.async.mbarrier.arrive{noinc}, {arrival or 'no other arrival'}",
                f"""
                .shared .align 16 .b8 copied[1024]
                .shared .align 8 .b64 barrier
                mov.u32 r7, barrier; setp.eq.u32 p0, tid, 0
                mov.u32 r4, copied; mad.lo.u32 r5, tid, 16, r4; xor.b32 r6, tid, 45; mad.lo.u32 r6, r6, 16, r4
                mad.wide.u32 w0, tid, 16, memory
                @p0 mbarrier.init.shared.b64 [r7], 64
                bar.sync 0
                cp.async.cg.shared.global [r5], [w0], 16
                cp.async.mbarrier.arrive{noinc}.shared.b64 [r7]
                {arrival and f"{arrival}.shared.b64 w1, [r7]"}
                {wait("try_wait", 0)}
                ld.shared.v4.b32 {{r0, r1, r2, r3}}, [r6]; put.b32 r0; put.b32 r1; put.b32 r2; put.b32 r3
                cp.async.wait_all
                """,
                block=WARPS_2,
                memory=("b32", 256),
            )
            for suffix, noinc, arrival in (("", "", "mbarrier.arrive"), ("-counted", ".noinc", ""))
        ),
        mbarrier(
            "mbarrier-every-thread",
            "mbarrier.{init,arrive,test_wait.parity}, two phases",
            "test_wait",
            32,
            "mbarrier.arrive.shared.b64 w1, [r7]",
        ),
        mbarrier(
            "mbarrier-try-wait",
            "mbarrier.{init,arrive,try_wait.parity}, two phases",
            "try_wait",
            32,
            "mbarrier.arrive.shared.b64 _, [r7]",
        ),
        mbarrier(
            "mbarrier-one-for-all",
            "mbarrier.{init,arrive with a count,test_wait.parity} after bar.warp.sync",
            "test_wait",
            32,
            "bar.warp.sync -1\nsetp.eq.u32 p4, lane, 0\n@p4 mbarrier.arrive.shared.b64 w1, [r7], 32",
        ),
        Program(
            "mbarrier-token",
            "block",
            "mbarrier.{init,arrive,test_wait} on a phase's token, inval, by all threads",
            buffer
            + """
            @p0 mbarrier.init.shared.b64 [r7], 64
            bar.sync 0
            st.shared.b32 [r5], r0
            mbarrier.arrive.shared.b64 w1, [r7]
            WAIT:
            mbarrier.test_wait.shared.b64 p3, [r7], w1
            @!p3 bra WAIT
            ld.shared.b32 r1, [r6]; put.b32 r1
            bar.sync 0
            @p0 mbarrier.inval.shared.b64 [r7]
            """,
            block=WARPS_2,
        ),
    ]
    return programs


def control() -> list[Program]:
    """Branches and predicated execution."""
    programs = [
        Program(
            "loop-trip-counts",
            "control",
            "bra: a loop whose lanes leave at different times",
            """
            get.count r0; get.b32 r1
            mov.u32 r2, 0
            LOOP:
            setp.ge.u32 p0, r2, r0
            setp.gt.u32 p1, r2, 80
            or.pred p0, p0, p1
            @p0 bra DONE
            mad.lo.u32 r1, r1, 1664525, 1013904223
            add.u32 r2, r2, 1
            bra LOOP
            DONE:
            put.b32 r1; put.b32 r2
            """,
            block=WARPS_4,
        ),
        Program(
            "loop-nested",
            "control",
            "bra: nested loops with continue and break",
            """
            get.bit r0; get.bit r1
            mov.u32 r2, 0; mov.u32 r4, 1
            OUTER:
            setp.gt.u32 p0, r2, r0
            @p0 bra DONE
            mov.u32 r3, 0
            INNER:
            setp.gt.u32 p1, r3, r2
            @p1 bra NEXT
            add.u32 r3, r3, 1
            and.b32 r5, r3, 3
            setp.eq.u32 p2, r5, 2
            @p2 bra INNER
            mad.lo.u32 r4, r4, 31, r3
            setp.eq.u32 p3, r3, r1
            @p3 bra NEXT
            bra INNER
            NEXT:
            add.u32 r2, r2, 1
            bra OUTER
            DONE:
            put.b32 r4; put.b32 r2
            """,
            block=WARPS_2,
        ),
        Program(
            "branch-nested",
            "control",
            "bra: nested conditions",
            """
            get.b32 r0; get.b32 r1
            setp.lt.s32 p0, r0, 0; setp.lt.u32 p1, r1, r0; setp.eq.u32 p2, r1, 0
            @p0 bra A
            @p1 bra B
            add.u32 r2, r0, r1
            bra.uni END_B
            B:
            sub.u32 r2, r0, r1
            @!p2 bra END_B
            not.b32 r2, r2
            END_B:
            xor.b32 r2, r2, 5
            bra.uni END
            A:
            mul.lo.u32 r2, r0, r1
            @!p1 bra END
            @p2 bra END
            shr.u32 r2, r2, 3
            END:
            put.b32 r2
            """,
            block=WARPS_4,
        ),
        Program(
            "predicated",
            "control",
            "@p and @!p on arithmetic, loads, stores, setp, shfl",
            """
            get.b32 r0; get.b32 r1
            setp.lt.s32 p0, r0, r1
            mov.u32 r2, 1
            @p0 add.u32 r2, r0, 3
            @!p0 sub.u32 r2, r1, 4
            put.b32 r2
            mad.wide.u32 w0, row, 4, memory
            @p0 ld.global.b32 r2, [w0]
            @!p0 st.global.b32 [w0], r1
            put.b32 r2
            setp.eq.u32 p1, r0, r0
            @p0 setp.gt.u32 p1, r0, r1
            put.pred p1
            @!p0 mov.b64 w1, {r0, r1}
            @p0 mov.u64 w1, 9
            put.b64 w1
            setp.lt.u32 p2, lane, 64
            @p2 shfl.sync.bfly.b32 r2, r2, 1, 31, -1
            put.b32 r2
            """,
            block=WARPS_2,
            memory=("b32", 64),
        ),
        Program(
            "exit-before-barrier",
            "control",
            "exit of some lanes and of a whole warp before bar.sync",
            """
            .shared .align 4 .b32 buffer[128]
            get.b32 r0
            mov.u32 r4, buffer; mad.lo.u32 r5, tid, 4, r4; xor.b32 r6, tid, 1; mad.lo.u32 r6, r6, 4, r4
            st.shared.b32 [r5], r0
            put.b32 r0
            and.b32 r8, tid, 2
            setp.ne.u32 p0, r8, 0
            @p0 exit
            setp.ge.u32 p1, tid, 96
            @p1 exit
            bar.sync 0
            ld.shared.b32 r1, [r6]; put.b32 r1
            """,
            block=WARPS_4,
        ),
        Program(
            "exit-in-loop",
            "control",
            "ret within a loop",
            """
            get.bit r0
            mov.u32 r1, 0; put.b32 r0
            LOOP:
            setp.eq.u32 p0, r1, r0
            @p0 ret
            st.global.b32 [out], r1
            add.u32 r1, r1, 1
            bra.uni LOOP
            """,
            block=WARPS_2,
        ),
        Program(
            "special-registers",
            "control",
            "%tid, %ntid, %ctaid, %nctaid, %laneid, %lanemask_*, WARP_SZ",
            """
            mov.u32 r0, %(tid|ntid|ctaid|nctaid).(x|y|z); put.b32 r0
            mov.u32 r0, %laneid; put.b32 r0
            mov.u32 r0, %lanemask_(eq|le|lt|ge|gt); put.b32 r0
            mov.u32 r0, WARP_SZ; put.b32 r0
            cvt.u16.u32 h0, %ctaid.y; put.b16 h0
            cvt.u64.u32 w0, %ntid.y; put.b64 w0
            """,
            block=(5, 4, 3),
            grid=(2, 3, 2),
        ),
    ]
    return programs


# ---------------------------------------------------------------------------------------------------------------------
# Tensor cores
# ---------------------------------------------------------------------------------------------------------------------

# The manual does not say in which order or with how many bits mma sums: in f32 the bound is on each element. Sums in
# f16 are rounded once, and those in f64 are fused multiply-adds in order, on the hardware too.
SUM = Bound(relative=2.0**-20, terms=True)

# Shape, type of A and B, type of C and D, registers of A, B and C.
SHAPES = [
    ("m16n8k16", "f16", "f32", 4, 2, 4),
    ("m16n8k16", "bf16", "f32", 4, 2, 4),
    ("m16n8k16", "f16", "f16", 4, 2, 2),
    ("m16n8k8", "f16", "f32", 2, 1, 4),
    ("m16n8k8", "bf16", "f32", 2, 1, 4),
    ("m16n8k8", "f16", "f16", 2, 1, 2),
    ("m16n8k8", "tf32", "f32", 4, 2, 4),
    ("m16n8k4", "tf32", "f32", 2, 1, 4),
]


# Shape, type of the elements, registers of A, B and C.
WIDE_SHAPES = [("m8n8k4", 1, 1, 2), ("m16n8k4", 2, 1, 4), ("m16n8k8", 4, 2, 4), ("m16n8k16", 8, 4, 4)]
INTEGER_SHAPES = [("m8n8k16", 1, 1, 2), ("m16n8k16", 2, 1, 4), ("m16n8k32", 4, 2, 4)]


def _mma(
    name: str, listed: str, counts: Sequence[int], kinds: Sequence[str], put: str, bound: Bound | None = None
) -> Program:
    """One instruction, or several, on the same A, B and C. kinds: of the registers of each, and of the results'."""
    register = ".b64" if put == "f64" else ".b32"
    names = [[f"{matrix}{j}" for j in range(count)] for matrix, count in zip("uvxy", (*counts, counts[2]), strict=True)]
    a, b, c, d = ("{" + ", ".join(part) + "}" for part in names)
    lines = [f".reg {register} {matrix}<{len(part)}>" for matrix, part in zip("uvxy", names, strict=True)]
    lines += [f"get.{kind} {each}" for kind, part in zip(kinds, names[:3], strict=True) for each in part]
    puts = "; ".join(f"put.{put} {each}" for each in names[3])
    lines += [f"{instruction} {d}, {a}, {b}, {c}; {puts}" for instruction in listed.split("; ")]
    return Program(name, "mma", listed, "\n".join(lines), block=WARPS_2, grid=(2, 1, 1), bound=bound)


def tensor_cores() -> list[Program]:
    """mma on numbers near one, on numbers of many sizes, and with infinities, NaNs and zeros among them."""
    programs = []
    for shape, factor, total, *counts in SHAPES:
        for values in ("near", "wide", "edge") if total == "f32" else ("near", "edge"):
            kinds = [f"{values}.{factor}", f"{values}.{factor}", f"{values}.{total}"]
            instruction = f"mma.sync.aligned.{shape}.row.col.{total}.{factor}.{factor}.{total}"
            put, bound = ("f32", SUM) if total == "f32" else ("f16x2", None)
            programs.append(_mma(f"mma-{shape}-{factor}-{total}-{values}", instruction, counts, kinds, put, bound))
    for shape, *counts in WIDE_SHAPES:
        for values in ("near.f64", "wide.f64"):
            instruction = f"mma.sync.aligned.{shape}.row.col.f64.f64.f64.f64"
            name = f"mma-{shape}-f64-{values.partition('.')[0]}"
            programs.append(_mma(name, instruction, counts, [values] * 3, "f64"))
    for shape, *counts in INTEGER_SHAPES:
        listed = f"mma.sync.aligned.{shape}.row.col(|.satfinite).s32.(u8|s8).(u8|s8).s32"
        programs.append(_mma(f"mma-{shape}-s32", listed, counts, ["b32"] * 3, "b32"))
    return programs
