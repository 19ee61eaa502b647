"""Search for the images of every source, of the reference and of the further channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mingolotss.candidates.table import CandidateTable
from mingolotss.errors import ServiceAnswerError, ServiceError, clean_text
from mingolotss.model import Candidate
from mingolotss.pipeline.channel_inputs import ChannelInputs
from mingolotss.pipeline.planned_stamps import PlannedStamps
from mingolotss.pipeline.progress import BuildProgress
from mingolotss.pipeline.resolved_inputs import ResolvedImages, ResolvedInputs
from mingolotss.recipe.model import ChannelSettings, Recipe
from mingolotss.service.base import FetchService, FileService, ImageService, search_all

__all__ = ["reasons_without_image", "search_channels", "search_images"]


def search_images(
    inputs: ResolvedInputs,
    stamps: PlannedStamps,
    recipe: Recipe,
    images: ResolvedImages,
    notify: BuildProgress,
    channel: ChannelSettings | None = None,
) -> tuple[CandidateTable, dict[str, str]]:
    """Return the candidates of all sources, and the reason for each source whose search failed.

    Parameters
    ----------
    inputs : ResolvedInputs
    stamps : PlannedStamps
    recipe : Recipe
        Of one channel alone.
    images : ResolvedImages
        Of this channel.
    notify : BuildProgress
    channel : ChannelSettings, optional
        None for the reference, and without channels.

    Raises
    ------
    ServiceError
        The service cannot be reached, or a remote service has no image of any source.
    """
    catalogue, names, total = inputs.catalogue, inputs.catalogue.names, len(inputs.catalogue)
    answers = search_all(
        images.service,
        catalogue,
        max(recipe.images.size_deg, stamps.stamp_deg),
        lambda done: notify(done, total, "searching"),
    )
    if isinstance(answers, CandidateTable):
        return answers, {}
    if isinstance(images.service, FetchService):
        _require_images(answers, inputs, images, channel)
    lists = [[] if isinstance(answer, ServiceError) else answer for answer in answers]
    search_errors = {
        name: str(answer)
        for name, answer in zip(names, answers, strict=True)
        if isinstance(answer, ServiceError)
    }
    return CandidateTable.from_lists(lists, names), search_errors


def search_channels(
    inputs: ResolvedInputs,
    stamps: PlannedStamps,
    candidates: CandidateTable,
    search_errors: dict[str, str],
    notify: BuildProgress,
) -> tuple[ChannelInputs, ...]:
    """Return the further channels of a build with their candidates.

    Parameters
    ----------
    inputs : ResolvedInputs
    stamps : PlannedStamps
    candidates, search_errors
        Of the reference.
    notify : BuildProgress
    """
    searched = [(inputs.images, (candidates, search_errors))]
    channels = []
    for channel in inputs.recipe.further_channels:
        recipe, images = inputs.recipe.of_channel(channel), inputs.channels[channel.name]
        for other, shared in searched:  # channels of the same images share one service
            if other.service is images.service:
                answers = shared
                break
        else:
            answers = search_images(inputs, stamps, recipe, images, notify, channel)
            searched.append((images, answers))
        reasons = reasons_without_image(images.service, *answers)
        channels.append(
            ChannelInputs(
                channel.name, channel.missing, recipe, images.service, *answers, reasons,
                images.root,
            )
        )  # fmt: skip
    return tuple(channels)


def _require_images(
    answers: Sequence[list[Candidate] | ServiceError],
    inputs: ResolvedInputs,
    images: ResolvedImages,
    channel: ChannelSettings | None,
) -> None:
    """Refuse to plan a dataset without images, where a remote service has none of any source.

    A channel that may be missing can have none.

    Raises
    ------
    ServiceError
        The message has the first error of the searches, if there was one.
    """
    errors = [answer for answer in answers if isinstance(answer, ServiceError)]
    if not answers or any(answer for answer in answers if not isinstance(answer, ServiceError)):
        return
    action = f"search {images.recorded.service} for {len(answers)} sources"
    if channel is not None:
        action = f"search the channel {channel.name}: {action}"
    if len(errors) == len(answers):
        message = f"{action}: no search succeeded; the first error: {errors[0]}"
        raise type(errors[0])(message, url=errors[0].url, status=errors[0].status)
    if channel is not None and channel.missing != "reject":
        return
    name, ra, dec = inputs.catalogue.names[0], inputs.catalogue.ra[0], inputs.catalogue.dec[0]
    message = (
        f"{action}: it has no image of any of them, for example of {name!r} at RA {ra:.5f}, Dec "
        f"{dec:+.5f}; check these positions, and whether the survey covers them"
    )
    if errors:
        message = f"{message}; {len(errors)} searches failed, the first with: {errors[0]}"
    raise ServiceAnswerError(message)


def reasons_without_image(
    service: ImageService, candidates: CandidateTable, search_errors: Mapping[str, str]
) -> dict[str, str]:
    """Return what the service knows of sources that have no candidates, by their names."""
    if not isinstance(service, FileService):
        return {}
    names = (candidates.names[row] for row in np.flatnonzero(candidates.counts == 0).tolist())
    reasons = {
        name: service.reason_without_image(name) for name in names if name not in search_errors
    }
    return {name: clean_text(reason) for name, reason in reasons.items() if reason}
