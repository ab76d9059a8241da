// What cannot become a kernel: functions that are no mixers, and steps that no kernel can run.
// RUN: treadle-opt %s --treadle-sequential -split-input-file -verify-diagnostics

// expected-error @below {{a mixer needs a body, found a declaration}}
func.func private @f() attributes {treadle.mixer}

// -----

// expected-error @below {{a mixer has one block, found 2}}
func.func @f() attributes {treadle.mixer} {
  cf.br ^next
^next:
  return
}

// -----

// expected-error @below {{a mixer has one treadle.scan, found none}}
func.func @f() attributes {treadle.mixer} {
  %c = arith.constant 0 : index
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, f32> {treadle.name = "x"}) attributes {treadle.mixer} {
  // expected-error @below {{'tile.program_id' is not part of a mixer; expected constants, treadle.fill, part, concat, one treadle.scan and func.return}}
  %i = tile.program_id 0
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    treadle.yield %x1 : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, f32> {treadle.name = "x"}) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    treadle.yield %x1 : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  // expected-error @below {{a mixer has one treadle.scan, found another}}
  %z = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    treadle.yield %x1 : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return
}

// -----

func.func @f() attributes {treadle.mixer} {
  %x = treadle.fill 0.0 : !treadle.field<BH, f32>
  // expected-error @below {{input 0 of the scan must be an argument of the mixer}}
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    treadle.yield %x1 : f32
  } : (!treadle.field<BH, f32>) from () -> (!treadle.field<BTH, f32>)
  return
}

// -----

// expected-error @below {{argument 1 of a mixer must be a field, found 'f32'}}
func.func @f(%x: !treadle.field<BTH, f32> {treadle.name = "x"}, %a: f32) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    treadle.yield %x1 : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return
}

// -----

// expected-error @below {{argument 0 is an input or an initial state of the scan, once; found 0 uses}}
func.func @f(%a: !treadle.field<BTH, f32> {treadle.name = "x"}, %x: !treadle.field<BTH, f32> {treadle.name = "x"}) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    treadle.yield %x1 : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return
}

// -----

// expected-error @below {{argument 0 is an input or an initial state of the scan, once; found 2 uses}}
func.func @f(%x: !treadle.field<BH, f32> {treadle.name = "x"}) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from (%x) {
  ^bb0(%x1: f32, %s: f32):
    treadle.yield next %x1 : f32
  } : (!treadle.field<BH, f32>) from (!treadle.field<BH, f32>) -> (!treadle.field<BH, f32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, f32> {treadle.name = "x"}) -> (!treadle.field<BTH, f32> {treadle.name = "y"}) attributes {treadle.mixer} {
  %z = treadle.fill 0.0 : !treadle.field<BH, 2xf32>
  %p = treadle.part %z, 0, 1 : !treadle.field<BH, 2xf32> -> !treadle.field<BH, f32>
  // expected-error @below {{initial state 0 of the scan must be an argument of the mixer, or treadle.fill}}
  %y, %s = treadle.scan (%x) from (%p) {
  ^bb0(%x1: f32, %s0: f32):
    treadle.yield %s0 : f32 next %x1 : f32
  } : (!treadle.field<BTH, f32>) from (!treadle.field<BH, f32>) -> (!treadle.field<BTH, f32>, !treadle.field<BH, f32>)
  return %y : !treadle.field<BTH, f32>
}

// -----

// expected-error @below {{argument 0 is an input or an initial state of the scan, or parts of it are}}
func.func @f(%x: !treadle.field<BTH, 2xf32> {treadle.name = "x"}) -> (!treadle.field<BTH, 2xf32> {treadle.name = "y"}) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: tensor<2xf32>):
    treadle.yield %x1 : tensor<2xf32>
  } : (!treadle.field<BTH, 2xf32>) from () -> (!treadle.field<BTH, 2xf32>)
  return %x : !treadle.field<BTH, 2xf32>
}

// -----

// expected-error @below {{argument 0 of a mixer needs treadle.name}}
func.func @f(%x: !treadle.field<BTH, f32>) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    treadle.yield %x1 : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return
}

// -----

// expected-error @below {{result 0 of a mixer needs treadle.name}}
func.func @f(%x: !treadle.field<BTH, f32> {treadle.name = "x"}) -> !treadle.field<BTH, f32> attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    treadle.yield %x1 : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return %y : !treadle.field<BTH, f32>
}

// -----

