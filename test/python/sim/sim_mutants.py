"""Bugs planted in real kernels: edits of their PTX, which the simulator must find by a check and not by values.

An edit picks its instructions by what they do and by the line of the kernel they come from, and fails where it does not
find them.
"""

import sys
from pathlib import Path

sys.path[:0] = [path for path in (str(Path(__file__).parent),) if path not in sys.path]

import sim_handwritten_mutants  # noqa: E402, F401
from sim_planting import (  # noqa: E402
    BARRIER,
    COMMIT,
    COPY,
    LOAD,
    LOAD_SHARED,
    MATRIX,
    MUTANTS,
    STORE,
    STORE_SHARED,
    WAIT,
    Mutant,
    constant,
    half_of_the_warps,
    loop_wait,
    mutant,
    times,
)
from sim_ptx import Ptx  # noqa: E402

__all__ = ["MUTANTS"]

# Lines of the kernels.
SCAN, TIMES, TOTAL = "s = td.cumsum(v, axis=0", "= s.to(y.dtype)", "carry = carry + v.sum(axis=0)"
CHUNK, COLUMNS, ROW_TOTAL = "v = x[b, t", "v = x[i * R", "carry = carry + v.sum(axis=1)"
SQUARES, NORMED, WEIGHTED, ROWS = "r = td.rsqrt(", "= out.to(y.dtype)", "out = t * r[:, None] * w", "t = x[i : i + rows"
MAXIMUM, SOFTMAX = "e = td.exp2(", "y[i : i + rows, :] ="
PRODUCT, WRITTEN = "acc = td.dot(a[", "c[m : m + BM"
SCORES, STATE, OUT = "p = (within", "out = td.dot(state", "= out.T.to(o.dtype)"


# Running sums along time: a pipeline of copies, a scan across warps, totals carried on through shared memory.


@mutant("cumsum_time", "race", "uninitialised", at=SCAN)
def barrier_within_scan(p: Ptx) -> None:
    """The warps' partial sums are read without a barrier after they were written."""
    p.drop(p.find(BARRIER, line=SCAN, after=p.find(STORE_SHARED, line=SCAN)))


@mutant("cumsum_time", "race", "uninitialised", at=TOTAL)
@mutant("cumsum_time-default", "race", "uninitialised", at=TOTAL)
def barrier_before_totals(p: Ptx) -> None:
    """The warps' totals are read without a barrier after they were written."""
    p.drop(p.only(BARRIER, line=TOTAL))


@mutant("cumsum_time", "race", "uninitialised", at=TIMES)
def barrier_before_rows(p: Ptx) -> None:
    """Rows are read back for wide stores without a barrier after they were written."""
    p.drop(p.only(BARRIER, line=TIMES))


@mutant("cumsum_time", "divergent-barrier", "race", "uninitialised", at=TOTAL)
def barrier_in_branch(p: Ptx) -> None:
    """A barrier is inside the branch of the lanes that store the totals."""
    p.drop(p.only(BARRIER, line=TOTAL))
    p.insert(p.only(STORE_SHARED, line=TOTAL) + 1, "bar.sync 0")


@mutant("cumsum_time", "race", "uninitialised", "deadlock", "divergent-barrier", at=SCAN)
def barrier_of_two_warps(p: Ptx) -> None:
    """Only half of the warps execute a barrier."""
    half_of_the_warps(p, p.find(BARRIER, line=SCAN, after=p.find(STORE_SHARED, line=SCAN)))


@mutant("cumsum_time", "unwaited-copy", "race", "uninitialised")
@mutant("matmul", "unwaited-copy", "race", "uninitialised", at=PRODUCT)
@mutant("lightning-default", "unwaited-copy", "race", "uninitialised")
def wait_missing(p: Ptx) -> None:
    """Nothing waits for the copies of a chunk before it is read."""
    p.drop(loop_wait(p))


@mutant("cumsum_time", "unwaited-copy", "race")
def wait_for_one_too_few(p: Ptx) -> None:
    """The wait lets one group of copies more be in flight than it may."""
    p.sub(loop_wait(p), r"\b2;", "3;")


@mutant("cumsum_time", "unwaited-copy", "race", at=CHUNK)
def wait_after_read(p: Ptx) -> None:
    """The wait comes after the first read of what was copied."""
    p.move(loop_wait(p), p.find(LOAD_SHARED, line=CHUNK, after=loop_wait(p)) + 1)


