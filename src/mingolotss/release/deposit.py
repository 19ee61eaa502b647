"""``deposit()``: a folder with all that is uploaded to Zenodo and to Hugging Face.

The dataset is verified first, and exported once. Hugging Face gets the files of the export, Zenodo
one archive of them beside the descriptions, a list of checksums and the metadata of DataCite. For a
later version, both get a list of what differs from the version before.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from mingolotss.dataset.checksums import digest_files, read_checksums, write_checksums
from mingolotss.dataset.layout import DatasetFolder, DepositFolder, ExportFolder
from mingolotss.dataset.provenance import Provenance, read_provenance
from mingolotss.errors import InputError
from mingolotss.io.file_names import safe_name
from mingolotss.io.files import is_local, locate, write_bytes
from mingolotss.io.summaries import Shown, Summary, count_text
from mingolotss.pipeline.exporting import export
from mingolotss.publish.datacite import render_datacite
from mingolotss.publish.licence import read_licence
from mingolotss.publish.staging import staged_export
from mingolotss.publish.summary import read_summary
from mingolotss.qa.compare import compare
from mingolotss.qa.comparison import Comparison
from mingolotss.qa.verify import verify
from mingolotss.recipe.metadata import Metadata
from mingolotss.release.changes import render_changes

__all__ = ["Deposit", "deposit"]

_NUMBERS = re.compile(r"\d+(\.\d+){0,2}", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class Deposit(Shown):
    """A deposit that was written.

    Attributes
    ----------
    out : Path
        The folder.
    archive : Path
        For Zenodo.
    images : int
        In the dataset.
    comparison : Comparison or None
        With the version before, if there is one.
    notices : tuple of str
        Lines about what the recipe does not state, and what follows from that.

    Examples
    --------
    >>> import mingolotss
    >>> done = mingolotss.deposit("demo", "to-upload")
    >>> done.archive.name, done.images
    ('mingolotss.tar.gz', 118)
    """

    out: Path
    archive: Path
    images: int
    comparison: Comparison | None = None
    notices: tuple[str, ...] = ()

    def _summary(self) -> Summary:
        facts = {"archive": str(self.archive)}
        if self.notices:
            facts["not stated"] = "; ".join(self.notices)
        return Summary(f"Deposit: {count_text(self.images, 'image')} in {self.out}", facts)


def deposit(
    dataset: Path | str,
    out: Path | str,
    *,
    format: str = "parquet",  # noqa: A002 - the word of the command line
    previous: Path | str | None = None,
) -> Deposit:
    """Write a folder with all files that are uploaded to Zenodo and to Hugging Face.

    Parameters
    ----------
    dataset : path
        The folder of a build or of an export.
    out : path
        The folder to make.
    format : str
        Of the files for Hugging Face and in the archive: a name in `mingolotss.formats.FORMATS`.
    previous : path, optional
        The version before: a build, an export or a deposit.

    Returns
    -------
    Deposit
        The folder, its archive, and what the recipe does not state.

    Raises
    ------
    InputError
        The dataset has problems, `out` exists, or the recipe states no version that follows that of
        `previous`.
    DatasetError
        `dataset` or `previous` is no dataset, or not whole.

    Examples
    --------
    >>> import mingolotss
    >>> mingolotss.deposit("demo", "upload")
    Deposit: 118 images in upload
        archive: upload/zenodo/mingolotss.tar.gz
        ...
    """
    source, target = Path(dataset).expanduser(), locate(out)
    if not is_local(target):
        raise InputError(f"deposit {source} in {target}: give a folder on this machine")
    before = _previous_dataset(previous)
    with staged_export(target, fresh=None) as stage:
        provenance = _check(source)
        earlier = Metadata() if before is None else _check_versions(source, provenance, before)
        folder = DepositFolder(stage)
        exported = export(source, format, folder.hub, archive=True)
        name = _archive_name(provenance)
        folder.zenodo.mkdir()
        archive = ExportFolder(folder.hub).archive.rename(folder.archive(name))
        comparison = None
        if before is not None:
            comparison = compare(before, folder.hub)
            _write_changes(folder, comparison, provenance.metadata, earlier.version)
        _copy_descriptions(folder)
        text = render_datacite(
            read_summary(folder.hub).provenance, images=exported.images,
            archive_bytes=archive.stat().st_size,
            previous_doi="" if earlier.doi == provenance.metadata.doi else earlier.doi,
        )  # fmt: skip
        write_bytes(folder.datacite, text.encode())
        files, known = sorted(folder.zenodo.iterdir()), {archive.name: exported.sha256}
        write_checksums(folder.checksums, digest_files(folder.zenodo, files, known=known))
    archive = DepositFolder(target).archive(name)
    return Deposit(target, archive, exported.images, comparison, _notices(provenance.metadata))


def _check(source: Path) -> Provenance:
    """Return the provenance of a dataset without problems."""
    result = verify(source)
    if not result.good:
        raise InputError(
            f"deposit {source}: {count_text(len(result.problems), 'problem')}, the first is: "
            f"{result.problems[0]}; `mingolotss verify` lists all, mend them first"
        )
    provenance = read_provenance(source)
    if provenance is None:
        raise InputError(
            f"deposit {source}: no recipe.toml in it; give the folder of a build or of an export"
        )
    return provenance


def _previous_dataset(previous: Path | str | None) -> Path | None:
    if previous is None:
        return None
    path = Path(previous).expanduser()
    hub = DepositFolder(path).hub
    return hub if hub.is_dir() else path


def _check_versions(source: Path, now: Provenance, before: Path) -> Metadata:
    """Check that a version follows the one before; return what that one states."""
    provenance = read_provenance(before)
    if provenance is None:
        raise InputError(
            f"deposit {source} as the version after {before}: no recipe.toml in {before}; give the "
            "folder of a build, an export or a deposit"
        )
    stated, earlier = now.metadata, provenance.metadata
    advice = "state a higher one (key version of the recipe) and build again"
    if now.simulated and now.recipe.version and not stated.version:
        advice = (
            f"version {now.recipe.version} of its recipe is that of a survey's dataset, and these "
            "images are simulated; use a recipe with images.service = 'simulated'"
        )
    if not stated.version:
        raise InputError(
            f"deposit {source} as the version after {before}: it has no version; {advice}"
        )
    if earlier.version and _padded(stated.version)[0] < _padded(earlier.version)[0]:
        raise InputError(
            f"deposit {source} as the version after {before}: version {stated.version} is before "
            f"version {earlier.version}; {advice}"
        )
    if earlier.version and _padded(stated.version) == _padded(earlier.version):
        raise InputError(
            f"deposit {source} as the version after {before}: both are version {stated.version}; "
            f"{advice}"
        )
    return earlier


def _padded(version: str) -> tuple[list[int], str]:
    """Return MAJOR, MINOR and PATCH, where the last two may be missing, and what follows them.

    >>> _padded("2.1"), _padded("2.1.0-rc.1+7")
    (([2, 1, 0], ''), ([2, 1, 0], '-rc.1+7'))
    """
    text = _NUMBERS.match(version)[0]  # type: ignore[index]
    numbers = [int(number) for number in text.split(".")]
    return numbers + [0] * (3 - len(numbers)), version[len(text) :]


def _archive_name(provenance: Provenance) -> str:
    version = provenance.metadata.version
    return safe_name("-".join(filter(None, (provenance.recipe.name, version))))


def _write_changes(
    folder: DepositFolder, comparison: Comparison, stated: Metadata, version_before: str
) -> None:
    """Write what differs from the version before, for people and as a table, into both folders."""
    text = render_changes(comparison, stated.title, version_before, stated.version)
    for place in (folder.hub, folder.zenodo):
        write_bytes(folder.changes(place), text.encode("utf-8", "backslashreplace"))
        comparison.write_table(folder.changes_table(place))
    # The export has a list of its files, which would not name these two.
    checksums, hub = DatasetFolder(folder.hub).checksums, folder.hub
    further = digest_files(hub, [folder.changes(hub), folder.changes_table(hub)])
    write_checksums(checksums, read_checksums(checksums) | further)


def _copy_descriptions(folder: DepositFolder) -> None:
    exported, target = DatasetFolder(folder.hub), folder.zenodo
    for path in (*exported.descriptions(), exported.croissant, exported.recipe):
        shutil.copyfile(path, target / path.name)


def _notices(stated: Metadata) -> tuple[str, ...]:
    """Return a line for each statement that is missing, with what follows from that."""
    licence = read_licence(stated.licence)
    lines = [
        (licence.is_known, "licence: Zenodo is asked for a closed deposit"),
        (bool(stated.authors), "authors: the citation names none"),
        (bool(stated.version), "version: a later one cannot be told from this"),
        (bool(stated.doi), "doi: reserve one, state it, build again and deposit again"),
    ]
    return tuple(line for is_stated, line in lines if not is_stated)
