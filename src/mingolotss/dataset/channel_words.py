"""The statistics of channels in words, for the dataset card, the report and the terminal.

>>> values = (ValueCount("LoTSS", 1200), ValueCount(None, 3))
>>> value_words(values), value_words(values[:1]), value_words(())
('LoTSS (1,200), not known (3)', 'LoTSS', 'not known')
>>> beam_words([BeamCount(6.0, 6.0, 20), BeamCount(9.0, 6.5, 1)])
'6 arcsec (20), 9 by 6.5 arcsec (1)'
>>> brightness_words(Spread(1e-5, 8.3e-5, 1e-3), (ValueCount("Jy/beam", 9),))
'0.083 mJy/beam'
>>> brightness_words(Spread(1.0, 2.0, 3.0), (ValueCount(None, 9),))
'2 (unit not known)'
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mingolotss.dataset.channel_census import ChannelCount, Spread, ValueCount
from mingolotss.dataset.image_census import BeamCount
from mingolotss.recipe.model import Recipe
from mingolotss.sky.header_facts import jy_per_beam

__all__ = [
    "PLANE_RULES",
    "are_convolved",
    "beam_words",
    "brightness_words",
    "frequency_words",
    "heading_lines",
    "plane_rule",
    "steps_of_channels",
    "value_words",
]

PLANE_RULES = {
    "reject": "the source is rejected",
    "nan": "the plane is NaN",
    "zero": "the plane is 0",
}
"""What happens to a source without an image in a channel, by the rule of the recipe."""
_MOST = 3  # values in a cell of a table
_NOT_KNOWN = "not known"


def value_words(values: Sequence[ValueCount], unit: str = "") -> str:
    """Return values of a header, with their number of planes if there are several."""
    names = [_NOT_KNOWN if one.value is None else f"{_text(one.value)}{unit}" for one in values]
    return _listed(names, [one.planes for one in values])


def frequency_words(values: Sequence[ValueCount]) -> str:
    """Return frequencies in MHz, or in GHz from 1,000 MHz.

    >>> frequency_words((ValueCount(143.65, 5),)), frequency_words((ValueCount(1435.0, 5),))
    ('143.65 MHz', '1.435 GHz')
    """
    names = []
    for one in values:
        if not isinstance(one.value, float):
            names.append(_NOT_KNOWN)
        elif one.value >= 1000:
            names.append(f"{one.value / 1000:.6g} GHz")
        else:
            names.append(f"{one.value:.6g} MHz")
    return _listed(names, [one.planes for one in values])


def beam_words(beams: Sequence[BeamCount]) -> str:
    """Return beams (FWHM) with their number of planes if there are several.

    More than a few, those of stamps that were resampled to different pixels for example, are a
    range of major axes.
    """
    known = sorted(_major(beam) for beam in beams if math.isfinite(_major(beam)))
    if len(known) > _MOST:
        return f"{known[0]:g} to {known[-1]:g} arcsec"
    names = [
        _NOT_KNOWN if not math.isfinite(_major(beam)) else f"{_axes(beam)} arcsec" for beam in beams
    ]
    return _listed(names, [beam.sources for beam in beams])


def brightness_words(spread: Spread | None, units: Sequence[ValueCount]) -> str:
    """Return the median of a brightness in the unit of the images.

    Parameters
    ----------
    spread : Spread or None
        In Jy/beam for images in a unit of this kind, otherwise in the unit of the images.
    units : sequence of ValueCount
        Of the images, as their headers state them.
    """
    if spread is None:
        return _NOT_KNOWN
    names = {one.value for one in units}
    if len(names) == 1 and (name := names.pop()) is not None:
        is_jansky = math.isfinite(jy_per_beam(str(name)))
        factor, unit = (1000, "mJy/beam") if is_jansky else (1, str(name))
        return f"{spread.median * factor:.3g} {unit}"
    unit = "unit not known" if names <= {None} else "in the unit of each image"
    return f"{spread.median:.3g} ({unit})"


def heading_lines(count: ChannelCount, *, is_reference: bool) -> list[str]:
    """Return what stands above the pictures of a channel: name, survey, frequency and beam."""
    first = count.name + (" (reference)" if is_reference else "")
    survey, frequency = (
        "" if words == _NOT_KNOWN else words
        for words in (value_words(count.surveys[:1]), frequency_words(count.frequencies_mhz[:1]))
    )
    before, after = (_short_beam(beams) for beams in (count.beams, count.stamp_beams))
    beam = f"{before} → {after}" if before and after and before != after else before or after
    lines = [", ".join(filter(None, (survey, frequency))), beam and f"{beam} beam"]
    return [first, *filter(None, lines)]


def plane_rule(recipe: Recipe, name: str) -> str:
    """Return what happens to a source without an image in a channel, in words."""
    reference = recipe.reference_channel
    if reference is not None and reference.name == name:
        return PLANE_RULES["reject"]
    rules = {channel.name: channel.missing for channel in recipe.channels}
    return PLANE_RULES[rules[name]]


def steps_of_channels(recipe: Recipe) -> list[tuple[list[str], str]]:
    """Return the steps in words, once for all channels that have the same.

    Returns
    -------
    list of (list of str, str)
        The names of the channels, and their steps; one pair for a recipe without channels.
    """
    channels_of: dict[str, list[str]] = {}
    for channel in recipe.channels or (None,):
        own = recipe if channel is None else recipe.of_channel(channel)
        text = ", ".join(
            step.do + "".join(f" {key}={value}" for key, value in step.settings.items())
            for step in own.steps
        )
        channels_of.setdefault(text or "none", []).append("" if channel is None else channel.name)
    return [(names, text) for text, names in channels_of.items()]


def are_convolved(counts: Sequence[ChannelCount]) -> bool:
    """Return whether the planes of any channel have another beam than their images."""
    return any(_known(count.beams) != _known(count.stamp_beams) for count in counts)


def _known(beams: Sequence[BeamCount]) -> set[tuple[float | None, float | None]]:
    known = [beam for beam in beams if math.isfinite(_major(beam))]
    return {(beam.major_arcsec, beam.minor_arcsec) for beam in known}


def _short_beam(beams: Sequence[BeamCount]) -> str:
    """Return the beam, or the range of major axes of several; "" if none is known."""
    known = sorted((beam for beam in beams if math.isfinite(_major(beam))), key=_major)
    if not known:
        return ""
    if len(known) == 1:
        return f"{_axes(known[0])}″"
    return f"{_major(known[0]):g} to {_major(known[-1]):g}″"


def _major(beam: BeamCount) -> float:
    return math.nan if beam.major_arcsec is None else beam.major_arcsec


def _axes(beam: BeamCount) -> str:
    major, minor = beam.major_arcsec or 0.0, beam.minor_arcsec or 0.0
    return f"{major:g}" if major == minor else f"{major:g} by {minor:g}"


def _text(value: str | float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else value


def _listed(names: Sequence[str], counts: Sequence[int]) -> str:
    """Return one name alone, and several with their counts; more than a few are only counted."""
    if not names:
        return _NOT_KNOWN
    if len(names) == 1:
        return names[0]
    parts = [f"{name} ({count:,})" for name, count in zip(names, counts, strict=True)]
    if len(parts) > _MOST:
        rest = sum(counts[_MOST:])
        parts = [*parts[:_MOST], f"{len(names) - _MOST:,} others ({rest:,})"]
    return ", ".join(parts)