@mutant("cumsum_time", "unwaited-copy", "race")
def commit_missing(p: Ptx) -> None:
    """The loop's copies are not committed, so that waits do not wait for them."""
    p.drop(p.find(COMMIT, after=loop_wait(p)))


@mutant("cumsum_time", "unwaited-copy", "race", at=CHUNK)
def stage_being_read(p: Ptx) -> None:
    """The loop copies into the stage that it reads next."""
    (start,) = p.all(r"mov\.b64\s+%rd\d+, 3;", before=loop_wait(p))
    p.sub(start, r"\b3;", "0;")


@mutant("cumsum_time", "out-of-bounds", at=CHUNK)
def one_step_too_many(p: Ptx) -> None:
    """The bound on time is off by one where a chunk is copied."""
    copy = p.find(COPY, after=loop_wait(p))
    p.sub(p.ancestor(copy, r"setp\.lt\.u32"), r"setp\.lt", "setp.le")


@mutant("cumsum_time", "out-of-bounds", at=CHUNK)
def copy_without_mask(p: Ptx) -> None:
    """A copy on a ragged edge always takes all of its bytes."""
    p.sub(p.find(COPY, after=loop_wait(p)), r", %r\d+;", ";")


@mutant("cumsum_time", "out-of-bounds", "race", at=TIMES)
def store_without_mask(p: Ptx) -> None:
    """A store on a ragged edge is not masked."""
    p.unguard(p.only(STORE + r"\.v", line=TIMES))


@mutant("cumsum_time", "race", at=TIMES)
def batch_dropped(p: Ptx) -> None:
    """The batch is left out of the address of the output, so that blocks write the same tile."""
    constant(p, times(p, {"stride": ["y", 0]}), "0")


@mutant("cumsum_time", "uninitialised")
def carry_not_stored(p: Ptx) -> None:
    """The totals so far are not stored before the other lanes read them."""
    p.drop(p.find(STORE_SHARED, after=loop_wait(p)))


@mutant("cumsum_time", "invalid-operand", at=SCAN)
def shuffle_mask(p: Ptx) -> None:
    """The member mask of a shuffle leaves out half of the lanes that execute it."""
    p.sub(p.find(r"shfl\.sync", line=SCAN), r"-1;", "65535;")


# Running sums along rows.


@mutant("cumsum_rows", "race", "uninitialised", at=ROW_TOTAL)
def barrier_before_row_totals(p: Ptx) -> None:
    """The warps' totals are read without a barrier after they were written."""
    p.drop(p.only(BARRIER, line=ROW_TOTAL))


@mutant("cumsum_rows", "misaligned", at=COLUMNS)
def copy_one_element_on(p: Ptx) -> None:
    """A pointer is one element further than it should be."""
    p.sub(p.find(COPY, line=COLUMNS), r", \[(%rd\d+)\]", r", [\1+2]")


@mutant("cumsum_rows", "out-of-bounds", at=COLUMNS)
def stride_in_bytes_twice(p: Ptx) -> None:
    """A row's offset is multiplied by the size of an element twice."""
    product = times(p, {"stride": ["x", 0]})
    offset = p.group(product, r"(%rd\d+),")
    p.sub(p.find(rf"shl\.b64\s+%rd\d+, {offset}, 1;"), r"1;", "2;")


@mutant("cumsum_rows", "out-of-bounds", "race", at=TIMES)
def one_column_too_many(p: Ptx) -> None:
    """The bound on columns is off by one where a tile is stored."""
    store = p.find(STORE + r"\.v", line=TIMES)
    p.sub(p.ancestor(store, r"setp\.lt\.u32", 1), r"setp\.lt", "setp.le")


@mutant("cumsum_rows", "unwaited-copy", "race", at=COLUMNS)
def stage_not_yet_there(p: Ptx) -> None:
    """The loop reads the stage after the one that it waited for."""
    start = p.find(r"mov\.b64\s+%rd\d+, 0;", before=loop_wait(p), nth=0)
    p.sub(start, r"\b0;", "1;")


# Normalisation of rows: a reduction across warps.


@mutant("rms_norm-row", "race", "uninitialised", at=SQUARES)
def barrier_in_reduction(p: Ptx) -> None:
    """The warps' sums are read without a barrier after they were written."""
    p.drop(p.only(BARRIER))


@mutant("rms_norm-row", "race", "uninitialised", "divergent-barrier", "deadlock", at=SQUARES)
def barrier_in_lane_0(p: Ptx) -> None:
    """A barrier is inside the branch of the lane that stores its warp's sum."""
    p.drop(p.only(BARRIER))
    p.insert(p.only(STORE_SHARED) + 1, "bar.sync 0")


