"""Programs of instructions that work on a thread's own values: arithmetic, logic, conversion. To add one, add a line.

`ptx_programs.py` says how they are written. Bounds are those of the PTX ISA manual, in the sections of "Floating Point
Instructions" and "Half Precision Floating Point Instructions" on each; results without one must be equal.
"""

from __future__ import annotations

from ptx_programs import Bound, Program, each

ROUNDINGS = "(rn|rz|rm|rp)"

# ---------------------------------------------------------------------------------------------------------------------
# Integers
# ---------------------------------------------------------------------------------------------------------------------


def integers() -> list[Program]:
    """Integer arithmetic and bit manipulation."""
    table = [
        each("int-arithmetic-16", "integer", "b16 <- b16 b16", "(add|sub|min|max|mul.lo|mul.hi).(s|u)16"),
        each("int-arithmetic-32", "integer", "b32 <- b32 b32", "(add|sub|min|max|mul.lo|mul.hi).(s|u)32"),
        each("int-arithmetic-64", "integer", "b64 <- b64 b64", "(add|sub|min|max|mul.lo|mul.hi).(s|u)64"),
        each("int-multiply-wide-16", "integer", "b32 <- b16 b16", "mul.wide.(s|u)16"),
        each("int-multiply-wide-32", "integer", "b64 <- b32 b32", "mul.wide.(s|u)32"),
        each("int-multiply-add-16", "integer", "b16 <- b16 b16 b16", "mad.(lo|hi).(s|u)16"),
        each("int-multiply-add-32", "integer", "b32 <- b32 b32 b32", "mad.(lo|hi).(s|u)32"),
        each("int-multiply-add-64", "integer", "b64 <- b64 b64 b64", "mad.(lo|hi).(s|u)64"),
        each("int-multiply-add-wide-16", "integer", "b32 <- b16 b16 b32", "mad.wide.(s|u)16"),
        each("int-multiply-add-wide-32", "integer", "b64 <- b32 b32 b64", "mad.wide.(s|u)32"),
        each("int-saturate-32", "integer", "b32 <- b32 b32", "(add|sub).sat.s32"),
        each("int-multiply-add-saturate-32", "integer", "b32 <- b32 b32 b32", "mad.hi.sat.s32"),
        each("int-multiply-24", "integer", "b32 <- b32 b32", "mul24.(lo|hi).(s|u)32"),
        each("int-multiply-add-24", "integer", "b32 <- b32 b32 b32", "mad24.(lo|hi).(s|u)32; mad24.hi.sat.s32"),
        each("int-pairs-16", "integer", "b32 <- b32 b32", "(add|min|max).(s|u)16x2; (min|max).relu.(s16x2|s32)"),
        each("int-divide-16", "integer", "b16 <- b16 b16", "(div|rem).(s|u)16"),
        each("int-divide-32", "integer", "b32 <- b32 b32", "(div|rem).(s|u)32"),
        each("int-divide-64", "integer", "b64 <- b64 b64", "(div|rem).(s|u)64"),
        each("int-divide-edges-32", "integer", "b32 <- b32 ends.32", "(div|rem).(s|u)32"),
        each("int-divide-edges-64", "integer", "b64 <- b64 ends.64", "(div|rem).(s|u)64"),
        each("int-sign-16", "integer", "b16 <- b16", "(abs|neg).s16", rows=128),
        each("int-sign-32", "integer", "b32 <- b32", "(abs|neg).s32", rows=128),
        each("int-sign-64", "integer", "b64 <- b64", "(abs|neg).s64", rows=128),
        each("int-sum-of-differences-16", "integer", "b16 <- b16 b16 b16", "sad.(s|u)16"),
        each("int-sum-of-differences-32", "integer", "b32 <- b32 b32 b32", "sad.(s|u)32"),
        each("int-sum-of-differences-64", "integer", "b64 <- b64 b64 b64", "sad.(s|u)64"),
        each("int-dot-product", "integer", "b32 <- b32 b32 b32", "dp4a.(s|u)32.(s|u)32"),
        each("int-dot-product-halves", "integer", "b32 <- b32 b32 b32", "dp2a.(lo|hi).(s|u)32.(s|u)32"),
        each("int-shift-16", "integer", "b16 <- b16 count", "shl.b16; shr.(b|u|s)16"),
        each("int-shift-32", "integer", "b32 <- b32 count", "shl.b32; shr.(b|u|s)32"),
        each("int-shift-64", "integer", "b64 <- b64 count", "shl.b64; shr.(b|u|s)64"),
        each("int-funnel-shift", "integer", "b32 <- b32 b32 count", "shf.(l|r).(clamp|wrap).b32"),
        each("int-extract-32", "integer", "b32 <- b32 count count", "bfe.(u|s)32"),
        each("int-extract-64", "integer", "b64 <- b64 count count", "bfe.(u|s)64"),
        each("int-insert-32", "integer", "b32 <- b32 b32 count count", "bfi.b32"),
        each("int-insert-64", "integer", "b64 <- b64 b64 count count", "bfi.b64"),
        each("int-extend-32", "integer", "b32 <- b32 count", "szext.(clamp|wrap).(s|u)32"),
        each("int-mask-32", "integer", "b32 <- count count", "bmsk.(clamp|wrap).b32"),
        each("int-bits-32", "integer", "b32 <- b32", "brev.b32; clz.b32; popc.b32; bfind(|.shiftamt).(u|s)32"),
        each("int-bits-64", "integer", "b32 <- b64", "clz.b64; popc.b64; bfind(|.shiftamt).(u|s)64"),
        each("int-reverse-64", "integer", "b64 <- b64", "brev.b64"),
        each("int-nth-set-bit", "integer", "b32 <- b32 bit nth", "fns.b32"),
        each("int-permute-bytes", "integer", "b32 <- b32 b32 b32", "prmt.b32; prmt.b32.(f4e|b4e|rc8|ecl|ecr|rc16)"),
    ]
    return table


