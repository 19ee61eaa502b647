"""The samples of a batch that lie in one tensor, so that stacking them again copies nothing.

A DataLoader asks a dataset for a list of samples, and ``torch.utils.data.default_collate`` stacks
the images and the targets of that list. Images that were fetched together are rows of one tensor
already; stacking them writes a second one of the same size. `BatchSamples` is such a list, which
still has the tensors: ``default_collate`` returns them.

The documentation of ``default_collate`` names the way: a function for a type of samples, in
``default_collate_fn_map``. The first sample of the list is of such a type, a tuple like the others
else. If the list was changed, is collated a second time, or is a part of a batch, its samples are
stacked as usual, into memory of their own.

>>> import torch
>>> images, labels = torch.rand(2, 1, 150, 150), [4, 0]
>>> samples = BatchSamples.of((images, images.unbind()), (labels, labels))
>>> samples[1][1], len(samples), isinstance(samples, list)
(0, 2, True)
>>> collated, _ = torch.utils.data.default_collate(samples)
>>> collated is images, torch.utils.data.default_collate(samples[:1])[1].tolist()
(True, [4])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import is_
from typing import Any

from mingolotss.loaders.batch_tensors import sent_as_bytes

__all__ = ["BatchSamples", "Column"]

Column = tuple[Any, Sequence[Any]]


class BatchSamples(list[tuple[Any, ...]]):
    """The samples of a batch: tuples of an image, a target and whatever else a sample has."""

    _columns: tuple[Any, ...] | None = None  # until they are returned
    _unchanged: tuple[tuple[Any, ...], ...] = ()

    @classmethod
    def of(cls, *columns: Column) -> BatchSamples:
        """Return samples made of columns.

        Parameters
        ----------
        *columns : (tensor or sequence, sequence of its rows)
            What ``default_collate`` returns, a tensor; or what it collates, a sequence. The rows of
            a tensor are views of it.
        """
        samples = cls(zip(*(rows for _, rows in columns), strict=True))
        if samples:
            _register()
            samples[0] = _FirstSample(samples[0])
        samples._unchanged = tuple(samples)
        samples._columns = tuple(whole for whole, _ in columns)
        return samples

    def __reduce__(self) -> tuple[type[list[Any]], tuple[list[Any]]]:
        """Pickle as a plain list: a worker process may send the samples."""
        return list, (list(self),)

    def take_columns(self) -> tuple[Any, ...] | None:
        """Return the columns, once, if the list is as it was made."""
        is_whole = len(self) == len(self._unchanged) and all(map(is_, self, self._unchanged))
        columns, self._columns = self._columns if is_whole else None, None
        return columns


class _FirstSample(tuple[Any, ...]):
    """The first sample of a batch, by which ``default_collate`` knows what the list is."""

    __slots__ = ()

    def __reduce__(self) -> tuple[type[tuple[Any, ...]], tuple[tuple[Any, ...]]]:
        """Pickle as a plain tuple: a worker process may send the samples."""
        return tuple, (tuple(self),)


def _register() -> None:
    """Tell ``default_collate`` the function for samples of a batch."""
    from torch.utils.data._utils.collate import default_collate_fn_map

    default_collate_fn_map.setdefault(_FirstSample, _collate)


def _collate(
    batch: Sequence[Any], *, collate_fn_map: Mapping[Any, Any] | None = None
) -> Sequence[Any]:
    """Return what ``default_collate`` returns for samples that are plain tuples."""
    from torch import Tensor
    from torch.utils.data._utils.collate import collate

    columns = batch.take_columns() if isinstance(batch, BatchSamples) else None
    if columns is None:
        plain = [tuple(one) if type(one) is _FirstSample else one for one in batch]
        collated: Sequence[Any] = collate(plain, collate_fn_map=collate_fn_map)
        return collated
    whole = (
        column if isinstance(column, Tensor) else collate(column, collate_fn_map=collate_fn_map)
        for column in columns
    )
    return [sent_as_bytes(one) if isinstance(one, Tensor) else one for one in whole]