@mutant("rms_norm", "race", "uninitialised", "divergent-barrier", "deadlock", at=SQUARES)
def barrier_of_half(p: Ptx) -> None:
    """Only half of the warps execute the barrier of a reduction."""
    half_of_the_warps(p, p.only(BARRIER))


@mutant("rms_norm", "uninitialised", at=SQUARES)
def sum_not_stored(p: Ptx) -> None:
    """The warps' sums are not stored before they are read."""
    p.drop(p.only(STORE_SHARED))


@mutant("rms_norm", "out-of-bounds", at=NORMED)
def rows_not_masked(p: Ptx) -> None:
    """The store of the last rows of a block is not masked."""
    p.unguard(p.find(STORE, line=NORMED, nth=-1))


@mutant("rms_norm", "uninitialised", "race", at=WEIGHTED)
def weight_from_output(p: Ptx) -> None:
    """The weight is read from the output, which nothing wrote yet."""
    p.sub(p.load_of({"pointer": "w"}), r"\[\w+\]", f"[{p.parameter({'pointer': 'y'})}]")


@mutant("rms_norm", "null-pointer", at=WEIGHTED)
def weight_missing(p: Ptx) -> None:
    """The pointer to the weight is null."""
    constant(p, p.load_of({"pointer": "w"}), "0")


@mutant("rms_norm-row", "misaligned", at=ROWS)
def row_one_element_on(p: Ptx) -> None:
    """A pointer is one element further than it should be."""
    p.sub(p.find(LOAD + r"\.v"), r"\[(%rd\d+)\]", r"[\1+2]")


@mutant("rms_norm-row", "race")
def in_place(p: Ptx) -> None:
    """The result goes back to the input, but in the opposite order of rows."""
    p.sub(p.load_of({"pointer": "y"}), r"\[\w+\]", f"[{p.parameter({'pointer': 'x'})}]")
    row, last, wide = p.register(".b32"), p.register(".b32"), p.register(".b64")
    product = times(p, {"stride": ["y", 0]})
    p.sub(product, r"(%rd\d+, %rd\d+), %rd\d+;", rf"\1, {wide};")
    p.insert(
        product,
        f"mov.u32 {row}, %ctaid.x",
        f"mov.u32 {last}, %nctaid.x",
        f"sub.s32 {last}, {last}, 1",
        f"sub.s32 {row}, {last}, {row}",
        f"cvt.u64.u32 {wide}, {row}",
    )


@mutant("rms_norm-ragged", "out-of-bounds", "race", at=ROWS)
def one_element_too_many(p: Ptx) -> None:
    """The bound on the columns of a ragged row is off by one."""
    p.sub(p.find(r"setp\.lt\.u32\s+%p\d+, %r\d+, 65;"), r"65;", "66;")


@mutant("rms_norm", "invalid-operand", "deadlock", "divergent-barrier", at=SQUARES)
def shuffle_with_exited_lane(p: Ptx) -> None:
    """A lane ends before a shuffle that names it in its member mask."""
    predicate, lane = p.register(".pred"), p.register(".b32")
    at = p.find(r"shfl\.sync")
    p.insert(at, f"mov.u32 {lane}, %laneid", f"setp.eq.u32 {predicate}, {lane}, 31", f"@{predicate} exit")


# Softmax: two reductions, ragged rows.


@mutant("softmax", "race", "uninitialised", at=MAXIMUM)
def barrier_before_maximum(p: Ptx) -> None:
    """The warps' maxima are read without a barrier after they were written."""
    p.drop(p.find(BARRIER, line=MAXIMUM))


@mutant("softmax", "race", at=MAXIMUM)
def scratch_shared(p: Ptx) -> None:
    """The second reduction uses the first one's shared memory, which other warps still read."""
    barrier = p.find(BARRIER)
    size = int(p.group(p.find(STORE_SHARED, after=barrier), r"\[%r\d+\+(\d+)\]"))
    for i in (*p.all(STORE_SHARED, after=barrier), *p.all(LOAD_SHARED, after=p.find(BARRIER, nth=1))):
        offset = int(p.group(i, r"\+(\d+)\]"))
        p.sub(i, r"\+\d+\]", f"+{offset - size}]")


@mutant("softmax", "out-of-bounds", "race", at="t = td.load(x")
def columns_for_rows(p: Ptx) -> None:
    """The number of rows is taken to be that of the columns."""
    constant(p, p.load_of({"dim": "M"}), "65")


