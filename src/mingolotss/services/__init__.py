"""Image services by name: where images come from.

>>> SERVICES.get("folder").__name__
'FolderService'
"""

from mingolotss.registry import Registry

__all__ = ["SERVICES"]

SERVICES = Registry("service", group="mingolotss.services")
SERVICES.add(
    "folder",
    "mingolotss.services.folder:FolderService",
    "folder:DIR - FITS cutouts on disk, named SOURCE_FIELD-mosaic.fits (and -mosaic-rms.fits)",
)
SERVICES.add(
    "mosaics",
    "mingolotss.services.mosaics:MosaicsService",
    "mosaics:DIR or fsspec address - whole FITS mosaics, fpack'd too; the fast way",
)
SERVICES.add(
    "simulated",
    "mingolotss.services.simulated:SimulatedService",
    "simulated[:DIR] - the simulated sky, cut as the archive cuts; made on the spot without DIR",
)
