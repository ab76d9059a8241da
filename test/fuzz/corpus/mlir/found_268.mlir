llvm.func @f(!llvm.ptr<1>, !llvm.array<4 x f32>, !llvm.struct<(i32, f32)>, !llvm.struct<"a", packed (i8, ptr)>, vector<[4]xf32>) -> !llvm.void
llvm.mlir.global internal constant @g("abc") {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<3 x i8>
llvm.func @k(%arg0: !llvm.ptr {llvm.noalias, llvm.align = 16 : i64}) attributes {nvvm.kernel, nvvm.reqntid = array<i32: 128, 1, 1>} {
  %0 = llvm.mlir.constant(dense<1.0> : vector<4xf32>) : vector<4xf32>
  %1 = llvm.mlir.addressof @g : !llvm.ptr<3>
  %2 = llvm.getelementptr inbounds %arg0[1, 2] : (!llvm.ptr) -> !llvm.ptr, !llvm.array<4 x f32>
  %3 = llvm.load %2 {alignment = 4 : i64} : !llvm.ptr -> f32
  %4 = llvm.mlir.undef : !llvm.struct<(i32, f32)>
  %5 = llvm.insertvalue %3, %4[1] : !llvm.struct<(i32, f32)>
  %6 = nvvm.read.ptx.sreg.tid.x range <i32, 0, 1024> : i32
  nvvm.barrier0
  %7 = llvm.inline_asm has_side_effects asm_dialect = att "a", "=r,r" %6 : (i32) -> i32
  %8 = vector.shuffle %0, %0 [0, 1, 4] : vector<4xf32>, vector<4xf32>
  %9 = vector.extract %0[1] : f32 from vector<4xf32>
  llvm.switch %6 : i32, ^bb1 [ 1: ^bb1, 2: ^bb1 ]
^bb1:
  llvm.return
}
#di_file = #llvm.di_file<"a.py" in "/b">
#cu = #llvm.di_compile_unit<id = distinct[0]<>, sourceLanguage = DW_LANG_C, file = #di_file, producer = "x", isOptimized = true, emissionKind = LineTablesOnly>
#t = #llvm.di_subroutine_type<callingConvention = DW_CC_normal>
#sp = #llvm.di_subprogram<id = distinct[1]<>, compileUnit = #cu, scope = #di_file, name = "k", file = #di_file, line = 1, subprogramFlags = "Definition|Optimized", type = #t>
module attributes {llvm.data_layout = ""} { func.func private @q() loc(fused<#sp>["a.py":1:2, unknown, callsite("x"("y":1:1) at "z":2:2 to 3:4)]) }
