"""``ShuffledTiles``: a dataset for PyTorch that streams images from the disk or an object store.

It reads tiles of neighbouring sources in a shuffled order, several tiles ahead, and gives whole
batches. Memory does not grow with the dataset. Not here: which samples a process reads
(``tile_order.py``), and how a tile is read (``tiles.py``).

>>> ShuffledTiles("no/such/place")
Traceback (most recent call last):
    ...
mingolotss.errors.DatasetError: read tiles of ...: there is nothing there; ...
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mingolotss.dataset.image_stack import unit_range
from mingolotss.dataset.label_targets import Target
from mingolotss.errors import InputError, clean_text
from mingolotss.io.optional import optional_class
from mingolotss.loaders.batch_tensors import TensorMemory, sent_as_bytes
from mingolotss.loaders.reused_memory import ReusedMemory
from mingolotss.loaders.tile_order import Share, TileOrder, batch_count
from mingolotss.loaders.tile_rows import TileRows
from mingolotss.loaders.tiles import TileReader, open_tiles
from mingolotss.loaders.transforms import (
    JointTransform,
    Transform,
    TransformedSamples,
    check_transforms,
)

if TYPE_CHECKING:
    import torch
    from torch.utils.data import IterableDataset
else:
    IterableDataset = optional_class("torch.utils.data", "IterableDataset", extra="torch")

__all__ = ["ShuffledTiles"]

_BLOCK = 256  # samples that are decoded at once where they are given one by one


class ShuffledTiles(TransformedSamples, IterableDataset):  # torch's base class is untyped here
    """Radio galaxies with their labels, streamed in batches from a HATS collection.

    Attributes
    ----------
    classes : list of str
    class_to_idx : dict of str to int
    channels : list of str
        The name of each channel; empty for a dataset without channels.
    target : {"index", "multi-hot", "soft"}
        What the targets are.
    samples : int
        Images in the split, of all processes together.
    epoch : int
        The order of the samples depends on it; see `set_epoch`.

    Raises
    ------
    DatasetError
        `root` holds no dataset, or a damaged one. A damaged tile raises it when it is read.
    InputError
        The dataset has no such split, class, channel, mask or column, or no image in it.

    Notes
    -----
    A tile is a group of rows of a Parquet file. Each process keeps `buffer` tiles and one or two
    more that it reads ahead, as they are stored: about ``(buffer + 2) * 2000 * bytes of a stamp``.
    Samples are drawn from these tiles at random, and the tiles from 32 files at a time. The same
    `seed`, epoch, number of ranks and number of workers give the same order.

    Each sample is given once in an epoch, by one process. Every batch but the last is full, and
    ``len(dataset)`` is the number of batches of this rank for any number of workers.

    Examples
    --------
    >>> import mingolotss
    >>> import torch
    >>> from torch.utils.data import DataLoader
    >>> done = mingolotss.export("demo", "hats", "tiles", fresh=True)
    >>> dataset = mingolotss.ShuffledTiles("tiles", batch_size=32, tensors=torch.uint8)
    >>> loader = DataLoader(dataset, batch_size=None)
    >>> for epoch in range(2):
    ...     dataset.set_epoch(epoch)
    ...     print([len(labels) for images, labels in loader])
    [32, 32, 32, 4]
    [32, 32, 32, 4]
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        *,
        batch_size: int | None = 256,
        shuffle: bool = True,
        seed: int = 0,
        buffer: int = 8,
        drop_last: bool = False,
        tensors: bool | torch.dtype = True,
        merge: Mapping[str, Sequence[str | int]] | None = None,
        channels: str | Sequence[str] | None = None,
        masks: bool = False,
        transforms: JointTransform | None = None,
        target: Target | None = None,
        return_metadata: bool | Sequence[str] = False,
        rank: int | None = None,
        ranks: int | None = None,
    ) -> None:
        """Find the tiles of one split; no image is read.

        Parameters
        ----------
        root : path or address
            A HATS collection that ``mingolotss export --format hats`` wrote, or one of its
            catalogues; also an export as Parquet, or a build. An address is one of fsspec.
        split : str
            A split by name ("val", "all", "train+val", "not fold-3").
        transform : callable, optional
            Applied to each image, a tensor of shape (channels, ny, nx).
        target_transform : callable, optional
            Applied to each target: an int, or a tensor.
        batch_size : int, optional
            Samples in each item, for ``DataLoader(dataset, batch_size=None)``. None gives the
            samples one by one, for ``DataLoader(dataset, batch_size=256)``, which is slower.
        shuffle : bool
            False gives the samples in the order of the files, which in a collection is that of the
            sky, for any number of workers if the dataset makes the batches.
        seed : int
            Of the shuffled order, 0 or more.
        buffer : int
            How many tiles each worker draws samples from at a time.
        drop_last : bool
            Leave out the last incomplete batch, and batches beyond the number that every rank can
            have, so that all ranks make the same number of steps.
        tensors : bool or torch.dtype
            True is float32 from 0 to 1, as for `MingoLoTSS`; ``torch.uint8`` is the pixels as they
            are. Images that are float32 themselves, in Jy/beam, stay so.
        merge : mapping of str to sequence of str or int, optional
            New classes made of old ones, by name or by label; the rest is left out.
        channels : str or sequence of str, optional
            Only these channels of a dataset with channels, in this order.
        masks : bool
            Give (images, masks, targets); masks are uint8, shape (n, ny, nx), with the values 0
            (background), 1 (this source) and 2 (another source).
        transforms : callable, optional
            With `masks`: applied to each image and its mask together, as for `MingoLoTSS`.
        target : {"index", "multi-hot", "soft"}, optional
            The number of the class, or a value for each class; as for `MingoLoTSS`.
        return_metadata : bool or sequence of str
            Give a last value with each batch: its columns as a dict of tensors and lists of str, in
            which a missing number is NaN, a missing integer -1 and a missing text "". Some columns
            by name, or all.
        rank, ranks : int, optional
            The number of this process among those that train together, and how many they are. By
            default those of ``torch.distributed``, if it is initialised when iteration begins.
        """
        import torch

        action = f"open {root}"
        _check_count(batch_size, "batch_size", 1, action, or_none=True)
        _check_count(buffer, "buffer", 1, action)
        _check_count(seed, "seed", 0, action)
        if (rank is None) != (ranks is None):
            raise InputError(f"{action}: rank={rank} and ranks={ranks}; give both of them or none")
        _check_count(ranks, "ranks", 1, action, or_none=True)
        _check_count(rank, "rank", 0, action, or_none=True)
        if rank is not None and ranks is not None and rank >= ranks:
            raise InputError(f"{action}: rank={rank} of {ranks} ranks; they begin at 0")
        check_transforms(transforms, action, masks=masks)
        if tensors not in (True, torch.float32, torch.uint8):
            raise InputError(f"{action}: tensors={tensors}; give torch.float32 or torch.uint8")
        self._tiles = open_tiles(
            root, split, merge=merge, channels=channels, masks=masks, target=target,
            metadata=return_metadata,
        )  # fmt: skip
        if tensors is torch.uint8 and self._tiles.shape.is_float:
            raise InputError(f"{action}: its images are float32; give tensors=torch.float32")
        self.root, self.split = self._tiles.root, split
        self.transform, self.target_transform = transform, target_transform
        self.transforms = transforms
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        self.buffer, self.drop_last = buffer, drop_last
        self._scale = tensors is not torch.uint8
        self._reused = ReusedMemory()
        self._rank, self._ranks = rank, ranks
        self.classes = list(self._tiles.labels.classes)
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        self.channels = list(self._tiles.channels)
        self.target: Target = self._tiles.labels.target
        self.samples = self._tiles.samples
        # In shared memory, so that workers that outlive an epoch see it.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def epoch(self) -> int:
        """The epoch that the next iteration is of."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch: each has an order of its own.

        Parameters
        ----------
        epoch : int
            From 0; the same for all ranks.

        Raises
        ------
        InputError
            It is no integer from 0.
        """
        _check_count(epoch, "epoch", 0, f"set the epoch of {self.root}")
        self._epoch.fill_(epoch)

    def __getstate__(self) -> dict[str, Any]:
        # A worker process that is started by spawn knows nothing of torch.distributed. A process
        # that will be a rank itself is started before it is initialised, and asks again.
        rank, ranks = self._distributed() or (self._rank, self._ranks)
        return vars(self) | {"_rank": rank, "_ranks": ranks}

    def _distributed(self) -> tuple[int, int] | None:
        """Return the rank and the number of ranks; None if neither is given or known."""
        import torch

        if self._rank is not None and self._ranks is not None:
            return self._rank, self._ranks
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        return None

    def _share(self) -> Share:
        """Return which share of the samples this process reads."""
        from torch.utils.data import get_worker_info

        rank, ranks = self._distributed() or (0, 1)
        worker = get_worker_info()
        if worker is None:
            return Share(rank, ranks, drop_last=self.drop_last)
        return Share(rank, ranks, worker.id, worker.num_workers, self.drop_last)

    def __len__(self) -> int:
        """Count the batches of this rank, or its samples if they are given one by one."""
        return batch_count(self.samples, self.batch_size or 1, self._share())

    def __iter__(self) -> Iterator[Any]:
        """Give the batches of this process, or its samples."""
        for rows in self._blocks():
            batch = self._batch(rows)
            if self.batch_size is not None:
                yield batch
            else:
                yield from batch

    def _blocks(self) -> Iterator[TileRows]:
        """Give the samples of this process, `batch_size` at a time; the last may be fewer."""
        size = self.batch_size or _BLOCK
        parts: list[TileRows] = []
        for rows in self._drawn():
            parts.append(rows)
            if sum(map(len, parts)) < size:
                continue
            joined = TileRows.join(parts)
            for start in range(0, len(joined) - size + 1, size):
                yield joined.take(np.arange(start, start + size))
            rest = np.arange(len(joined) - len(joined) % size, len(joined))
            parts = [joined.take(rest)] if len(rest) else []
        if parts:
            yield TileRows.join(parts)

    def _drawn(self) -> Iterator[TileRows]:
        """Give the samples of this process in their order, some at a time."""
        share, epoch = self._share(), self.epoch
        rng = np.random.default_rng([self.seed, epoch]) if self.shuffle else None
        tiles = self._tiles
        order = TileOrder.of_epoch(tiles.counts, tiles.file, self.batch_size or 1, rng, share)
        if rng is None:
            yield from self._read(order)
            return
        # The buffer is full with `buffer` tiles. Then a random part of it, as many samples as an
        # average tile has, makes room for the next one.
        own = np.random.default_rng([self.seed, epoch, 1 + share.rank, share.worker])
        held: list[TileRows] = []
        for number, rows in enumerate(self._read(order), 1):
            held.append(rows)
            if number < self.buffer:
                continue
            pool = TileRows.join(held)
            places = own.permutation(len(pool))
            count = -(-len(pool) // self.buffer)
            yield pool.take(places[:count])
            held = [pool.take(places[count:])]
        if held and len(pool := TileRows.join(held)):
            yield pool.take(own.permutation(len(pool)))

    def _read(self, order: TileOrder) -> Iterator[TileRows]:
        """Give tiles; the next one is read by a thread meanwhile."""
        with closing(TileReader(self._tiles)) as reader, ThreadPoolExecutor(1) as thread:
            ahead: Future[TileRows] | None = None
            for tile, rows in order:
                following = thread.submit(reader.read, tile, rows)
                if ahead is not None:
                    yield ahead.result()
                ahead = following
            if ahead is not None:
                yield ahead.result()

    def _batch(self, rows: TileRows) -> Any:
        """Decode samples: a tuple of tensors, or a list of samples if they are given one by one."""
        import torch
        from torch.utils.data import default_collate

        tiles = self._tiles
        memory = TensorMemory(self._reused)
        if self._scale and not tiles.shape.is_float:
            pixels = tiles.images(rows, self._reused)
            unit_range(pixels, memory(pixels.shape, np.dtype(np.float32)))
        else:
            tiles.images(rows, memory)
        values = [memory.tensor if self.channels else memory.tensor.unsqueeze(1)]
        if tiles.has_masks:
            tiles.masks(rows, memory)
            values.append(memory.tensor)
        targets = sent_as_bytes(torch.from_numpy(rows.targets))
        metadata = None if rows.metadata is None else _columns(rows.metadata)
        if self.batch_size is not None and not self._is_transformed():
            return (*values, targets) if metadata is None else (*values, targets, metadata)
        items = targets.tolist() if self.target == "index" else targets
        samples: list[Any] = list(zip(*values, items, strict=True))
        if self._is_transformed():
            apply = self._transformed_with_mask if tiles.has_masks else self._transformed
            samples = [apply(*sample) for sample in samples]
        if rows.metadata is not None and self.batch_size is None:
            dicts = rows.metadata.to_pylist()
            return [(*sample, one) for sample, one in zip(samples, dicts, strict=True)]
        if self.batch_size is None:
            return samples
        batch = tuple(default_collate(samples))
        return batch if metadata is None else (*batch, metadata)

    def __repr__(self) -> str:
        size = "single samples" if self.batch_size is None else f"batches of {self.batch_size}"
        order = f"shuffled, seed {self.seed}" if self.shuffle else "in the order of the files"
        return (
            f"{type(self).__name__} of {clean_text(self.root)}: split {self.split}, "
            f"{self.samples:,} samples in {len(self._tiles):,} tiles, {size}, {order}"
        )


def _columns(table: Any) -> dict[str, Any]:
    """Return the columns of a table as a DataLoader collates dicts: tensors, and lists of text."""
    import torch

    return {
        name: sent_as_bytes(torch.from_numpy(column.to_numpy().copy()))
        if column.type not in ("string", "large_string")
        else column.to_pylist()
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _check_count(
    value: object, name: str, least: int, action: str, *, or_none: bool = False
) -> None:
    """Refuse what is no integer from `least`."""
    if or_none and value is None:
        return
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_integer or value < least:  # type: ignore[operator]
        raise InputError(f"{action}: {name}={value!r:.80}; give an integer from {least}")
