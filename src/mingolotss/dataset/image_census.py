"""Count the sources of a dataset by the method of their noise and by the beam of their image.

>>> manifest = pa.table({
...     "status": ["written", "written", "rejected"], "noise_method": ["rms-map", "rms-map", None],
...     "beam_major_arcsec": [6.0, 9.0, None], "beam_minor_arcsec": [6.0, 9.0, None]})
>>> noise_counts(manifest)
{'rms-map': 2}
>>> [(beam.major_arcsec, beam.sources) for beam in beam_counts(manifest)]
[(6.0, 1), (9.0, 1)]
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.manifest import written_rows
from mingolotss.io.arrow_values import fill_null, numpy_of

__all__ = ["BeamCount", "beam_counts", "describe_beams", "describe_noise", "noise_counts"]

_MOST_BEAMS = 8  # in a sentence
_DIGITS = 1  # arcsec: beams that agree to 0.1 arcsec are one


class BeamCount(NamedTuple):
    """A beam, FWHM in arcsec and None where headers do not give it, and its number of sources."""

    major_arcsec: float | None
    minor_arcsec: float | None
    sources: int


def noise_counts(manifest: pa.Table) -> dict[str | None, int]:
    """Return the number of written sources of each method of the noise, the most frequent first.

    Parameters
    ----------
    manifest : pyarrow.Table
        With the columns ``status`` and ``noise_method``.

    Returns
    -------
    dict of str to int
        The key None stands for sources of an older build, which does not record the method.
    """
    counts = _written(manifest, "noise_method")["noise_method"].value_counts().to_pylist()
    pairs = [(count["values"], count["counts"]) for count in counts]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0] or "")))


def beam_counts(manifest: pa.Table) -> list[BeamCount]:
    """Return the number of written sources of each beam, the most frequent first.

    Parameters
    ----------
    manifest : pyarrow.Table
        With the columns ``status``, ``beam_major_arcsec`` and ``beam_minor_arcsec``.

    Returns
    -------
    list of BeamCount
        Rounded to 0.1 arcsec; position angles are not compared. A dataset mixes beams if more than
        one of them is known.
    """
    axes = ("beam_major_arcsec", "beam_minor_arcsec")
    written = _written(manifest, *axes)
    majors, minors = (
        pc.round(written[name], _DIGITS).combine_chunks().dictionary_encode() for name in axes
    )
    # A pair of axes becomes one number, in which -1 stands for an axis that is not known. Beams of
    # equal number are listed in the order of their first sources.
    codes = [numpy_of(fill_null(axis.indices, -1)).astype(np.int64) for axis in (majors, minors)]
    pairs = (codes[0] + 1) * (len(minors.dictionary) + 1) + codes[1] + 1
    _, first, counts = np.unique(pairs, return_index=True, return_counts=True)
    order = np.argsort(first)
    beams = [
        BeamCount(majors[row].as_py(), minors[row].as_py(), count)
        for row, count in zip(first[order].tolist(), counts[order].tolist(), strict=True)
    ]
    return sorted(beams, key=lambda beam: (-beam.sources, beam.major_arcsec or 0.0))


def describe_noise(counts: Mapping[str | None, int]) -> str:
    """Return the result of `noise_counts` in words.

    >>> describe_noise({"rms-map": 1200, "sigma-clipped": 1, None: 3})
    'rms-map for 1,200 images, sigma-clipped for 1 image, not recorded for 3 images'
    """
    parts = [f"{name or 'not recorded'} for {_images(count)}" for name, count in counts.items()]
    return ", ".join(parts) or "none, since there is no image"


def describe_beams(beams: Sequence[BeamCount]) -> str:
    """Return the result of `beam_counts` as one sentence or several.

    >>> describe_beams([BeamCount(6.0, 6.0, 20)])
    'The beam (FWHM) is 6 arcsec in 20 images.'
    >>> describe_beams([BeamCount(6.0, 6.0, 20), BeamCount(9.0, 6.5, 1)])
    'The images mix 2 beams (FWHM): 6 arcsec in 20 images, 9 by 6.5 arcsec in 1 image.'
    """
    known = [beam for beam in beams if math.isfinite(beam.major_arcsec or math.nan)]
    unknown = sum(beam.sources for beam in beams) - sum(beam.sources for beam in known)
    if not known:
        return "The headers of the images do not give the beam." if unknown else ""
    parts = [f"{_size(beam)} arcsec in {_images(beam.sources)}" for beam in known[:_MOST_BEAMS]]
    if rest := known[_MOST_BEAMS:]:
        others = sum(beam.sources for beam in rest)
        parts.append(f"{len(rest):,} other beams in {_images(others)}")
    listed = ", ".join(parts)
    mixed = f"The images mix {len(known):,} beams (FWHM): {listed}."
    text = mixed if len(known) > 1 else f"The beam (FWHM) is {listed}."
    return text + (f" It is not known for {_images(unknown)}." if unknown else "")


def _size(beam: BeamCount) -> str:
    major, minor = beam.major_arcsec or 0.0, beam.minor_arcsec or 0.0
    return f"{major:g}" if major == minor else f"{major:g} by {minor:g}"


def _images(count: int) -> str:
    return f"{count:,} image{'s' if count != 1 else ''}"


def _written(manifest: pa.Table, *columns: str) -> pa.Table:
    """Return some columns of the written rows: to filter all of them takes 5 ms for 20,000 rows."""
    return written_rows(manifest.select([*columns, "status"]))
