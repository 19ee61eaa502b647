"""The rows of a batch that lies in one tensor, so that stacking them again copies nothing.

A DataLoader collates a list of (image, label) by stacking the images. Images that were fetched
together are rows of one tensor already; stacking them writes a second one of the same size, which
lowers the rate (2 cores, batches of 64 float32 images of 150 x 150: 60,000 images/s with it, 90,000
to 120,000 without).

``torch.utils.data.default_collate`` calls ``torch.stack(images, 0, out=None)``, and a tensor class
may answer a torch function itself (``__torch_function__``, see "Extending PyTorch" in its
documentation). The first row of a batch is of such a class. Every other call, that of a collate
function which stacks the images itself included, has its usual result in memory of its own, and so
has a second call for the same rows.

>>> import torch
>>> batch = torch.zeros(2, 1, 150, 150)
>>> rows = batch_rows(batch)
>>> images, labels = torch.utils.data.default_collate(list(zip(rows, [4, 0])))
>>> images is batch, labels.tolist()
(True, [4, 0])
>>> torch.stack(rows) is batch, type(torch.stack(rows)) is torch.Tensor
(False, True)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from operator import is_
from typing import TYPE_CHECKING, Any, SupportsIndex

from mingolotss.io.optional import optional_class

if TYPE_CHECKING:
    from torch import Tensor
else:
    Tensor = optional_class("torch", "Tensor", extra="torch")

__all__ = ["batch_rows"]


def batch_rows(batch: Tensor) -> list[Tensor]:
    """Return the images of `batch` as views.

    Parameters
    ----------
    batch : tensor, shape (n, 1, ny, nx)

    Returns
    -------
    list of tensor, shape (1, ny, nx)
        ``default_collate`` returns `batch` itself, once, for all of them in their order.
    """
    first, *others = batch.unbind()
    row = first.as_subclass(_FirstRow)
    row.batch, row.others = batch, others
    return [row, *others]


class _FirstRow(Tensor):
    """The first image of a batch, which knows the batch and its other rows.

    The other rows have no reference to this one: a cycle would keep the batch in memory until the
    garbage collector runs.
    """

    batch: Tensor | None = None  # until it is returned; never set on a result of a computation
    others: Sequence[Tensor] = ()

    @classmethod
    def __torch_function__(
        cls,
        function: Callable[..., object],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Return the batch, once, if `function` stacks all its rows for ``default_collate``."""
        if kwargs == {"out": None} and args[1:] == (0,):
            import torch

            first, *others = args[0] if function is torch.stack else (None,)
            if isinstance(first, cls) and first.batch is not None and _same(others, first.others):
                batch, first.batch = first.batch, None
                return batch
        result = super().__torch_function__(function, types, args, kwargs or {})
        return result.as_subclass(Tensor) if isinstance(result, cls) else result

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[object, ...]:
        """Pickle as a plain tensor: a worker process may send the image."""
        plain: Tensor = self.as_subclass(Tensor)
        state: str | tuple[object, ...] = plain.__reduce_ex__(protocol)
        return state

    def __deepcopy__(self, memo: dict[int, object]) -> Tensor:
        return copy.deepcopy(self.as_subclass(Tensor), memo)


def _same(rows: Sequence[object], others: Sequence[object]) -> bool:
    """Return whether two sequences hold the same objects in the same order."""
    return len(rows) == len(others) and all(map(is_, rows, others))