@mutant("softmax", "out-of-bounds", at=SOFTMAX)
def one_row_too_many(p: Ptx) -> None:
    """The bound on rows is off by one where a row is stored."""
    store = p.find(STORE, line=SOFTMAX, nth=2)
    guard = p.group(store, r"@(%p\d+)")
    columns, rows = (p.group(p.definition(guard, store), r"(%p\d+), (%p\d+);", n) for n in (1, 2))
    operands = p.group(p.definition(rows, store), r"setp\.gt\.s64\s+%p\d+, (.*);")
    planted = p.register(".pred")
    store += 1
    p.sub(store, rf"{guard}\b", planted)
    p.insert(store, f"setp.ge.s64 {planted}, {operands}", f"and.pred {planted}, {planted}, {columns}")


# Matrix products: a pipeline with tensor cores; rows of a are padded in memory.


@mutant("matmul", "race", "unwaited-copy", at=PRODUCT)
@mutant("matmul-default", "race", "unwaited-copy", at=PRODUCT)
@mutant("lightning", "race", "unwaited-copy")
def barrier_before_refill(p: Ptx) -> None:
    """A stage is refilled without a barrier after other warps read it."""
    p.drop(p.find(BARRIER, after=loop_wait(p)))


@mutant("matmul", "unwaited-copy", "race", "uninitialised", at=PRODUCT)
def barriers_after_wait(p: Ptx) -> None:
    """A thread waits for its own copies and reads those of others: both barriers of the loop are missing."""
    for _ in range(2):
        p.drop(p.find(BARRIER, after=loop_wait(p)))


@mutant("matmul", "unwaited-copy", "race", at=PRODUCT)
def wait_after_matrix(p: Ptx) -> None:
    """The wait comes after the first ldmatrix of what was copied."""
    p.move(loop_wait(p), p.find(MATRIX) + 1)


@mutant("matmul", "unwaited-copy", "race", at=PRODUCT)
def first_commit_missing(p: Ptx) -> None:
    """The first group of copies is not committed, and becomes part of the second."""
    p.drop(p.find(COMMIT))


@mutant("matmul", "unwaited-copy", "race", "uninitialised", at=PRODUCT)
def rows_collide(p: Ptx) -> None:
    """The swizzle of the copies is an or in place of an xor, so that rows collide."""
    copy = p.find(COPY)
    p.sub(p.ancestor(copy, r"xor\.b32"), r"xor", "or")


@mutant("matmul", "uninitialised", at=WRITTEN)
def swizzle_lost(p: Ptx) -> None:
    """Two stores to shared memory lost their swizzle and go to one place; the other stays unwritten."""
    store = p.find(STORE_SHARED, line=WRITTEN, nth=-1)
    p.sub(p.ancestor(store, r"xor\.b32\s+%r\d+, %r\d+, 16"), r", 16;", ", 0;")


@mutant("matmul", "unwaited-copy", "race", at=PRODUCT)
def matrix_sixteen_bytes_on(p: Ptx) -> None:
    """ldmatrix reads 16 bytes further on, at the end of a stage from the next, which is in flight."""
    p.sub(p.find(MATRIX + r".*\.trans"), r"\[(%r\d+)\]", r"[\1+16]")


@mutant("matmul", "misaligned", at=PRODUCT)
def matrix_two_bytes_on(p: Ptx) -> None:
    """ldmatrix reads one element further on."""
    p.sub(p.find(MATRIX + r".*\.trans"), r"\[(%r\d+)\]", r"[\1+2]")


@mutant("matmul", "uninitialised", at=WRITTEN)
def tile_not_stored(p: Ptx) -> None:
    """A part of the tile is not stored to shared memory before it is read back."""
    p.drop(p.find(STORE_SHARED, line=WRITTEN))


@mutant("matmul", "race", "uninitialised", at=WRITTEN)
def barrier_in_epilogue(p: Ptx) -> None:
    """The tile is read back without a barrier after it was written."""
    p.drop(p.only(BARRIER, line=WRITTEN))


@mutant("matmul", "race", "unwaited-copy", at=WRITTEN)
def stages_reused(p: Ptx) -> None:
    """The tile is written over the pipeline's stages without a barrier after other warps read them."""
    final = p.all(WAIT)[1]
    for i in (*p.all(STORE_SHARED, after=final), *p.all(LOAD_SHARED, after=final)):
        offset = int(p.group(i, r"\+(\d+)\]"))
        p.sub(i, r"\+\d+\]", f"+{offset - 12288}]")
    p.drop(p.find(BARRIER, after=final))


