"""The files of a build, of an export and of a folder of batches: every name on disk stands here.

The classes only make paths. They read nothing, and work for a path on this machine and for an
address (a path from `mingolotss.io.files.locate`). Not here: what a file contains, and the names of
what services download (``service.remote.workspace``).

>>> build = BuildFolder(Path("demo"))
>>> build.manifest.as_posix(), build.part_stamps(3).as_posix()
('demo/manifest.parquet', 'demo/stamps/part-00003.parquet')
>>> BatchFolder(Path("demo/mingo-batches-py")).training(0).as_posix()
'demo/mingo-batches-py/data_batch_1'
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mingolotss.candidates.decisions import DECISIONS_NAME
from mingolotss.io.file_names import is_file_name, safe_name, with_suffix
from mingolotss.io.files import TEMPORARY_PREFIX
from mingolotss.recipe.names import BATCH_FOLDER
from mingolotss.service.remote.workspace import Workspace

__all__ = [
    "BatchFolder",
    "BuildFolder",
    "DatasetFolder",
    "DepositFolder",
    "ExportFolder",
    "HatsCollection",
    "HatsFolder",
    "batch_name",
    "part_name",
    "split_batch_name",
    "split_of_batch",
    "table_files",
]

_PARTS = "part-*.parquet"
_PNG, _FITS = ".png", ".fits"
_TRAIN, _SPLIT, _TEST = "data_batch_", "_batch", "test_batch"
_INSTANCES, _NO_SPLIT = "instances_", "images"
_TRAIN_ALONE = "train_batch"
_PIXELS_OF_GROUP = 10_000  # in one folder of a HATS catalogue
_BATCH_FILES = ("batches.meta", _TEST, _TRAIN_ALONE, f"{_TRAIN}1")  # one of them is in each folder
_IMAGE_FILES = ("*.h5", "*.tar", "*.tar.gz", "*-batches-py/*", "data/*.parquet", "stamps/*.parquet")


def part_name(index: int) -> str:
    """Return the file name of a part of a build, 0 for the first."""
    return f"part-{index:05d}.parquet"


def batch_name(index: int, train: int) -> str:
    """Return the file name of a batch: the one after `train` training batches is the test batch.

    >>> batch_name(0, 5), batch_name(5, 5)
    ('data_batch_1', 'test_batch')
    """
    return _TEST if index == train else f"{_TRAIN}{index + 1}"


def split_batch_name(split: str) -> str:
    """Return the file name of a split's only batch."""
    return f"{safe_name(split)}{_SPLIT}"


def split_of_batch(name: str) -> str:
    """Return the split that a batch belongs to, as its file name spells it.

    >>> split_of_batch("data_batch_2"), split_of_batch("test_batch"), split_of_batch("fold-0_batch")
    ('train', 'test', 'fold-0')
    """
    is_training = name.removeprefix(_TRAIN).isdigit()
    return "train" if is_training else name.removesuffix(_SPLIT)


