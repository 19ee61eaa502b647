"""Hostile datasets: each format by its own reader, and damaged ones by every command."""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import io
import os
import pickle
import random
import shutil
import socket
import struct
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from harness import Target, as_file, mutate

from channel_builds import write_build
from mask_builds import write_build as write_masked
from mingolotss.dataset.stamp_files import stamp_files
from mingolotss.errors import DatasetError, MingoError
from mingolotss.formats.batches import read_batches
from mingolotss.formats.hdf5 import read_hdf5
from mingolotss.formats.parquet import read_parquet
from mingolotss.formats.webdataset import read_webdataset
from mingolotss.formats.zarr import read_zarr
from mingolotss.io.png import decode_png, encode_png
from mingolotss.loaders.arrays import load
from mingolotss.loaders.extract import extract
from mingolotss.publish.export import export
from mingolotss.qa.compare import compare
from mingolotss.qa.report.page import report
from mingolotss.qa.status import status
from mingolotss.qa.verify import verify
from named_builds import build_named
from zarr_files import write_group

IMAGES = np.arange(24 * 64, dtype=np.uint8).reshape(24, 64)
NAMES = [f"S{i}" for i in range(24)]
BATCH = {
    "data": IMAGES, "labels": [0] * 24, "src_ids": NAMES, "filenames": NAMES, "more": (1, {2: [3]}),
    "set": {1, 2}, "text": np.array(["a", "b"]), "objects": np.array(["a", 1], object),
}  # fmt: skip
OPCODES = [bytes([code]) for code in range(256)]
GLOBALS = [b"cos\nsystem\n", b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", b"cbuiltins\nset\n"]
COUNTS = [struct.pack("<I", 1 << 31), struct.pack("<Q", 1 << 62), b"\xff" * 8, bytes(8)]
TEXTS = [
    b"", b"[" * 50_000, b"{}", b"[]", b"null", b"1", b"\xff\xfe", b"\0", b'"', b"9" * 5000,
    b"a = " + b"[" * 20_000, b"x  ../../../etc/passwd\n", b"x  /etc/passwd\n", b"rows = 'x'\n",
    b"-1", b"1e999", b"NaN", b"true",
]  # fmt: skip
LINKS = ["/dev/zero", "/dev/null", "/nonexistent", "loop"]
FORMATS = ("png", "webdataset", "parquet", "batches", "hats")
MASKED = (
    "coco-masks", "png-masks", "webdataset-masks", "batches-masks", "parquet-masks", "hats-masks"
)  # fmt: skip
CHANNELS = ("png-3", "webdataset-2", "parquet-2", "parquet-3", "batches-3", "hats-2", "hats-3")
"""Exports of datasets with channels, with their number."""
PROPERTIES = [
    b"/etc", b"../..", b"..", b".", b"", b"s3://bucket/x", b"C:\\\\x", b"\\u0000", b"-1", b"nan",
    b"1e-320", b"1e300", b"9" * 5000, b"99999999999999999999", b"29", b"/", b"/../../x", b"margin",
    b"index", b"map", b"demo demo", b"a b c", b"\xff", b"x\\",
]  # fmt: skip
SHAPES = [
    b'{"channels": ["low", "high"], "shape": [2, 12, 12], "dtype": "float32"}',
    b'{"channels": ["low"], "shape": [1, 12, 12], "dtype": "uint8"}',
    b'{"channels": ["a", "b"], "shape": [2, 4096, 4096], "dtype": "uint8"}',
    b'{"channels": ["a"], "shape": [1000000000, 12, 12], "dtype": "uint8"}',
]
_PLACE: dict[str, Path] = {}


def batch(rng: random.Random, folder: Path) -> Path:
    """Write a folder of batches, of which one is hostile."""
    squares = {"data": list(IMAGES.reshape(24, 4, -1)), "filenames": list(map(np.str_, NAMES))}
    masks = {
        "masks": rng.choice([IMAGES, list(IMAGES), IMAGES[:5], IMAGES * 1.0, [IMAGES] * 24, 5])
    }
    raw = pickle.dumps(
        BATCH | rng.choice([{}, squares]) | rng.choice([{}, masks]), rng.randrange(6)
    )
    content = mutate(rng, raw, OPCODES + GLOBALS + COUNTS)
    if rng.random() < 0.3:  # the same objects again and again, or deep in each other
        memo = b"".join(rng.choice([b"h\x00", b"h\x01", b"\x85", b"\x86", b"(", b"t", b"]", b"a"])
                        for _ in range(rng.choice([10, 1000, 100_000])))  # fmt: skip
        content = b"\x80\x04" + b"N\x94]\x94" + memo + rng.choice([b".", b"}\x93.", b"K\x01s."])
    for name in (rng.choice(["data_batch_1", "train_batch"]), "test_batch"):
        (folder / name).write_bytes(content)
    if rng.random() < 0.7:
        (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["A"]}))
    return folder


