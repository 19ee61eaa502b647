"""The classes for MiraBest and FR-DEEP, and downloads that are something else than expected."""

from __future__ import annotations

import contextlib
import hashlib
import io
import pickle
import shutil
import tarfile
import zipfile

import numpy as np
import pytest

from http_files import serve_files
from mingolotss.errors import DatasetError, InputError, ServiceError
from mingolotss.recipe.published_list import read_list
from published_batches import (
    CODES,
    extract_published,
    pack,
    write_batch,
    write_frdeep,
    write_meta,
    write_mirabest,
)
from readers_data import make_images, write_batches

pytest.importorskip("torch", reason="needs mingolotss[torch]")
from mingolotss.loaders.arrays import load
from mingolotss.loaders.frdeep import FRDEEPF, FRDEEPN
from mingolotss.loaders.mirabest import (
    MBFRConfident,
    MBFRFull,
    MBFRUncertain,
    MBHybrid,
    MiraBest,
    MiraBestConfident,
    MiraBestFRI,
    MiraBestFRII,
)
from mingolotss.loaders.torch import MLFR, MingoLoTSS

IMAGES = make_images(30, side=16)
LABELS = [index % 10 for index in range(30)]
ALL = {label: label for label in range(10)}
FULL = {0: 0, 1: 0, 2: 0, 3: 0, 4: 0, 5: 1, 6: 1, 7: 1}
# The target of each label of MiraBest, as the original loaders have them, and the number of images
# of MiraBest_F for training and for the test.
TARGETS = {
    MiraBest: (ALL, 1099, 157, list(CODES)),
    MBFRFull: (FULL, 1069, 153, ["FRI", "FRII"]),
    MBFRConfident: ({0: 0, 1: 0, 2: 0, 5: 1, 6: 1}, 729, 104, ["FRI", "FRII"]),
    MBFRUncertain: ({3: 0, 4: 0, 7: 1}, 340, 49, ["FRI", "FRII"]),
    MBHybrid: ({8: 0, 9: 1}, 30, 4, ["300", "310"]),
    MiraBestFRI: ({label: label for label in range(5)}, 517, 74, list(CODES[:5])),
    MiraBestFRII: ({5: 0, 6: 1, 7: 2}, 552, 79, list(CODES[5:8])),
}
KINDS = pytest.mark.parametrize("kind", TARGETS, ids=lambda kind: kind.__name__)


def original_loading(folder, train, targets):
    """Load as the original does: pickle, all batches in order, then a mask of the labels."""
    names = sorted(folder.glob("data_batch_*")) if train else [folder / "test_batch"]
    batches = [pickle.loads(path.read_bytes(), encoding="latin1") for path in names]
    images = np.concatenate([np.stack(batch["data"]) for batch in batches])
    labels = [label for batch in batches for label in batch["labels"]]
    files = [name for batch in batches for name in batch["filenames"]]
    rows = [row for row, label in enumerate(labels) if label in targets]
    return images[rows][..., None], [targets[labels[r]] for r in rows], [files[r] for r in rows]


def assert_loads_as_the_original(dataset, folder, train, targets):
    images, expected, files = original_loading(folder, train, targets)
    np.testing.assert_array_equal(dataset.data, images, strict=True)
    assert (dataset.targets, dataset.filenames) == (expected, files)
    assert {type(target) for target in dataset.targets} <= {int}


@KINDS
@pytest.mark.parametrize("train", [True, False])
def test_published_mirabest(shared, tmp_path_factory, kind, train):
    """The published archive gives the images, targets and counts of the original loaders."""
    root = published(shared, tmp_path_factory)
    targets, *counts, classes = TARGETS[kind]
    dataset = kind(root, train=train)
    assert (len(dataset), dataset.classes) == (counts[0 if train else 1], classes)
    assert dataset.class_to_idx == {name: label for label, name in enumerate(classes)}
    assert_loads_as_the_original(dataset, root / "F_batches", train, targets)


EXTRACTED = {}


def published(shared, factory):
    """Extract the published archive once."""
    if not EXTRACTED:
        archive = shared / "data/mirabest/MiraBest_F_batches.tar.gz"
        EXTRACTED["root"] = extract_published(archive, factory.mktemp("mirabest"))
    return EXTRACTED["root"]


