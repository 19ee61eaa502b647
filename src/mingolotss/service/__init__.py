"""Image services by name: where images come from.

>>> SERVICES.get("folder").__name__
'FolderService'
"""

from typing import Any

from mingolotss.registry import Registry

__all__ = ["SERVICES", "services"]

SERVICES: Registry[Any] = Registry("service", group="mingolotss.services")
SERVICES.add(
    "folder",
    "mingolotss.service.local.folder:FolderService",
    "folder:DIR - FITS cutouts on disk, named SOURCE_FIELD-mosaic.fits (and -mosaic-rms.fits)",
)
SERVICES.add(
    "mosaics",
    "mingolotss.service.local.mosaics:MosaicsService",
    "mosaics:DIR or address - whole FITS mosaics, also with gzip or fpack; the fastest way",
)
SERVICES.add(
    "lotss-dr1",
    "mingolotss.service.remote.sia:LotssDr1Service",
    "lotss-dr1[:URL] - ASTRON's cutouts of LoTSS DR1 with their rms maps, by SIA",
)
SERVICES.add(
    "lotss-dr1-mosaics",
    "mingolotss.service.local.dr1_mosaics:LotssDr1MosaicsService",
    "lotss-dr1-mosaics:DIR - whole mosaics on disk, cut to the pixel as lotss-dr1 cuts",
)
SERVICES.add(
    "lotss-dr1-form",
    "mingolotss.service.remote.form:LotssDr1FormService",
    "lotss-dr1-form[:URL] - the cutouts of lotss-dr1 through its web form (extra browser)",
)
SERVICES.add(
    "lotss-dr2",
    "mingolotss.service.remote.cutout_server:LotssDr2Service",
    "lotss-dr2[:URL] - cutouts of LoTSS DR2; no rms map, so the noise is estimated",
)
SERVICES.add(
    "lotss-dr3",
    "mingolotss.service.remote.cutout_server:LotssDr3Service",
    "lotss-dr3[:URL] - cutouts of LoTSS DR3; no rms map, so the noise is estimated",
)
SERVICES.add(
    "lotss-dr2-mosaics",
    "mingolotss.service.remote.range_mosaics:LotssDr2MosaicsService",
    "lotss-dr2-mosaics[:URL] - rows of the public mosaics and rms maps, by HTTP range requests",
)
SERVICES.add(
    "ranges",
    "mingolotss.service.remote.range_mosaics:RangesService",
    "ranges:URL - rows of the FITS mosaics in any web folder, by HTTP range requests",
)
SERVICES.add(
    "sia",
    "mingolotss.service.remote.sia:SiaService",
    "sia:URL - any IVOA Simple Image Access 1.0 service",
)
SERVICES.add(
    "sia2",
    "mingolotss.service.remote.sia2:Sia2Service",
    "sia2:URL - any IVOA Simple Image Access 2.0 service, cut by SODA if it has that",
)
SERVICES.add(
    "soda",
    "mingolotss.service.remote.sia2:SodaService",
    "soda:URL?ID=... - cutouts of named images (any number of ID=) by IVOA SODA",
)
SERVICES.add(
    "hips",
    "mingolotss.service.remote.cutout_server:HipsService",
    "hips:IDENTIFIER - any HiPS survey through hips2fits; resampled, for a quick look",
)
SERVICES.add(
    "simulated",
    "mingolotss.service.local.simulated:SimulatedService",
    "simulated[:DIR] - the simulated sky, cut as the archive cuts; without DIR it is made first",
)


def services() -> dict[str, str]:
    """Return the image services: the name of each, and in one line how it is opened and used.

    Services that installed packages add are among them.
    """
    return {name: SERVICES.summary(name) for name in SERVICES.names()}