def logic() -> list[Program]:
    """Bitwise logic, comparison and selection."""
    tables = "(0x00|0x01|0x1b|0x80|0x96|0xca|0xe8|0xfe|0xff)"
    floats, ordered = "(eq|ne|lt|le|gt|ge|equ|neu|ltu|leu|gtu|geu|num|nan)", "(eq|ne|lt|le|gt|ge)"
    f16 = "setp.(lt|neu|geu|nan)"
    tests = "(finite|infinite|number|notanumber|normal|subnormal)"
    table = [
        each("logic-16", "logic", "b16 <- b16 b16", "(and|or|xor).b16; (not|cnot).b16 d, a", rows=128),
        each("logic-32", "logic", "b32 <- b32 b32", "(and|or|xor).b32; (not|cnot).b32 d, a", rows=128),
        each("logic-64", "logic", "b64 <- b64 b64", "(and|or|xor).b64; (not|cnot).b64 d, a", rows=128),
        each(
            "logic-predicates",
            "logic",
            "pred <- pred pred",
            "(and|or|xor).pred; not.pred d, a; mov.pred d, b",
            rows=128,
        ),
        each("logic-three-operands", "logic", "b32 <- b32 b32 b32", f"lop3.b32 d, a, b, c, {tables}", rows=128),
        each(
            "compare-s32-u32",
            "logic",
            "pred <- b32 b32",
            f"setp.{ordered}.s32; setp.(eq|ne|lt|le|gt|ge|lo|ls|hi|hs).u32; setp.(eq|ne).b32",
        ),
        each("compare-16", "logic", "pred <- b16 b16", f"setp.{ordered}.(s|u)16; setp.(eq|ne).b16"),
        each("compare-64", "logic", "pred <- b64 b64", f"setp.{ordered}.(s|u)64; setp.(eq|ne).b64"),
        each("compare-f32", "logic", "pred <- f32 f32", f"setp.{floats}(|.ftz).f32", rows=512),
        each("compare-f64", "logic", "pred <- f64 f64", f"setp.{floats}.f64"),
        each("compare-f16", "logic", "pred <- f16 f16", f"setp.{floats}.f16; setp.(lt|eq).ftz.f16"),
        each("compare-bf16", "logic", "pred <- bf16 bf16", f"setp.{floats}.bf16"),
        each("compare-f16x2", "logic", "pred pred <- f16x2 f16x2", f"{f16}.f16x2"),
        each("compare-bf16x2", "logic", "pred pred <- bf16x2 bf16x2", f"{f16}.bf16x2"),
        each(
            "compare-combined-f32",
            "logic",
            "pred pred <- f32 f32 pred",
            "setp.(lt|geu).(and|or|xor).f32 d|e, a, b, (|!)c",
        ),
        each(
            "compare-combined-s32",
            "logic",
            "pred pred <- b32 b32 pred",
            "setp.(le|ne).(and|or|xor).s32 d|e, a, b, (|!)c",
        ),
        each("set-from-integers", "logic", "b32 <- b32 b32", f"set.{ordered}.(u32|s32|f32).(s|u)32", rows=128),
        each("set-from-f32", "logic", "b32 <- f32 f32", f"set.{floats}.(u32|f32).f32; set.lt.ftz.s32.f32", rows=128),
        each(
            "set-combined", "logic", "b32 <- f32 f32 pred", "set.(lt|neu).(and|or|xor).u32.f32 d, a, b, (|!)c", rows=128
        ),
        each("select-16", "logic", "b16 <- b16 b16 pred", "selp.(b|s|u)16", rows=128),
        each("select-32", "logic", "b32 <- b32 b32 pred", "selp.(b|s|u|f)32", rows=128),
        each("select-64", "logic", "b64 <- b64 b64 pred", "selp.(b|s|u|f)64", rows=128),
        each("select-by-sign-16", "logic", "b16 <- b16 b16 b32", "slct.(b|u|s)16.s32", rows=128),
        each("select-by-sign-32", "logic", "b32 <- b32 b32 b32", "slct.(b|u|s|f)32.s32", rows=128),
        each("select-by-sign-64", "logic", "b64 <- b64 b64 b32", "slct.(b|u|s|f)64.s32", rows=128),
        each("select-by-float-sign", "logic", "b32 <- b32 b32 f32", "slct(|.ftz).(b|u|s|f)32.f32", rows=128),
        each("select-by-float-sign-16", "logic", "b16 <- b16 b16 f32", "slct(|.ftz).(b|u|s)16.f32", rows=128),
        each("select-by-float-sign-64", "logic", "b64 <- b64 b64 f32", "slct(|.ftz).(b|u|s|f)64.f32", rows=128),
        each("test-f32", "logic", "pred <- f32", f"testp.{tests}.f32", rows=128),
        each("test-f64", "logic", "pred <- f64", f"testp.{tests}.f64", rows=128),
        Program(
            "move-and-pack",
            "logic",
            "mov.{b16,b32,b64}, vectors of halves",
            """
            get.b32 r0; get.b64 w0; get.b16 h0; get.b16 h1
            mov.b32 {h2, h3}, r0; put.b16 h3; put.b16 h2
            mov.(b|u|s)16 h4, h1; put.b16 h4
            mov.b16 h4, -7; put.b16 h4
            mov.b32 r1, {h1, h0}; put.b32 r1
            mov.b64 {r2, r3}, w0; put.b32 r3; put.b32 r2
            mov.b64 w1, {r3, r0}; put.b64 w1
            mov.b64 {h4, h5, h6, h7}, w0; put.b16 h7; put.b16 h5
            mov.b64 w2, {h7, h6, h0, h1}; put.b64 w2
            mov.b64 {_, r4}, w0; put.b32 r4
            mov.(u|s|f|b)32 r5, r0; put.b32 r5
            mov.f32 r6, 0fBF800000; put.b32 r6
            mov.f32 r7, 1.5; put.b32 r7
            mov.f64 w3, 0d400921FB54442D18; put.b64 w3
            mov.s32 r8, -5; put.b32 r8
            mov.u64 w4, 0x123456789abcdef0; put.b64 w4
            """,
        ),
    ]
    return table


