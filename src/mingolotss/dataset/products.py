"""The products of a build: the files that it writes from its parts, in a fixed order.

`remove_products` removes them and the parts; decisions and downloads stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mingolotss.dataset.checksums import read_checksums
from mingolotss.dataset.collection_record import CollectionRecord
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.provenance import read_provenance
from mingolotss.errors import MingoError
from mingolotss.io.files import LARGEST_TEXT, remove_tree
from mingolotss.recipe.model import Recipe

__all__ = [
    "GENERATED_MARK",
    "is_complete",
    "is_generated",
    "products",
    "remove_products",
    "remove_tables",
]

GENERATED_MARK = "written by mingolotss from recipe.toml and manifest.parquet"
"""A description with these words was written by the program, which may replace it."""


def is_generated(path: Path) -> bool:
    """Return whether the program wrote a description; one that a person wrote stays."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:  # one that the program wrote is shorter
        return GENERATED_MARK.encode() in stream.read(LARGEST_TEXT)


def products(folder: Path, recipe: Recipe, *, descriptions: bool = True) -> Iterator[Path]:
    """Give the products of a build except the PNG and FITS files and the list of checksums.

    Parameters
    ----------
    folder : Path
        The build.
    recipe : Recipe
        Its recipe.
    descriptions : bool
        Whether to include the card, the licence and the descriptions for machines.
    """
    build = BuildFolder(folder)
    tables = build.candidates, build.manifest, build.channels, build.csv
    for path in (build.recipe, build.splits, *tables):
        if path.exists():
            yield path
    if descriptions:
        yield build.croissant
        yield from filter(is_generated, build.descriptions())
    yield from build.all_stamps()
    if "batches" in recipe.formats:
        names = _batch_names(folder)
        yield from build.batches(recipe.batches.folder).files(names)
        yield build.batch_archive(recipe.batches.archive)
    if "hats" in recipe.formats:
        yield from sorted(path for path in build.hats.rglob("*") if path.is_file())


def _batch_names(folder: Path) -> tuple[str, ...]:
    """Return the file names of the batches of a build."""
    provenance = read_provenance(folder)
    return () if provenance is None else provenance.batch_names


def is_complete(folder: Path, recipe: Recipe) -> bool:
    """Return whether a build has all its products, and so their checksums, which come last."""
    build = BuildFolder(folder)
    is_listed = build.checksums.exists() and (build.channels.exists() or not recipe.channels)
    if not is_listed or not _has_collection(build, recipe) or _lists_foreign_text(build):
        return False
    return all(path.exists() for path in products(folder, recipe))


def _has_collection(build: BuildFolder, recipe: Recipe) -> bool:
    """Return whether a build has the HATS collection that its recipe asks for, or none."""
    record = CollectionRecord.read(build)
    if record is None or "hats" not in recipe.formats:
        return record is None and "hats" not in recipe.formats
    return record.settings == recipe.hats.to_dict() and record.is_whole(build)


def _lists_foreign_text(build: BuildFolder) -> bool:
    """Return whether a person has replaced a description since the checksums were written."""
    foreign = [
        path.name for path in build.descriptions() if path.exists() and not is_generated(path)
    ]
    return bool(foreign) and not read_checksums(build.checksums).keys().isdisjoint(foreign)


def remove_tables(folder: Path) -> None:
    """Remove the tables and the checksums of a build that will have more rows; its parts stay."""
    build = BuildFolder(folder)
    for path in (build.checksums, build.manifest, build.candidates, build.channels):
        path.unlink(missing_ok=True)


def remove_products(folder: Path) -> None:
    """Remove the parts and products of a build and its report; decisions and downloads stay."""
    build = BuildFolder(folder)
    with suppress(MingoError):  # a damaged recipe.toml names nothing to remove
        if (provenance := read_provenance(folder)) is not None:
            remove_tree(build.batches(provenance.recipe.batches.folder).path)
            build.batch_archive(provenance.recipe.batches.archive).unlink(missing_ok=True)
    if CollectionRecord.is_own(build):
        remove_tree(build.hats)
    for path in (build.stamps, build.part_tables, build.png, build.fits, build.figures):
        remove_tree(path)
    files = [
        build.recipe, build.splits, build.candidates, build.manifest, build.csv, build.checksums,
        build.croissant, build.report, build.audit, build.suspects, build.disagreements,
        build.rejected, build.notices, build.channels,
    ]  # fmt: skip
    files += filter(is_generated, build.descriptions())
    for path in files:
        path.unlink(missing_ok=True)
