"""Image services by name: where images come from.

>>> SERVICES.get("folder").__name__
'FolderService'
"""

from typing import Any

from mingolotss.registry import Registry

__all__ = ["SERVICES", "service_groups", "services"]

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
    "hips:IDENTIFIER - any HiPS through hips2fits; resampled",
)
SERVICES.add(
    "skyview",
    "mingolotss.service.remote.skyview:SkyViewService",
    "skyview:SURVEY - any survey of NASA SkyView; resampled",
)
SERVICES.add(
    "simulated",
    "mingolotss.service.local.simulated:SimulatedService",
    "simulated[:DIR] - the simulated sky, cut as the archive cuts; without DIR it is made first",
)
for _name, _class, _summary in (
    ("first", "First", "first - FIRST, 1.4 GHz, 5.4 arcsec: the cutouts of its own server"),
    ("nvss", "Nvss", "nvss - NVSS, 1.4 GHz, 45 arcsec, through SkyView"),
    ("vlass", "Vlass", "vlass - VLASS, 3 GHz, 2.5 arcsec: all epochs, cut by CADC"),
    ("racs", "Racs", "racs:low or racs:mid - RACS, 888 or 1368 MHz, through hips2fits"),
    ("tgss", "Tgss", "tgss - TGSS ADR1, 148 MHz, 25 arcsec, cut by ASTRON"),
    ("lolss", "Lolss", "lolss - LoLSS, 54 MHz, cut by ASTRON"),
    ("sumss", "Sumss", "sumss - SUMSS, 843 MHz, 45 arcsec, through SkyView"),
    ("wenss", "Wenss", "wenss - WENSS, 325 MHz, 54 arcsec, through SkyView"),
    ("vlssr", "Vlssr", "vlssr - VLSSr, 74 MHz, 75 arcsec, through SkyView"),
    ("gleam", "Gleam", "gleam:170-231 (139-170, 103-134, 72-103) - GLEAM, through SkyView"),
    ("legacy", "Legacy", "legacy:r (g, i, z) - DESI Legacy Imaging Surveys DR10, its own cutouts"),
    ("panstarrs", "Panstarrs", "panstarrs:r (g, i, z, y) - Pan-STARRS1, through hips2fits"),
    ("sdss", "Sdss", "sdss:r (u, g, i, z) - SDSS DR9, through hips2fits"),
    ("unwise", "Unwise", "unwise:W1 (W2) - unWISE, 3.4 and 4.6 micron, through hips2fits"),
    ("dss2", "Dss2", "dss2:red (blue) - plates of the Digitized Sky Survey 2, through hips2fits"),
):
    SERVICES.add(_name, f"mingolotss.service.remote.surveys:{_class}", _summary)

_GROUPS = {
    "files on this machine": ("folder", "mosaics", "lotss-dr1-mosaics", "simulated"),
    "LoTSS": ("lotss-dr1", "lotss-dr1-form", "lotss-dr2", "lotss-dr3", "lotss-dr2-mosaics"),
    "radio surveys": (
        "first", "nvss", "vlass", "racs", "tgss", "lolss", "sumss", "wenss", "vlssr", "gleam",
    ),
    "optical and infrared surveys": ("legacy", "panstarrs", "sdss", "unwise", "dss2"),
    "any archive": ("skyview", "hips", "sia", "sia2", "soda", "ranges"),
}  # fmt: skip
_OTHERS = "services of other packages"


def services() -> dict[str, str]:
    """Return the image services: the name of each, and in one line how it is opened and used.

    Services that installed packages add are among them.

    Returns
    -------
    dict of str to str
        In the order of the registry.

    Examples
    --------
    >>> import mingolotss
    >>> list(mingolotss.services())[:3]
    ['folder', 'mosaics', 'lotss-dr1']
    """
    return {name: SERVICES.summary(name) for name in SERVICES.names()}


def service_groups() -> dict[str, dict[str, str]]:
    """Return the image services as `services` does, in groups by their heading."""
    rest = services()
    groups = {
        heading: {name: rest.pop(name) for name in names if name in rest}
        for heading, names in _GROUPS.items()
    }
    return {heading: group for heading, group in {**groups, _OTHERS: rest}.items() if group}