# ---------------------------------------------------------------------------------------------------------------------
# Floating-point numbers
# ---------------------------------------------------------------------------------------------------------------------


def floats() -> list[Program]:
    """f32 and f64."""
    extremes = "(min|max)(|.ftz)(|.NaN)(|.xorsign.abs).f32"
    table = [
        each("f32-add", "f32", "f32 <- f32 f32", f"(add|sub).{ROUNDINGS}(|.ftz).f32; (add|sub)(|.ftz).f32", rows=384),
        each("f32-add-saturate", "f32", "f32 <- f32 f32", "(add|sub)(|.rn|.rz|.rm|.rp)(|.ftz).sat.f32"),
        each("f32-multiply", "f32", "f32 <- f32 f32", f"mul.{ROUNDINGS}(|.ftz).f32; mul(|.ftz).f32", rows=384),
        each("f32-multiply-saturate", "f32", "f32 <- f32 f32", "mul(|.rn|.rz|.rm|.rp)(|.ftz).sat.f32"),
        each("f32-fma", "f32", "f32 <- f32 f32 f32", f"fma.{ROUNDINGS}(|.ftz).f32", rows=512),
        each("f32-fma-saturate", "f32", "f32 <- f32 f32 f32", f"fma.{ROUNDINGS}(|.ftz).sat.f32"),
        each("f32-mad", "f32", "f32 <- f32 f32 f32", f"mad.{ROUNDINGS}(|.ftz)(|.sat).f32"),
        each("f32-copy-sign", "f32", "f32 <- f32 f32", "copysign.f32"),
        each("f32-min-max", "f32", "f32 <- f32 f32", extremes, rows=384),
        each("f32-sign", "f32", "f32 <- f32", "(abs|neg)(|.ftz).f32", rows=128),
        each("f32-divide", "f32", "f32 <- f32 f32", f"div.{ROUNDINGS}(|.ftz).f32", rows=384),
        each("f32-reciprocal", "f32", "f32 <- f32", f"rcp.{ROUNDINGS}(|.ftz).f32"),
        each("f32-square-root", "f32", "f32 <- f32", f"sqrt.{ROUNDINGS}(|.ftz).f32"),
        each("f64-arithmetic", "f64", "f64 <- f64 f64", f"(add|sub|mul).{ROUNDINGS}.f64; (add|sub|mul).f64"),
        each("f64-fma", "f64", "f64 <- f64 f64 f64", f"fma.{ROUNDINGS}.f64"),
        each("f64-mad", "f64", "f64 <- f64 f64 f64", f"mad.{ROUNDINGS}.f64"),
        each("f64-copy-sign", "f64", "f64 <- f64 f64", "copysign.f64"),
        each("f64-divide", "f64", "f64 <- f64 f64", f"div.{ROUNDINGS}.f64"),
        each("f64-reciprocal", "f64", "f64 <- f64", f"rcp.{ROUNDINGS}.f64"),
        each("f64-square-root", "f64", "f64 <- f64", f"sqrt.{ROUNDINGS}.f64"),
        each("f64-min-max", "f64", "f64 <- f64 f64", "(min|max).f64"),
        each("f64-sign", "f64", "f64 <- f64", "(abs|neg).f64", rows=128),
    ]
    return table


