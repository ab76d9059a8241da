// One kernel at every phase, from every phase on, and as a bundle.
// RUN: treadlec %s --emit=tile | FileCheck %s --check-prefix=TILE
// RUN: treadlec %s --emit=canonical | FileCheck %s --check-prefix=CANONICAL
// RUN: treadlec %s --emit=scheduled | FileCheck %s --check-prefix=SCHEDULED
// RUN: treadlec %s --emit=gpu | FileCheck %s --check-prefix=GPU
// RUN: treadlec %s --emit=llvm | FileCheck %s --check-prefix=LLVM
// RUN: treadlec %s --emit=llvmir | FileCheck %s --check-prefix=LLVMIR
// RUN: treadlec %s --emit=ptx --arch=sm_80 | FileCheck %s --check-prefixes=PTX,SM80
// RUN: treadlec %s --emit=ptx --arch=sm_90a | FileCheck %s --check-prefixes=PTX,SM90
//
// What a phase prints, with its locations, gives the same PTX.
// RUN: rm -rf %t && mkdir %t
// RUN: treadlec %s --emit=ptx -o %t/whole.ptx
// RUN: treadlec %s --emit=canonical --locations -o %t/canonical.mlir
// RUN: treadlec %t/canonical.mlir --from=canonical --emit=ptx -o %t/canonical.ptx
// RUN: cmp %t/whole.ptx %t/canonical.ptx
// RUN: treadlec %s --emit=scheduled --locations -o %t/scheduled.mlir
// RUN: treadlec %t/scheduled.mlir --from=scheduled --emit=ptx -o %t/scheduled.ptx
// RUN: cmp %t/whole.ptx %t/scheduled.ptx
// RUN: treadlec %s --emit=gpu --locations -o %t/gpu.mlir
// RUN: treadlec %t/gpu.mlir --from=gpu --emit=ptx -o %t/gpu.ptx
// RUN: cmp %t/whole.ptx %t/gpu.ptx
// RUN: treadlec %s --emit=llvm --locations -o %t/llvm.mlir
// RUN: treadlec %t/llvm.mlir --from=llvm --emit=ptx -o %t/llvm.ptx
// RUN: cmp %t/whole.ptx %t/llvm.ptx
// RUN: treadlec %s --emit=llvmir -o %t/llvmir.ll
// RUN: treadlec %t/llvmir.ll --from=llvmir --emit=ptx -o %t/llvmir.ptx
// RUN: cmp %t/whole.ptx %t/llvmir.ptx
//
// RUN: treadlec %s --no-ptxas --no-cache -o %t/out --dump-phases=%t/phases
// RUN: ls %t/phases | FileCheck %s --check-prefix=DUMPS
// RUN: ls %t/out | FileCheck %s --check-prefix=FILES
// RUN: FileCheck %s --check-prefix=MANIFEST < %t/out/scale.json

// DUMPS: 0-tile.mlir
// DUMPS-NEXT: 1-canonical.mlir
// DUMPS-NEXT: 2-scheduled.mlir
// DUMPS-NEXT: 3-gpu.mlir
// DUMPS-NEXT: 4-llvm.mlir
// DUMPS-NEXT: 5-llvmir.ll
// DUMPS-NEXT: 6-ptx.ptx

// FILES: scale.h
// FILES-NEXT: scale.json
// FILES-NEXT: scale.mlir
// FILES-NEXT: scale.ptx
// FILES-NOT: {{.}}

// MANIFEST: "format": 1,
// MANIFEST: "name": "scale",
// MANIFEST: "arch": "sm_90a",
// MANIFEST: "ptx_version": "8.0",
// MANIFEST: {"access":"read","align":16,"dtype":"bf16","kind":"tensor","name":"x","shape":["M","N"],"strides":[null,1]}
// MANIFEST: {"access":"write","align":16,"dtype":"bf16","kind":"tensor","name":"y","shape":["M","N"],"strides":[null,1]}
// MANIFEST: {"default":0.1{{0*1?}},"dtype":"f32","kind":"scalar","name":"a"}
// MANIFEST: "args":[{"pointer":"x"},{"dim":"M"},{"dim":"N"},{"stride":["x",0]},{"pointer":"y"},{"stride":["y",0]},{"scalar":"a"}]
// MANIFEST-SAME: "block":[128,1,1],"entry":"scale"
// MANIFEST-SAME: "grid":{{\[\[}}"ceildiv","M",32],["*",["+",["-","N","M"],1],2],1]

// TILE: tile.splat
// CANONICAL: tile.splat
// CANONICAL-NOT: arith.constant 7
// SCHEDULED: tile.load {{.*}}#layout
// GPU: llvm.func @scale
// GPU-SAME: nvvm.kernel
// GPU-SAME: nvvm.reqntid = array<i32: 128, 1, 1>
// LLVM-NOT: arith.
// LLVM: llvm.func @scale
// LLVM-NOT: {{arith|scf|vector}}.
// LLVMIR: define {{.*}} @scale(
// SM80: .version 7.0
// SM80: .target sm_80
// SM90: .version 8.0
// SM90: .target sm_90a
// PTX: .visible .entry scale(
// PTX: .reqntid 128
// PTX: ld.global{{.*}}.v4.b32
// PTX: st.global.v4.b32

func.func @scale(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "N"]},
                 %y: !tile.view<?x?xbf16, align = 16> {tile.name = "y", tile.dims = ["M", "N"]},
                 %a: f32 {tile.name = "a", tile.default = 0.1 : f32})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.num_stages = 2 : i32,
                tile.grid = affine_map<()[M, N] -> (M ceildiv 32, (N + 1 - M) * 2)>, tile.grid_dims = ["M", "N"]} {
  %unused = arith.constant 7 : index
  %c32 = arith.constant 32 : index
  %c64 = arith.constant 64 : index
  %i = tile.program_id 0
  %j = tile.program_id 1
  %r = arith.muli %i, %c32 : index
  %c = arith.muli %j, %c64 : index
  %t = tile.load %x[%r, %c] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<32x64xbf16>
  %f = arith.extf %t : tensor<32x64xbf16> to tensor<32x64xf32>
  %s = tile.splat %a : f32 -> tensor<32x64xf32>
  %g = arith.mulf %f, %s : tensor<32x64xf32>
  %o = arith.truncf %g : tensor<32x64xf32> to tensor<32x64xbf16>
  tile.store %o, %y[%r, %c] along [0, 1] : tensor<32x64xbf16>, !tile.view<?x?xbf16, align = 16>
  return
}
