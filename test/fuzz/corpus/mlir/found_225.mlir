#rows = #tile.layout<reg = [1, 64], lane = [2, 4, 8, 16, 4], reg = [8, 1]>
#linear = #tile.layout<offset = [1, 2, 4, 8, 16, 32, 64]>
func.func @convert_layout(%x: tensor<16x8xf32, #rows>) -> tensor<16x8x,%go: i1) {

}
ÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿredieee [2li2, #rows>
}
