"""Is a dataset whole: every checksum, count and image against the manifest.

Nothing is changed. What is wrong comes back as lines for a person; an empty list is a dataset as
it was built.
"""

from __future__ import annotations

import csv
import hashlib
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.image_stack import ImageArray
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.provenance import read_settings
from mingolotss.dataset.stamps import StampFile, decode_stamps
from mingolotss.errors import DatasetError
from mingolotss.formats.batches import batch_name
from mingolotss.formats.csv import HEADER
from mingolotss.formats.safe_pickle import load_pickle
from mingolotss.io.files import sha256_file
from mingolotss.io.parquet import read_table
from mingolotss.io.png import decode
from mingolotss.loaders.extract import extract
from mingolotss.pipeline.assemble import CHECKSUMS, products
from mingolotss.qa.verify_export import check_export, is_export
from mingolotss.recipe.model import Recipe

__all__ = ["Verification", "verify"]


@dataclass(frozen=True)
class Verification:
    """What was checked, and what is wrong.

    Attributes
    ----------
    path : Path
    files, images : int
        How many of each were checked.
    problems : list of str
        A line each; empty if all is well.
    """

    path: Path
    files: int
    images: int
    problems: list[str]

    @property
    def good(self) -> bool:
        """Return whether nothing is wrong."""
        return not self.problems


def verify(path: Path | str) -> Verification:
    """Check a build folder, an export, or an archive of batches.

    Raises
    ------
    DatasetError
        There is neither at `path`.
    """
    path = Path(path)
    if path.is_dir() and is_export(path):
        return Verification(path, *check_export(path))
    if path.is_dir():
        return _verify_build(path)
    if path.is_file() and tarfile.is_tarfile(path):
        return _verify_archive(path)
    raise DatasetError(f"verify {path}: neither a build's folder nor a tar archive")


def _verify_build(out: Path) -> Verification:
    settings = read_settings(out)
    if settings is None or not (out / CHECKSUMS).exists():
        raise DatasetError(
            f"verify {out}: it holds no finished build (no {CHECKSUMS}); build first"
        )
    recipe = settings.recipe
    problems = list(_checksums(out, recipe))
    files = sum(1 for _ in products(out, recipe))
    try:
        manifest = read_manifest(out)
        problems += _counts(manifest, settings.rows)
        written = manifest.filter(pc.equal(manifest["status"], "written"))
        problems += _stamps(out, written)
        problems += _pngs(out, written) if "png" in recipe.formats else []
        problems += _csv(out, written) if "csv" in recipe.formats else []
        problems += _batches(out, written, recipe) if "batches" in recipe.formats else []
        problems += _downloads(out)
    except DatasetError as error:
        return Verification(out, files, 0, [*problems, str(error)])
    return Verification(out, files, len(written), problems)


def _checksums(out: Path, recipe: Recipe) -> Iterator[str]:
    listed = {}
    for line in (out / CHECKSUMS).read_text().splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
        if not (out / name).is_file():
            yield f"{name}: missing"
        elif sha256_file(out / name) != digest:
            yield f"{name}: its checksum is not the one in {CHECKSUMS}"
    for path in products(out, recipe):
        if str(path.relative_to(out)) not in listed:
            yield f"{path.relative_to(out)}: not listed in {CHECKSUMS}"


def _counts(manifest: pa.Table, rows: int) -> Iterator[str]:
    if manifest["row"].to_pylist() != list(range(rows)):
        yield f"manifest.parquet: {len(manifest)} rows, not one for each of {rows} in the catalogue"
    wrong = set(manifest["status"].to_pylist()) - {"written", "rejected"}
    if wrong:
        yield f"manifest.parquet: status {', '.join(map(repr, wrong))} is neither one"


