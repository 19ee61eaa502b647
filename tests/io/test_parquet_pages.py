"""Pages of Parquet that announce more than their file: generated, small and refused."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mingolotss.catalogue.reading import read_catalogue
from mingolotss.errors import CatalogueError, DatasetError
from mingolotss.io.parquet import read_table
from mingolotss.io.parquet_pages import Chunk, PageError, read_chunks, read_page, read_pages

MOST_BYTES = 1 << 30
LONG = "x" * 1_000_000
ROWS = 3000


def varint(number: int) -> bytes:
    number <<= 1  # zigzag
    out = b""
    while number >= 128:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def lying(path: Path) -> None:
    """A page of 140 MB of zeros, in 5 kB, says that it has 2 GB."""
    size = 140_000_000
    columns = {"Source_Name": ["\0" * size], "RA": [1.0], "DEC": [2.0]}
    pq.write_table(
        pa.table(columns), path, compression="zstd", use_dictionary=False, write_statistics=False,
        data_page_size=1 << 30,
    )  # fmt: skip
    raw = path.read_bytes()
    for length in range(size, size + 40):  # the value, its length and levels
        old, new = (b"\x15" + varint(count) + b"\x15" for count in (length, (1 << 31) - 1))
        if old in raw:
            path.write_bytes(raw.replace(old, new, 1))
            return
    raise AssertionError


def repeated(path: Path, **options: object) -> None:
    columns = {"Source_Name": [LONG] * ROWS, "RA": np.zeros(ROWS), "DEC": np.zeros(ROWS)}
    pq.write_table(pa.table(columns), path, compression="zstd", write_statistics=False, **options)


def many_rows(path: Path) -> None:
    names = pa.nulls(9_000_000, pa.string())
    columns = {"Source_Name": names, "RA": np.zeros(len(names)), "DEC": np.zeros(len(names))}
    pq.write_table(pa.table(columns), path, compression="zstd")


BOMBS: dict[str, Callable[[Path], None]] = {
    "a page that lies": lying,
    "a dictionary": repeated,
    "the beginnings of values": lambda path: repeated(
        path, use_dictionary=False,
        column_encoding={"Source_Name": "DELTA_BYTE_ARRAY", "RA": "PLAIN", "DEC": "PLAIN"},
    ),
    "rows": many_rows,
}  # fmt: skip


def read_both(path: Path) -> None:
    for read, error in ((read_catalogue, CatalogueError), (read_table, DatasetError)):
        with pytest.raises(error) as caught:
            read(path)
        assert len(str(caught.value)) < 10_000
    peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    assert int(peak) * 1024 < MOST_BYTES, peak


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory from /proc")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_less_than_a_gigabyte(name, tmp_path):
    """In a process of its own."""
    path = tmp_path / "a.parquet"
    BOMBS[name](path)
    assert path.stat().st_size < 200_000
    program = f"import test_parquet_pages as t; t.read_both(t.Path({str(path)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True,
        cwd=Path(__file__).parent, env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip", "lz4"])
def test_the_pages_of_every_column(compression, version, tmp_path):
    """The pages fill what the footer says, and their values are those of the table."""
    path = tmp_path / "a.parquet"
    table = pa.table({
        "text": [f"name {i % 7}" for i in range(5000)], "number": np.arange(5000.0),
        "flag": [True, None] * 2500, "list": [[1, 2, 3]] * 5000, "fixed": [b"1234"] * 5000,
    })  # fmt: skip
    pq.write_table(
        table, path, compression=compression, data_page_version=version, data_page_size=4096,
        row_group_size=2000,
    )  # fmt: skip
    metadata = pq.ParquetFile(path).metadata
    chunks = read_chunks(path)
    with path.open("rb") as file:
        for group in range(metadata.num_row_groups):
            for index in range(metadata.num_columns):
                chunk = metadata.row_group(group).column(index)
                start = chunk.dictionary_page_offset or chunk.data_page_offset
                assert chunks[group][index] == Chunk(start, chunk.total_compressed_size)
                pages = list(read_pages(file, start, chunk.total_compressed_size))
                content = sum(page.content_bytes + page.header_bytes for page in pages)
                assert content == chunk.total_uncompressed_size
                values = sum(page.values for page in pages if not page.is_dictionary)
                assert values == chunk.num_values
    assert read_table(path).equals(table)


@pytest.mark.parametrize("data", [
    b"\x15\x00\x15\x02", b"\x15" + b"\x80" * 30, b"\x00", b"\x1c" * 50, b"\x19\x00\x00", b"",
    b"\x18\xff\xff\xff\x7f",
])  # fmt: skip
def test_a_header_that_cannot_be_read(data):
    with pytest.raises((PageError, IndexError)):
        read_page(data)
    with pytest.raises(PageError):
        list(read_pages(io.BytesIO(data), 0, 100))


def test_a_footer_whose_columns_pyarrow_cannot_describe(tmp_path):
    """Pyarrow ends the process when it is asked for a column with a wrong histogram of levels."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"Source_Name": ["A", "B"], "RA": [1.0, 2], "DEC": [1.0, 2]}), path)
    raw, refused = path.read_bytes(), 0
    length = int.from_bytes(raw[-8:-4], "little")
    for place in range(len(raw) - 8 - length, len(raw) - 8, 7):
        damaged = bytearray(raw)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        try:
            read_catalogue(path)
        except CatalogueError:
            refused += 1
    assert refused > length // 28


@pytest.mark.parametrize("data", [
    b"", b"PAR1", b"\x00" * 8, b"\xff\xff\xff\x7fPAR1", b"\x01\x00\x00\x00PAR1",
    b"\x49\x1c\x00\x03\x00\x00\x00PAR1", b"\x19\xfc\xff\xff\x05\x00\x05\x00\x00\x00PAR1",
])  # fmt: skip
def test_a_footer_that_cannot_be_read(data, tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(data)
    with pytest.raises(PageError):
        read_chunks(path)


def test_the_footer_of_a_file_that_is_written_again(tmp_path):
    """A footer is kept in memory only while the file is the same."""
    path = tmp_path / "a.parquet"
    for names in (["a"], ["a", "b"]):
        pq.write_table(pa.table({name: [1, 2] for name in names}), path)
        assert len(read_chunks(path)[0]) == len(names)
        path.unlink()


def test_a_table_without_rows(tmp_path):
    """Its columns have places in the footer, and no pages there."""
    table = pa.table({"text": pa.array([], pa.string()), "number": pa.array([], pa.int64())})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").equals(table)
