"""``export()``: a build in another format, split as you like, with its own description.

An export is a folder that stands alone: the images in the format asked for, ``manifest.parquet``
(the written records, their split, and how it was made), ``recipe.toml``, ``README.md``,
``croissant.json`` and ``checksums.sha256``. It appears whole or not at all.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from mingolotss.dataset.manifest import MANIFEST, REPEATED_COLUMNS
from mingolotss.dataset.provenance import Settings, read_settings
from mingolotss.dataset.records import Records, read_records
from mingolotss.dataset.samples import merge_labels
from mingolotss.dataset.splits import SplitPlan
from mingolotss.errors import DatasetError, InputError
from mingolotss.formats.archive import write_tar
from mingolotss.formats.batches_export import write_batched
from mingolotss.formats.hdf5 import write_hdf5
from mingolotss.formats.parquet_export import write_huggingface
from mingolotss.formats.png_folders import write_folders
from mingolotss.formats.webdataset import write_webdataset
from mingolotss.formats.zarr import write_zarr
from mingolotss.io.files import PART, sha256_file, write_bytes
from mingolotss.io.parquet import write_table
from mingolotss.publish.card import write_description
from mingolotss.publish.summary import read_facts

__all__ = ["FORMATS", "Export", "binary_groups", "export", "merge_records", "parse_groups"]

Writer = Callable[[Records, Path, dict[str, str]], None]
FORMATS: dict[str, tuple[Writer, str]] = {
    "batches": (write_batched, "pickled batches, as the published dataset"),
    "parquet": (write_huggingface, "Parquet with Image and ClassLabel, for Hugging Face datasets"),
    "webdataset": (write_webdataset, "tar shards of PNGs, for streaming"),
    "hdf5": (write_hdf5, "one HDF5 file; its images can be mapped into memory"),
    "zarr": (write_zarr, "a Zarr group, chunks of 64 images"),
    "png": (write_folders, "PNG folders by split and class, for ImageFolder"),
}


@dataclass(frozen=True, slots=True)
class Export:
    """What an export wrote.

    Attributes
    ----------
    out : Path
    images : int
    splits : dict of str to int
        Images in each split.
    archive : Path or None
    sha256 : str
        Of the archive.
    """

    out: Path
    images: int
    splits: dict[str, int]
    archive: Path | None = None
    sha256: str = ""


def export(
    build: Path | str,
    format: str,  # noqa: A002 - the word of the command line
    out: Path | str,
    *,
    split: SplitPlan | str | None = None,
    merge: Mapping[str, Sequence[str | int]] | None = None,
    archive: bool = False,
    fresh: bool = False,
) -> Export:
    """Write a build, or an export, in another format.

    Parameters
    ----------
    build : path
        A folder that ``mingolotss build`` or ``export --format parquet`` wrote.
    format : str
        A key of `FORMATS`.
    out : path
        The folder to make.
    split : SplitPlan or str, optional
        By default the splits are those of `build`.
    merge : mapping of str to sequence of str or int, optional
        New classes made of old ones; the rest is left out.
    archive : bool
        Also write ``OUT.tar.gz``, which a dataset class downloads and opens.
    fresh : bool
        Replace what is at `out`, if an export wrote it.

    Raises
    ------
    InputError
        An unknown format, split or class; `out` exists; the format cannot hold these images.
    DatasetError
        `build` is not whole.
    """
    build, out = Path(build), Path(out)
    if format not in FORMATS:
        raise InputError(f"export {build}: no format {format!r}; there are {', '.join(FORMATS)}")
    records, settings = _read(build)
    if merge is not None:
        records = merge_records(records, merge)
    if split is not None:
        records = _split(records, split)
    if not len(records):
        raise InputError(f"export {build}: not one image is left to write")
    facts = _facts(records, settings, format)
    with _staged(out, fresh) as stage:
        FORMATS[format][0](records, stage, facts)
        write_table(
            stage / "manifest.parquet", _manifest(records, facts), dictionary=REPEATED_COLUMNS
        )
        shutil.copyfile(build / "recipe.toml", stage / "recipe.toml")
        write_description(read_facts(stage), format)
        _write_checksums(stage)
    splits = {name: len(rows) for name, rows in records.split_rows().items()}
    packed = write_tar(out) if archive else None
    digest = sha256_file(packed) if packed else ""
    return Export(out, len(records), splits, packed, digest)


def merge_records(records: Records, groups: Mapping[str, Sequence[str | int]]) -> Records:
    """Return the records of the groups' classes, labelled by group (see ``merge_labels``)."""
    labels = merge_labels(records.labels, records.classes, groups)
    members, labels = records.take(labels >= 0), labels[labels >= 0]
    classes = tuple(groups)
    table = members.table
    for name, values in (("label", labels), ("class", [classes[label] for label in labels])):
        at, field = table.column_names.index(name), MANIFEST.field(name)
        table = table.set_column(at, name, pa.array(values).cast(field.type))
    return Records(table, classes, records.origin)