@dataclass(frozen=True, slots=True)
class DatasetFolder:
    """The files that builds and exports have in common.

    Parameters
    ----------
    path : Path
        The folder.
    """

    path: Path

    @property
    def manifest(self) -> Path:
        """The manifest: all rows of the catalogue, or the written ones of an export."""
        return self.path / "manifest.parquet"

    @property
    def channels(self) -> Path:
        """The table of the channels of each stamp, where the recipe has channels."""
        return self.path / "channels.parquet"

    @property
    def recipe(self) -> Path:
        """The effective settings, which are a recipe themselves."""
        return self.path / "recipe.toml"

    @property
    def splits(self) -> Path:
        """The split of every source, where it does not follow from the catalogue alone."""
        return self.path / "splits.csv"

    @property
    def checksums(self) -> Path:
        """The SHA-256 of every other file."""
        return self.path / "checksums.sha256"

    @property
    def card(self) -> Path:
        """The dataset card."""
        return self.path / "README.md"

    @property
    def croissant(self) -> Path:
        """The description for machines."""
        return self.path / "croissant.json"

    @property
    def licence(self) -> Path:
        """The licence of the dataset."""
        return self.path / "LICENSE"

    @property
    def citation(self) -> Path:
        """How to cite the dataset, for programs."""
        return self.path / "CITATION.cff"

    @property
    def zenodo(self) -> Path:
        """What Zenodo takes for a deposit."""
        return self.path / ".zenodo.json"

    def descriptions(self) -> list[Path]:
        """List the descriptions that a person may have written: all but the Croissant file."""
        return [self.card, self.licence, self.citation, self.zenodo]

    def batches(self, name: str) -> BatchFolder:
        """Return the folder of batches that the recipe calls `name`."""
        return BatchFolder(self.path / name)

    def batch_archive(self, name: str) -> Path:
        """Return the path of the batches' archive, which the recipe calls `name`."""
        return self.path / name

    def batch_folders(self) -> list[BatchFolder]:
        """List the folders of batches: the usual name, other names, then the folder itself."""
        usual = self.path / BATCH_FOLDER
        paths = dict.fromkeys([usual, *sorted(self.path.glob("*-batches-py")), self.path])
        folders = [folder for folder in map(BatchFolder, paths) if folder.has_batches()]
        if not folders and self.recipe.is_file():  # which may give the batches any name
            folders = self.inner_batch_folders()
        return folders

    def inner_batch_folders(self) -> list[BatchFolder]:
        """List the folders of batches inside, whatever their names.

        The published archives have folders of many names, ``F_batches`` for example.
        """
        files = [path for name in _BATCH_FILES for path in self.path.glob(f"*/{name}")]
        paths = sorted({path.parent for path in files})
        return [folder for folder in map(BatchFolder, paths) if folder.has_batches()]

    def described_files(self) -> list[Path]:
        """List the files to describe to machines: tables, then images that are in few files."""
        build, export = BuildFolder(self.path), ExportFolder(self.path)
        tables = (
            build.manifest, build.channels, build.candidates, build.csv, build.recipe,
            export.classes,
        )  # fmt: skip
        images = {path for pattern in _IMAGE_FILES for path in self.path.glob(pattern)}
        return [path for path in (*tables, *sorted(images)) if path.is_file()]

    def name_of(self, path: Path) -> str:
        """Return the name of a file relative to the folder, with ``/``."""
        return path.relative_to(self.path).as_posix()


