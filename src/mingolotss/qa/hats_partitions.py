"""Verification of one partition of a HATS catalogue: its place on the sky, its rows, its images.

A partition is read group by group, so that memory holds few of its images.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.channel_table import CHANNELS_COLUMN, nest_channels, read_channels
from mingolotss.dataset.hats_catalogue import HatsPartition
from mingolotss.dataset.hats_columns import INDEX_COLUMN
from mingolotss.dataset.label_columns import TAGS, VOTES, VOTES_TOTAL
from mingolotss.dataset.layout import DatasetFolder
from mingolotss.dataset.masks import MASK_SHA256
from mingolotss.dataset.stamps import StampFile, decode_stamp
from mingolotss.errors import DatasetError
from mingolotss.formats.hats.partitions import INDEX_ORDER, Partition, healpix_index
from mingolotss.io.png import decode_png
from mingolotss.io.summaries import count_text
from mingolotss.model import Bools, Ints
from mingolotss.qa.channel_digests import ChannelDigests
from mingolotss.recipe.published_list import pixels_sha256

__all__ = ["ManifestRows", "check_partition"]

_OF_LABELS = ("label", "class", VOTES_TOTAL.name)
_LARGEST_ERROR_ARCSEC = 0.002  # of an index of order 29, whose pixels are 0.0004 arcsec wide


class ManifestRows:
    """The written rows of a manifest, which the partitions repeat.

    Parameters
    ----------
    dataset : Path
        The folder of the manifest.
    written : Table

    Attributes
    ----------
    table : Table
        `written`, and the channels of each stamp.
    rows : int64 array, shape (n,)
        The row of the catalogue of sources.
    sources : list of str, length n
    ra, dec : float64 array, shape (n,), degrees
        NaN where a source has no position.
    is_placed : bool array, shape (n,)
        Whether a source has a position.
    index : int64 array, shape (n,)
        The HEALPix index of order 29 of each source, -1 without a position.
    digests : ChannelDigests
    """

    def __init__(self, dataset: Path, written: pa.Table) -> None:
        self._rows = written["row"].combine_chunks()
        self.table = written
        if DatasetFolder(dataset).channels.is_file():
            column = nest_channels(read_channels(dataset), written["row"].to_pylist())
            self.table = written.append_column(CHANNELS_COLUMN, column)
        self.rows: Ints = self._rows.to_numpy().astype(np.int64)
        self.sources: list[str] = written["source"].to_pylist()
        self.ra, self.dec = (
            np.asarray(written[name].fill_null(np.nan), float) for name in ("ra", "dec")
        )
        self.is_placed = np.isfinite(self.ra) & (np.abs(self.dec) <= 90)
        self.index = np.full(len(written), -1, np.int64)
        positions = self.ra[self.is_placed], self.dec[self.is_placed]
        self.index[self.is_placed] = healpix_index(*positions)
        self.digests = ChannelDigests.read(dataset, written)

    def find(self, rows: Ints) -> Ints:
        """Return the index in `table` of each row of the catalogue, -1 for one that is not there.

        Parameters
        ----------
        rows : int64 array, shape (n,)
        """
        places = pc.index_in(pa.array(rows).cast(self._rows.type), self._rows).fill_null(-1)
        return np.asarray(places.to_numpy(zero_copy_only=False), np.int64)


def check_partition(
    name: str, partition: HatsPartition, stamps: StampFile, manifest: ManifestRows
) -> Generator[str, None, Ints]:
    """Check a partition, and return the rows of the catalogue of sources that it has.

    Parameters
    ----------
    name : str
        Of its file, for messages.
    partition : HatsPartition
    stamps : StampFile
        Its open file.
    manifest : ManifestRows

    Raises
    ------
    DatasetError
        The file is damaged.
    """
    rows, index = stamps.rows(), stamps.integers(INDEX_COLUMN)
    table = stamps.table(has_images=False)
    places = manifest.find(rows)
    yield from _check_places(name, partition, index, places, manifest)
    if (np.lexsort((rows, index)) != np.arange(len(rows))).any():
        yield f"{name}: its rows are not in the order of {INDEX_COLUMN}"
    differing = yield from _check_rows(name, table, places, manifest)
    yield from _check_images(name, stamps, manifest, differing)
    return rows


def _check_places(
    name: str, partition: HatsPartition, index: Ints, places: Ints, manifest: ManifestRows
) -> Iterator[str]:
    """Check that each index is that of the position in the manifest, and lies in the partition."""
    is_known = places >= 0
    index, places = index[is_known], places[is_known]
    pixel = Partition(partition.order, partition.pixel)
    is_right = manifest.is_placed[places] & (index >= 0) & (index < 12 << 2 * INDEX_ORDER)
    right = places[is_right]
    is_right[is_right] = _are_near(index[is_right], manifest, right)
    is_outside = (manifest.index[places] < pixel.start) | (manifest.index[places] >= pixel.stop)
    # A source at the edge of a pixel may lie beyond it by the last bit of its position.
    is_outside &= (index < pixel.start) | (index >= pixel.stop)
    for words, is_wrong in (
        (f"{INDEX_COLUMN} is not that of the position", ~is_right),
        ("the position is outside of the partition", is_outside),
    ):
        if is_wrong.any():
            first = manifest.sources[places[int(np.argmax(is_wrong))]]
            count = count_text(int(is_wrong.sum()), "row")
            yield f"{name}: {words} in {count}, for example {first}"


def _are_near(index: Ints, manifest: ManifestRows, places: Ints) -> Bools:
    """Return whether indices are those of positions, except for the last bits of a number."""
    is_near: Bools = index == manifest.index[places]
    others = np.flatnonzero(~is_near)
    if len(others):
        from astropy import units  # 0.2 s, for collections of other machines
        from astropy_healpix import healpix_to_lonlat

        ra, dec = manifest.ra[places[others]], manifest.dec[places[others]]
        lon, lat = healpix_to_lonlat(index[others], 1 << INDEX_ORDER, order="nested")
        x = ((lon.to_value(units.deg) - ra + 180) % 360 - 180) * np.cos(np.deg2rad(dec))
        distance = np.hypot(x, lat.to_value(units.deg) - dec) * 3600
        is_near[others] = distance < _LARGEST_ERROR_ARCSEC
    return is_near


def _check_rows(
    name: str, table: pa.Table, places: Ints, manifest: ManifestRows
) -> Generator[str, None, set[int]]:
    """Compare the columns of the manifest, without the images; return the rows that differ.

    The result has the indices in the manifest. Rows that differ in the same columns have one line.
    """
    if (places < 0).any():
        source = table["source"][int(np.argmax(places < 0))].as_py()
        count = int((places < 0).sum())
        yield f"{name}: rows that the manifest does not have: {count:,}, for example {source}"
    known = np.flatnonzero(places >= 0)
    ours = table.take(pa.array(known))
    theirs = manifest.table.take(pa.array(places[known]))
    missing = [one for one in theirs.column_names if one not in ours.column_names]
    if missing:
        yield f"{name}: it lacks the columns {', '.join(missing)} of the manifest"
    differing: dict[int, list[str]] = {}
    for column in theirs.column_names:
        if column not in missing:
            for row in np.flatnonzero(~_are_equal(ours[column], theirs[column])).tolist():
                differing.setdefault(row, []).append(column)
    groups: dict[str, list[int]] = {}
    for row, columns in differing.items():
        groups.setdefault(_describe_columns(columns), []).append(row)
    for words, rows in groups.items():
        source = manifest.sources[places[known[rows[0]]]]
        more = f"; so are those of {len(rows) - 1:,} more rows" if len(rows) > 1 else ""
        yield f"{name}, {source}: its {words} not the manifest's{more}"
    return {int(places[known[row]]) for row in differing}


def _describe_columns(columns: Sequence[str]) -> str:
    """Name columns that differ, with the verb; a class follows from the tags or votes."""
    if labels := [name for name in (TAGS.name, VOTES.name) if name in columns]:
        columns = [name for name in columns if name not in _OF_LABELS or name in labels]
        return f"{', '.join(columns)} are"
    if len(columns) == 1:
        return f"{columns[0]} is"
    return f"columns {', '.join(columns)} are"


def _are_equal(a: pa.ChunkedArray, b: pa.ChunkedArray) -> Bools:
    """Return which values of two columns are equal; null equals null, and NaN equals NaN."""
    if a.equals(b):
        return np.ones(len(a), bool)
    if pa.types.is_floating(a.type) and pa.types.is_floating(b.type):
        x, y = (np.asarray(one.fill_null(np.nan), float) for one in (a, b))
        have_values = np.asarray(a.is_null()) == np.asarray(b.is_null())
        are_equal: Bools = have_values & ((x == y) | (np.isnan(x) & np.isnan(y)))
        return are_equal
    pairs = zip(a.to_pylist(), b.to_pylist(), strict=True)
    # Lists and records may have NaN inside, which is not equal to itself.
    return np.array([x == y or repr(x) == repr(y) for x, y in pairs], bool)


def _check_images(
    name: str, stamps: StampFile, manifest: ManifestRows, differing: Collection[int]
) -> Iterator[str]:
    """Compare images and masks with the manifest, but for rows of it that differ anyway."""
    columns = ["source", "image_file", "pixels_sha256"]
    columns += [MASK_SHA256.name] if stamps.has_masks else []
    known = manifest.table.column_names
    columns = [column for column in columns if column in known]
    for group in range(stamps.row_groups):
        places = manifest.find(stamps.rows(group))
        rows = manifest.table.select(columns).take(pa.array(np.maximum(places, 0))).to_pylist()
        arrays = stamps.arrays(group)
        encoded = stamps.encoded(group).to_pylist()
        masks = stamps.encoded_masks(group).to_pylist() if stamps.has_masks else [None] * len(rows)
        pixels = [None] * len(rows) if arrays is None else arrays.to_pylist()
        for place, row, image, mask, values in zip(
            places.tolist(), rows, encoded, masks, pixels, strict=True
        ):
            if place >= 0 and place not in differing:
                yield from _check_image(name, row, stamps, manifest, image, mask, values)


def _check_image(
    name: str,
    row: dict[str, str | None],
    stamps: StampFile,
    manifest: ManifestRows,
    encoded: bytes | None,
    mask: bytes | None,
    values: bytes | None,
) -> Iterator[str]:
    """Compare one image with its row of the manifest: as PNG, and as numbers where it has both."""
    title = f"{name}, {row['source']}"
    try:
        image = decode_stamp(encoded or b"", title, stamps.shape)
        if pixels_sha256(image) != row["pixels_sha256"]:
            where = manifest.digests.describe(row["image_file"] or "", image)
            yield f"{title}: not the image of the manifest{where}"
        elif values is not None and values != image.tobytes():
            yield f"{title}: the numbers in its column pixels are not those of its stamp"
        if stamps.has_masks:
            pixels = decode_png(mask or b"", f"{title}, mask")
            if pixels_sha256(pixels) != row.get(MASK_SHA256.name):
                yield f"{title}: not the mask of the manifest"
    except DatasetError as error:
        yield str(error)
