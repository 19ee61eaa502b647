"""One file per format, with its writer and its reader. `FORMATS` is the table of all formats.

Export, loading, verification and the dataset card take the formats from this table. Another
package adds one through the entry point ``mingolotss.formats``, which names a `Format`
(``base.py``). A dataset is opened in the first format of the table that is found in it.

>>> FORMATS.names()[:3]
('batches', 'hdf5', 'zarr')
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mingolotss.registry import Registry

if TYPE_CHECKING:
    from mingolotss.formats.base import Format

__all__ = ["FORMATS"]

FORMATS: Registry[Format] = Registry("format", group="mingolotss.formats")
FORMATS.add(
    "batches",
    "mingolotss.formats.batches:BATCHES",
    "pickled batches, as the published dataset",
)
FORMATS.add(
    "hdf5",
    "mingolotss.formats.hdf5:HDF5",
    "one HDF5 file; its images can be mapped into memory",
)
FORMATS.add(
    "zarr",
    "mingolotss.formats.zarr:ZARR",
    "a Zarr group with chunks of 64 images",
)
FORMATS.add(
    "webdataset",
    "mingolotss.formats.webdataset:WEBDATASET",
    "tar shards of PNG files, for streaming",
)
FORMATS.add(
    "fits",
    "mingolotss.formats.fits:FITS",
    "FITS files by split: brightness, noise and mask with their WCS, for DS9 and CARTA",
)
FORMATS.add(
    "png",
    "mingolotss.formats.png_folders:PNG_FOLDERS",
    "PNG folders by split and class, for ImageFolder",
)
FORMATS.add(
    "coco",
    "mingolotss.formats.coco:COCO",
    "PNG files with COCO annotations: boxes and segmentations of the masks, for detectors",
)
FORMATS.add(
    "parquet",
    "mingolotss.formats.parquet:PARQUET",
    "Parquet with Image and ClassLabel, for Hugging Face datasets",
)
FORMATS.add(
    "hats",
    "mingolotss.formats.hats:HATS",
    "a HATS collection in partitions of the sky, for LSDB, Hyrax and the Multimodal Universe",
)
