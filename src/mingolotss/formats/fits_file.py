"""One stamp as a FITS file that DS9, CARTA and astropy open in its place on the sky.

The primary unit is the brightness before the steps of the recipe, float32 in the unit of the image,
with the WCS of the stamp. After it come the noise and a map of the pixels that the steps set to 0,
with the same WCS, and the same three units for each further channel. The last unit is the mask of
the source, where the recipe makes masks. Which keyword means what stands in
``docs/howto/fits.md``. Not here: where brightness and noise come from.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mingolotss.dataset.label_columns import TAGS, VOTES, VOTES_TOTAL
from mingolotss.image.masks import BACKGROUND, OTHER, OWN, Masks
from mingolotss.io.fits_units import (
    HISTORY,
    Cards,
    HeaderValue,
    format_cards,
    header_text,
    image_unit,
)
from mingolotss.recipe.zeroed_pixels import CLIPPED, MASKED, MISSING, OTHER_STEP
from mingolotss.sky.fits_header import CARD

if TYPE_CHECKING:
    from mingolotss.recipe.model import Recipe

__all__ = [
    "BRIGHTNESS",
    "MASK",
    "ONLY_CHANNEL",
    "RMS",
    "SOURCE_MASK",
    "FitsPlane",
    "Row",
    "fits_file",
    "labels_of_cards",
    "made_by",
]

Row = Mapping[str, object]
"""A row of the manifest or of the table of channels, by column."""
ONLY_CHANNEL = ""
"""The channel of a dataset without channels."""
_TAG_COUNT, _TAG, _VOTE_COUNT, _VOTE = "NTAGS", "TAG", "NVOTES", "VOTE"
BRIGHTNESS, RMS, MASK, SOURCE_MASK = "BRIGHTNESS", "RMS", "MASK", "SOURCEMASK"
"""What the pixels of a unit are, in the keyword PLANE."""
_PLANES = dict.fromkeys((BRIGHTNESS, RMS, MASK), "BRIGHTNESS, RMS or MASK")
_PLANES[SOURCE_MASK] = "which source a pixel belongs to"
_VALUES = (
    f"Which source a pixel belongs to: {BACKGROUND} none, {OWN} the source of this stamp, {OTHER} "
    "another one"
)
_NO_POSITION = "The position of this stamp on the sky is not known: its image has no usable WCS."
_ENCODED = "In texts, % and two digits stand for a byte of UTF-8 (RFC 3986)."
_BITS = (
    f"Pixels that the steps of the recipe set to 0, as a sum: {MISSING} no data, {CLIPPED} at or "
    f"below the level of clip, {MASKED} outside of mask, {OTHER_STEP} by another step. 0: unchanged"
)


@dataclass(frozen=True, slots=True)
class FitsPlane:
    """One channel of a stamp.

    Attributes
    ----------
    channel : str
        Its name, `ONLY_CHANNEL` in a dataset without channels.
    brightness : float32 array, shape (ny, nx), in the unit of the image
        Before the steps of the recipe; NaN where there is no data.
    rms : float32 array, shape (ny, nx), in the unit of the image, or None
        Its noise, as the recipe estimates it; None if it is not known.
    marks : uint8 array, shape (ny, nx)
        As `mingolotss.recipe.zeroed_pixels.run_and_mark` returns them.
    row : mapping
        What is known of the image and the plane, by columns of the table of channels.
    history : sequence of str
        What was done to the pixels, in order.
    repeatable : bool
        Whether the steps of the recipe, applied to `brightness` and `rms`, give the pixels of the
        dataset to the bit.
    unit_beam : tuple of float
        Major and minor axis (arcsec) and angle (deg) of the beam that Jy/beam refers to.
    """

    channel: str
    brightness: npt.NDArray[np.float32]
    rms: npt.NDArray[np.float32] | None
    marks: npt.NDArray[np.uint8]
    row: Row
    history: Sequence[str]
    repeatable: bool
    unit_beam: tuple[float, float, float]


def fits_file(
    row: Row, planes: Sequence[FitsPlane], program: Mapping[str, str], mask: Masks | None = None
) -> bytes:
    """Return the bytes of the file of one stamp; the same arguments give the same bytes.

    Parameters
    ----------
    row : mapping
        The row of the manifest.
    planes : sequence of FitsPlane
        The reference channel first.
    program : mapping of str to str
        As `made_by` returns it.
    mask : uint8 array, shape (ny, nx), or None
        Of the stamp, as `mingolotss.image.masks` makes it: the last unit of the file.
    """
    position = _position_cards(row)
    about = format_cards([
        *_source_cards(row),
        *((keyword, header_text(text), _MADE_BY[keyword]) for keyword, text in program.items()),
    ])  # fmt: skip
    names = _Names()
    units: list[bytes] = []
    for number, plane in enumerate(planes):
        beam = position + format_cards(_beam_cards(plane))
        unit = _texts((("BUNIT", plane.row.get("unit"), "unit of the pixels"),))
        of_image = about if number == 0 else b""
        of_image += format_cards(
            [
                ("STEPSEQ", plane.repeatable, "do the steps of the recipe give the stamp again"),
                *_channel_cards(plane),
                *_image_cards(plane.row),
                *((HISTORY, header_text(line), "") for line in plane.history),
            ]
        )
        parts: list[tuple[str, bytes, npt.NDArray[np.float32] | npt.NDArray[np.uint8]]]
        parts = [(BRIGHTNESS, format_cards(unit) + beam + of_image, plane.brightness)]
        if plane.rms is not None:
            parts.append((RMS, format_cards(unit) + beam, plane.rms))
        parts.append((MASK, position + format_cards([(HISTORY, _BITS, "")]), plane.marks))
        for kind, cards, pixels in parts:
            name = format_cards(names.cards(kind, plane.channel))
            units.append(image_unit(_noted(name + cards), pixels, is_primary=not units))
    if mask is not None:
        name = format_cards(names.cards(SOURCE_MASK, ONLY_CHANNEL))
        cards = name + position + format_cards([(HISTORY, _VALUES, "")])
        units.append(image_unit(_noted(cards), mask, is_primary=False))
    return b"".join(units)


_MADE_BY = {
    "CREATOR": "program that wrote this file",
    "RECIPE": "name of the recipe",
    "RECIPSHA": "SHA-256 of its settings",
}


def made_by(recipe: Recipe) -> dict[str, str]:
    """Return the program and the recipe by their keywords, as `fits_file` takes them."""
    from mingolotss import __version__  # looks for the package, 10 ms that readers need not wait

    return {
        "CREATOR": f"mingolotss {__version__}",
        "RECIPE": recipe.name,
        "RECIPSHA": recipe.digest,
    }


class _Names:
    """The names of the units of a file. EXTNAME ignores case, so that EXTVER tells equal ones."""

    def __init__(self) -> None:
        self._versions: dict[str, int] = {}

    def cards(self, kind: str, channel: str) -> Cards:
        """Return the cards that name the next unit."""
        name = kind if not channel else channel if kind == BRIGHTNESS else f"{channel}_{kind}"
        version = self._versions[name.upper()] = self._versions.get(name.upper(), 0) + 1
        cards: Cards = [("EXTNAME", name, "name of this unit")]
        if version > 1:
            cards.append(("EXTVER", version, "of the units with this name"))
        cards.append(("PLANE", kind, _PLANES[kind]))
        if channel:
            cards.append(("CHANNEL", channel, "channel of the stamp"))
        return cards


def _noted(cards: bytes) -> bytes:
    """Return cards with what a reader has to know of their texts."""
    notes: Cards = []
    starts = {cards[start : start + 8] for start in range(0, len(cards), CARD)}
    if b"CONTINUE" in starts:
        notes.append(("LONGSTRN", "OGIP 1.0", "texts go on in CONTINUE cards"))
    if b"%" in cards:
        notes.append(("COMMENT", _ENCODED, ""))
    return format_cards(notes) + cards if notes else cards


def _source_cards(row: Row) -> Cards:
    cards: Cards = _texts((("OBJECT", row.get("source"), "name of the source"),))
    cards += _numbers((
        ("RA_OBJ", row.get("ra"), "[deg] of the source, ICRS"),
        ("DEC_OBJ", row.get("dec"), "[deg] of the source, ICRS"),
        ("LABEL", row.get("label"), "number of its class"),
    ))  # fmt: skip
    cards += _texts((
        ("CLASS", row.get("class"), "its class"),
    ))  # fmt: skip
    cards += _label_cards(row)
    cards += _texts((
        ("SPLIT", row.get("split"), "split that it is in"),
        ("STAMP", row.get("image_file"), "name of the image in the manifest"),
        ("STAMPSHA", row.get("pixels_sha256"), "SHA-256 of the stamp"),
    ))  # fmt: skip
    return cards


def _label_cards(row: Row) -> Cards:
    """Return the tags of a source by their numbers, or its votes for each class.

    An unlabelled source has none of these cards, and one without any tag ``NTAGS = 0``.
    """
    cards: Cards = []
    if isinstance(tags := row.get(TAGS.name), list):
        cards.append((_TAG_COUNT, len(tags), "number of its tags"))
        cards += [
            (f"{_TAG}{index}", int(label), "number of a class that it has as a tag")
            for index, label in enumerate(tags, 1)
        ]
    if isinstance(votes := row.get(VOTES.name), list):
        total = row.get(VOTES_TOTAL.name)
        if isinstance(total, float):
            cards.append((_VOTE_COUNT, total, "number of votes"))
        cards += [
            (f"{_VOTE}{label}", float(fraction), f"fraction of the votes for class {label}")
            for label, fraction in enumerate(votes)
        ]
    return cards


def labels_of_cards(cards: Mapping[str, object]) -> dict[str, object]:
    """Return the tags or votes in the cards of a file, by the columns of the manifest."""
    labels: dict[str, object] = {}
    count, total = cards.get(_TAG_COUNT), cards.get(_VOTE_COUNT)
    if isinstance(count, int):
        labels[TAGS.name] = [cards.get(f"{_TAG}{index}") for index in range(1, count + 1)]
    keywords = (f"{_VOTE}{label}" for label in itertools.count())
    names = list(itertools.takewhile(cards.__contains__, keywords))
    if names:
        labels[VOTES.name] = [cards[name] for name in names]
        labels[VOTES_TOTAL.name] = total
    return labels


def _position_cards(row: Row) -> bytes:
    """Return the WCS of a stamp; the text of the manifest has its cards but for CRPIX."""
    text, crpix1, crpix2 = row.get("wcs"), row.get("crpix1"), row.get("crpix2")
    if not isinstance(text, str) or not isinstance(crpix1, float):
        return format_cards([(HISTORY, _NO_POSITION, "")])
    cards = _numbers((("CRPIX1", crpix1, "reference pixel"), ("CRPIX2", crpix2, "")))
    error = row.get("wcs_error_arcsec")
    if isinstance(error, float) and error > 0:
        fitted = "[deg] largest error of a fitted WCS"
        cards += _numbers((("CSYER1", error / 3600, fitted), ("CSYER2", error / 3600, fitted)))
    return _cards_of_text(text) + format_cards(cards)


@lru_cache(maxsize=1024)
def _cards_of_text(text: str) -> bytes:
    """Return the cards of a WCS that stand in a text, one a line, with a frame and an equinox."""
    lines = text.split("\n")
    cards = b"".join(line.ljust(CARD).encode("ascii") for line in lines)
    keywords = {line[:8].rstrip() for line in lines}
    if not keywords & {"RADESYS", "EQUINOX"}:  # then ICRS is the default (FITS 4.0, section 8.3)
        cards += format_cards([("RADESYS", "ICRS", "frame of the positions")])
    return cards


def _beam_cards(plane: FitsPlane) -> Cards:
    """Return beam, frequency, telescope and survey of a plane."""
    row, (major, minor, pa) = plane.row, plane.unit_beam
    stamp_beam = [row.get(f"stamp_beam_{axis}") for axis in ("major_arcsec", "minor_arcsec")]
    widths = [value / 3600 if isinstance(value, float) else None for value in stamp_beam]
    if stamp_beam == [major, minor]:
        widths = [None, None]
    frequency = row.get("frequency_mhz")
    cards = _numbers((
        ("BMAJ", major / 3600, "[deg] beam of the unit Jy/beam, major axis, FWHM"),
        ("BMIN", minor / 3600, "[deg] its minor axis, FWHM"),
        ("BPA", pa, "[deg] its position angle, east of north"),
        ("PSFMAJ", widths[0], "[deg] beam widened by resampling, major axis, FWHM"),
        ("PSFMIN", widths[1], "[deg] its minor axis, FWHM"),
        ("RESTFRQ", frequency * 1e6 if isinstance(frequency, float) else None,
         "[Hz] frequency of the image"),
    ))  # fmt: skip
    cards += _texts((
        ("TELESCOP", row.get("telescope"), "of the image"),
        ("SURVEY", row.get("survey"), "of the image"),
    ))  # fmt: skip
    return cards


def _channel_cards(plane: FitsPlane) -> Cards:
    """Return what is known of one channel of several."""
    if not plane.channel:
        return []
    cards: Cards = [("MISSING", plane.row.get("status") == "missing", "is there no image of it")]
    return cards + _texts((("PLANESHA", plane.row.get("pixels_sha256"), "SHA-256 of the plane"),))


def _image_cards(row: Row) -> Cards:
    """Return where a plane comes from, and its noise."""
    cards = _texts((
        ("FIELD", row.get("field"), "field of the survey"),
        ("IMAGE", row.get("image"), "image that the stamp is from"),
        ("IMAGESHA", row.get("image_sha256"), "SHA-256 of this file"),
        ("IMAGECHK", row.get("image_checksum"), "SHA-256 of samples of this large file"),
        ("RMSMAP", row.get("rms"), "its map of the noise"),
        ("RMSSHA", row.get("rms_sha256"), "SHA-256 of this file"),
        ("RMSCHK", row.get("rms_checksum"), "SHA-256 of samples of this large file"),
        ("NOISEMET", row.get("noise_method"), "how the noise came about"),
    ))  # fmt: skip
    return cards + _numbers((
        ("NOISE", row.get("noise_jy"), "[Jy/beam] median noise"),
        ("PEAK", row.get("peak_jy"), "[Jy/beam] brightest pixel"),
    ))  # fmt: skip


def _texts(cards: Sequence[tuple[str, object, str]]) -> Cards:
    """Return the cards that have a text."""
    return [
        (keyword, header_text(text), comment)
        for keyword, text, comment in cards
        if isinstance(text, str) and text
    ]


def _numbers(cards: Sequence[tuple[str, object, str]]) -> Cards:
    """Return the cards that have a number."""
    numbers: Cards = []
    for keyword, value, comment in cards:
        if isinstance(value, int | float) and math.isfinite(value):
            numbers.append((keyword, _plain_number(value), comment))
    return numbers


def _plain_number(value: HeaderValue) -> HeaderValue:
    """Return a number without the last digit of rounding, 0.0016666666666666666 as ...667."""
    return float(f"{value:.15g}") if isinstance(value, float) else value
