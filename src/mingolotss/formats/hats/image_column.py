r"""The column ``image`` of the Multimodal Universe: the brightness of each stamp, by channel.

It is a struct of lists with one element for each channel, as `datasets` stores a Sequence of a
dictionary, and as nested-pandas and LSDB read a nested column
(https://github.com/MultimodalUniverse/MultimodalUniverse). Whole columns are made from arrays: no
pixel ever is a Python object. Planes are plain lists of lists, and not of the extension type that
`datasets` has for arrays: LSDB 0.11 opens no catalogue with it once `datasets` is imported. Not
here: where brightness and noise come from.

>>> flux = np.array([[[[1e-3, np.nan]]]], np.float32)
>>> table = pa.table({"unit": ["mJy/beam"], "survey": ["LoTSS"], "frequency_mhz": [144.0],
...     "beam_major_arcsec": [9.0], "beam_minor_arcsec": [4.0], "pixel_scale_arcsec": [1.5]})
>>> facts = image_facts(table, ())
>>> [image] = image_column(flux, np.full_like(flux, 1e-4), facts).to_pylist()
>>> image["band"], image["mask"], image["psf_fwhm"], image["scale"]
(['LoTSS 144 MHz'], [[[True, False]]], [6.0], [1.5])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.channel_table import CHANNELS_COLUMN
from mingolotss.errors import DatasetError
from mingolotss.model import Floats
from mingolotss.sky.header_facts import jy_per_beam

__all__ = [
    "FLUX_IMAGE",
    "ImageFacts",
    "flux_unit",
    "image_column",
    "image_facts",
    "image_feature",
    "image_field",
    "image_nbytes",
]

FLUX_IMAGE = "image"
"""The name of the column."""
_JY = "Jy/beam"
_PIXEL_BYTES = 4 + 4 + 1 / 8  # flux, ivar and mask
_Float32s = npt.NDArray[np.float32]
_PLANES = {"flux": "float32", "ivar": "float32", "mask": "bool"}


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What is known about the images of n stamps of c channels; c is 1 without channels.

    Attributes
    ----------
    band : pyarrow.Array of string, length n * c
        The name of the channel; without channels, survey and frequency, or null.
    factor : float64 array, shape (n, c)
        How many Jy/beam the unit of the brightness is; 1 if the unit is of another kind.
    psf_fwhm : float64 array, shape (n, c), arcsec
        The geometric mean of the axes of the beam; NaN is not known.
    scale : float64 array, shape (n, c), arcsec
        The side of a pixel of the stamp; NaN is not known.
    """

    band: pa.Array
    factor: Floats
    psf_fwhm: Floats
    scale: Floats


def image_facts(table: pa.Table, channels: Sequence[str]) -> ImageFacts:
    """Return what the manifest knows about the images of some stamps.

    Parameters
    ----------
    table : pyarrow.Table
        Rows of `mingolotss.dataset.records.Records`.
    channels : sequence of str
        The names of the channels of the dataset; empty without channels.

    Raises
    ------
    DatasetError
        The rows describe other channels.
    """
    n, c = len(table), max(1, len(channels))
    images = _image_rows(table, channels)
    band = images["channel"] if channels else _bands(images)
    units = _units(images).dictionary_encode()
    factors = np.array([jy_per_beam(unit or None) for unit in units.dictionary.to_pylist()], float)
    factors = np.where(np.isnan(factors), 1.0, factors)[units.indices.to_numpy()]
    of_stamp, of_image = (_beam_width(images, kind) for kind in ("stamp_beam", "beam"))
    psf_fwhm = np.where(np.isnan(of_stamp), of_image, of_stamp)
    scale = _numbers(table, "pixel_scale_arcsec")
    scale = np.where(scale > 0, scale, np.nan)
    return ImageFacts(
        _one_array(band).cast(pa.string()),
        factors.reshape(n, c),
        psf_fwhm.reshape(n, c),
        np.repeat(scale[:, None], c, axis=1),
    )


