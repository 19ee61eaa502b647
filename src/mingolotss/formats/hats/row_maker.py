"""Rows of a collection from records, in the worker that writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from mingolotss.dataset.records import Records
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.formats.hats.columns import collection_rows, with_image
from mingolotss.formats.hats.flux_source import FluxPart, flux_column
from mingolotss.formats.hats.image_column import image_nbytes
from mingolotss.model import Ints

__all__ = ["RowMaker"]


@dataclass(frozen=True, slots=True)
class RowMaker:
    """How the rows of a collection are made. It can be pickled.

    Attributes
    ----------
    shape : StampShape
    side : int, px
        Of a stamp.
    arrays : bool
        Give PNG stamps as numbers, too.
    image : pyarrow.Field or None
        The column ``image``, if the collection has it.
    metadata : mapping of str to str
        Of the files of the collection.
    """

    shape: StampShape
    side: int
    arrays: bool
    image: pa.Field | None
    metadata: Mapping[str, str]

    def rows(self, records: Records, index: Ints, flux: FluxPart | None) -> pa.Table:
        """Return records as rows.

        Parameters
        ----------
        records : Records
        index : int64 array, shape (n,)
            HEALPix indices of order 29.
        flux : FluxPart or None
            The brightness of the records, for the column ``image``; None if their stamps are the
            brightness.

        Returns
        -------
        pyarrow.Table
            Each column is one array, so that the bytes of a file do not depend on how the records
            were read.

        Raises
        ------
        DatasetError
            An image is damaged, or the brightness cannot be computed.
        """
        records = records.with_images()
        rows = collection_rows(records.table, index, self.shape, arrays=self.arrays)
        if self.image is not None:
            rows = with_image(rows, self.image, flux_column(records, flux))
        return rows.replace_schema_metadata(self.metadata).combine_chunks()

    @property
    def image_bytes(self) -> int:
        """Return the bytes that the images of a row have at most, as a reader decodes them."""
        planes = max(len(self.shape.channels), 1)
        pixels = planes * self.side**2 * (4 if self.shape.is_float else 1)
        return pixels + (0 if self.image is None else image_nbytes(planes, self.side))