@KINDS
@pytest.mark.parametrize("train", [True, False])
def test_each_class_of_mirabest(tmp_path, kind, train):
    """From the folder of the batches and from the one that contains it."""
    folder = write_mirabest(tmp_path / "F_batches", IMAGES, LABELS)
    targets, _, _, classes = TARGETS[kind]
    for root in (tmp_path, folder, str(tmp_path)):
        dataset = kind(root, train)
        assert_loads_as_the_original(dataset, folder, train, targets)
        assert dataset.classes == classes


def test_names_of_classes(tmp_path):
    """The names are those of the batches unless the others are asked for."""
    write_mirabest(tmp_path, IMAGES, LABELS)
    assert MiraBest(tmp_path, published_names=False).classes[5] == "FRII confident standard"
    assert MingoLoTSS(tmp_path).classes[5] == "FRII confident standard"
    assert MingoLoTSS(tmp_path, published_names=True).classes == list(CODES)
    assert MiraBestFRII(tmp_path, published_names=False).classes == list(CODES[5:8])
    merged = MBFRConfident(tmp_path, split="all", merge={"hybrid": ["300", 9]})
    assert merged.counts() == {"hybrid": 6}


def test_attributes_of_the_original():
    """Folders, addresses and checksums are those of the original loaders, or of the recipe."""
    assert MBFRConfident is MiraBestConfident
    assert (MiraBest.base_folder, MiraBest.filename) == ("F_batches", "MiraBest_F_batches.tar.gz")
    assert MBFRFull.url.endswith("/MiraBest_F/MiraBest_F_batches.tar.gz")
    assert MBFRUncertain.tgz_md5 == "7d4e3a623d29db7204bce81676ee8ce2"
    assert MBHybrid.train_list[6] == ["data_batch_7", "bc67bc37080dc4df880ffe9720d680a8"]
    assert MiraBest.test_list == [["test_batch", "ac7ea0d5ee8c7ab49f257c9964796953"]]
    assert MiraBest.meta["md5"] == "e1b5450577209e583bc43fbf8e851965"
    assert (FRDEEPF.base_folder, FRDEEPF.filename) == ("FIRST", "FIRST.tar.gz")
    assert FRDEEPF.train_list == [["train_batch", "8ebf87e21ea59131a9b57a84c43fe638"]]
    assert FRDEEPN.test_list == [["test_batch", "51a97951d14015fffff617c852ae2c86"]]
    assert MLFR.base_folder == MingoLoTSS.base_folder == "mingo-batches-py"


def test_published_frdeep(shared, tmp_path):
    """FIRST is not NVSS, though names and labels are the same."""
    root = extract_published(shared / "data/frdeep/FIRST.tar.gz", tmp_path / "FIRST")
    for place in (root, tmp_path):
        train, test = FRDEEPF(place), FRDEEPF(place, train=False)
        assert (len(train), len(test), train.classes) == (460, 198, ["FR I", "FR II"])
        assert (train.targets.count(1), test.targets.count(1)) == (272, 117)
    assert MLFR(root, train=False).targets == test.targets
    with pytest.raises(DatasetError, match=r"the batches of FR-DEEP \(FIRST\), not of .*NVSS"):
        FRDEEPN(root)


@pytest.mark.slow
def test_a_published_dataset_with_a_missing_file(shared, tmp_path, tmp_path_factory):
    """It is no smaller dataset: the line names the file, and an archive adds it again."""
    root = tmp_path / "root"
    shutil.copytree(published(shared, tmp_path_factory), root)
    archive = shared / "data/mirabest/MiraBest_F_batches.tar.gz"
    for name in ("data_batch_7", "data_batch_3", "test_batch", "batches.meta"):
        path = root / "F_batches" / name
        content = path.read_bytes()
        path.unlink()
        for opened in (MiraBest, MingoLoTSS, load):
            with pytest.raises(DatasetError, match=f"{name} is missing; fetch or build"):
                opened(root)
        assert len(MiraBest(root, url=archive)) == 1099
        assert path.read_bytes() == content
    # What differs from the archive is the user's, and stays.
    path.unlink()
    (root / "F_batches/data_batch_1").write_bytes(b"mine")
    with pytest.raises(DatasetError, match="F_batches is in its way"):
        MiraBest(root, url=archive)
    assert (root / "F_batches/data_batch_1").read_bytes() == b"mine"
    assert not path.exists()