class BuildFolder(DatasetFolder):
    """The files of a build."""

    __slots__ = ()

    @property
    def candidates(self) -> Path:
        """The table of candidates."""
        return self.path / "candidates.parquet"

    @property
    def csv(self) -> Path:
        """The written records in the columns of the original's table."""
        return self.path / "MingoML.csv"

    @property
    def decisions(self) -> Path:
        """What people decided."""
        return self.path / DECISIONS_NAME

    @property
    def notices(self) -> Path:
        """The files that the image service does not use."""
        return self.path / "notices.txt"

    @property
    def inputs(self) -> Path:
        """Where the inputs are on this machine."""
        return self.path / "inputs.toml"

    @property
    def workspace(self) -> Workspace:
        """What services download."""
        return Workspace(self.path)

    def channel_workspace(self, name: str) -> Workspace:
        """Return what the service of a further channel downloads."""
        return Workspace(self.path / "channels" / name)

    @property
    def report(self) -> Path:
        """The page of the report."""
        return self.path / "report.html"

    @property
    def rejected(self) -> Path:
        """The rejected sources with their reasons, beside the report."""
        return self.path / "rejected.csv"

    @property
    def audit(self) -> Path:
        """The result of an audit, beside the report."""
        return self.path / "audit.json"

    @property
    def suspects(self) -> Path:
        """The sources whose label looks wrong, the most suspicious first."""
        return self.path / "suspects.csv"

    @property
    def disagreements(self) -> Path:
        """The sources that people judge differently."""
        return self.path / "disagreements.csv"

    @property
    def montage(self) -> Path:
        """The picture of the demo."""
        return self.path / "montage.png"

    @property
    def figures(self) -> Path:
        """The folder of the report's figures."""
        return self.path / "figures"

    def figure(self, name: str, kind: str) -> Path:
        """Return the path of a figure, for example `kind` "svg"."""
        return self.figures / f"{name}.{kind}"

    def class_montage(self, label: int) -> Path:
        """Return the path of the picture of one class."""
        return self.figure(f"montage-{label}", "png")

    @property
    def png(self) -> Path:
        """The folder of the stamps as PNG files."""
        return self.path / "png"

    def stamp(self, image_file: str) -> Path:
        """Return the path of one stamp as PNG; `image_file` is its name in the manifest."""
        return self.png / image_file

    @property
    def fits(self) -> Path:
        """The folder of the stamps as FITS files."""
        return self.path / "fits"

    @property
    def hats(self) -> Path:
        """The folder of the stamps as a HATS collection."""
        return self.path / "hats"

    @property
    def hats_record(self) -> Path:
        """What the collection was made from, in the folder of the parts' tables."""
        return self.part_tables / "hats.json"

    @property
    def sky(self) -> Path:
        """The folder of the simulated sky, in a demo."""
        return self.path / "sky"

    @property
    def stamps(self) -> Path:
        """The folder of the stamps as Parquet files, one per part."""
        return self.path / "stamps"

    def part_stamps(self, index: int) -> Path:
        """Return the path of the stamps of a part."""
        return self.stamps / part_name(index)

    def all_stamps(self) -> list[Path]:
        """List the Parquet files of stamps, in the order of their parts."""
        return sorted(self.stamps.glob(_PARTS))

    @property
    def part_tables(self) -> Path:
        """The folder of the parts' tables. A part is complete when its table is there."""
        return self.path / "ledger"

    def part(self, index: int) -> Path:
        """Return the path of the table of a part."""
        return self.part_tables / part_name(index)

    def parts(self) -> list[Path]:
        """List the tables of the complete parts, in order."""
        return sorted(self.part_tables.glob(_PARTS))


@dataclass(frozen=True, slots=True)
class DepositFolder:
    """A dataset as it is uploaded: one folder for each place, and every file of it.

    Parameters
    ----------
    path : Path
        The folder.
    """

    path: Path

    @property
    def hub(self) -> Path:
        """The folder for Hugging Face: an export."""
        return self.path / "huggingface"

    @property
    def zenodo(self) -> Path:
        """The folder for Zenodo: an archive of that export, and what describes it."""
        return self.path / "zenodo"

    def archive(self, name: str) -> Path:
        """Return the path of the archive that is called `name`."""
        return self.zenodo / f"{name}.tar.gz"

    @property
    def datacite(self) -> Path:
        """The metadata in the schema of DataCite."""
        return self.zenodo / "datacite.json"

    @property
    def checksums(self) -> Path:
        """The SHA-256 of every other file in the folder for Zenodo."""
        return self.zenodo / "sha256sums.txt"

    def changes(self, folder: Path) -> Path:
        """Return the path of the text, in one of the folders, about the version before."""
        return folder / "CHANGES.md"

    def changes_table(self, folder: Path) -> Path:
        """Return the path of the table of all differences from the version before."""
        return folder / "changes.csv"