func.func @f(%x: !treadle.field<BTH, f32> {treadle.name = "x"}) -> (!treadle.field<BTH, f32> {treadle.name = "y"}, !treadle.field<BTH, f32> {treadle.name = "z"}) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    treadle.yield %x1 : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  // expected-error @below {{result 1 of a mixer must be a result of the scan that is not returned before}}
  return %y, %y : !treadle.field<BTH, f32>, !treadle.field<BTH, f32>
}

// -----

func.func @f(%x: !treadle.field<BTH, f32> {treadle.name = "x"}) -> (!treadle.field<BH, f32> {treadle.name = "y"}) attributes {treadle.mixer} {
  %z = treadle.fill 0.0 : !treadle.field<BH, f32>
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    treadle.yield %x1 : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  // expected-error @below {{result 0 of a mixer must be a result of the scan that is not returned before}}
  return %z : !treadle.field<BH, f32>
}

// -----

// expected-error @below {{argument 0: expected an integer as treadle.align, found "wide"}}
func.func @f(%x: !treadle.field<BTH, f32> {treadle.name = "x", treadle.align = "wide"}) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    treadle.yield %x1 : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return
}

// -----

// expected-error @below {{argument 0: align must be a power of two from 4 (one element) to 4096, found 12}}
func.func @f(%x: !treadle.field<BTH, f32> {treadle.name = "x", treadle.align = 12}) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    treadle.yield %x1 : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BT, f32> {treadle.name = "x"}) attributes {treadle.mixer} {
  // expected-error @below {{expected an argument or result of the mixer over H, found none}}
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    treadle.yield %x1 : f32
  } : (!treadle.field<BT, f32>) from () -> (!treadle.field<BTH, f32>)
  return
}

// -----

func.func @f(%x: !treadle.field<TH, f32> {treadle.name = "x"}) attributes {treadle.mixer} {
  // expected-error @below {{expected an argument or result of the mixer over B, found none}}
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    treadle.yield %x1 : f32
  } : (!treadle.field<TH, f32>) from () -> (!treadle.field<BTH, f32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BH, f32> {treadle.name = "x"}) attributes {treadle.mixer} {
  // expected-error @below {{expected an argument or result of the mixer over T, found none}}
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    treadle.yield %x1 : f32
  } : (!treadle.field<BH, f32>) from () -> (!treadle.field<BTH, f32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, 80xf32> {treadle.name = "x"}) -> (!treadle.field<BTH, f32> {treadle.name = "y"}) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%t: tensor<80xf32>):
    // expected-error @below {{a reduction over an axis of size 80 needs add, mul, max or min}}
    %r = tile.reduce (%t) along 0 {
    ^bb0(%a: f32, %b: f32):
      %s = arith.subf %a, %b : f32
      tile.yield %s : f32
    } : (tensor<80xf32>) -> f32
    treadle.yield %r : f32
  } : (!treadle.field<BTH, 80xf32>) from () -> (!treadle.field<BTH, f32>)
  return %y : !treadle.field<BTH, f32>
}

// -----

func.func @f(%x: !treadle.field<BTH, 5x3xf32> {treadle.name = "x"}) -> (!treadle.field<BTH, 5xf32> {treadle.name = "y"}) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%t: tensor<5x3xf32>):
    %i = arith.fptosi %t : tensor<5x3xf32> to tensor<5x3xi32>
    // expected-error @below {{a reduction over an axis of size 3 needs add, mul, max or min}}
    %m, %j = tile.reduce (%t, %i) along 1 {
    ^bb0(%a: f32, %ai: i32, %b: f32, %bi: i32):
      %s = arith.addf %a, %b : f32
      tile.yield %s, %ai : f32, i32
    } : (tensor<5x3xf32>, tensor<5x3xi32>) -> (tensor<5xf32>, tensor<5xi32>)
    treadle.yield %m : tensor<5xf32>
  } : (!treadle.field<BTH, 5x3xf32>) from () -> (!treadle.field<BTH, 5xf32>)
  return %y : !treadle.field<BTH, 5xf32>
}

// -----

func.func @f(%x: !treadle.field<BTH, 6x4xf32> {treadle.name = "x"}) -> (!treadle.field<BTH, 24xf32> {treadle.name = "y"}) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%t: tensor<6x4xf32>):
    // expected-error @below {{a reshape that splits or joins axes needs sizes that are powers of two, found [6, 4] to [24]}}
    %r = tile.reshape %t : tensor<6x4xf32> -> tensor<24xf32>
    treadle.yield %r : tensor<24xf32>
  } : (!treadle.field<BTH, 6x4xf32>) from () -> (!treadle.field<BTH, 24xf32>)
  return %y : !treadle.field<BTH, 24xf32>
}

// -----

