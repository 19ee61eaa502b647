"""`verify` finds whatever was changed, and nothing where nothing was."""

from __future__ import annotations

import hashlib
import io
import pickle
import shutil
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builds import contents, run
from mingolotss.errors import DatasetError
from mingolotss.pipeline.run import build
from mingolotss.qa.verify import verify
from skies import random_sky


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify")
    sky = random_sky(folder / "in", 40, seed=3, kinds=("float32",))
    build("mingolotss", out=folder / "out", catalogue=sky.catalogue, service=f"folder:{sky.folder}")
    return folder / "out"


@pytest.fixture
def copy(built, tmp_path):
    shutil.copytree(built, tmp_path / "out")
    return tmp_path / "out"


def test_a_good_build(built):
    """Nothing is wrong, and nothing is changed by looking."""
    before = contents(built)
    result = verify(built)
    assert result.good
    assert result.images == len(list((built / "png").iterdir()))
    assert verify(built / "mingo-batches-python.tar.gz").good
    assert contents(built) == before


def flip_png(out):
    first, second, *_ = sorted((out / "png").iterdir())
    first.write_bytes(second.read_bytes())


def lose_png(out):
    min((out / "png").iterdir()).unlink()


def extra_png(out):
    (out / "png" / "extra.png").write_bytes(b"x")


def half_png(out):
    path = min((out / "png").iterdir())
    path.write_bytes(path.read_bytes()[:200])


def edit_csv(out):
    path = out / "MingoML.csv"
    path.write_text(path.read_text().replace(",0.0,", ",1.0,", 1))


def edit_batch(out):
    path = out / "mingo-batches-py" / "data_batch_1"
    batch = pickle.loads(path.read_bytes())
    batch["data"] = batch["data"].copy()
    batch["data"][0, 11_000] ^= 1
    path.write_bytes(pickle.dumps(batch))


def swap_labels(out):
    path = out / "mingo-batches-py" / "test_batch"
    batch = pickle.loads(path.read_bytes())
    batch["labels"] = batch["labels"][::-1]
    path.write_bytes(pickle.dumps(batch))


def drop_row(out):
    path = out / "manifest.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)


def lose_part(out):
    (out / "stamps" / "part-00000.parquet").unlink()


def swap_stamps(out):
    path = out / "stamps" / "part-00000.parquet"
    table = pq.read_table(path)
    images = table["image"].combine_chunks()
    order = [1, 0, *range(2, len(images))]
    pq.write_table(table.set_column(0, table.schema.field(0), images.take(order)), path)


def drop_stamp(out):
    path = out / "stamps" / "part-00000.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)


def repeat_stamp(out):
    path = out / "stamps" / "part-00000.parquet"
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), path)


def break_part(out):
    path = out / "stamps" / "part-00000.parquet"
    path.write_bytes(path.read_bytes()[:-20])


def run_pickle(out):
    (out / "mingo-batches-py" / "data_batch_2").write_bytes(b"cos\nsystem\n(S'true'\ntR.")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (flip_png, "not the image of the manifest"),
        (lose_png, "missing"),
        (extra_png, "extra.png"),
        (half_png, "a broken PNG"),
        (edit_csv, "MingoML.csv: its checksum"),
        (edit_batch, "data_batch_1: its images"),
        (swap_labels, "test_batch: its labels"),
        (drop_row, "not one for each of 40"),
        (lose_part, "part-00000.parquet: missing"),
        (swap_stamps, "part-00000.parquet, row 0: not the image of the manifest"),
        (drop_stamp, "stamps: images missing: 1,"),
        (repeat_stamp, "stamps: images not in the manifest: 1,"),
        (break_part, "part-00000.parquet"),
        (run_pickle, "data_batch_2"),
    ],
)
def test_what_was_changed_is_found(copy, change, words):
    """Each tampering is named in a line, and the command ends with 1."""
    change(copy)
    problems = verify(copy).problems
    assert any(words in problem for problem in problems), problems
    done = run("verify", copy)
    assert done.returncode == 1
    assert "problems" in done.stdout


def test_a_changed_archive(copy):
    """A batch in the archive that is not what its list says."""
    path = copy / "mingo-batches-python.tar.gz"
    with tarfile.open(path) as archive:
        files = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}
    files["mingo-batches-py/test_batch"] += b"x"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    assert "test_batch: its checksum" in verify(path).problems[0]


def test_an_archive_whose_list_agrees_with_a_broken_batch(copy, tmp_path):
    """A batch that has more labels than images is named, although its checksum is right."""
    folder = copy / "mingo-batches-py"
    batch = pickle.loads((folder / "test_batch").read_bytes())
    (folder / "test_batch").write_bytes(pickle.dumps(batch | {"labels": [*batch["labels"], 0]}))
    digest = hashlib.md5((folder / "test_batch").read_bytes(), usedforsecurity=False).hexdigest()
    lines = (folder / "checksums").read_text().splitlines()
    lines = [f"{digest}  test_batch" if line.endswith("test_batch") else line for line in lines]
    (folder / "checksums").write_text("\n".join(lines))
    with tarfile.open(tmp_path / "changed.tar", "w") as archive:
        archive.add(folder, folder.name)
    count = len(batch["labels"])
    problems = verify(tmp_path / "changed.tar").problems
    [line] = problems
    assert line.startswith(f"test_batch: {count} images and labels of shape ({count + 1},)")


def test_an_archive_that_leaves_its_folder(tmp_path):
    """`../` in an archive is refused, nothing is written."""
    path = tmp_path / "bad.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("../escaped")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    assert not verify(path).good
    assert not (tmp_path.parent / "escaped").exists()


def test_something_else(tmp_path):
    """A file that is neither is one clear line."""
    np.save(tmp_path / "x.npy", np.zeros(3))
    with pytest.raises(DatasetError, match="neither a build's folder nor a tar archive"):
        verify(tmp_path / "x.npy")
