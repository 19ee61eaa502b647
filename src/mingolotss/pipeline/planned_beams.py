"""The common beam of a build, before any pixel is read.

`plan_common_beam` finds what ``beam.common = "largest"`` is, from the headers of local images or
from what the service states, and refuses a recipe whose beam no image can be convolved to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mingolotss.candidates.table import CandidateTable
from mingolotss.errors import InputError
from mingolotss.foreign import mute_warnings, translate_errors
from mingolotss.io.summaries import count_text
from mingolotss.model import Floats
from mingolotss.pipeline.common_beam import (
    TOLERANCE,
    beam_of,
    facts_problem,
    require_libraries,
    resampled_beam_problem,
)
from mingolotss.pipeline.planned_broadening import Broadening
from mingolotss.recipe.beam_settings import LARGEST, BeamSettings
from mingolotss.service.base import HeaderService, ImageService, survey_facts
from mingolotss.sky.beams import Beam, beam_of_covariance
from mingolotss.sky.header_facts import HeaderFacts

__all__ = ["BeamImages", "PlannedBeam", "plan_common_beam", "smallest_common_beam"]

_MAX_HEADERS = 2000  # of cutouts in a folder: two seconds
_ACTION = f"plan the common beam, beam.common = {LARGEST!r}"


class BeamImages(NamedTuple):
    """The images of one channel.

    Attributes
    ----------
    service : ImageService
    candidates : CandidateTable
    dec : float64 array, shape (n,), deg
        Of the sources, which the beam of a survey may depend on.
    settings : BeamSettings
        Of the channel.
    broadening : Broadening
        What resampling adds to their beams.
    """

    service: ImageService
    candidates: CandidateTable
    dec: Floats
    settings: BeamSettings
    broadening: Broadening = Broadening()


class PlannedBeam(NamedTuple):
    """The settings with the common beam, and lines about it.

    Attributes
    ----------
    settings : BeamSettings
    messages : tuple of str
        For the terminal.
    notices : tuple of str
        About images that cannot be used.
    """

    settings: BeamSettings
    messages: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def plan_common_beam(settings: BeamSettings, channels: Sequence[BeamImages]) -> PlannedBeam:
    """Complete the settings of the common beam, and compare it with the images.

    Parameters
    ----------
    settings : BeamSettings
        Of the recipe.
    channels : sequence of BeamImages
        All images of the build.

    Raises
    ------
    InputError
        No beam of any image is known and the largest is asked for, or none of the images of a
        channel can be convolved to the common beam.
    """
    channels = [images for images in channels if images.settings.common]
    if not channels:
        return PlannedBeam(settings)
    require_libraries()
    known = [_known_facts(images, every=images.settings.is_planned) for images in channels]
    messages: tuple[str, ...] = ()
    if settings.largest:
        messages = (f"beam.common = {LARGEST!r} is {settings.largest}, as recorded",)
    sharing = [pair for pair in zip(channels, known, strict=True) if pair[0].settings.is_planned]
    if sharing:
        for images, facts in sharing:
            _require_beams(images, facts)
        found = {
            (beam_of(one), images.broadening.largest)
            for images, facts in sharing
            for one in facts.values()
        }
        pairs = [(beam, variance) for beam, variance in found if beam is not None]
        if not pairs:
            raise InputError(f"{_ACTION}: no source has an image; check positions and services")
        common = smallest_common_beam(sorted(map(_broadened, *zip(*pairs, strict=True))))
        settings = settings.model_copy(update={"largest": str(common)})
        is_broadened = any(variance > 0 for _, variance in pairs)
        beams = sorted({beam for beam, _ in pairs})
        messages = (_describe(common, beams, is_broadened=is_broadened),)
    notices = []
    for images, facts in zip(channels, known, strict=True):
        beam = (settings if images.settings.is_planned else images.settings).beam
        line = "" if beam is None else _compare(images, facts, beam)
        notices += [line] * bool(line)
    return PlannedBeam(settings, messages, tuple(notices))


def _known_facts(images: BeamImages, *, every: bool) -> dict[str, HeaderFacts]:
    """Return what is known of the images of a channel, by their names; empty if nothing is.

    Images on this machine are known by their headers; others by what the service states, which
    can differ from source to source.

    Parameters
    ----------
    images : BeamImages
    every : bool
        Read all headers; otherwise, of very many, some that are spread over all.
    """
    candidates, stated = images.candidates, survey_facts(images.service)
    if isinstance(images.service, HeaderService):
        used = np.unique(candidates.image_index)
        if not every and len(used) > _MAX_HEADERS:
            used = used[np.linspace(0, len(used) - 1, _MAX_HEADERS).astype(int)]
        addresses = [candidates.images[index][1] for index in used.tolist()]
        headers = images.service.header_facts(addresses)
        return {
            address: header
            for address, header in zip(addresses, headers, strict=True)
            if header is not None
        }
    if stated.beam is None:
        return {}
    rows = np.flatnonzero(candidates.counts)
    return {
        f"an image of {candidates.names[row]}": stated.complete(HeaderFacts(), images.dec[row])
        for row in rows.tolist()
    }


def _require_beams(images: BeamImages, facts: dict[str, HeaderFacts]) -> None:
    """Refuse to look for the largest beam of images of which no beam is known.

    Raises
    ------
    InputError
        It names the service.
    """
    if any(map(beam_of, facts.values())) or not images.candidates.image_index.size:
        return
    reason = "states no beam of its images, which are not read before they are fetched"
    if facts:
        reason = f"has no image with a beam, e.g. {next(iter(facts))}: no BMAJ and BMIN"
    raise InputError(
        f'{_ACTION}: the service {images.service} {reason}; give the beam, e.g. "9 arcsec"'
    )


def _compare(images: BeamImages, facts: dict[str, HeaderFacts], common: Beam) -> str:
    """Return a line about images that cannot be convolved to the common beam, "" if all can.

    Raises
    ------
    InputError
        None can.
    """
    added = np.eye(2) * images.broadening.least
    problems = {
        name: facts_problem(one, common) or resampled_beam_problem(one, common, added)
        for name, one in facts.items()
    }
    problems = {name: problem for name, problem in problems.items() if problem}
    if not problems:
        return ""
    name, problem = next(iter(problems.items()))
    if len(problems) == len(facts):
        raise InputError(
            f"convolve the images of {images.service} to {common} (beam.common): none of "
            f"{count_text(len(facts), 'image')} can be used, e.g. {name}: {problem}"
        )
    return (
        f"{len(problems)} of {count_text(len(facts), 'image')} cannot be used, e.g. {name}: "
        f"{problem}"
    )


def _broadened(beam: Beam, variance: float) -> Beam:
    """Return a beam after resampling, which adds a variance on each axis, arcsec^2."""
    if not variance:
        return beam
    return beam_of_covariance(beam.covariance + np.eye(2) * variance)


def _describe(common: Beam, beams: Sequence[Beam], *, is_broadened: bool) -> str:
    smallest, largest = (choose(beams, key=lambda beam: beam.area) for choose in (min, max))
    line = f"beam.common = {LARGEST!r} is {common}"
    if is_broadened:
        line += ", with room for what resampling adds"
    if len(beams) == 1:
        return (
            f"{line}; the beam of all images is {largest}"
            if is_broadened
            else (f"{line}, the beam of all images")
        )
    return f"{line}; the beams of the images are {len(beams)}, from {smallest} to {largest}"


def smallest_common_beam(beams: Sequence[Beam]) -> Beam:
    """Return the smallest beam that images with any of some beams can be convolved to.

    Parameters
    ----------
    beams : sequence of Beam
        At least one.

    Raises
    ------
    InputError
        radio-beam finds none.
    """
    # radio-beam draws an ellipse around all others, which takes long for many. The common beam of a
    # few is that of all if all others lie within it; as long as they do not, the one that exceeds
    # it most is added to the few.
    covariances = np.array([beam.covariance for beam in beams])
    few = [max(beams, key=lambda beam: beam.area)]
    common = few[0]
    for _ in range(len(beams) + 1):
        allowed = (1 + TOLERANCE / 2) ** 2 * common.covariance
        excess = np.linalg.eigvalsh(covariances - allowed)[:, -1]  # in the worst direction
        if excess.max() <= 0:
            return common
        few.append(beams[int(excess.argmax())])
        common = _common_beam(few)
    raise InputError(f"{_ACTION}: radio-beam finds none; give the beam")


def _common_beam(beams: Sequence[Beam]) -> Beam:
    """Return the smallest common beam of a few beams, by radio-beam."""
    from astropy import units as u
    from radio_beam import Beams
    from radio_beam.commonbeam import commonbeam

    major, minor, pa = np.array(beams).T
    with translate_errors(_ACTION, InputError), mute_warnings():
        common = commonbeam(Beams(major=major * u.arcsec, minor=minor * u.arcsec, pa=pa * u.deg))
        axes = common.major.to_value("arcsec"), common.minor.to_value("arcsec")
        return Beam(float(axes[0]), float(axes[1]), float(common.pa.to_value("deg")) % 180)