@pytest.mark.parametrize("name", ["train_batch", "test_batch", "batches.meta"])
def test_a_missing_file_of_frdeep(shared, tmp_path, name):
    """Its only training batch is called by its own name."""
    archive = shared / "data/frdeep/FIRST.tar.gz"
    root = extract_published(archive, tmp_path / "any name")
    (root / name).unlink()
    for split in ("train", "all"):
        with pytest.raises(DatasetError, match=f": {name} is missing; "):
            FRDEEPF(root, split=split)
    with pytest.raises(DatasetError, match=f": {name} is missing; "):
        load(root)
    assert len(FRDEEPF(root, split="all", url=archive)) == 658


def test_the_older_mirabest(shared, tmp_path):
    """It has two classes, which the class for all of MiraBest opens, and no codes."""
    extract_published(shared / "data/mirabest/mirabest-other-batches.tar.gz", tmp_path)
    assert MiraBest(tmp_path).counts() == {"FRI": 312, "FRII": 392}
    assert MBFRFull(tmp_path, train=False).counts() == {"FRI": 39, "FRII": 49}
    with pytest.raises(
        InputError, match=r"Confident: it needs the classes of MiraBest .* FRI, FRII"
    ):
        MBFRConfident(tmp_path)


@pytest.mark.slow
def test_the_older_mirabest_is_no_other_dataset(shared, tmp_path):
    """Its classes are in no recipe: its folder's name alone says that it belongs to MiraBest."""
    extract_published(shared / "data/mirabest/mirabest-other-batches.tar.gz", tmp_path)
    for kind in (FRDEEPF, FRDEEPN):
        with pytest.raises(DatasetError, match=r"of an unknown dataset, not of FR-DEEP"):
            kind(tmp_path)
    (tmp_path / "batches").rename(tmp_path / "mine")
    with pytest.raises(DatasetError, match=r"of an unknown dataset, not of MiraBest \(FIRST\)"):
        MiraBest(tmp_path)
    assert len(MingoLoTSS(tmp_path, split="all")) == 792


@pytest.mark.slow
def test_an_archive_replaces_no_other_version(shared, tmp_path):
    """A download counts as there with the batches of the recipe only; both versions stay."""
    extract_published(shared / "data/mirabest/mirabest-other-batches.tar.gz", tmp_path)
    archive = shared / "data/mirabest/MiraBest_F_batches.tar.gz"
    assert len(MiraBest(tmp_path, split="all")) == 792
    assert len(MiraBest(tmp_path, split="all", url=archive)) == 1256
    assert len(MingoLoTSS(tmp_path / "batches", split="all")) == 792


def test_first_and_nvss_by_their_pixels(shared, tmp_path):
    """Without a published file, the pixels of an image say that it is FIRST, and not the folder."""
    folder = extract_published(shared / "data/frdeep/FIRST.tar.gz", tmp_path / "NVSS")
    for name in ("train_batch", "test_batch"):
        batch = pickle.loads((folder / name).read_bytes(), encoding="latin1")
        (folder / name).write_bytes(pickle.dumps(batch | {"batch_label": "mine"}, 3))
    with pytest.raises(DatasetError, match=r"of FR-DEEP \(FIRST\), not of FR-DEEP \(NVSS\)"):
        FRDEEPN(folder)
    assert len(FRDEEPF(folder)) == 460


@pytest.mark.parametrize("names", ["published", "other"])
def test_unknown_classes_with_the_names_of_images(tmp_path, names):
    """Images of the published names are the dataset, whatever its classes are called."""
    published_names = read_list("frdeep").names[:30]
    files = [
        f"{name}.png" if names == "published" else f"my {name}.png" for name in published_names
    ]
    for name, rows in (("train_batch", slice(0, 20)), ("test_batch", slice(20, 30))):
        write_batch(tmp_path / name, IMAGES[rows], ([0, 1] * 15)[rows], files[rows])
    write_meta(tmp_path, ["faint", "bright"])
    if names == "published":
        assert FRDEEPF(tmp_path).counts() == {"faint": 10, "bright": 10}
    else:
        with pytest.raises(DatasetError, match="an unknown dataset, not of FR-DEEP"):
            FRDEEPF(tmp_path)


