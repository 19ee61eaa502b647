"""``verify()``: check a dataset on disk against its checksums and its manifest.

Nothing is changed. The checks of a folder are in `checks`; what builds and exports contain is in
`verify_build` and `verify_export`.
"""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from mingolotss.dataset.hats_catalogue import is_hats
from mingolotss.dataset.layout import BatchFolder, BuildFolder
from mingolotss.dataset.provenance import read_provenance
from mingolotss.errors import DatasetError
from mingolotss.formats.batches import BATCHES
from mingolotss.formats.finding import find_datasets
from mingolotss.loaders.extract import extract
from mingolotss.qa.checks import Verification, check_folder
from mingolotss.qa.verify_batches import verify_batches
from mingolotss.qa.verify_build import build_layout
from mingolotss.qa.verify_export import export_layout, is_export

__all__ = ["Verification", "verify"]


def verify(path: Path | str) -> Verification:
    """Check all checksums, counts and images of a dataset.

    Parameters
    ----------
    path : path
        The folder of a build or of an export, or a tar archive of an export or of batches.

    Returns
    -------
    Verification
        The numbers of files and images that were checked, and one line for each problem.

    Raises
    ------
    DatasetError
        `path` is none of these, or the build in it is not finished.

    Examples
    --------
    >>> import mingolotss
    >>> verification = mingolotss.verify("demo")
    >>> verification.images, verification.problems
    (118, [])
    """
    path = Path(path)
    if path.is_dir():
        return _verify_folder(path)
    if path.is_file() and tarfile.is_tarfile(path):
        return _verify_archive(path)
    raise DatasetError(f"verify {path}: neither a build's folder nor a tar archive")


def _verify_folder(folder: Path) -> Verification:
    if is_export(folder):
        return check_folder(export_layout(folder))
    if is_hats(folder):
        raise DatasetError(
            f"verify {folder}: a HATS collection without the manifest of an export; give the "
            "folder of the build or of the export that it lies in"
        )
    provenance, checksums = read_provenance(folder), BuildFolder(folder).checksums
    if provenance is None or not checksums.exists():
        raise DatasetError(
            f"verify {folder}: no finished build is there (no {checksums.name}); build first"
        )
    return check_folder(build_layout(folder, provenance))


def _verify_archive(path: Path) -> Verification:
    """Check the export or the batches in an archive."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            extract(path, folder)
        except DatasetError as error:
            return Verification(path, 0, 0, [str(error)])
        if is_export(folder):
            checked = check_folder(export_layout(folder))
            return Verification(path, checked.files, checked.images, checked.problems)
        checksums = BatchFolder(folder).checksums.name
        batches = [*folder.glob(f"*/{checksums}"), *folder.glob(checksums)]
        if len(batches) != 1:
            line = f"{path}: it contains no list of checksums"
            if any(dataset_format is BATCHES for dataset_format, _ in find_datasets(folder)):
                line += "; to compare it with a published dataset, use --published"
            return Verification(path, 0, 0, [line])
        return verify_batches(path, BatchFolder(batches[0].parent))