class ExportFolder(DatasetFolder):
    """The files of an export; which of them exist depends on its format."""

    __slots__ = ()

    @property
    def archive(self) -> Path:
        """The archive of the whole export, beside its folder."""
        return self.path.with_name(f"{self.path.name}.tar.gz")

    @property
    def classes(self) -> Path:
        """The class names, where the format has no place for them."""
        return self.path / "classes.json"

    @property
    def channel_names(self) -> Path:
        """The names of the channels, where the format has no place for them."""
        return self.path / "channels.json"

    def hdf5(self, name: str) -> Path:
        """Return the path of the HDF5 file of the dataset `name`."""
        return self.path / f"{name}.h5"

    def hdf5_files(self) -> list[Path]:
        """List the HDF5 files, those with the other usual suffix too."""
        return sorted([*self.path.glob("*.h5"), *self.path.glob("*.hdf5")])

    def zarr(self, name: str) -> Path:
        """Return the path of the Zarr group of the dataset `name`."""
        return self.path / f"{name}.zarr"

    def zarr_groups(self) -> list[Path]:
        """List the Zarr groups."""
        return sorted(self.path.glob("*.zarr"))

    def shard(self, split: str, number: int) -> Path:
        """Return the path of a WebDataset shard."""
        return self.path / f"{safe_name(split)}-{number:06d}.tar"

    def shards(self) -> list[Path]:
        """List the WebDataset shards."""
        return sorted(self.path.glob("*-[0-9]*.tar"))

    def parquet(self, split: str, number: int, count: int) -> Path:
        """Return the path of file `number` of the `count` Parquet files of a split."""
        name = f"{safe_name(split)}-{number:05d}-of-{count:05d}.parquet"
        return self.path / "data" / name

    @staticmethod
    def parquet_pattern(split: str, splits: Collection[str]) -> str:
        """Return the pattern of a split's Parquet files, relative to the folder.

        It matches no file of the other `splits`: ``data/a-*`` would match those of ``a-b`` too.
        """
        is_prefix = any(other.startswith(f"{split}-") for other in splits)
        return f"data/{safe_name(split)}-{'?????-of-?????' if is_prefix else '*'}.parquet"

    def parquet_files(self) -> list[Path]:
        """List the Parquet files of images."""
        return sorted((self.path / "data").glob("*.parquet"))

    def class_folders(self, split: str, classes: Sequence[str]) -> list[Path]:
        """Return the folders of the classes in a split, by label.

        Each begins with its label, in as many digits as the last label needs and at least two, so
        that the order of their names is that of the labels.
        """
        digits = max(2, len(str(len(classes) - 1)))
        return [
            self.path / safe_name(split) / f"{label:0{digits}d} {safe_name(name)}".rstrip()
            for label, name in enumerate(classes)
        ]

    @staticmethod
    def png_pattern(split: str, *, has_classes: bool = True) -> str:
        """Return the pattern of a split's files, relative to the folder.

        They are PNG files in folders of classes, or beside the file that has their tags or votes.
        """
        return f"{safe_name(split)}/*/*{_PNG}" if has_classes else f"{safe_name(split)}/*"

    def png_folder(self, split: str) -> Path:
        """Return the folder of a split's PNG files without folders of classes."""
        return self.path / (safe_name(split) or "images")

    @staticmethod
    def png_metadata(folder: Path) -> Path:
        """Return the path of the file with the tags or votes of the PNG files in a folder."""
        return folder / "metadata.jsonl"

    def png_metadata_files(self) -> list[Path]:
        """List the files with the tags or votes of PNG files, of all splits."""
        return sorted(self.path.glob(f"*/{self.png_metadata(Path()).name}"))

    @staticmethod
    def png_name(image_file: str) -> str:
        """Return the name of an image in the folder of its class.

        It is `image_file`, the name in the manifest, unless that comes from another program and
        cannot be the name of a PNG file.
        """
        if is_file_name(image_file) and image_file.lower().endswith(_PNG):
            return image_file
        return f"{safe_name(image_file)}{_PNG}"

    @property
    def annotation_folder(self) -> Path:
        """The folder of the annotations of COCO."""
        return self.path / "annotations"

    def picture_folder(self, split: str) -> Path:
        """Return the folder of a split's PNG files of COCO, ``images`` for images in no split."""
        return self.path / (safe_name(split) or _NO_SPLIT)

    def annotations(self, split: str) -> Path:
        """Return the path of the annotations of a split."""
        return self.annotation_folder / f"{_INSTANCES}{safe_name(split)}.json"

    def annotation_files(self) -> list[Path]:
        """List the annotations of all splits."""
        return sorted(self.annotation_folder.glob(f"{_INSTANCES}*.json"))

    @staticmethod
    def split_of_annotations(path: Path) -> str:
        """Return the split that a file of annotations describes, as its name spells it."""
        return path.stem.removeprefix(_INSTANCES)

    @property
    def masks(self) -> Path:
        """The folder of the masks as PNG files, beside the folders of the splits."""
        return self.path / "masks"

    def mask(self, split_folder: str, name: str) -> Path:
        """Return the path of the mask of an image, from the names of its folder and its file."""
        return self.masks / split_folder / name

    @property
    def index(self) -> Path:
        """The list of the FITS files with their sources."""
        return self.path / "index.csv"

    def split_folder(self, split: str) -> Path:
        """Return the folder of a split's FITS files; that of images in no split is ``fits``."""
        return self.path / (safe_name(split) or "fits")

    @staticmethod
    def fits_name(image_file: str) -> str:
        """Return the name of the FITS file of a stamp, from its name in the manifest.

        >>> ExportFolder.fits_name("A_P1.png"), ExportFolder.fits_name("../A")
        ('A_P1.fits', '%2E.%2FA.fits')
        """
        name = image_file
        if not is_file_name(name):
            name = safe_name(name)
        stem = name[: -len(_PNG)] if name.lower().endswith(_PNG) else name
        return with_suffix(stem, _FITS)

    def fits_files(self) -> Iterator[Path]:
        """Give the FITS files in folders of splits, in any order."""
        return self.path.glob(f"*/[!.]*{_FITS}")

    @staticmethod
    def placeholder(folder: Path) -> Path:
        """Return the path of an empty file that keeps a folder without images in an archive or Git.

        Readers of images take it for no image, and it is hidden.
        """
        return folder / ".gitkeep"

    def images(self) -> Iterator[Path]:
        """Give the PNG files in folders of splits and classes, in any order."""
        return (
            path
            for path in self.path.glob("*/[0-9][0-9]*/[!.]*")
            if path.name.lower().endswith(_PNG) and path.parents[1] != self.masks
        )