func.func @f(%x: !treadle.field<BTH, 2xf32> {treadle.name = "x"}) -> (!treadle.field<BTH, 2xf32> {treadle.name = "y"}) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%t: tensor<2xf32>):
    // expected-error @below {{a constant tensor has one value everywhere; build others from tile.iota}}
    %c = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
    %r = arith.addf %t, %c : tensor<2xf32>
    treadle.yield %r : tensor<2xf32>
  } : (!treadle.field<BTH, 2xf32>) from () -> (!treadle.field<BTH, 2xf32>)
  return %y : !treadle.field<BTH, 2xf32>
}

// -----

func.func @f(%x: !treadle.field<BTH, 513xf32> {treadle.name = "x"}) -> (!treadle.field<BTH, 513x2000xf32> {treadle.name = "y"}) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%t: tensor<513xf32>):
    %c = tile.expand_dims %t, 1 : tensor<513xf32> -> tensor<513x1xf32>
    // expected-error @below {{a tile has at most 2^20 elements, found 'tensor<1024x2048xf32>', which 'tensor<513x2000xf32>' is padded to}}
    %b = tile.broadcast %c : tensor<513x1xf32> -> tensor<513x2000xf32>
    treadle.yield %b : tensor<513x2000xf32>
  } : (!treadle.field<BTH, 513xf32>) from () -> (!treadle.field<BTH, 513x2000xf32>)
  return %y : !treadle.field<BTH, 513x2000xf32>
}

// -----

func.func @f(%x: !treadle.field<BTH, 513x1030xf32> {treadle.name = "x"}) -> (!treadle.field<BTH, 513x1030xf32> {treadle.name = "y"}) attributes {treadle.mixer} {
  // expected-error @below {{a tile has at most 2^20 elements, found 'tensor<1024x2048xf32>', which 'tensor<513x1030xf32>' is padded to}}
  %y = treadle.scan (%x) from () {
  ^bb0(%t: tensor<513x1030xf32>):
    treadle.yield %t : tensor<513x1030xf32>
  } : (!treadle.field<BTH, 513x1030xf32>) from () -> (!treadle.field<BTH, 513x1030xf32>)
  return %y : !treadle.field<BTH, 513x1030xf32>
}

// -----

func.func @f(%x: !treadle.field<BTH, f32> {treadle.name = "x"}, %s0: !treadle.field<BH, f32> {treadle.name = "s"}) -> (!treadle.field<BTH, f32> {treadle.name = "y"}) attributes {treadle.mixer} {
  %y, %s1 = treadle.scan (%x) from (%s0) noncausal {
  ^bb0(%x1: f32, %s: f32):
    %n = arith.addf %s, %x1 : f32
    // expected-error @below {{an output of a noncausal step comes from its own time's inputs and the states' new values, found the old value of state 0}}
    %o = arith.mulf %n, %s : f32
    treadle.yield %o : f32 next %n : f32
  } : (!treadle.field<BTH, f32>) from (!treadle.field<BH, f32>) -> (!treadle.field<BTH, f32>, !treadle.field<BH, f32>)
  return %y : !treadle.field<BTH, f32>
}

// -----

func.func @f(%x: !treadle.field<BTH, f32> {treadle.name = "x"}, %s0: !treadle.field<BH, f32> {treadle.name = "s"}) -> (!treadle.field<BTH, f32> {treadle.name = "y"}) attributes {treadle.mixer} {
  %y, %s1 = treadle.scan (%x) from (%s0) noncausal {
  ^bb0(%x1: f32, %s: f32):
    // expected-error @below {{in a noncausal step a state's new value cannot be an input as it is: outputs could mean either}}
    treadle.yield %x1 : f32 next %x1 : f32
  } : (!treadle.field<BTH, f32>) from (!treadle.field<BH, f32>) -> (!treadle.field<BTH, f32>, !treadle.field<BH, f32>)
  return %y : !treadle.field<BTH, f32>
}

// -----

// expected-error @below {{treadle.shared_bytes of a module are numbers as i64 by names, found {f = 1 : i32}}}
module attributes {treadle.shared_bytes = {f = 1 : i32}} {}

// -----

func.func @f(%x: tensor<4x4xf32>) -> tensor<4xf32> {
  // expected-error @below {{treadle.parts is 1, 2 or 3 as i64, found 1000000 : i64}}
  %y = tile.reduce (%x) along 0 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32
  } {treadle.parts = 1000000 : i64} : (tensor<4x4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// expected-error @below {{'treadle.parts' belongs on a tile.reduce}}
func.func @f() attributes {treadle.parts = 2 : i64} { return }
