"""What is refused when a build is planned, before any pixel is read: decisions and downloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mingolotss.candidates.decisions import Decision
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import DecisionError, InputError
from mingolotss.io.files import as_input_error, same_file
from mingolotss.model import Candidate
from mingolotss.pipeline.build_plan import Plan
from mingolotss.pipeline.channel_inputs import ChannelInputs
from mingolotss.service.base import FetchService

__all__ = ["check_decisions", "check_downloads"]


def check_decisions(
    decisions: Mapping[str, Decision],
    catalogue: Catalogue,
    candidates: Sequence[Sequence[Candidate]],
) -> None:
    """Refuse decisions that cannot be applied, before any pixel is read.

    Raises
    ------
    DecisionError
        A decision names a field that is not among the candidates of its source.
    """
    for decision in decisions.values():
        row = catalogue.row_of.get(decision.source)
        # A shared file may name sources of another catalogue. Only `accept` needs a field, which is
        # empty where the images have none.
        if row is None or (decision.verdict != "accept" and not decision.field):
            continue
        fields = [candidate.field for candidate in candidates[row]]
        if fields.count(decision.field) > 1:
            images = (c.image for c in candidates[row] if c.field == decision.field)
            raise DecisionError(
                f"apply decisions.csv to {decision.source}: the field {decision.field!r} has "
                f"several images, {' and '.join(images)}; the service must give them different "
                "fields"
            )
        if decision.field not in fields:
            missing = f"there is no image of field {decision.field!r}"
            raise DecisionError(
                f"apply decisions.csv to {decision.source}: "
                f"{missing if decision.field else 'it accepts without naming a field'}; on offer: "
                f"{', '.join(fields) or 'none'}"
            )


def check_downloads(plan: Plan) -> None:
    """Refuse a plan in which two images would be downloaded to one file.

    Raises
    ------
    InputError
        The message names both.
    """
    for channel, service, _ in plan.image_services():
        if isinstance(service, FetchService):
            _check_download_names(plan, service, channel)


def _check_download_names(plan: Plan, service: FetchService, channel: ChannelInputs | None) -> None:
    """Do the work of `check_downloads` for one service, whose downloads have a folder."""
    names, images = [], []
    for request in plan.requests(channel=channel):
        local = service.local_candidate(request)
        for path, content in ((local.image, "image"), (local.rms, "rms map")):
            if path:
                names.append(Path(path).name)
                images.append((content, request.source.name, request.candidate.field))
    if len({name.lower() for name in names}) == len(names):
        return
    try:
        plan.out.mkdir(parents=True, exist_ok=True)
        pair = same_file(names, plan.out)
    except OSError as error:
        raise as_input_error(error, plan.out) from error
    if pair is not None:
        first, second = ("the {} of {} in field {!r}".format(*images[index]) for index in pair)
        raise InputError(
            f"plan the downloads: {first} and {second} would both be written to {names[pair[1]]}; "
            "change images.image and images.rms in the recipe so that the names of their files "
            "differ, e.g. with {source} and {field}"
        )
