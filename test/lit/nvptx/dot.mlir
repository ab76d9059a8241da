// RUN: treadlec %s --emit=gpu --arch=sm_80 | FileCheck %s
// RUN: treadlec %s --emit=ptx --arch=sm_80 | FileCheck %s --check-prefix=PTX

// bf16 operands are copied asynchronously, 16 bytes at a time; out of bounds the source size is less and the rest is zero.
// Fragments come by ldmatrix; the operand whose columns are contiguous comes transposed.
// CHECK-LABEL: llvm.func @bf16
// CHECK: %[[size:.*]] = arith.select %{{.*}}, %{{.*}}, %c0_i32 : i32
// CHECK: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16, cache =  cg, %[[size]]
// CHECK: nvvm.cp.async.commit.group
// CHECK: nvvm.cp.async.wait.group 0
// CHECK-NEXT: nvvm.barrier0
// CHECK-DAG: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<row>, num = 4
// CHECK-DAG: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<col>
// CHECK: nvvm.mma.sync {{.*}}multiplicandAPtxType = #nvvm.mma_type<bf16>{{.*}}shape = #nvvm.shape<m = 16, n = 8, k = 16>
// PTX-LABEL: .entry bf16(
// PTX: cp.async.cg.shared.global [%r{{[0-9]+}}], [%rd{{[0-9]+}}], 16, %r{{[0-9]+}};
// PTX: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// PTX-DAG: ldmatrix.sync.aligned.m8n8.x{{[24]}}.trans.shared.b16
// PTX-DAG: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
func.func @bf16(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "bf16_x", tile.dims = ["M", "K"]},
                %w: !tile.view<?x?xbf16, align = 16> {tile.name = "bf16_w", tile.dims = ["K", "N"]},
                %y: !tile.view<?x?xf32, align = 16> {tile.name = "bf16_y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x32xbf16>
  %b = tile.load %w[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<32x64xbf16>
  %d = tile.dot %a, %b, %zero : tensor<64x32xbf16>, tensor<32x64xbf16> -> tensor<64x64xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// A product with a transposed operand (a row of each: q k^T) needs no transposing fetch.
// CHECK-LABEL: llvm.func @rows_by_rows
// CHECK-NOT: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<col>
// CHECK: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<row>
// CHECK-NOT: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<col>
// CHECK: llvm.return
func.func @rows_by_rows(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "rows_by_rows_x", tile.dims = ["M", "K"]},
                        %w: !tile.view<?x?xbf16, align = 16> {tile.name = "rows_by_rows_w", tile.dims = ["N", "K"]},
                        %y: !tile.view<?x?xf32, align = 16> {tile.name = "rows_by_rows_y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x32xbf16>
  %b = tile.load %w[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x32xbf16>
  %t = tile.transpose %b, [1, 0] : tensor<64x32xbf16> -> tensor<32x64xbf16>
  %d = tile.dot %a, %t, %zero : tensor<64x32xbf16>, tensor<32x64xbf16> -> tensor<64x64xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// f16 operands.
// CHECK-LABEL: llvm.func @f16
// CHECK: nvvm.mma.sync {{.*}} : (vector<2xf16>, vector<2xf16>, f32)
// PTX-LABEL: .entry f16(
// PTX: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
func.func @f16(%x: !tile.view<?x?xf16, align = 16> {tile.name = "f16_x", tile.dims = ["M", "K"]},
               %y: !tile.view<?x?xf32, align = 16> {tile.name = "f16_y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<32x32xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf16, align = 16> -> tensor<32x32xf16>
  %d = tile.dot %a, %a, %zero : tensor<32x32xf16>, tensor<32x32xf16> -> tensor<32x32xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<32x32xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// tf32: operands are rounded to it, and one product of a fragment is made.
// CHECK-LABEL: llvm.func @tf32
// CHECK: nvvm.convert.float.to.tf32
// CHECK: nvvm.mma.sync {{.*}}multiplicandAPtxType = #nvvm.mma_type<tf32>{{.*}}k = 8
// PTX-LABEL: .entry tf32(
// PTX: cvt.rna.tf32.f32
// PTX: mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
// PTX-NOT: mma.sync
// PTX: ret;
func.func @tf32(%x: !tile.view<?x?xf32, align = 16> {tile.name = "tf32_x", tile.dims = ["M", "K"]})
    attributes {tile.kernel, tile.num_warps = 1 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<16x8xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<16x8xf32>
  %b = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<8x8xf32>
  %d = tile.dot %a, %b, %zero precision tf32 : tensor<16x8xf32>, tensor<8x8xf32> -> tensor<16x8xf32>
  tile.store %d, %x[%c0, %c0] along [0, 1] : tensor<16x8xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// tf32x3: each operand is split in two, and three products are made, the small ones first.
// CHECK-LABEL: llvm.func @tf32x3
// CHECK: arith.subf
// CHECK-COUNT-3: nvvm.mma.sync
// CHECK-NOT: nvvm.mma.sync
// CHECK: llvm.return
// PTX-LABEL: .entry tf32x3(
// PTX-COUNT-3: mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
// PTX-NOT: mma.sync
// PTX: ret;
func.func @tf32x3(%x: !tile.view<?x?xf32, align = 16> {tile.name = "tf32x3_x", tile.dims = ["M", "K"]})
    attributes {tile.kernel, tile.num_warps = 1 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<16x8xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<16x8xf32>
  %b = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<8x8xf32>
  %d = tile.dot %a, %b, %zero precision tf32x3 : tensor<16x8xf32>, tensor<8x8xf32> -> tensor<16x8xf32>
  tile.store %d, %x[%c0, %c0] along [0, 1] : tensor<16x8xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// ieee: a loop of fused multiply-adds over the summed axis, and no tensor core.
// CHECK-LABEL: llvm.func @ieee
// CHECK-NOT: nvvm.mma.sync
// CHECK: scf.for
// CHECK: math.fma
// CHECK-NOT: nvvm.mma.sync
// CHECK: llvm.return
// PTX-LABEL: .entry ieee(
// PTX-NOT: mma.sync
// PTX: fma.rn.f32
// PTX-NOT: mma.sync
// PTX: ret;
func.func @ieee(%x: !tile.view<?x?xf32, align = 16> {tile.name = "ieee_x", tile.dims = ["M", "K"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<32x32xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<32x32xf32>
  %d = tile.dot %a, %a, %zero : tensor<32x32xf32>, tensor<32x32xf32> -> tensor<32x32xf32>
  tile.store %d, %x[%c0, %c0] along [0, 1] : tensor<32x32xf32>, !tile.view<?x?xf32, align = 16>
  return
}