def test_many_datasets_in_one_root(tmp_path):
    """Each class finds its own, whatever else is there, as with the datasets of torchvision."""
    write_mirabest(tmp_path / "F_batches", IMAGES, LABELS)
    write_frdeep(tmp_path / "FIRST", IMAGES, [0, 1] * 15)
    write_frdeep(tmp_path / "NVSS_PNG_dataset", IMAGES[:10], [0, 1] * 5)
    write_batches(tmp_path, IMAGES, LABELS)
    lengths = [
        len(kind(tmp_path, split="all")) for kind in (MiraBest, FRDEEPF, FRDEEPN, MingoLoTSS)
    ]
    assert lengths == [30, 30, 10, 30]
    assert MingoLoTSS(tmp_path).classes[1] == "FRI NAT"
    assert FRDEEPF(tmp_path).classes == ["FR I", "FR II"]


@pytest.mark.parametrize(
    ("kind", "write", "reason"),
    [
        (MiraBest, write_frdeep, r"batches of FR-DEEP \(FIRST\), not of MiraBest \(FIRST\)"),
        (MBFRConfident, write_batches, r"batches of MingoLoTSS, not of MiraBest .*"),
        (FRDEEPF, write_mirabest, r"batches of MiraBest \(FIRST\), not of FR-DEEP .*"),
    ],
)
def test_the_batches_of_another_dataset(tmp_path, kind, write, reason):
    """They are refused, not mixed up; `MingoLoTSS` opens any."""
    write(tmp_path, IMAGES, [0, 1] * 15)
    with pytest.raises(DatasetError, match=f"^open {tmp_path}: these are the {reason}; give"):
        kind(tmp_path)
    assert len(MingoLoTSS(tmp_path, split="all")) == 30


def test_fri_against_frii_of_other_datasets(tmp_path):
    """`MLFR` takes the two classes that a recipe names: MiraBest, FR-DEEP, and no unknown ones."""
    write_mirabest(tmp_path / "a", IMAGES, LABELS)
    write_frdeep(tmp_path / "b", IMAGES, [0, 1] * 15)
    write_mirabest(tmp_path / "c", IMAGES, [0, 1] * 15)
    write_meta(tmp_path / "c", ["FRI", "FRII"])
    dataset = MLFR(tmp_path / "a", split="all")
    assert dataset.targets == [FULL[label] for label in LABELS if label in FULL]
    for name in "bc":
        assert MLFR(tmp_path / name, split="all").counts() == {"FRI": 15, "FRII": 15}
    write_meta(tmp_path / "c", ["spiral", "elliptical"])
    with pytest.raises(InputError, match=r"MLFR: no binary classes .*: spiral, elliptical; name"):
        MLFR(tmp_path / "c")


@pytest.fixture
def packed(tmp_path):
    """Give the archive of a small MiraBest."""
    return pack(
        write_mirabest(tmp_path / "source" / "F_batches", IMAGES, LABELS), tmp_path / "a.gz"
    )


