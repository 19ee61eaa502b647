"""``MingoML.csv``: the records in the columns of the original's table.

>>> render_csv([("A", "P1", 0, "A_P1-mosaic.fits", 0.5, 0.0, "A_P1.png")]).splitlines()[1]
'A,P1,0,A_P1-mosaic.fits,0.5,0.0,A_P1.png'
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.io.files import write_bytes

__all__ = ["CSV_COLUMNS", "HEADER", "render_csv", "write_csv"]

HEADER = (
    "Source ID", "Field", "Class", "Map File", "Separation", "Percentage NaN", "Image File",
)  # fmt: skip
_COLUMNS = (
    "source", "field", "label", "map_file", "separation_arcsec", "percent_nan", "image_file",
)  # fmt: skip
CSV_COLUMNS = (*_COLUMNS, "status")  # of the manifest, all that `write_csv` looks at


def render_csv(rows: Iterable[tuple[Any, ...]]) -> str:
    """Return the table; a float is written with every digit that it has."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(rows)
    return text.getvalue()


def write_csv(path: Path, manifest: pa.Table) -> None:
    """Write the written rows of a manifest, in its order."""
    written = manifest.filter(pc.equal(manifest["status"], "written"))
    columns = [written[name].to_pylist() for name in _COLUMNS]
    write_bytes(path, render_csv(zip(*columns, strict=True)).encode())
