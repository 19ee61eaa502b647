"""Rows of the manifest as dictionaries, with the type of each column.

>>> import pyarrow as pa
>>> rows_of(pa.table({"row": [0], "class": ["FRI"]}))
[{'row': 0, 'class': 'FRI'}]
"""

from __future__ import annotations

import math
from typing import NotRequired, TypedDict

import pyarrow as pa

__all__ = ["ManifestRow", "rows_of", "stamp_beam"]

# In this form since "class" cannot be the name of an attribute. Columns that are null for rejected
# sources are typed for written ones, which are the only ones they are read for.
ManifestRow = TypedDict(
    "ManifestRow",
    {
        "row": int,
        "source": str,
        "ra": float,
        "dec": float,
        "label": int | None,
        "class": str | None,
        "size_arcsec": float,
        "flux_mjy": float,
        "status": str,
        "field": str,
        "image_file": str,
        "case": int,
        "separation_arcsec": float,
        "percent_nan": float,
        "candidates": int,
        "recentred": bool,
        "blank": bool,
        "undecided": bool,
        "exceeds_stamp": bool,
        "incomplete": bool | None,
        "decided_by": str | None,
        "noise_jy": float,
        "peak_jy": float,
        "pixel_scale_arcsec": float,
        "batch": str | None,
        "split": str | None,
        "stage": str,
        "reason": str,
        "percent_nan_cutout": float | None,
        "noise_method": str | None,
        "unit": str | None,
        "frequency_mhz": float | None,
        "beam_major_arcsec": float | None,
        "beam_minor_arcsec": float | None,
        "beam_pa_deg": float | None,
        "telescope": str | None,
        "survey": str | None,
        "wcs": str | None,
        "crpix1": float | None,
        "crpix2": float | None,
        "wcs_error_arcsec": float | None,
        "scaling": str | None,
        "scale_min": float | None,
        "scale_max": float | None,
        "scale_rms": float | None,
        # Only with a common beam, with resampled stamps, and with channels.
        "stamp_beam_major_arcsec": NotRequired[float | None],
        "stamp_beam_minor_arcsec": NotRequired[float | None],
        "stamp_beam_pa_deg": NotRequired[float | None],
        "stamp_size_arcsec": NotRequired[float | None],
        "rotation_deg": NotRequired[float | None],
        "resampling": NotRequired[str | None],
        # Only with tags, with votes, and with labels that people may have given.
        "tags": NotRequired[list[int] | None],
        "votes": NotRequired[list[float] | None],
        "votes_total": NotRequired[float | None],
        "label_from": NotRequired[str | None],
        "missing_channels": NotRequired[str | list[str] | None],
    },
)


def rows_of(table: pa.Table) -> list[ManifestRow]:
    """Return the rows of a table that has some or all columns of the manifest."""
    rows: list[ManifestRow] = table.to_pylist()
    return rows


def stamp_beam(row: ManifestRow) -> tuple[float, float, float]:
    """Return major axis, minor axis (FWHM, arcsec) and angle (deg) of the beam of a stamp.

    It is that of the image, unless the image was convolved to another. NaN is not known.
    """
    values = row["beam_major_arcsec"], row["beam_minor_arcsec"], row["beam_pa_deg"]
    if row.get("stamp_beam_major_arcsec") is not None:
        values = (
            row["stamp_beam_major_arcsec"], row["stamp_beam_minor_arcsec"],
            row["stamp_beam_pa_deg"],
        )  # fmt: skip
    major, minor, angle = (math.nan if value is None else value for value in values)
    return major, minor, angle