@dataclass(frozen=True, slots=True)
class BatchFolder:
    """The files of a folder of batches.

    Parameters
    ----------
    path : Path
        The folder.
    """

    path: Path

    def has_batches(self) -> bool:
        """Return whether the folder has class names or a batch for training or for the test."""
        return any((self.path / name).is_file() for name in _BATCH_FILES)

    @property
    def meta(self) -> Path:
        """The class names; some published batches come without them."""
        return self.path / "batches.meta"

    @property
    def checksums(self) -> Path:
        """The MD5 of every other file."""
        return self.path / "checksums"

    @property
    def test(self) -> Path:
        """The test batch."""
        return self.path / _TEST

    def batch(self, name: str) -> Path:
        """Return the path of the batch of that name."""
        return self.path / name

    def training(self, index: int) -> Path:
        """Return the path of a training batch, 0 for the first."""
        return self.path / f"{_TRAIN}{index + 1}"

    def training_files(self) -> list[Path]:
        """List the training batches that exist, by number."""
        numbered = [
            (int(number), path)
            for path in self.path.glob(f"{_TRAIN}*")
            if (number := path.name.removeprefix(_TRAIN)).isdigit()
        ]
        return [path for _, path in sorted(numbered)]

    def split_files(self) -> list[Path]:
        """List the batches named after their split, except the test batch.

        Some datasets have only one training batch, ``train_batch``, for example FR-DEEP.
        """
        return sorted(path for path in self.path.glob(f"*{_SPLIT}") if path.name != _TEST)

    def files(self, names: Iterable[str]) -> list[Path]:
        """List the files of a build with batches of these names, the list of checksums last."""
        return [*map(self.batch, names), self.meta, self.checksums]


