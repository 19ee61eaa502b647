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

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["BeamCount", "beam_counts", "noise_counts"]

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
    counts = _written(manifest)["noise_method"].value_counts().to_pylist()
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
    written = _written(manifest)
    names = ("beam_major_arcsec", "beam_minor_arcsec")
    rounded = pa.table({name: pc.round(written[name], _DIGITS) for name in names})
    groups = rounded.group_by(list(names)).aggregate([([], "count_all")]).to_pylist()
    beams = [BeamCount(group[names[0]], group[names[1]], group["count_all"]) for group in groups]
    return sorted(beams, key=lambda beam: (-beam.sources, beam.major_arcsec or 0.0))


def _written(manifest: pa.Table) -> pa.Table:
    return manifest.filter(pc.equal(manifest["status"], "written"))
