"""The values of the section about channels, and the marks of their planes."""

from __future__ import annotations

from collections.abc import Sequence

from mingolotss.dataset.channel_words import (
    are_convolved,
    beam_words,
    brightness_words,
    frequency_words,
    plane_rule,
    value_words,
)
from mingolotss.qa.manifest_row import ManifestRow
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.channel_view import ChannelView, plane_beam
from mingolotss.qa.report.shown_rows import ShownRows
from mingolotss.qa.report.stamp_marks import MarkTable

__all__ = ["channel_values"]


def channel_values(
    build: BuildView, shown: ShownRows, records: Sequence[ManifestRow], marks: MarkTable
) -> dict[str, object]:
    """Return the values of the section; a build without channels has none.

    Parameters
    ----------
    build : BuildView
    shown : ShownRows
    records : sequence of ManifestRow
        Of all stamps in the page.
    marks : MarkTable
        Gets the marks of their planes.
    """
    channels = build.channels
    if channels is None:
        return {"channels": []}
    planes = channels.planes_of(shown.with_stamp)
    for record in records:
        for plane, one in enumerate(planes.get(record["row"], ())):
            marks.add_plane(record, plane, plane_beam(one), is_first=plane == 0)
    return {
        "channels": _rows(channels),
        "reference_channel": channels.names[channels.reference],
        "are_convolved": are_convolved(channels.counts),
        "without_channel": build.records(shown.without_channel),
        "without_channel_total": len(channels.rows_with_missing()),
    }


def _rows(channels: ChannelView) -> list[dict[str, object]]:
    """Return the rows of the table of channels."""
    return [
        {
            "name": count.name,
            "is_reference": index == channels.reference,
            "survey": value_words(count.surveys),
            "frequency": frequency_words(count.frequencies_mhz),
            "beam": beam_words(count.beams),
            "stamp_beam": beam_words(count.stamp_beams),
            "native": count.native,
            "resampled": count.resampled,
            "missing": count.missing,
            "rule": plane_rule(channels.recipe, count.name),
            "noise": brightness_words(count.noise_jy, count.units),
            "peak": brightness_words(count.peak_jy, count.units),
        }
        for index, count in enumerate(channels.counts)
    ]