def tar(rng: random.Random) -> bytes:
    """Return a tar file with members of any kind, and a few bytes changed."""
    stream = io.BytesIO()
    tar_format = rng.choice([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
    with tarfile.open(fileobj=stream, mode="w", format=tar_format) as archive:
        for number in range(rng.randrange(1, 5)):
            content = rng.choice([b"0", b'{"source": "A", "image_file": "b", "split": "c"}', b"x"])
            entry = tarfile.TarInfo(f"{number // 3:08d}.{('cls', 'json', 'png')[number % 3]}")
            if rng.random() < 0.3:
                entry.name = rng.choice(["../x", "/x", "a/../../x", "x" * 300, "\udcff", "."])
            entry.type = rng.choice([tarfile.REGTYPE] * 6 + [b"1", b"2", b"3", b"5", b"6", b"S"])
            entry.linkname, entry.size = "/etc/passwd", len(content)
            if rng.random() < 0.2:
                sizes = [("size", "-512"), ("GNU.sparse.size", "9" * 10), ("path", "../x"),
                         ("GNU.sparse.map", "0,1"), ("GNU.sparse.major", "1")]  # fmt: skip
                entry.pax_headers = dict(rng.sample(sizes, 2))
            archive.addfile(entry, io.BytesIO(content))
    raw = stream.getvalue()
    return mutate(rng, raw, [b"\xff" * 12, b"-1", b"S", b"L", b"x"]) if rng.random() < 0.7 else raw


def packed(rng: random.Random) -> bytes:
    """Return a tar file, perhaps in gzip with more members after it, or with changed bytes."""
    raw = tar(rng)
    if rng.random() < 0.5:
        raw = gzip.compress(raw) + rng.choice([b"", gzip.compress(bytes(1 << 20)), b"x"])
        raw = mutate(rng, raw) if rng.random() < 0.5 else raw
    return raw


def use_archive(path: Path) -> None:
    """Extract an archive; nothing but its folder may appear."""
    before = {entry.name for entry in path.parent.parent.iterdir()}
    try:
        extract(path, path.parent / "root")
    finally:
        assert {entry.name for entry in path.parent.parent.iterdir()} == before


def shards(rng: random.Random, folder: Path) -> Path:
    """Write a folder with one hostile shard."""
    (folder / "classes.json").write_text('["A"]')
    (folder / "train-000000.tar").write_bytes(tar(rng))
    return folder


def png(rng: random.Random) -> bytes:
    """Return a PNG with other chunks, filters and headers, and a few bytes changed."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    if rng.random() < 0.3:
        return mutate(rng, encode_png(IMAGES))
    side = rng.choice([0, 1, 8, 8, 8, 4096, 5000, 1 << 31])
    header = struct.pack(">IIBBBBB", side, 8, rng.choice([8, 8, 16]), rng.choice([0, 0, 2, 3]),
                         0, 0, rng.choice([0, 0, 1]))  # fmt: skip
    kinds = [
        b"IHDR",
        b"PLTE",
        b"tRNS",
        b"iCCP",
        b"zTXt",
        b"iTXt",
        b"acTL",
        b"fcTL",
        b"pHYs",
        b"eXIf",
    ]
    more = [chunk(rng.choice(kinds), rng.choice([header, rng.randbytes(20), b"a\0\0"
            + zlib.compress(bytes(1 << 21))])) for _ in range(rng.randrange(3))]  # fmt: skip
    rows = zlib.compress((bytes([rng.randrange(6)]) + bytes(8)) * 8)
    body = b"".join((chunk(b"IHDR", header), *more, chunk(b"IDAT", rows), chunk(b"IEND", b"")))
    return mutate(rng, b"\x89PNG\r\n\x1a\n" + body) if rng.random() < 0.5 else (
        b"\x89PNG\r\n\x1a\n" + body
    )  # fmt: skip


def use_png(path: Path) -> None:
    """Decode an image; its size is that of its header."""
    data = path.read_bytes()
    assert decode_png(data, "a.png").shape == struct.unpack(">II", data[16:24])[::-1]


def zarr_group(rng: random.Random, folder: Path) -> Path:
    """Write a group of which some files are damaged or replaced."""
    path = write_group(folder / "x.zarr")
    for _ in range(rng.randrange(1, 4)):
        damage_file(rng, rng.choice([one for one in sorted(path.rglob("*")) if one.is_file()]))
    return path


def hdf5(rng: random.Random) -> bytes:
    """Return an HDF5 file with a few bytes changed, mostly of its structure."""
    raw = bytearray(_PLACE["hdf5"].read_bytes())
    for _ in range(rng.randrange(1, 8)):
        place = rng.randrange(len(raw))
        raw[place : place + 1] = rng.choice(
            [rng.randbytes(1), bytes([raw[place] ^ 1 << rng.randrange(8)]), b"\xff", b"\0"]
        )
        if rng.random() < 0.2:
            raw[place : place + 8] = rng.choice(COUNTS)
    return bytes(raw[: rng.randrange(len(raw))] if rng.random() < 0.1 else raw)


def prepare_hdf5() -> None:
    """Write the file that is damaged."""
    import h5py

    path = _PLACE["hdf5"] = Path(tempfile.mkdtemp(), "x.h5")
    with h5py.File(path, "w") as file:
        file["images"], file["labels"] = IMAGES.reshape(24, 8, 8), np.zeros(24, np.int64)
        file.create_dataset("more", data=IMAGES, chunks=(5, 64), compression="gzip")
        for name in ("source", "image_file", "split"):
            file[name] = np.array(NAMES, h5py.string_dtype())
        file.attrs["classes"] = ["A", "B"]


def use_hdf5(path: Path) -> None:
    """Read a file and touch every pixel."""
    int(np.asarray(read_hdf5(path).images).sum())


def prepare_datasets() -> None:
    """Build a dataset and write it in each format; run everything once, which imports it."""
    root = Path(tempfile.mkdtemp())
    _PLACE["build"] = build_named(root, NAMES, ("A", "B", "C"))
    for name in FORMATS:
        _PLACE[name] = export(_PLACE["build"], name, root / name).out
    for name in (*CHANNELS, *MASKED):
        kind, _, number = name.partition("-")
        if not (source := root / f"build-{number}").exists():
            write_masked(source) if number == "masks" else write_build(source, int(number))
        _PLACE[name] = export(source, kind, root / name).out
    for name in ("build", "parquet", "hats"):
        use_everything(_PLACE[name])


def dataset(rng: random.Random, folder: Path) -> Path:
    """Copy a build or an export, and damage some of its files."""
    path = folder / rng.choice(["build", *FORMATS, *CHANNELS, *MASKED])
    shutil.copytree(_PLACE[path.name], path)
    for _ in range(rng.choice([1, 1, 3])):
        entries = sorted(path.rglob("*"))
        files = [entry for entry in entries if entry.is_file()]
        if rng.random() < 0.05:
            replace(rng, rng.choice([one for one in entries if one.is_dir()] or files))
        elif files:
            damage_file(rng, rng.choice(files))
    return path


def collection(rng: random.Random, folder: Path) -> Path:
    """Copy a HATS collection, and forge its descriptions, its partitions or its margin."""
    name = rng.choice(["hats", "hats-2", "hats-3", "hats-masks"])
    path = folder / name
    shutil.copytree(_PLACE[name], path)
    inside = [one for one in sorted(path.rglob("*")) if one.is_file() and one.parent != path]
    texts = [one for one in inside if one.suffix in (".csv", ".properties", "")]
    texts += [path / "collection.properties"] * len(texts)
    for _ in range(rng.choice([1, 1, 2])):
        file = rng.choice(texts if rng.random() < 0.7 else inside)
        if not file.is_file():
            continue
        if rng.random() < 0.3 or file.name.startswith("_") or file.suffix == ".parquet":
            damage_file(rng, file)
            continue
        separator = b"," if file.suffix == ".csv" else b"="
        lines = file.read_bytes().split(b"\n")
        place = rng.randrange(len(lines))
        words = lines[place].split(separator)
        words[rng.randrange(len(words))] = rng.choice(PROPERTIES)
        lines[place] = separator.join(words)
        file.write_bytes(b"\n".join(lines))
    return path


def parquet(rng: random.Random, folder: Path) -> Path:
    """Copy a file of an export in Parquet, or of a HATS catalogue, and damage it."""
    path = folder / "x.parquet"
    name = rng.choice(["parquet", "parquet-2", "parquet-3", "parquet-masks", "hats", "hats-2"])
    shutil.copy(stamp_files(_PLACE[name])[0], path)
    if rng.random() < 0.5:
        path.write_bytes(mutate(rng, path.read_bytes(), COUNTS))
    else:
        damage_table(rng, path)
    return path


def replace(rng: random.Random, path: Path) -> None:
    """Put something that is no file in the place of a file or folder."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    choice = rng.randrange(5)
    if choice == 0:
        os.mkfifo(path)
    elif choice == 1:
        path.mkdir()
    elif choice == 2:
        path.symlink_to(rng.choice([*LINKS, path.name]))
    elif choice == 3:
        path.write_bytes(rng.choice(TEXTS))
    else:
        with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as pipe:
            pipe.bind(path.name)


def damage_file(rng: random.Random, path: Path) -> None:
    """Change, cut, replace or remove a file."""
    choice = rng.randrange(8)
    if path.suffix == ".parquet" and choice < 5:
        damage_table(rng, path)
    elif choice < 3:
        path.write_bytes(mutate(rng, path.read_bytes(), TEXTS))
    elif choice < 5:
        path.write_bytes(rng.choice(TEXTS))
    elif choice == 5:
        path.unlink()
    elif choice == 6:
        replace(rng, path)
    else:
        lines = path.read_bytes().split(b"\n")
        place = rng.randrange(len(lines))
        lines[place] = rng.choice([b"", lines[place][::-1], lines[place] * 2, b"\xff"])
        path.write_bytes(b"\n".join(lines))


def damage_table(rng: random.Random, path: Path) -> None:
    """Give a column of a table another type or other values, or the table other metadata."""
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError):
        return
    column, rows = rng.randrange(len(table.column_names)), len(table)
    name = table.column_names[column]
    no_text = pa.StringArray.from_buffers(
        rows, pa.array(range(0, 2 * rows + 1, 2), pa.int32()).buffers()[1],
        pa.py_buffer(b"\xff\xfe" * rows),
    )  # fmt: skip
    values = [
        pa.array(range(rows)), pa.array(["x"] * rows), pa.nulls(rows), pa.array([[1]] * rows),
        pa.array([b"\x89PNG"] * rows), no_text, pa.array([1e300] * rows), pa.array([-5] * rows),
        pa.array([True] * rows), pa.array([{"bytes": b"x", "path": "y"}] * rows),
        pa.array(["x"] * rows).dictionary_encode(), pa.array([[[1], [2, 3]]] * rows),
        pa.array([[[[0] * 12] * 12] * 2] * rows, pa.list_(pa.list_(pa.list_(pa.uint8())))),
    ]  # fmt: skip
    changes: list[Callable[[], pa.Table]] = [
        lambda: table.remove_column(column),
        lambda: table.slice(0, rng.randrange(5)),
        lambda: table.append_column(name, table[name]),
        lambda: table.take(pa.array([0] * rows)),
        lambda: table.replace_schema_metadata({
            b"mingolotss.format": b"\xff", b"mingolotss.split": b"\xff", b"huggingface": b"[[",
        }),
        lambda: table.replace_schema_metadata({
            b"mingolotss.format": b"png", b"mingolotss.classes.json": rng.choice(TEXTS),
            b"huggingface": b'{"info": {"features": {"label": {"names": 5}}}}',
        }),
        lambda: table.replace_schema_metadata(
            {b"mingolotss.stamps": rng.choice([*SHAPES, *TEXTS])}
        ),
        *[lambda: table.set_column(column, name, rng.choice(values))] * 10,
    ]  # fmt: skip
    pq.write_table(rng.choice(changes)(), path)


def use_everything(path: Path) -> None:
    """Run every command that reads datasets; a finding counts as a refusal."""
    errors: list[MingoError] = []
    uses: list[Callable[[], object]] = [
        lambda: verify(path), lambda: load(path), lambda: status(path),
        lambda: compare(path, _PLACE["build"]),
        *(lambda name=name: export(path, name, path.parent / "out", fresh=True)
          for name in FORMATS[:2]),
    ]  # fmt: skip
    if path.name == "build":
        uses.append(lambda: report(path))
    for use in uses:
        try:
            result = use()
        except MingoError as error:
            errors.append(error)
        else:
            errors += [DatasetError(line) for line in getattr(result, "problems", [])]
    assert all(str(error).isprintable() for error in errors), errors
    shutil.rmtree(path.parent / "out", ignore_errors=True)
    if errors:
        raise errors[0]


TARGETS = {
    "pickle": Target(batch, read_batches),
    "tar": Target(as_file("a.tar", packed), use_archive),
    "webdataset": Target(shards, read_webdataset),
    "png": Target(as_file("a.png", png), use_png),
    "zarr": Target(zarr_group, read_zarr),
    "parquet": Target(parquet, lambda path: load(path) and read_parquet(path), prepare_datasets),
    "dataset": Target(dataset, use_everything, prepare_datasets),
    "hats": Target(collection, use_everything, prepare_datasets),
}
if importlib.util.find_spec("h5py"):
    TARGETS["hdf5"] = Target(as_file("x.h5", hdf5), use_hdf5, prepare_hdf5)
