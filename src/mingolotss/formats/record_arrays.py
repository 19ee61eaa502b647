"""The arrays of records, as readers return them; a PNG is decoded on first use."""

from __future__ import annotations

from mingolotss.dataset.image_stack import ImageArray, ImageStack
from mingolotss.dataset.records import Records
from mingolotss.dataset.samples import TEXT_COLUMNS, Arrays
from mingolotss.dataset.split_names import select

__all__ = ["arrays_of"]


def arrays_of(records: Records, split: str, place: str) -> Arrays:
    """Return the samples of one split, or of all.

    Parameters
    ----------
    records : Records
    split : str
        As for ``load``.
    place : str
        Where they were read, for messages.

    Raises
    ------
    InputError
        There is no such split.
    DatasetError
        An image is damaged.
    """
    records = records.in_splits()
    if split != "all":
        records = records.take(select(records.texts("split"), split, place))
    records = records.with_images()
    texts = [records.texts(name) for name in TEXT_COLUMNS]
    shape = records.shape
    images: ImageArray | ImageStack = (
        ImageStack([records.lazy_images()]) if shape.is_png else records.images()
    )
    masks = records.lazy_masks()
    return Arrays(
        images, records.labels, records.classes, *texts,
        channels=shape.channels, vectors=records.vectors,
        masks=None if masks is None else ImageStack([masks]),
    )  # fmt: skip
