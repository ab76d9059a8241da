"""What stands in for tensors of PyTorch: arrays of NumPy with the methods that are used."""

from typing import Any

import numpy as np


class Device:
    """Like torch.device."""

    def __init__(self, name: str) -> None:
        self.type, _, index = name.partition(":")
        self.index = int(index) if index else None

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and (self.type, self.index) == (other.type, other.index)


class Tensor:
    """Like torch.Tensor, around an array of NumPy."""

    def __init__(self, array: Any, device: str = "cpu", name: str = "") -> None:
        self.array = array
        self.device = Device(device)
        self.dtype = f"torch.{name or array.dtype.name}"
        self.place, self.name = device, name

    def _same(self, array: Any) -> "Tensor":
        return Tensor(array, self.place, self.name)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    def data_ptr(self) -> int:
        return int(self.array.ctypes.data)

    def stride(self) -> tuple[int, ...]:
        return tuple(step // self.array.itemsize for step in self.array.strides)

    def element_size(self) -> int:
        return int(self.array.itemsize)

    def swapaxes(self, a: int, b: int) -> "Tensor":
        return self._same(self.array.swapaxes(a, b))

    def __getitem__(self, key: Any) -> "Tensor":
        return self._same(self.array[key])

    def __iter__(self) -> Any:
        if self.place != "cpu":
            raise AssertionError("its content is not on the CPU")
        return iter(self.array)

    def clone(self) -> "Tensor":
        return self._same(self.array.copy())

    def long(self) -> "Tensor":
        return Tensor(self.array.astype(np.int64), self.place)

    def new_empty(self, shape: tuple[int, ...], dtype: str) -> "Tensor":
        name = dtype.removeprefix("torch.")
        storage = np.uint16 if name == "bfloat16" else np.dtype(name)
        return Tensor(np.full(shape, 9, storage), self.place, "bfloat16" if name == "bfloat16" else "")

    def reshape(self, shape: tuple[int, ...]) -> "Tensor":
        return self._same(self.array.reshape(shape))

    def permute(self, order: tuple[int, ...]) -> "Tensor":
        return self._same(self.array.transpose(order))

    def contiguous(self) -> "Tensor":
        return self._same(np.ascontiguousarray(self.array))

    def repeat(self, counts: tuple[int, ...]) -> "Tensor":
        return self._same(np.tile(self.array, counts))
