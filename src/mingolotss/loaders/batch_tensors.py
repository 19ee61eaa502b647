"""The tensors of a batch, which a worker process of a DataLoader may have to send.

PyTorch sends each tensor in a block of shared memory of its own. That costs 0.5 ms of the processor
for each tensor, most of it to hand over the block, and a copy of the pixels with a page fault for
every 4 kB. In a worker process, large tensors are therefore made in shared memory, and small ones
are sent as bytes: a batch of 256 images of 64 x 64 pixels with their labels takes 21 us of the
processor for each image instead of 30 (two workers, median of four). In the process that trains, a
tensor has memory of an earlier batch that is no longer needed (``reused_memory.py``).

>>> make = TensorMemory(ReusedMemory())
>>> make((2, 3), np.dtype(np.uint8))[:] = 7
>>> int(make.tensor.sum()), sent_as_bytes(make.tensor).tolist()
(42, [[7, 7, 7], [7, 7, 7]])
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from mingolotss.io.optional import optional_class
from mingolotss.loaders.reused_memory import ReusedMemory

if TYPE_CHECKING:
    from torch import Tensor
else:
    Tensor = optional_class("torch", "Tensor", extra="torch")

__all__ = ["TensorMemory", "sent_as_bytes"]

_MOST_BYTES = 1 << 16  # that a pipe of Linux holds


class TensorMemory:
    """Makes an array for pixels, whose memory is that of a tensor.

    Parameters
    ----------
    reused : ReusedMemory
        Of the dataset, for all its batches in this process.
    is_sent : bool
        A worker process sends the tensor as it is.

    Attributes
    ----------
    tensor : tensor
        The last one that was made; in shared memory if this is a worker process.
    """

    tensor: Tensor

    def __init__(self, reused: ReusedMemory, *, is_sent: bool = True) -> None:
        self._reused, self._is_sent = reused, is_sent

    def __call__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """Return an array with any content, and keep its tensor."""
        import torch
        from torch.utils.data import get_worker_info

        if not self._is_sent or get_worker_info() is None:
            array = self._reused(shape, dtype)
            self.tensor = torch.from_numpy(array)
            return array
        # As torch.utils.data.default_collate does in a worker process.
        storage = torch.UntypedStorage._new_shared(math.prod(shape) * dtype.itemsize)  # noqa: SLF001
        kind = torch.from_numpy(np.empty(0, dtype)).dtype
        self.tensor = torch.empty(0, dtype=kind).set_(storage, 0, shape)
        shared: npt.NDArray[Any] = self.tensor.numpy()
        return shared


def sent_as_bytes(tensor: Tensor) -> Tensor:
    """Return a small tensor which a worker process sends as bytes; elsewhere the tensor itself."""
    from torch.utils.data import get_worker_info

    if get_worker_info() is None or tensor.numel() * tensor.element_size() > _MOST_BYTES:
        return tensor
    return tensor.as_subclass(_SmallTensor)


class _SmallTensor(Tensor):
    """A tensor that is pickled with its values, which PyTorch does for subclasses alone."""

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        """Give plain tensors as results, also of a collate function of the user."""
        result = super().__torch_function__(function, types, args, kwargs or {})
        return result.as_subclass(Tensor) if isinstance(result, cls) else result

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[object, ...]:
        """Pickle as a plain tensor."""
        values = self.as_subclass(Tensor).numpy()
        return _from_bytes, (values.tobytes(), values.dtype.str, values.shape)


def _from_bytes(data: bytes, dtype: str, shape: tuple[int, ...]) -> Tensor:
    import torch

    tensor: Tensor = torch.from_numpy(np.frombuffer(bytearray(data), dtype).reshape(shape))
    return tensor
