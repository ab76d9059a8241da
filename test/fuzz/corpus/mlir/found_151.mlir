  tile.store %t, %v[%i, %i] along [0] : tensor<3xf32>, !tile.vector.transfer_readview<?x?xf32>
  tile.store %t, %v
}) : () -> ()
  return
}