def flux_unit(table: pa.Table, channels: Sequence[str]) -> str:
    """Return the unit of all brightness of a dataset, "" if its images have several.

    Parameters are those of `image_facts`.
    """
    units = _units(_image_rows(table, channels)).unique().to_pylist()
    own = {_JY if np.isfinite(jy_per_beam(unit or None)) else unit for unit in units}
    return own.pop() if len(own) == 1 else ""


def _image_rows(table: pa.Table, channels: Sequence[str]) -> pa.Table:
    """Return a row for each channel of each stamp; the rows of the manifest without channels."""
    if not channels:
        return table
    lists = _one_array(table[CHANNELS_COLUMN.name])
    if not pc.all(pc.equal(pc.list_value_length(lists), len(channels))).as_py():
        raise DatasetError(
            f"write the images of {len(channels)} channels: the table of channels has another "
            "number of them for some sources; build again"
        )
    return pa.Table.from_struct_array(pc.list_flatten(lists))


def _units(images: pa.Table) -> pa.Array:
    """Return the unit of each image; "" if its header has none."""
    return pc.fill_null(_one_array(images["unit"]), "")


def _bands(images: pa.Table) -> pa.Array:
    """Return survey and frequency, or the one that is known."""
    frequency = _numbers(images, "frequency_mhz")
    unique, index = np.unique(frequency, return_inverse=True)
    texts = np.array([f"{mhz:g} MHz" if np.isfinite(mhz) else "" for mhz in unique], np.str_)
    surveys = pc.fill_null(_one_array(images["survey"]), "")
    joined = pc.binary_join_element_wise(surveys, pa.array(texts[index], pa.string()), " ")
    joined = pc.utf8_trim(joined, " ")
    return pc.if_else(pc.equal(joined, ""), None, joined)


def _beam_width(images: pa.Table, kind: str) -> Floats:
    """Return the geometric mean of the axes of a beam, arcsec; NaN where it is not known."""
    if f"{kind}_major_arcsec" not in images.column_names:
        return np.full(len(images), np.nan)
    major, minor = (_numbers(images, f"{kind}_{axis}_arcsec") for axis in ("major", "minor"))
    is_known = (major > 0) & (minor > 0)
    width: Floats = np.sqrt(np.where(is_known, major, np.nan) * np.where(is_known, minor, np.nan))
    return width


def _numbers(table: pa.Table, name: str) -> Floats:
    numbers: Floats = pc.cast(table[name], pa.float64()).to_numpy()
    return numbers


def _one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def image_column(flux: _Float32s, rms: _Float32s | None, facts: ImageFacts) -> pa.StructArray:
    """Return the column of n stamps of c channels.

    Parameters
    ----------
    flux : float32 array, shape (n, c, ny, nx), in the unit of the image
        NaN where there is no data.
    rms : float32 array of the same shape, in the unit of the image, or None
        Its noise; None if it is not known.
    facts : ImageFacts
        Of the same stamps.

    Returns
    -------
    pyarrow.StructArray, length n
        Of the type of `image_field`. A pixel without data has the mask False and ``ivar`` 0, for
        it was not measured; ``ivar`` is NaN where the noise is not known or not positive.
    """
    n, c = flux.shape[:2]
    has_data = np.isfinite(flux)
    ivar = np.empty(flux.shape, np.float32)
    factor = facts.factor[..., None, None]
    if (facts.factor != 1).any():
        with np.errstate(all="ignore"):  # very large pixels are data here
            flux = (flux * factor).astype(np.float32)
    # One stamp at a time: float64 for all would take twice the memory of the result.
    for row in range(n):
        ivar[row] = _inverse_variance(None if rms is None else rms[row], factor[row], flux[row])
    ivar[~has_data] = 0
    columns = [
        facts.band,
        _planes(flux),
        _planes(ivar),
        _planes(has_data),
        pa.array(facts.psf_fwhm.astype(np.float32).reshape(-1)),
        pa.array(facts.scale.astype(np.float32).reshape(-1)),
    ]
    return pa.StructArray.from_arrays(
        [_lists(column, n, c) for column in columns], fields=list(image_field().type)
    )


