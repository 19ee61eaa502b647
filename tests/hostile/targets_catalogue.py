"""Hostile catalogues: CSV."""

from __future__ import annotations

import random
from pathlib import Path

from harness import Target, as_file, mutate

from mingolotss.catalogue.reading import read_catalogue

TOKENS = [
    b'"',
    b"\0",
    b"\r",
    b"\n",
    b"\xff",
    b",",
    b"9" * 400,
    b"\xef\xbb\xbf",
    b"nan",
    b"#",
    b"1e999",
]


def csv_bytes(rng: random.Random) -> bytes:
    """Return a CSV file with a few bytes changed."""
    rows = "".join(f"S{row},{rng.uniform(0, 360)},{rng.uniform(-90, 90)}\n" for row in range(9))
    return mutate(rng, f"Source_Name,RA,DEC\n{rows}".encode(), TOKENS)


def read(path: Path) -> None:
    """Read a catalogue with the usual columns."""
    read_catalogue(path)


TARGETS = {"csv": Target(as_file("a.csv", csv_bytes), read)}
