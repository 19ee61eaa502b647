"""How two datasets were made: settings, inputs, versions, catalogue rows, images and decisions.

Only what both have recorded is compared. The places of the inputs are no difference.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from mingolotss.dataset.label_origins import FROM_CATALOGUE
from mingolotss.dataset.layout import BuildFolder, DatasetFolder
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.provenance import Provenance, read_provenance
from mingolotss.dataset.recipe_file import read_package_versions
from mingolotss.dataset.split_plans import read_split_plan
from mingolotss.formats.splits_csv import read_splits
from mingolotss.pipeline.recorded_images import recorded_checksums
from mingolotss.qa.compare_labels import read_origins
from mingolotss.qa.comparison import (
    CATALOGUE,
    DECISIONS,
    IMAGES,
    INPUTS,
    SETTINGS,
    VERSIONS,
    DifferenceRow,
    rows_of,
)
from mingolotss.recipe.differences import recipe_differences
from mingolotss.service.folder_addresses import split_folder

__all__ = ["find_causes", "why_absent"]

_CATALOGUE_COLUMNS = ("ra", "dec", "class", "size_arcsec", "flux_mjy")


def find_causes(a: Path, b: Path) -> list[DifferenceRow]:
    """Return the differences in how two datasets were made; none if one has not recorded it."""
    first, second = (read_provenance(path) if path.is_dir() else None for path in (a, b))
    if first is None or second is None:
        return []
    settings = recipe_differences(first.recipe, second.recipe)
    versions, other_versions = read_package_versions(a), read_package_versions(b)
    return [
        *(DifferenceRow(SETTINGS, *setting) for setting in settings),
        *_compare_inputs(first, second),
        *_compare_splits(a, b),
        *_compare_mappings(VERSIONS, versions, other_versions),
        *_compare_manifests(_manifest(a), _manifest(b), read_origins(a), read_origins(b)),
        *_compare_images(a, b),
    ]


def why_absent(folder: Path, letter: str) -> Mapping[str, str]:
    """Return why sources have no image in a dataset, by their names.

    Parameters
    ----------
    folder : Path
    letter : str
        By which the lines call the dataset.
    """
    table = _manifest(folder)
    if table is None:
        return {}
    path = DatasetFolder(folder).splits
    listed = read_splits(path) if path.is_file() else {}
    reasons = {
        name: f"left out of the splits in {letter}: {row.reason}"
        for name, row in listed.items()
        if not row.split
    }
    names, rejected = (table[name].to_pylist() for name in ("source", "reason"))
    return reasons | {
        name: f"rejected in {letter}: {reason}"
        for name, reason in zip(names, rejected, strict=True)
        if reason
    }


def _manifest(folder: Path) -> pa.Table | None:
    if not (folder.is_dir() and BuildFolder(folder).manifest.exists()):
        return None
    return read_manifest(folder, ["source", *_CATALOGUE_COLUMNS, "decided_by", "reason"])


def _compare_inputs(a: Provenance, b: Provenance) -> Iterator[DifferenceRow]:
    if a.catalogue_sha256 != b.catalogue_sha256:
        texts = (f"{one.catalogue} (SHA-256 {one.catalogue_sha256[:12]})" for one in (a, b))
        yield DifferenceRow(INPUTS, "catalogue", *texts)
    if a.components_sha256 != b.components_sha256:
        texts = (
            f"{one.components} (SHA-256 {one.components_sha256[:12]})" if one.components else "none"
            for one in (a, b)
        )
        yield DifferenceRow(INPUTS, "components", *texts)
    values = (
        ("rows of the catalogue", str(a.rows), str(b.rows)),
        ("limit", str(a.limit or "none"), str(b.limit or "none")),
        ("image service", split_folder(a.service)[0], split_folder(b.service)[0]),
    )
    yield from rows_of(INPUTS, values)
    for name in dict.fromkeys([*a.services, *b.services]):
        first, second = (split_folder(one.services.get(name, "none"))[0] for one in (a, b))
        yield from rows_of(INPUTS, [(f"image service of the channel {name}", first, second)])


def _compare_splits(a: Path, b: Path) -> list[DifferenceRow]:
    """Compare how two datasets were split: the plan, and the list or dataset that it names."""
    return rows_of(INPUTS, [("split", _split_of(a), _split_of(b))])


def _split_of(folder: Path) -> str:
    plan, sha256 = read_split_plan(folder)
    return f"{plan} (SHA-256 {sha256[:12]})" if sha256 else plan


def _compare_mappings(kind: str, a: Mapping[str, str], b: Mapping[str, str]) -> list[DifferenceRow]:
    names = dict.fromkeys((*a, *b)) if a and b else {}
    return rows_of(kind, ((name, a.get(name, ""), b.get(name, "")) for name in names))


def _compare_manifests(
    a: pa.Table | None,
    b: pa.Table | None,
    origins_a: Mapping[str, str] | None,
    origins_b: Mapping[str, str] | None,
) -> Iterator[DifferenceRow]:
    """Compare what the catalogues say of the sources in both, and who decided about them."""
    if a is None or b is None:
        return
    first, second = ({} if one is None else one for one in (origins_a, origins_b))
    # A label that people gave is no value of the catalogue.
    judged = {
        name for one in (first, second) for name, text in one.items() if text != FROM_CATALOGUE
    }
    names, others = (table["source"].to_pylist() for table in (a, b))
    row_of = {name: row for row, name in enumerate(others)}
    common = [(row, row_of[name]) for row, name in enumerate(names) if name in row_of]
    for row, _ in common if judged else ():
        name = names[row]
        sides = first.get(name, FROM_CATALOGUE), second.get(name, FROM_CATALOGUE)
        yield from rows_of(DECISIONS, [(f"{name}, label", *sides)])
    for column in (*_CATALOGUE_COLUMNS, "decided_by"):
        values, other_values = a[column].to_pylist(), b[column].to_pylist()
        for row, other in common:
            if column == "class" and names[row] in judged:
                continue
            value, other_value = _text(values[row]), _text(other_values[other])
            if value != other_value:
                if column == "decided_by":
                    yield DifferenceRow(DECISIONS, names[row], value, other_value)
                else:
                    yield DifferenceRow(CATALOGUE, f"{names[row]}, {column}", value, other_value)


def _text(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.10g}"
    return "" if value is None else str(value)


def _compare_images(a: Path, b: Path) -> list[DifferenceRow]:
    """Compare the checksums of the images that have one name in both builds."""
    first, second = (recorded_checksums(BuildFolder(path).parts()) for path in (a, b))
    return rows_of(
        IMAGES,
        ((name, first[name][:12], second[name][:12]) for name in sorted({*first} & {*second})),
    )
