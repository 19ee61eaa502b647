"""Verification of batches: of a build against its manifest, of an archive against its own list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.layout import BatchFolder
from mingolotss.dataset.masks import MASK_SHA256, has_masks
from mingolotss.dataset.samples import Arrays
from mingolotss.errors import DatasetError
from mingolotss.formats.batch_layout import BatchLayout
from mingolotss.formats.batches import read_batch
from mingolotss.io.files import md5_file
from mingolotss.qa.channel_digests import ChannelDigests
from mingolotss.qa.checks import Verification, check_checksums
from mingolotss.qa.verify_labels import check_vectors
from mingolotss.recipe.published_list import pixels_sha256

__all__ = ["check_batches", "verify_batches"]


def check_batches(
    folder: BatchFolder,
    names: Iterable[str],
    layout: BatchLayout,
    dataset: Path,
    written: pa.Table,
) -> Iterator[str]:
    """Check that each batch has the images of its rows of the manifest, in their order.

    Parameters
    ----------
    folder : BatchFolder
    names : iterable of str
        The file names of the batches.
    layout : BatchLayout
    dataset : Path
        The folder of the build.
    written : Table
        The written rows of the manifest.
    """
    digests = ChannelDigests.read(dataset, written)
    for name in names:
        path = folder.batch(name)
        if path.is_file():  # a missing one is reported with the checksums
            rows = written.filter(pc.equal(written["batch"], name))
            yield from _check_batch(path, rows, layout, digests)


def verify_batches(archive: Path, folder: BatchFolder) -> Verification:
    """Check the batches of an archive, unpacked in `folder`, against its own MD5 checksums."""
    names, problems = check_checksums(folder.checksums, md5_file)
    images = 0
    for path in (*folder.training_files(), *folder.split_files(), folder.test):
        if not path.is_file():
            continue
        try:
            images += len(read_batch(path))
        except DatasetError as error:
            problems.append(f"{path.name}: {str(error).removeprefix(f'read {path}: ')}")
    return Verification(archive, len(names), images, problems)


def _check_batch(
    path: Path, rows: pa.Table, layout: BatchLayout, digests: ChannelDigests
) -> Iterator[str]:
    batch = read_batch(path)
    names = [layout.filename(name) for name in rows["image_file"].to_pylist()]
    has_sources = "src_ids" in layout.pickle.keys
    if has_sources and list(batch.sources) != rows["source"].to_pylist():
        yield f"{path.name}: its sources differ from the manifest"
    elif list(batch.filenames) != names:
        yield f"{path.name}: its file names differ from the manifest"
    elif batch.labels.tolist() != rows["label"].fill_null(-1).to_pylist():
        yield f"{path.name}: its labels differ from the manifest"
    elif problems := list(
        check_vectors(batch.vectors, batch.classes, rows["image_file"].to_pylist(), rows)
    ):
        yield from (f"{path.name}, {problem}" for problem in problems)
    else:
        files, expected = (rows[name].to_pylist() for name in ("image_file", "pixels_sha256"))
        for file, digest, image in zip(files, expected, np.asarray(batch.images), strict=True):
            if pixels_sha256(image) != digest:
                where = digests.describe(file, image)
                yield f"{path.name}: its images differ from the manifest{where}"
                return
        if has_masks(rows.schema) and not _has_masks_of(batch, rows):
            yield f"{path.name}: its masks differ from the manifest"


def _has_masks_of(batch: Arrays, rows: pa.Table) -> bool:
    """Return whether the masks of a batch are those of its rows of the manifest."""
    if batch.masks is None:
        return False
    digests = [pixels_sha256(mask) for mask in np.asarray(batch.masks)]
    expected: list[str] = rows[MASK_SHA256.name].to_pylist()
    return digests == expected