def parse_groups(texts: Sequence[str]) -> dict[str, tuple[str | int, ...]]:
    """Read groups of classes as the command line gives them.

    >>> parse_groups(["FRI=0,1,FRI WAT", "FRII=4"])
    {'FRI': (0, 1, 'FRI WAT'), 'FRII': (4,)}
    """
    groups: dict[str, tuple[str | int, ...]] = {}
    for text in texts:
        name, equals, members = text.partition("=")
        words = [word.strip() for word in members.split(",") if word.strip()]
        if not equals or not name.strip() or not words:
            raise InputError(f"merge classes: {text!r} should be NAME=CLASS,CLASS, e.g. FRI=0,1,2")
        groups[name.strip()] = tuple(int(word) if word.isdigit() else word for word in words)
    return groups


def binary_groups(build: Path | str) -> dict[str, tuple[int, ...]]:
    """Return the two groups that the build's recipe names as binary classes.

    Raises
    ------
    InputError
        The recipe names none.
    """
    settings = read_settings(Path(build))
    if settings is None or not settings.recipe.classes.binary:
        raise InputError(f"export {build}: its recipe names no binary classes; use --merge")
    return dict(settings.recipe.classes.binary)


def _read(build: Path) -> tuple[Records, Settings]:
    settings = read_settings(build)
    if settings is None:
        raise DatasetError(
            f"export {build}: no recipe.toml in it; give a folder that mingolotss build wrote"
        )
    return read_records(build), settings


def _split(records: Records, split: SplitPlan | str) -> Records:
    plan = SplitPlan.parse(split) if isinstance(split, str) else split
    if plan.kind == "published":
        names = ["test" if name == "test_batch" else "train" for name in records.texts("batch")]
        return records.with_splits(names, plan.text)
    places = records.numbers("ra"), records.numbers("dec")
    return records.with_splits(plan.assign(records.labels, *places).tolist(), plan.text)


def _facts(records: Records, settings: Settings, kind: str) -> dict[str, str]:
    """Gather what every format keeps beside the images."""
    recipe = settings.recipe
    plan = (records.table.schema.metadata or {}).get(b"mingolotss.split", b"published")
    return {
        "name": recipe.name,
        "title": recipe.title or recipe.name,
        "license": recipe.licence,
        "citation": "; ".join(recipe.citation),
        "folder": recipe.batches.folder,
        "archive": recipe.batches.archive,
        "split_plan": plan.decode(),
        "format": kind,
    }


def _manifest(records: Records, facts: dict[str, str]) -> pa.Table:
    """Make the export's manifest: the written records, and how they came to be split."""
    said = {f"mingolotss.{key}": facts[key] for key in ("format", "split_plan")}
    said["mingolotss.classes"] = "\n".join(records.classes)
    table = records.table.select(MANIFEST.names).cast(MANIFEST)
    return table.replace_schema_metadata(said)


def _write_checksums(folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    write_bytes(folder / "checksums.sha256", "".join(lines).encode())


@contextmanager
def _staged(out: Path, fresh: bool) -> Iterator[Path]:
    """Give a folder beside `out` that takes its place when all is written."""
    if out.is_dir() and any(out.iterdir()):
        ours = (out / "manifest.parquet").is_file() and (out / "checksums.sha256").is_file()
        if not fresh or not ours or (out / "ledger").exists():
            hint = "or --fresh to replace it" if ours and not fresh else "it is not an export"
            raise InputError(f"export to {out}: something is there; choose another --out ({hint})")
    elif out.exists() and not out.is_dir():
        raise InputError(f"export to {out}: a file is there; choose another --out")
    stage = out.with_name(f"{PART}{os.getpid()}-{out.name}")
    shutil.rmtree(stage, ignore_errors=True)
    try:
        stage.mkdir(parents=True)
        yield stage
        shutil.rmtree(out, ignore_errors=True)
        stage.rename(out)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