def _sha256(pixels: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def _stamps(out: Path, written: pa.Table) -> Iterator[str]:
    expected = dict(
        zip(written["row"].to_pylist(), written["pixels_sha256"].to_pylist(), strict=True)
    )
    for path in BuildFolder(out).all_stamps():
        for row, image in _images(path):
            if expected.pop(row, None) != _sha256(image):
                yield f"{path.relative_to(out)}: the image of row {row} is not the manifest's"
    if expected:
        yield f"stamps: {len(expected)} written rows have no image, e.g. row {min(expected)}"


def _images(path: Path) -> Iterator[tuple[int, ImageArray]]:
    """Give the catalogue row and the pixels of each stamp of a file."""
    with StampFile(path) as stamps:
        for group in range(stamps.row_groups):
            encoded = stamps.encoded(group).to_pylist()
            names = [str(path)] * len(encoded)
            images = decode_stamps(encoded, names, is_float=stamps.is_float)
            yield from zip(stamps.rows(group).tolist(), images, strict=True)


def _pngs(out: Path, written: pa.Table) -> Iterator[str]:
    names = written["image_file"].to_pylist()
    for name, expected in zip(names, written["pixels_sha256"].to_pylist(), strict=True):
        path = out / "png" / name
        if not path.is_file():
            yield f"png/{name}: missing"
            continue
        try:
            found = _sha256(decode(path.read_bytes(), f"png/{name}"))
        except DatasetError as error:
            yield str(error)
            continue
        if found != expected:
            yield f"png/{name}: not the image of the manifest"
    extra = {path.name for path in (out / "png").glob("*")} - set(names)
    if extra:
        yield f"png: {len(extra)} files that the manifest does not have, e.g. {min(extra)}"


def _csv(out: Path, written: pa.Table) -> Iterator[str]:
    path = out / "MingoML.csv"
    if not path.is_file():
        return  # _checksums has said so
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    if [row.get(HEADER[0]) for row in rows] != written["source"].to_pylist():
        yield "MingoML.csv: its sources are not the manifest's"
    elif [row[HEADER[-1]] for row in rows] != written["image_file"].to_pylist():
        yield "MingoML.csv: its images are not the manifest's"


def _batches(out: Path, written: pa.Table, recipe: Recipe) -> Iterator[str]:
    train = recipe.batches.train
    for index in range(train + 1):
        name = batch_name(index, train)
        path = out / recipe.batches.folder / name
        if not path.is_file():
            continue  # _checksums has said so
        rows = written.filter(pc.equal(written["batch"], name))
        yield from _batch(load_pickle(path), rows, name)


def _batch(batch: Any, rows: pa.Table, name: str) -> Iterator[str]:
    if not isinstance(batch, dict) or not {"data", "labels", "src_ids"} <= set(batch):
        yield f"{name}: not a batch (a dict with data, labels and src_ids)"
        return
    if list(batch["src_ids"]) != rows["source"].to_pylist():
        yield f"{name}: its sources are not the manifest's"
    elif list(batch["labels"]) != rows["label"].fill_null(-1).to_pylist():
        yield f"{name}: its labels are not the manifest's"
    elif [_sha256(one) for one in batch["data"]] != rows["pixels_sha256"].to_pylist():
        yield f"{name}: its images are not the manifest's"


def _downloads(out: Path) -> Iterator[str]:
    """Check the files that the build downloaded, as far as they are still there."""
    table = read_table(out / "candidates.parquet")
    for kind in ("image", "rms"):
        digests = table[f"{kind}_sha256"].to_pylist()
        for address, digest in zip(table[kind].to_pylist(), digests, strict=True):
            path = Path(address or "")
            if digest and path.is_file() and sha256_file(path) != digest:
                yield f"{address}: changed since the build"


def _verify_archive(path: Path) -> Verification:
    """Check an archive's batches against the checksums in it."""
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            extract(path, Path(folder))
        except DatasetError as error:
            return Verification(path, 0, 0, [str(error)])
        if is_export(Path(folder)):
            return Verification(path, *check_export(Path(folder)))
        sums = sorted(Path(folder).glob("*/checksums"))
        if len(sums) != 1:
            return Verification(path, 0, 0, [f"{path}: no list of checksums in it"])
        images = files = 0
        for line in sums[0].read_text().splitlines():
            digest, _, name = line.partition("  ")
            member = sums[0].parent / name
            files += 1
            if not member.is_file():
                problems.append(f"{name}: missing")
            elif hashlib.md5(member.read_bytes(), usedforsecurity=False).hexdigest() != digest:
                problems.append(f"{name}: its checksum is not the one in the archive's list")
            elif "batch_" in name or name == "test_batch":
                batch = load_pickle(member)
                images += len(batch["labels"])
                if len(batch["data"]) != len(batch["labels"]):
                    problems.append(f"{name}: {len(batch['data'])} images, other labels")
    return Verification(path, files, images, problems)