def md5(path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def class_for(kind, archive, folder, url):
    """Return a class whose published archive is another one, as a mirror would have it."""
    listed = [[path.name, md5(path)] for path in sorted(folder.iterdir())]
    attributes = {
        "url": url,
        "tgz_md5": md5(archive),
        "train_list": [row for row in listed if row[0] not in ("test_batch", "batches.meta")],
        "test_list": [row for row in listed if row[0] == "test_batch"],
        "meta": {"filename": "batches.meta", "key": "label_names", "md5": listed[0][1]},
    }
    return type(kind.__name__, (kind,), attributes)


def test_a_named_class_downloads(tmp_path, packed):
    """Into the folder of the original; a second class finds it there and requests nothing."""
    with serve_files(packed.parent) as server:
        own = class_for(MiraBest, packed, tmp_path / "source/F_batches", f"{server.url}/a.gz")
        root = tmp_path / "data"
        write_batches(root, IMAGES, LABELS)  # another dataset, which stays
        assert own(root, download=True, split="all").targets == LABELS
        assert (root / "F_batches/test_batch").is_file()
        count = len(server.requests)
        assert len(MBFRConfident(root, download=True, split="all")) == 15
        assert len(server.requests) == count


def test_an_archive_without_a_folder_gets_one(tmp_path):
    """That of FR-DEEP has none: the images of FIRST and NVSS would lie in one folder."""
    source = write_frdeep(tmp_path / "source", IMAGES, [0, 1] * 15)
    archive = pack(source, tmp_path / "FIRST.tar.gz", "")
    with serve_files(tmp_path) as server:
        own = class_for(FRDEEPF, archive, source, f"{server.url}/FIRST.tar.gz")
        assert len(own(tmp_path / "data", download=True)) == 15
    assert (tmp_path / "data/FIRST/train_batch").is_file()
    assert len(FRDEEPN(tmp_path / "data", url=archive)) == 15
    assert (tmp_path / "data/NVSS/train_batch").is_file()
    assert len(FRDEEPF(tmp_path / "data")) == 15


def test_a_dataset_without_an_address(tmp_path):
    """The line says what to do; nothing is created."""
    with pytest.raises(
        InputError, match=r"download FRDEEPF: no address of FIRST\.tar\.gz is known"
    ):
        FRDEEPF(tmp_path / "data", download=True)
    assert not (tmp_path / "data").exists()


def test_the_published_archive_of_frdeep(shared, tmp_path):
    """It has no folder of its own, but a member that is called "/"."""
    archive = shared / "data/frdeep/FIRST.tar.gz"
    assert len(FRDEEPF(tmp_path, train=False, url=archive)) == 198
    assert sorted(path.name for path in tmp_path.iterdir()) == ["FIRST"]
    with pytest.raises(
        DatasetError, match=r"of FR-DEEP \(FIRST\), not of FR-DEEP \(NVSS\); nothing"
    ):
        FRDEEPN(tmp_path, url=archive)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["FIRST"]


def test_an_address_without_an_archive(tmp_path):
    """Status 404: one line, and no folder."""
    (tmp_path / "served").mkdir()
    with serve_files(tmp_path / "served") as server, pytest.raises(ServiceError, match="404"):
        MiraBest(tmp_path / "deep/root", url=f"{server.url}/a.gz", sha256="0" * 64)
    assert not (tmp_path / "deep").exists()


def zip_of(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("F_batches/batches.meta", b"x")


def tar_without_batches(path):
    with tarfile.open(path, "w:gz") as archive:
        for name in ("README", "images/1.png"):
            entry = tarfile.TarInfo(name)
            entry.size = 3
            archive.addfile(entry, io.BytesIO(b"abc"))


def tar_of_frdeep(path):
    pack(write_frdeep(path.parent / "FIRST", IMAGES, [0, 1] * 15), path)


OTHER = {
    "a page": (
        lambda path: path.write_bytes(b"<!doctype html><html><body>Sign in</body></html>"),
        r'an HTML page \("Sign in"\)',
    ),
    "a zip": (zip_of, "a zip archive"),
    "nothing": (lambda path: path.write_bytes(b""), "an empty file"),
    "a tar without batches": (tar_without_batches, r"dataset.* \(README, images/\)"),
    "another dataset": (tar_of_frdeep, r"batches of FR-DEEP \(FIRST\)"),
}


@pytest.mark.parametrize("way", ["its own checksum", "another checksum", "a path"])
@pytest.mark.parametrize(("make", "reason"), OTHER.values(), ids=OTHER.keys())
def test_an_archive_of_another_kind(tmp_path, make, reason, way):
    """The line says what it is, whether its checksum is right or wrong, and nothing is left."""
    served = tmp_path / "served"
    served.mkdir()
    path = served / "a.tar.gz"
    make(path)
    root = tmp_path / "deep" / "root"
    with contextlib.ExitStack() as stack:
        if way == "a path":
            url, digest = path, ""
        else:
            url = f"{stack.enter_context(serve_files(served)).url}/a.tar.gz"
            digest = "0" * 64 if way == "another checksum" else sha256(path)
        with pytest.raises(DatasetError, match=reason) as error:
            MiraBest(root, url=url, sha256=digest)
    assert "nothing was unpacked" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "deep").exists()
    assert path.exists()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
