"""``rejected.csv``: all rejected sources of a build with their reasons, beside the report."""

from __future__ import annotations

import pyarrow as pa

from mingolotss.formats.csv import render_csv
from mingolotss.io.files import write_bytes
from mingolotss.qa.report.build_view import BuildView

__all__ = ["write_rejected"]

_COLUMNS = ("row", "source", "ra", "dec", "class", "stage", "reason")


def write_rejected(build: BuildView) -> None:
    """Write the file, or remove that of an earlier report if no source is rejected."""
    rejected = build.manifest.filter(pa.array(~build.written))
    if not len(rejected):
        build.folder.rejected.unlink(missing_ok=True)
        return
    names = [name for name in _COLUMNS if name != "class" or build.provenance.classes]
    columns = [rejected[name].to_pylist() for name in names]
    text = render_csv(zip(*columns, strict=True), names)
    write_bytes(build.folder.rejected, text.encode())