def approximations() -> list[Program]:
    """Approximate functions. The simulator rounds the true value, so half a unit in the last place (ulp) comes on top
    of every bound that is not in ulp."""

    def relative(exponent: float, least: float = 0) -> Bound:
        return Bound(relative=2.0**exponent, ulps=0.5, least=least)

    def absolute(exponent: float) -> Bound:
        return Bound(absolute=2.0**exponent, ulps=0.5)

    table = [
        # div.approx: 2 ulp for divisors from 2^-126 to 2^126. div.full: 2 ulp.
        each("approx-divide", "approximate", "f32 <- f32 divisor", "div.approx(|.ftz).f32", Bound(ulps=2), 384),
        each("approx-divide-full", "approximate", "f32 <- f32 f32", "div.full(|.ftz).f32", Bound(ulps=2), 384),
        # rcp.approx: 1 ulp.
        each("approx-reciprocal", "approximate", "f32 <- f32", "rcp.approx(|.ftz).f32", Bound(ulps=1), 384),
        # sqrt.approx: relative error 2^-23. rsqrt.approx: 2^-22.9.
        each("approx-square-root", "approximate", "f32 <- f32", "sqrt.approx(|.ftz).f32", relative(-23), 384),
        each("approx-inverse-root", "approximate", "f32 <- f32", "rsqrt.approx(|.ftz).f32", relative(-22.9), 384),
        # f64: the manual gives no bounds. With .ftz a result has 20 bits of fraction; without, one ulp is allowed.
        each("approx-reciprocal-f64", "approximate", "f64 <- f64", "rcp.approx.ftz.f64", relative(-20)),
        each("approx-inverse-root-f64", "approximate", "f64 <- f64", "rsqrt.approx.ftz.f64", relative(-20)),
        each("approx-inverse-root-wide-f64", "approximate", "f64 <- f64", "rsqrt.approx.f64", Bound(ulps=1)),
        # ex2.approx: relative error 2^-22; f16: 2^-9.9; bf16: 2^-7. No two subnormal f16 are that close: there one
        # step, 2^-24, is allowed.
        each("approx-exponential", "approximate", "f32 <- exponent", "ex2.approx(|.ftz).f32", relative(-22), 384),
        each("approx-exponential-f16", "approximate", "f16 <- f16", "ex2.approx.f16", relative(-9.9, 2.0**-24)),
        each("approx-exponential-f16x2", "approximate", "f16x2 <- f16x2", "ex2.approx.f16x2", relative(-9.9, 2.0**-24)),
        each("approx-exponential-bf16", "approximate", "bf16 <- bf16", "ex2.approx.ftz.bf16", relative(-7)),
        each("approx-exponential-bf16x2", "approximate", "bf16x2 <- bf16x2", "ex2.approx.ftz.bf16x2", relative(-7)),
        # lg2.approx: absolute error 2^-22 for operands from 0.5 to 2, relative error 2^-22 elsewhere.
        each(
            "approx-logarithm",
            "approximate",
            "f32 <- f32",
            "lg2.approx(|.ftz).f32",
            Bound(2.0**-22, 2.0**-22, 0.5),
            384,
        ),
        # sin.approx, cos.approx: absolute error 2^-20.5 for operands from -pi to pi.
        each("approx-sine", "approximate", "f32 <- angle", "(sin|cos).approx(|.ftz).f32", absolute(-20.5), 384),
        # tanh.approx: relative error 2^-11; f16: absolute error 2^-10.987; bf16: 2^-8.
        each("approx-tangent", "approximate", "f32 <- f32", "tanh.approx.f32", relative(-11), 384),
        each("approx-tangent-f16", "approximate", "f16 <- f16", "tanh.approx.f16", absolute(-10.987)),
        each("approx-tangent-f16x2", "approximate", "f16x2 <- f16x2", "tanh.approx.f16x2", absolute(-10.987)),
        each("approx-tangent-bf16", "approximate", "bf16 <- bf16", "tanh.approx.bf16", absolute(-8)),
        each("approx-tangent-bf16x2", "approximate", "bf16x2 <- bf16x2", "tanh.approx.bf16x2", absolute(-8)),
    ]
    return table


