"""Inputs of a build that are no longer those that its products were made from.

They are compared by their content: decisions, settings and catalogues by a checksum, and images as
the next build compares them. Files that were neither written nor renamed since are not read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from mingolotss.candidates.decisions import DecisionLog, followed_decisions
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.provenance import Provenance
from mingolotss.dataset.recorded_inputs import (
    RecordedCatalogue,
    RecordedComponents,
    RecordedImages,
    RecordedInputs,
    decisions_digest,
    decisions_file,
    image_folder,
    read_inputs,
)
from mingolotss.errors import MingoError
from mingolotss.io.file_identity import read_times
from mingolotss.io.files import sha256_file
from mingolotss.io.summaries import count_text
from mingolotss.pipeline.recorded_images import differing_images
from mingolotss.recipe.differences import recipe_differences
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.model import Recipe
from mingolotss.service.local.listing import listed_files

__all__ = ["InputChange", "changed_inputs"]

_MAX_SHOWN = 3  # names or settings in one line


class InputChange(NamedTuple):
    """An input that is not the one that the products were made from.

    Attributes
    ----------
    text : str
        One line.
    remedy : str
        "build": the next build follows it; "fresh": only with ``--fresh``; "none": neither.
    """

    text: str
    remedy: Literal["build", "fresh", "none"] = "build"


def changed_inputs(out: Path, provenance: Provenance) -> list[InputChange]:
    """Return the changes of the inputs of a finished build; of one by an earlier version, none.

    Parameters
    ----------
    out : Path
        The folder of the build.
    provenance : Provenance
        Its ``recipe.toml``.
    """
    inputs = read_inputs(out)
    if inputs is None:
        return []
    return [
        *_changed_decisions(out, inputs, provenance.recipe),
        *_changed_recipe(out, inputs, provenance.recipe),
        *_changed_file(out, inputs.catalogue, "the catalogue"),
        *_changed_file(out, inputs.components, "the components"),
        *_changed_images(out, inputs),
    ]


def _changed_decisions(out: Path, inputs: RecordedInputs, recipe: Recipe) -> Iterator[InputChange]:
    path = decisions_file(out)
    rows = DecisionLog(path).standing()
    decisions = followed_decisions(rows, judgements=recipe.judgements.are_used)
    if decisions_digest(decisions) != inputs.decisions.sha256:
        yield InputChange(
            f"{path.name}: it has {count_text(len(decisions), 'decision')}; the products follow "
            f"others ({inputs.decisions.count:,})"
        )


def _changed_recipe(out: Path, inputs: RecordedInputs, recipe: Recipe) -> Iterator[InputChange]:
    recorded, own = inputs.recipe, BuildFolder(out).recipe.name
    if recorded.effective and recipe.digest != recorded.effective:
        yield InputChange(f"{own}: it was changed since the products were made")
    paths = recorded.place.paths(out)
    name = recorded.name or next((str(path) for path in paths if path.is_file()), "")
    if not name:
        return
    try:
        given = load_recipe(name)
    except MingoError as error:
        yield InputChange(f"{error}; the build has its settings in {own}", "none")
        return
    if given.digest != recorded.digest:
        changed = [f"{one.key} = {one.second}" for one in recipe_differences(recipe, given)]
        more = f" and {len(changed) - _MAX_SHOWN} more" if len(changed) > _MAX_SHOWN else ""
        yield InputChange(
            f"the recipe {name}: it has other settings now ({'; '.join(changed[:_MAX_SHOWN])}"
            f"{more}); to use them, give it to build with --fresh",
            "none",
        )


def _changed_file(
    out: Path, recorded: RecordedCatalogue | RecordedComponents, name: str
) -> Iterator[InputChange]:
    paths = recorded.place.paths(out)
    existing = [path for path in paths if path.is_file()]
    if not existing:
        if paths and not getattr(recorded, "url", ""):
            yield InputChange(f"{name}: it is not at {_listed(paths)}", "none")
        return
    recorded_at = BuildFolder(out).inputs.stat().st_mtime_ns
    for path in existing:
        if not read_times(path).changed_since(recorded_at):
            return
        if sha256_file(path) == recorded.sha256:
            return
    yield InputChange(f"{name} {existing[0]}: its content is another", "fresh")


def _changed_images(out: Path, inputs: RecordedInputs) -> Iterator[InputChange]:
    seen = []
    for channel in ("", *inputs.channels):
        recorded = inputs.images_of(channel)
        if recorded not in seen:  # channels of the same images
            yield from _changed_images_of(out, recorded, channel)
        seen.append(recorded)


def _changed_images_of(out: Path, recorded: RecordedImages, channel: str) -> Iterator[InputChange]:
    """Yield the changes of the images of a further channel, or of the reference ("")."""
    if not recorded.reads_folder:
        return
    whose = f"of the channel {channel} " if channel else ""
    folder = image_folder(out, channel)
    if folder is None:
        places = _listed(recorded.place.paths(out))
        of_channel = f" {whose.strip()}" if channel else ""
        yield InputChange(f"the folder of the images{of_channel}: it is not at {places}", "none")
        return
    names = differing_images(BuildFolder(out).parts(), folder, only_touched=True, channel=channel)
    if names:
        more = f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
        yield InputChange(
            f"the images {whose}in {folder}: {len(names)} were changed or are missing "
            f"({', '.join(names[:_MAX_SHOWN])}{more})"
        )
    files, digest = listed_files(folder)
    if digest != recorded.files_sha256:
        yield InputChange(
            f"the images {whose}in {folder}: files were added, removed or renamed ({files} FITS "
            f"files now, {recorded.files} then)"
        )


def _listed(paths: Sequence[Path]) -> str:
    return " or ".join(map(str, paths))
