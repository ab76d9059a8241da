"""Bugs planted in the handwritten programs: warp and named barriers, mbarriers, atomics, flags, local memory."""

from sim_planting import BARRIER, STORE_SHARED, mutant
from sim_ptx import Ptx


@mutant("warp_exchange", "race", "uninitialised")
def warp_barrier_missing(p: Ptx) -> None:
    """Lanes read what other lanes of their warp wrote without a barrier of the warp."""
    p.drop(p.only(r"bar\.warp\.sync"))


@mutant("warp_exchange", "invalid-operand", "race", "uninitialised")
def warp_barrier_mask(p: Ptx) -> None:
    """The mask of a warp's barrier leaves out half of the lanes that execute it."""
    p.sub(p.only(r"bar\.warp\.sync"), r"-1;", "65535;")


@mutant("warp_exchange", "invalid-operand", "race")
def warp_barrier_in_branch(p: Ptx) -> None:
    """Only half of the lanes come to a warp's barrier that waits for all."""
    predicate = p.register(".pred")
    barrier = p.only(r"bar\.warp\.sync")
    p.guard(barrier, predicate)
    p.insert(barrier, f"setp.lt.u32 {predicate}, %t, 16")


@mutant("named_barrier", "deadlock")
def another_barrier(p: Ptx) -> None:
    """The consumers wait at another barrier than the one that the producers arrive at."""
    p.sub(p.only(r"bar\.sync"), r"\b1, 128;", "2, 128;")


@mutant("named_barrier", "race", "uninitialised")
def arrives_before_store(p: Ptx) -> None:
    """The producers arrive at the barrier before they store."""
    p.move(p.only(r"bar\.arrive"), p.only(STORE_SHARED))


@mutant("named_barrier", "race", "uninitialised", "deadlock")
def barrier_of_consumers(p: Ptx) -> None:
    """The barrier counts half of the threads, so that the consumers do not wait for the producers."""
    for i in p.all(r"\bbar\."):
        p.sub(i, "128;", "64;")


@mutant("mbarrier", "deadlock")
def arrival_missing(p: Ptx) -> None:
    """An mbarrier expects one arrival more than there are."""
    p.sub(p.only(r"mbarrier\.init"), "32;", "33;")


@mutant("mbarrier", "race", "uninitialised")
def arrival_too_many(p: Ptx) -> None:
    """An mbarrier's phase is over before the last lane has stored."""
    p.sub(p.only(r"mbarrier\.init"), "32;", "31;")


@mutant("mbarrier", "race", "uninitialised")
def mbarrier_not_waited_for(p: Ptx) -> None:
    """The consumers do not wait for the mbarrier."""
    wait = p.only(r"mbarrier\.try_wait")
    p.drop(wait)
    p.drop(p.only(r"bra wait"))


@mutant("mbarrier", "race", "uninitialised")
def mbarrier_not_published(p: Ptx) -> None:
    """The barrier between the initialisation of an mbarrier and its use is missing."""
    p.drop(p.only(BARRIER))


@mutant("histogram", "race")
def not_atomic(p: Ptx) -> None:
    """Counters are read, added to and written back."""
    i = p.only(r"red\.")
    p.drop(i)
    p.insert(i, "ld.global.b32 %r3, [%rd5]", "add.u32 %r3, %r3, 1", "st.global.b32 [%rd5], %r3")


@mutant("histogram", "out-of-bounds")
def bin_off_by_one(p: Ptx) -> None:
    """Bins are counted from one."""
    p.sub(p.only(r"red\."), r"\[%rd5\]", "[%rd5+4]")


@mutant("last_block", "race")
def fence_missing(p: Ptx) -> None:
    """There is no fence between a block's result and the counter that announces it."""
    p.drop(p.find(r"membar\.gl"))


@mutant("last_block", "uninitialised", "race")
def block_before_last(p: Ptx) -> None:
    """The block before the last one reads the results of all."""
    p.sub(p.only(r"setp\.ne\.u32\s+%p2"), "3;", "2;")


@mutant("relay", "limit")
def waits_for_later_block(p: Ptx) -> None:
    """The first block waits for the flag of the last."""
    first = p.only(r"setp\.eq\.u32\s+%p2")
    p.sub(first, "0;", "2;")
    for i in (p.only(r"ld\.acquire"), p.find(r"ld\.global\.b32 %r3")):
        p.sub(i, r"\+-4\]", "+4]")


@mutant("relay", "race")
def flag_without_acquire(p: Ptx) -> None:
    """A flag is read without acquiring what its writer did before."""
    p.sub(p.only(r"ld\.acquire"), "acquire", "relaxed")


@mutant("relay", "race")
def flag_without_release(p: Ptx) -> None:
    """A flag is set without releasing what was done before."""
    p.sub(p.only(r"st\.release"), "release", "relaxed")


@mutant("local_table", "out-of-bounds")
def index_not_masked(p: Ptx) -> None:
    """An index into local memory goes up to 15 where there are 8 elements."""
    p.sub(p.only(r"and\.b32"), "7;", "15;")


@mutant("local_table", "uninitialised")
def element_not_stored(p: Ptx) -> None:
    """An element in local memory is read that was not stored."""
    p.drop(p.find(r"st\.local", nth=-1))


@mutant("local_table", "misaligned")
def local_half_an_element_on(p: Ptx) -> None:
    """A pointer into local memory is half an element further than it should be."""
    p.sub(p.only(r"ld\.b32"), r"\[%rd4\]", "[%rd4+2]")


@mutant("generic_reverse", "null-pointer", "out-of-bounds")
def offset_for_address(p: Ptx) -> None:
    """An offset into shared memory is used as a generic address."""
    i = p.only(r"cvta\.shared")
    p.sub(i, r"cvta\.shared\.u64", "mov.u64")


@mutant("generic_reverse", "out-of-bounds", "uninitialised")
def reversed_from_size(p: Ptx) -> None:
    """A row is read backwards from behind its end."""
    p.sub(p.only(r"mov\.u64\s+%rd5"), "252;", "256;")