def _inverse_variance(rms: _Float32s | None, factor: Floats, flux: _Float32s) -> _Float32s:
    """Return 1 / rms^2; NaN where there is none, or float32 cannot hold it."""
    if rms is None:
        return np.full_like(flux, np.nan)
    with np.errstate(all="ignore"):
        inverse = (1 / (rms * factor) ** 2).astype(np.float32)
    is_known = np.isfinite(rms) & (rms > 0) & np.isfinite(inverse)
    return np.where(is_known, inverse, np.float32(np.nan))


def _planes(pixels: npt.NDArray[np.generic]) -> pa.ListArray:
    """Return the planes of an array (n, c, ny, nx), row after row."""
    ny, nx = pixels.shape[2:]
    values = pa.array(np.ascontiguousarray(pixels).reshape(-1))
    rows = pixels.size // nx
    return _lists(_lists(values, rows, nx), rows // ny, ny)


def _lists(values: pa.Array, n: int, length: int) -> pa.ListArray:
    """Return values as n lists of one length."""
    return pa.ListArray.from_arrays(np.arange(n + 1, dtype=np.int32) * length, values)


def image_field(unit: str = _JY) -> pa.Field:
    """Return the field of the column; its children say their unit and their meaning.

    Parameters
    ----------
    unit : str
        Of the brightness, as `flux_unit` returns it.
    """
    other = f"{unit or 'the unit'} of the image, " if unit != _JY else ""
    inverse = "beam**2/Jy**2" if unit == _JY else f"({unit})**-2" if unit else ""
    pixels = pa.list_(pa.list_(pa.list_(pa.float32())))
    flags = pa.list_(pa.list_(pa.list_(pa.bool_())))
    children = [
        ("band", pa.list_(pa.string()), "", "channel, or survey and frequency"),
        (
            "flux", pixels, unit,
            f"brightness, {other}before the steps of the recipe; NaN where there is no data",
        ),
        (
            "ivar", pixels, inverse,
            "inverse variance of flux, 1/rms^2; 0: no data, NaN: the noise is not known",
        ),
        ("mask", flags, "", "True: a good pixel, with data"),
        (
            "psf_fwhm", pa.list_(pa.float32()), "arcsec",
            "geometric mean of the axes (FWHM) of the beam of the stamp; NaN is not known",
        ),
        ("scale", pa.list_(pa.float32()), "arcsec", "side of a pixel of the stamp"),
    ]  # fmt: skip
    fields = [pa.field(name, kind, metadata=_stated(*text)) for name, kind, *text in children]
    about = "image of each channel, as the Multimodal Universe has it"
    return pa.field(FLUX_IMAGE, pa.struct(fields), metadata=_stated("", about))


def _stated(unit: str, description: str) -> dict[str, str]:
    return {**({"unit": unit} if unit else {}), "description": description}


def image_feature(ny: int, nx: int) -> dict[str, object]:
    """Return the column as `datasets` describes it: a Sequence of a dictionary.

    Versions from 4 on read it as a dictionary of lists, which is the same on disk.
    """
    planes = {
        name: {"shape": [ny, nx], "dtype": dtype, "_type": "Array2D"}
        for name, dtype in _PLANES.items()
    }
    texts = {"band": {"dtype": "string", "_type": "Value"}}
    numbers = {name: {"dtype": "float32", "_type": "Value"} for name in ("psf_fwhm", "scale")}
    return {"feature": {**texts, **planes, **numbers}, "_type": "Sequence"}


def image_nbytes(channels: int, side: int) -> int:
    """Return the size of the column of one stamp in memory, in bytes."""
    return int(_PIXEL_BYTES * channels * side**2)
