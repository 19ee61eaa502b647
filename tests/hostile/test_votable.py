"""VOTables that want a file, a host, or all memory: as catalogues and as answers of a service."""

from __future__ import annotations

import contextlib
import gzip
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyvo.dal import SIAResults
from votables import BOMBS, HARMLESS, REFERENCES

from mingolotss.catalogue.reading import read_catalogue
from mingolotss.errors import CatalogueError, MingoError, ServiceError, TruncatedFileError
from mingolotss.service.remote.votable import parse_results

LONGEST_S = 10.0


def as_catalogue(body: bytes, folder: Path) -> None:
    path = folder / "a.vot"
    path.write_bytes(body)
    read_catalogue(path)


def as_packed_catalogue(body: bytes, folder: Path) -> None:
    as_catalogue(gzip.compress(body, 1), folder)


def as_answer(body: bytes, folder: Path) -> None:
    parse_results(SIAResults, body, "https://archive.example/siap")


def as_metadata(body: bytes, folder: Path) -> None:
    columns = {"Source_Name": ["A"], "RA": [10.0], "DEC": [20.0]}
    table = pa.table(columns).replace_schema_metadata({"IVOA.VOTable-Parquet.content": body})
    pq.write_table(table, folder / "a.parquet")
    read_catalogue(folder / "a.parquet")


DOORS: dict[str, Callable[[bytes, Path], None]] = {
    "catalogue": as_catalogue, "gzip": as_packed_catalogue, "answer": as_answer,
    "Parquet": as_metadata,
}  # fmt: skip


def attempt(door: str, body: bytes, folder: Path) -> MingoError:
    began = time.process_time()
    with pytest.raises((CatalogueError, ServiceError)) as caught:
        DOORS[door](body, folder)
    assert time.process_time() - began < LONGEST_S
    assert str(caught.value).isprintable()
    return caught.value


@pytest.mark.slow
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("reference", REFERENCES)
def test_no_reference_is_followed(reference, door, secret, tmp_path):
    """Neither a file, in any spelling, nor a host: the canary fails the test otherwise."""
    make = REFERENCES[reference]
    addresses = (
        secret.as_uri(), f"file:{secret}", f"FILE:{secret}", "http://192.0.2.1:9/x",
        "https://rows.example/x", "ftp://192.0.2.1/x", f"../{secret.parent.name}/{secret.name}",
        "vizier://x", "//192.0.2.1/x", str(secret),
    )  # fmt: skip
    for address in addresses if "padding" not in reference else addresses[:1]:
        error = attempt(door, make(address), tmp_path)
        assert "SECRET" not in str(error)


@pytest.mark.parametrize("name", HARMLESS)
@pytest.mark.parametrize("door", ["catalogue", "gzip", "answer"])
def test_what_only_names_an_address_is_read(name, door, secret, tmp_path):
    """A DTD, a schema and links name addresses, and nothing is read from there."""
    DOORS[door](HARMLESS[name](secret.as_uri()), tmp_path)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_no_catalogue(name, tmp_path):
    attempt("catalogue", BOMBS[name](), tmp_path)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_no_answer_or_one_without_rows(name, tmp_path):
    """A stream that is cut short is requested again, and has no rows."""
    body, began = BOMBS[name](), time.process_time()
    with contextlib.suppress(ServiceError, TruncatedFileError):
        assert len(parse_results(SIAResults, body, "https://archive.example/siap")) == 0
    assert time.process_time() - began < LONGEST_S
