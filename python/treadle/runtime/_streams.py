"""CUDA streams of other libraries as addresses."""

from __future__ import annotations

import sys
from typing import Any

from treadle.errors import LaunchError


def stream_address(stream: Any, device: int) -> int:
    """The address of a stream: an integer, a stream object, or None for the current stream of the device."""
    if stream is None:
        return current_stream(device)
    if isinstance(stream, int):
        return stream
    for name in ("cuda_stream", "ptr"):  # PyTorch; CuPy
        address = getattr(stream, name, None)
        if isinstance(address, int):
            return address
    protocol = getattr(stream, "__cuda_stream__", None)
    if protocol is not None:
        return int((protocol() if callable(protocol) else protocol)[1])
    raise LaunchError(f"expected a CUDA stream, found {type(stream).__name__}")


def current_stream(device: int) -> int:
    """PyTorch's current stream of a device if this process runs PyTorch on CUDA, else the legacy default stream."""
    torch = sys.modules.get("torch")
    if torch is None or device < 0:
        return 0
    try:
        if not torch.cuda.is_initialized():
            return 0
        return int(torch._C._cuda_getCurrentRawStream(device))
    except AttributeError:
        pass
    try:
        return int(torch.cuda.current_stream(device).cuda_stream)
    except AttributeError:  # another module of that name, or one still being imported
        return 0