@mutant("matmul", "race", at=WRITTEN)
def column_of_tiles_dropped(p: Ptx) -> None:
    """The column of tiles is left out of the output's address, so that blocks write the same tile."""
    column = p.group(p.only(r"shl\.b64", line="n = within // height * BN"), r"(%rd\d+),")
    constant(p, p.only(rf"shl\.b64\s+%rd\d+, {column}, 1;", line=WRITTEN), "0")


@mutant("matmul", "out-of-bounds", "race", at=WRITTEN)
def eight_columns_too_many(p: Ptx) -> None:
    """The bound on columns is off by one where a tile is stored."""
    store = p.find(STORE + r"\.v", line=WRITTEN)
    p.sub(p.ancestor(store, r"setp\.gt\.u32"), r"setp\.gt", "setp.ge")


@mutant("matmul", "out-of-bounds", "race", at=PRODUCT)
def rows_for_columns(p: Ptx) -> None:
    """The number of rows and that of columns are confused."""
    rows, columns = p.parameter({"dim": "M"}), p.parameter({"dim": "N"})
    load_rows, load_columns = p.load_of({"dim": "M"}), p.load_of({"dim": "N"})
    p.sub(load_rows, rows, columns)
    p.sub(load_columns, columns, rows)


@mutant("matmul", "out-of-bounds", at=PRODUCT)
def wrong_stride(p: Ptx) -> None:
    """The rows of a are as far apart as those of the output should be."""
    p.sub(p.load_of({"stride": ["a", 0]}), r"\[\w+\]", f"[{p.parameter({'stride': ['b', 0]})}]")


MUTANTS.append(
    Mutant(
        "matmul/shared-memory-too-small",
        "matmul",
        "The launch gives a block one row of a tile less of shared memory than it uses",
        None,
        "out-of-bounds",
        at=WRITTEN,
        shared=-64,
    )
)


@mutant("matmul", "out-of-bounds", at=PRODUCT)
def bytes_not_clipped(p: Ptx) -> None:
    """The last copy of a row takes 16 bytes, of which 8 are beyond its end, in the padding between rows."""
    copy = p.find(COPY, after=loop_wait(p))
    clip = p.ancestor(copy, r"min\.s32")
    p.sub(clip, r"%r\d+, 16;", "16, 16;")


# Lightning attention: a pipeline, products whose operands go through shared memory, a state.


@mutant("lightning", "race", "uninitialised", at=STATE)
def barrier_before_operands(p: Ptx) -> None:
    """Operands of a product are read without a barrier after other warps wrote them."""
    p.drop(p.only(BARRIER, line=STATE))


@mutant("lightning", "race", "uninitialised", at=OUT)
def barrier_before_output(p: Ptx) -> None:
    """The output is read back without a barrier after other warps wrote it."""
    p.drop(p.only(BARRIER, line=OUT))


@mutant("lightning", "unwaited-copy", "race", "uninitialised", at=SCORES)
def wait_for_all_but_one(p: Ptx) -> None:
    """The wait lets one group of copies more be in flight than it may."""
    p.sub(loop_wait(p), r"\b0;", "1;")


@mutant("lightning", "uninitialised")
def scores_not_stored(p: Ptx) -> None:
    """A part of the scores is not stored before it is read."""
    p.drop(p.find(STORE_SHARED, line=SCORES))


@mutant("lightning", "uninitialised", at="state = s0[b, h")
def state_from_output(p: Ptx) -> None:
    """The initial state is read from where the final one is to be written."""
    p.sub(p.load_of({"pointer": "s0"}), r"\[\w+\]", f"[{p.parameter({'pointer': 's1'})}]")


@mutant("lightning", "out-of-bounds", "race", at="s1[b, h")
def state_not_masked(p: Ptx) -> None:
    """The store of the final state is not masked on a ragged edge."""
    p.unguard(p.find(STORE, line="s1[b, h", nth=-1))


@mutant("lightning", "race")
def head_dropped(p: Ptx) -> None:
    """The head is left out of the address of the output, so that blocks write the same tile."""
    constant(p, times(p, {"stride": ["o", 2]}), "0")


@mutant("lightning", "out-of-bounds", at="qt = q[b, t")
def stride_of_another_axis(p: Ptx) -> None:
    """The stride of batches is used for heads."""
    p.sub(p.load_of({"stride": ["q", 2]}), r"\[\w+\]", f"[{p.parameter({'stride': ['q', 0]})}]")
