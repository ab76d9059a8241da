// The verifiers of layouts, shared memory and the ops of the scheduled stage.
// RUN: treadle-opt %s --split-input-file --verify-diagnostics

// expected-error @below {{the layout does not fit a tile of shape [4, 64]: basis 1000000 is outside of the tile}}
func.func private @f(tensor<4x64xf32, #tile.layout<reg = [1000000], lane = [], warp = []>>)

// -----

// expected-error @below {{the layout does not fit a tile of shape [64]: some elements are held nowhere}}
func.func private @f(tensor<64xf32, #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = []>>)

// -----

// expected-error @below {{the layout does not fit a tile of shape [-9223372036854775808]: dimension -9223372036854775808 is not a power of two}}
func.func private @f(tensor<?xf32, #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = []>>)

// -----

// expected-error @below {{a tensor's layout has reg, lane and warp, found #tile.layout<offset = [1, 2]>}}
func.func private @f(tensor<4xf32, #tile.layout<offset = [1, 2]>>)

// -----

// expected-error @below {{a ring has 1 to 64 slots, found 0}}
func.func private @f(!tile.shared<0 x [4], f32, #tile.layout<offset = [1, 2]>>)

// -----

// expected-error @below {{the layout does not fit a tile of shape [3, -5]: dimension 3 is not a power of two}}
func.func private @f(!tile.shared<1 x [3, -5], f32, #tile.layout<offset = [1, 2]>>)

// -----

// expected-error @below {{a shared tile's element must be f32, f16, bf16, i64, i32, i16 or i8, found 'i1'}}
func.func private @f(!tile.shared<1 x [4], i1, #tile.layout<offset = [1, 2]>>)

// -----

// expected-error @below {{a shared tile's layout has offset alone, found #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = []>}}
func.func private @f(!tile.shared<1 x [32], f32, #tile.layout<lane = [1, 2, 4, 8, 16]>>)

// -----

#l4 = #tile.layout<offset = [1, 2]>
func.func @slot(%ring: !tile.shared<3 x [4], f32, #l4>, %i: index) {
  // expected-error @below {{expected a result of type '!tile.shared<1 x[4], f32, <offset = [1, 2]>>', found '!tile.shared<1 x[4], bf16, <offset = [1, 2]>>'}}
  %slot = tile.slot %ring[%i] : !tile.shared<3 x [4], f32, #l4> -> !tile.shared<1 x [4], bf16, #l4>
  return
}

// -----

#l4 = #tile.layout<offset = [1, 2]>
func.func @async_along(%x: !tile.view<?xf32>, %s: !tile.shared<1 x [4], f32, #l4>, %i: index) {
  // expected-error @below {{expected 'along' to list 2 axes, found 1}}
  tile.async_load %x[%i] along [0] into %s : !tile.view<?xf32> -> !tile.shared<1 x [4], f32, #l4>
  return
}

// -----

#l16 = #tile.layout<offset = [1, 2, 4, 8]>
func.func @async_element(%x: !tile.view<?x?xf32>, %s: !tile.shared<1 x [4, 4], bf16, #l16>, %i: index) {
  // expected-error @below {{expected elements of the view's type 'f32', found 'bf16'}}
  tile.async_load %x[%i, %i] along [0, 1] into %s : !tile.view<?x?xf32> -> !tile.shared<1 x [4, 4], bf16, #l16>
  return
}

// -----

#l16 = #tile.layout<offset = [1, 2, 4, 8]>
func.func @async_ring(%x: !tile.view<?x?xf32>, %s: !tile.shared<2 x [4, 4], f32, #l16>, %i: index) {
  // expected-error @below {{expected one slot of a ring, found '!tile.shared<2 x}}
  tile.async_load %x[%i, %i] along [0, 1] into %s : !tile.view<?x?xf32> -> !tile.shared<2 x [4, 4], f32, #l16>
  return
}

// -----

#l4 = #tile.layout<offset = [1, 2]>
func.func @local_load(%s: !tile.shared<1 x [4], f32, #l4>) {
  // expected-error @below {{expected one shape and one element type, found 'tensor<8xf32>' and '!tile.shared<1 x}}
  %t = tile.local_load %s : !tile.shared<1 x [4], f32, #l4> -> tensor<8xf32>
  return
}

// -----

#l4 = #tile.layout<offset = [1, 2]>
func.func @local_store(%t: tensor<4xbf16>, %s: !tile.shared<1 x [4], f32, #l4>) {
  // expected-error @below {{expected one shape and one element type, found 'tensor<4xbf16>' and '!tile.shared<1 x}}
  tile.local_store %t, %s : tensor<4xbf16>, !tile.shared<1 x [4], f32, #l4>
  return
}

// -----

#l8 = #tile.layout<offset = [1, 2, 4]>
func.func @transpose(%s: !tile.shared<1 x [4, 2], f32, #l8>) {
  // expected-error @below {{permutation [1, 1] does not take}}
  %t = tile.shared_transpose %s, [1, 1] : !tile.shared<1 x [4, 2], f32, #l8> -> !tile.shared<1 x [2, 4], f32, #l8>
  return
}

// -----

func.func @convert_shape(%t: tensor<4xf32>) {
  // expected-error @below {{changes the shape from [4] to [8]}}
  %u = tile.convert_layout %t : tensor<4xf32> -> tensor<8xf32>
  return
}

// -----

func.func @convert_element(%t: tensor<4xf32>) {
  // expected-error @below {{changes the element type from 'f32' to 'bf16'}}
  %u = tile.convert_layout %t : tensor<4xf32> -> tensor<4xbf16>
  return
}
