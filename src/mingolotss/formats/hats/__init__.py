"""HATS: a catalogue in partitions of the sky, as LSDB, Hyrax and the Multimodal Universe read it.

A collection has the catalogue, the margin of each partition, and an index of the names of the
sources. Each catalogue is a folder of Parquet files, one for each HEALPix pixel with sources
(https://www.ivoa.net/documents/Notes/HATS/).
"""

from __future__ import annotations

from mingolotss.formats.base import Format
from mingolotss.formats.hats.reading import find_hats, read_hats
from mingolotss.formats.hats.writer import write_hats

__all__ = ["HATS"]

HATS = Format(
    write_hats,
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
