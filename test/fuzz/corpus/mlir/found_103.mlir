    %15 = arith.muli %12, %8 : index
  tile.store %c0(unkre 0] : tensor<8xf32>, !tile.view<?tensor
}