def halves() -> list[Program]:
    """f16, bf16 and pairs of them."""
    table = []
    for parts in ("", "x2"):
        f16, bf16 = f"f16{parts}", f"bf16{parts}"
        extremes = "(min|max)(|.NaN)(|.xorsign.abs)"
        table += [
            each(
                f"{f16}-arithmetic",
                "f16",
                f"{f16} <- {f16} {f16}",
                f"(add|sub|mul)(|.rn)(|.ftz)(|.sat).{f16}",
            ),
            each(f"{f16}-fma", "f16", f"{f16} <- {f16} {f16} {f16}", f"fma.rn(|.ftz)(|.sat|.relu).{f16}"),
            each(
                f"{f16}-min-max",
                "f16",
                f"{f16} <- {f16} {f16}",
                f"(min|max)(|.ftz)(|.NaN)(|.xorsign.abs).{f16}",
            ),
            each(f"{f16}-sign", "f16", f"{f16} <- {f16}", f"(abs|neg)(|.ftz).{f16}", rows=128),
            each(f"{bf16}-arithmetic", "bf16", f"{bf16} <- {bf16} {bf16}", f"(add|sub|mul)(|.rn).{bf16}"),
            each(f"{bf16}-fma", "bf16", f"{bf16} <- {bf16} {bf16} {bf16}", f"fma.rn(|.relu).{bf16}"),
            each(f"{bf16}-min-max", "bf16", f"{bf16} <- {bf16} {bf16}", f"{extremes}.{bf16}"),
            each(f"{bf16}-sign", "bf16", f"{bf16} <- {bf16}", f"(abs|neg).{bf16}", rows=128),
        ]
    return table


