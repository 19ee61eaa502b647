"""Shards from anywhere: samples, or one line."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile

import numpy as np
import pytest

from mingolotss.errors import DatasetError
from mingolotss.formats.webdataset import read_webdataset
from mingolotss.io.png import encode_png

PNG = encode_png(np.full((4, 4), 7, np.uint8))
RECORD = {"row": 0, "source": "A", "image_file": "A_P.png", "split": "train"}


def member(name, content, **changes):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    for key, value in changes.items():
        setattr(entry, key, value)
    return entry, content


def sample(key="00000000", cls=b"0", record=RECORD, png=PNG):
    data = record if isinstance(record, bytes) else json.dumps(record).encode()
    return [member(f"{key}.cls", cls), member(f"{key}.json", data), member(f"{key}.png", png)]


def write(folder, *members, tar_format=tarfile.PAX_FORMAT):
    """Write one shard and the class names."""
    folder.joinpath("classes.json").write_text('["A"]')
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tar_format) as archive:
        for entry, content in members:
            archive.addfile(entry, io.BytesIO(content))
    path = folder / "train-000000.tar"
    path.write_bytes(stream.getvalue())
    return path


def test_a_sample_is_read(tmp_path):
    """The smallest shard."""
    write(tmp_path, *sample())
    read = read_webdataset(tmp_path)
    assert (read.images.tolist(), read.labels.tolist()) == ([[[7] * 4] * 4], [0])


SPARSE = {"GNU.sparse.map": "0,512", "GNU.sparse.size": str(60 << 20)}
HOSTILE = {
    "a symbolic link": [member("a.png", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")],
    "a hard link": [member("a.png", b"", type=tarfile.LNKTYPE, linkname="../x")],
    "a device": [member("a.png", b"", type=tarfile.CHRTYPE)],
    "a sparse file": [member("a.png", bytes(512), pax_headers=SPARSE)],
    "a negative size": [member("a.png", b"", pax_headers={"size": "-1024"})],
    "a size past the end": [member("a.png", b"", pax_headers={"size": str(1 << 20)})],
    "a record that is a list": sample(record=[1]),
    "a record nested deep": sample(record=b"[" * 100_000 + b"]" * 100_000),
    "names that are lists": sample(record=RECORD | {"source": [["A"]]}),
    "a row that is no number": sample(record=RECORD | {"row": [0]}),
    "a row past int64": sample(record=RECORD | {"row": 1 << 70}),
    "a label that is no number": sample(cls=b"x"),
    "a label of 5,000 digits": sample(cls=b"9" * 5000),
    "a label past int64": sample(cls=b"9" * 30),
    "no image": sample()[:2],
    "no name": sample(record={"row": 0}),
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_shard_is_one_line(tmp_path, members):
    """Links, devices, sizes that the shard does not have, and records of any shape."""
    write(tmp_path, *members)
    with pytest.raises(DatasetError, match=f"^read {tmp_path}: not a whole WebDataset") as caught:
        read_webdataset(tmp_path)
    assert str(caught.value).isprintable()


def test_a_shard_that_is_compressed_or_a_pipe(tmp_path):
    """A compressed one may hold any number of bytes; a pipe never ends."""
    path = write(tmp_path, *sample())
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DatasetError, match="not a whole WebDataset"):
        read_webdataset(tmp_path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DatasetError, match="a pipe, a device or a socket"):
        read_webdataset(tmp_path)


def test_a_shard_that_is_cut_short_anywhere(tmp_path):
    """Also between two of its samples, where tarfile takes the end of the file for its end."""
    path = write(tmp_path, *sample(), *sample("b"))
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    for length in range(0, end + 1, 256):
        path.write_bytes(whole[:length])
        with pytest.raises(DatasetError, match="not a whole WebDataset"):
            read_webdataset(tmp_path)
    path.write_bytes(whole[: end + 512])
    assert len(read_webdataset(tmp_path)) == 2
