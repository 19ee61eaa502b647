"""HATS: a catalogue in partitions of the sky, as LSDB, Hyrax and the Multimodal Universe read it.

A collection has the catalogue, the margin of each partition, and an index of the names of the
sources. Each catalogue is a folder of Parquet files, one for each HEALPix pixel with sources
(https://www.ivoa.net/documents/Notes/HATS/).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mingolotss.formats.base import ExportHeader, Format
from mingolotss.formats.hats.reading import read_hats
from mingolotss.formats.places import find_hats

if TYPE_CHECKING:
    from mingolotss.dataset.records import Records

__all__ = ["HATS"]


def _write(records: Records, folder: Path, header: ExportHeader) -> None:
    # What writes a collection is imported only here: it takes as long as all that reads one.
    from mingolotss.formats.hats.writer import write_hats

    write_hats(records, folder, header)


HATS = Format(
    _write,
    find_hats,
    read_hats,
    (
        'lsdb.open_catalog("FOLDER")',
        'mingolotss.MingoLoTSS("FOLDER")',
        'mingolotss.ShuffledTiles("FOLDER")  # PyTorch, streamed',
        'datasets.load_dataset("FOLDER", streaming=True)  # all; see the column split',
    ),
    streams=True,
    in_store=True,
)