def conversions() -> list[Program]:
    """cvt."""
    widths, integral, bytes_ = (16, 32, 64), "(rni|rzi|rmi|rpi)", "(e4m3x2|e5m2x2)"
    table = []
    for a in widths:
        for d in widths:
            sat = f"cvt.sat.(u|s){d}.(u|s){a}" if d < a else f"cvt.sat.u{d}.s{a}"
            forms = f"cvt.(u|s){d}.(u|s){a}; {sat}" if d != a else f"{sat}; cvt.sat.s{d}.u{a}"
            table.append(each(f"convert-int{a}-to-int{d}", "convert", f"b{d} <- b{a}", forms, rows=128))
        table += [
            each(f"convert-int{a}-to-f16", "convert", f"f16 <- b{a}", f"cvt.{ROUNDINGS}.f16.(u|s){a}", rows=128),
            each(f"convert-int{a}-to-f32", "convert", f"f32 <- b{a}", f"cvt.{ROUNDINGS}.f32.(u|s){a}", rows=128),
            each(f"convert-int{a}-to-f64", "convert", f"f64 <- b{a}", f"cvt.{ROUNDINGS}.f64.(u|s){a}", rows=128),
            each(f"convert-f16-to-int{a}", "convert", f"b{a} <- f16", f"cvt.{integral}(|.sat).(u|s){a}.f16", rows=128),
            each(f"convert-f32-to-int{a}", "convert", f"b{a} <- f32", f"cvt.{integral}(|.ftz)(|.sat).(u|s){a}.f32"),
            each(f"convert-f64-to-int{a}", "convert", f"b{a} <- f64", f"cvt.{integral}(|.sat).(u|s){a}.f64"),
        ]
    table += [
        each("convert-bytes-16", "convert", "b16 <- b16", "cvt.(u|s)16.(u|s)8; cvt(|.sat).(u|s)8.(u|s)16"),
        each("convert-bytes-32", "convert", "b32 <- b32", "cvt.(u|s)32.(u|s)8; cvt(|.sat).(u|s)8.(u|s)32"),
        each("convert-bytes-64", "convert", "b64 <- b64", "cvt.(u|s)64.(u|s)8; cvt(|.sat).(u|s)8.(u|s)64"),
        each("convert-bytes-float", "convert", "f32 <- b16", "cvt.rn.f32.(u|s)8", rows=128),
        each("convert-float-bytes", "convert", "b16 <- f32", "cvt.rzi(|.sat).(u|s)8.f32", rows=128),
        each(
            "convert-f32-to-f16",
            "convert",
            "f16 <- f32",
            f"cvt.{ROUNDINGS}(|.ftz)(|.sat).f16.f32; cvt.(rn|rz).relu.f16.f32",
        ),
        each("convert-f32-to-bf16", "convert", "bf16 <- f32", "cvt.(rn|rz)(|.relu).bf16.f32", rows=384),
        each("convert-f32-to-f16x2", "convert", "f16x2 <- f32 f32", "cvt.(rn|rz)(|.relu).f16x2.f32"),
        each("convert-f32-to-bf16x2", "convert", "bf16x2 <- f32 f32", "cvt.(rn|rz)(|.relu).bf16x2.f32"),
        each("convert-pack-16", "convert", "b32 <- b32 b32", "cvt.pack.sat.(s|u)16.s32"),
        each("convert-pack-bytes", "convert", "b32 <- b32 b32 b32", "cvt.pack.sat.(s8|u8|s4|u4|s2|u2).s32.b32"),
        each("convert-f32-to-bytes", "convert", "b16 <- f32 f32", f"cvt.rn.satfinite(|.relu).{bytes_}.f32", rows=384),
        each("convert-f16x2-to-bytes", "convert", "b16 <- f16x2", f"cvt.rn.satfinite(|.relu).{bytes_}.f16x2"),
        each("convert-bytes-to-f16x2", "convert", "f16x2 <- b16", f"cvt.rn(|.relu).f16x2.{bytes_}"),
        each("convert-f32-to-tf32", "convert", "f32 <- f32", "cvt.rna.tf32.f32", rows=384),
        each("convert-f16-to-f32", "convert", "f32 <- f16", "cvt(|.ftz)(|.sat).f32.f16"),
        each("convert-bf16-to-f32", "convert", "f32 <- bf16", "cvt.f32.bf16"),
        each("convert-f16-to-f64", "convert", "f64 <- f16", "cvt.f64.f16", rows=128),
        each("convert-f32-to-f64", "convert", "f64 <- f32", "cvt(|.ftz)(|.sat).f64.f32"),
        each("convert-f64-to-f32", "convert", "f32 <- f64", f"cvt.{ROUNDINGS}(|.ftz)(|.sat).f32.f64"),
        each("convert-f64-to-f16", "convert", "f16 <- f64", f"cvt.{ROUNDINGS}(|.sat).f16.f64"),
        each("convert-round-f16", "convert", "f16 <- f16", f"cvt.{integral}(|.sat).f16.f16"),
        each("convert-round-f32", "convert", "f32 <- f32", f"cvt.{integral}(|.ftz)(|.sat).f32.f32"),
        each("convert-round-f64", "convert", "f64 <- f64", f"cvt.{integral}(|.sat).f64.f64"),
        each("convert-saturate-f32", "convert", "f32 <- f32", "cvt(|.ftz).sat.f32.f32; cvt.ftz.f32.f32", rows=128),
    ]
    return table
