"""Where the brightness of the column ``image`` comes from, as the writer of a collection sees it.

Stamps that are the brightness themselves have it already. That of all others is computed from the
images of the build (`mingolotss.pipeline.export_flux`), in the worker that writes the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mingolotss.dataset.masks import MASK
from mingolotss.dataset.records import Records
from mingolotss.errors import InputError
from mingolotss.formats.base import ExportHeader
from mingolotss.formats.fits import stores_brightness
from mingolotss.formats.hats.image_column import (
    flux_unit,
    image_column,
    image_facts,
    image_field,
)
from mingolotss.image.masks import Masks
from mingolotss.model import Ints

__all__ = ["FluxArrays", "FluxColumn", "FluxPart", "FluxSource", "flux_column"]


class FluxArrays(NamedTuple):
    """Brightness and noise of n stamps of c channels; c is 1 without channels.

    Attributes
    ----------
    flux : float32 array, shape (n, c, ny, nx), in the unit of the image
        NaN where there is no data.
    rms : float32 array of the same shape, in the unit of the image, or None
        None if the noise is not known.
    """

    flux: npt.NDArray[np.float32]
    rms: npt.NDArray[np.float32] | None


class FluxPart(Protocol):
    """The brightness of some stamps, which a worker computes. It can be pickled."""

    def read(self, masks: Masks | None) -> Iterator[FluxArrays]:
        """Yield brightness and noise of the stamps in their order, some at a time.

        Parameters
        ----------
        masks : uint8 array, shape (n, ny, nx), or None
            The masks of the stamps, in a dataset with masks.

        Raises
        ------
        DatasetError
            An image is gone or was changed, or gives another stamp than that of the dataset.
        """


class FluxSource(Protocol):
    """The brightness of all stamps of a dataset."""

    def part(self, rows: Ints) -> FluxPart:
        """Return that of some stamps.

        Parameters
        ----------
        rows : int64 array, shape (n,)
            The rows of their sources in the catalogue, in any order.
        """


def flux_column(records: Records, part: FluxPart | None) -> pa.ChunkedArray:
    """Return the column ``image`` of some records.

    Parameters
    ----------
    records : Records
    part : FluxPart or None
        Of the same stamps; None if the stamps of the records are the brightness themselves.

    Raises
    ------
    DatasetError
        As `FluxPart.read`.
    """
    has_masks = part is not None and MASK.name in records.table.column_names
    arrays = _stored(records) if part is None else part.read(records.masks() if has_masks else None)
    chunks, start = [], 0
    for flux, rms in arrays:
        table = records.table.slice(start, len(flux))
        chunks.append(image_column(flux, rms, image_facts(table, records.channels)))
        start += len(flux)
    return pa.chunked_array(chunks, image_field().type)


def _stored(records: Records) -> Iterator[FluxArrays]:
    images = records.images().astype(np.float32, copy=False)
    yield FluxArrays(images if records.channels else images[:, None], None)


@dataclass(frozen=True, slots=True)
class FluxColumn:
    """The column ``image`` of a collection that has it.

    Attributes
    ----------
    field : pyarrow.Field
    source : FluxSource or None
        None if the stamps are the brightness themselves.
    """

    field: pa.Field
    source: FluxSource | None

    @classmethod
    def of(cls, records: Records, header: ExportHeader, source: FluxSource | None) -> FluxColumn:
        """Return the column for some records.

        Raises
        ------
        InputError
            Their brightness is lost, and there is no source of it.
        """
        if source is None and (header.recipe is None or not stores_brightness(header.recipe)):
            raise InputError(
                f"export {header.name} as hats with flux: its stamps have lost the brightness of "
                "their images; export the build itself, whose record names the images, or leave "
                "flux out"
            )
        return cls(image_field(flux_unit(records.table, records.channels)), source)

    def part(self, rows: Ints) -> FluxPart | None:
        """Return the brightness of some rows of the catalogue, for a worker."""
        return None if self.source is None else self.source.part(rows)