def table_files(root: Path) -> list[Path]:
    """List the Parquet files of images at `root`, except those of a HATS catalogue.

    Parameters
    ----------
    root : Path
        A build, an export, a build's folder of stamps, or one Parquet file.
    """
    if root.is_file():
        return [root] if root.suffix == ".parquet" else []
    build, export = BuildFolder(root), ExportFolder(root)
    return build.all_stamps() or export.parquet_files() or sorted(root.glob(_PARTS))


@dataclass(frozen=True, slots=True)
class HatsFolder:
    """The files of one catalogue of a HATS collection, or those of the collection itself.

    Parameters
    ----------
    path : Path
        The folder of a catalogue, of a margin or of an index; or of a collection.
    """

    path: Path

    @property
    def collection(self) -> Path:
        """What a collection consists of."""
        return self.path / "collection.properties"

    def properties(self) -> list[Path]:
        """List the files of the properties of a catalogue, under the present and the old name."""
        return [self.path / "hats.properties", self.path / "properties"]

    @property
    def partition_info(self) -> Path:
        """The list of the partitions of a catalogue."""
        return self.path / "partition_info.csv"

    @property
    def dataset(self) -> Path:
        """The folder of the rows of a catalogue."""
        return self.path / "dataset"

    @property
    def metadata(self) -> Path:
        """The footers of all partitions in one file."""
        return self.dataset / "_metadata"

    @property
    def common_metadata(self) -> Path:
        """The columns of all partitions."""
        return self.dataset / "_common_metadata"

    def partition(self, order: int, pixel: int, suffix: str = ".parquet") -> Path:
        """Return the path of a partition, a HEALPix pixel in the nested scheme.

        >>> HatsFolder(Path("a")).partition(9, 3_000_123).as_posix()
        'a/dataset/Norder=9/Dir=3000000/Npix=3000123.parquet'
        """
        group = pixel // _PIXELS_OF_GROUP * _PIXELS_OF_GROUP
        return self.dataset / f"Norder={order}" / f"Dir={group}" / f"Npix={pixel}{suffix}"

    def partitions(self) -> Iterator[Path]:
        """Give the files of partitions that exist, in any order."""
        return self.path.glob(self.partition_pattern())

    @staticmethod
    def partition_pattern() -> str:
        """Return the pattern of the files of partitions, relative to the folder."""
        return "dataset/Norder=*/Dir=*/Npix=*.parquet"

    @property
    def index(self) -> Path:
        """The folder of the rows of an index."""
        return self.dataset / "index"

    def index_files(self) -> list[Path]:
        """List the files of an index."""
        return sorted(self.index.glob("*.parquet"))


@dataclass(frozen=True, slots=True)
class HatsCollection:
    """The files of a HATS collection of one catalogue, its margin and its index of names.

    The layout is that of the IVOA Note "HATS" and of the library `hats`.

    Parameters
    ----------
    path : Path
        The folder.
    name : str
        Of the catalogue.
    """

    path: Path
    name: str

    @property
    def properties(self) -> Path:
        """What the collection consists of."""
        return HatsFolder(self.path).collection

    @property
    def catalogue(self) -> Path:
        """The folder of the catalogue."""
        return self.path / self.name

    def margin(self, radius: float) -> Path:
        """Return the folder of the sources around each partition, within a radius in arcsec."""
        return self.path / f"{self.name}_{radius:g}arcs".replace(".", "_")

    @property
    def margin_rows(self) -> Path:
        """The folder of the rows of margins, while the collection is written."""
        return self.path / f"{TEMPORARY_PREFIX}margin"

    def index(self, column: str) -> Path:
        """Return the folder of the index of a column."""
        return self.path / f"{self.name}_{column}"

    @staticmethod
    def partition(folder: Path, order: int, pixel: int) -> Path:
        """Return the path of the rows of a partition, in the folder of a catalogue."""
        return HatsFolder(folder).partition(order, pixel)

    @staticmethod
    def index_file(folder: Path) -> Path:
        """Return the path of the rows of an index, in its folder."""
        return HatsFolder(folder).index / "part.0.parquet"
