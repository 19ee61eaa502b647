"""A small archive with SIA for tests of whole builds: three sources, one field, two files each."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
from astropy.io import fits

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.io.http import Limits, RetryPolicy, Transport
from mingolotss.pipeline.run import build
from mingolotss.recipe.load import load_recipe
from mingolotss.service.remote.sia import SiaService
from mingolotss.sky.wcs import simple_header
from misbehave import Line, Reply, Server, always

NAMES, RA, DEC = ["good-1", "bad", "good-2"], [10.0, 20.0, 30.0], [40.0, 50.0, 60.0]
SCALE = 1.5


def cutout(ra: float, dec: float, kind: str = "image", side: int = 240) -> bytes:
    """A cutout of a point source, or its rms map, as FITS."""
    y, x = np.mgrid[:side, :side] - side // 2
    pixels = np.full((side, side), 1e-4) if kind == "rms" else np.exp(-(x**2 + y**2) / 8.0)
    if kind == "nan":
        pixels = np.full((side, side), np.nan)
    header = fits.Header.fromstring(
        simple_header(ra, dec, shape=(side, side), scale_arcsec=SCALE).decode()
    )
    for key in ("NAXIS", "NAXIS1", "NAXIS2"):
        del header[key]
    file = io.BytesIO()
    fits.PrimaryHDU(np.float32(pixels), header).writeto(file)
    return file.getvalue()


def votable(rows: str, status: str = "OK", after: str = "") -> bytes:
    """A SIA answer."""
    fields = "".join(
        f'<FIELD name="{name}" ucd="VOX:{ucd}" datatype="char" arraysize="*"/>'
        for name, ucd in (
            ("accref", "Image_AccessReference"),
            ("mime", "Image_Format"),
            ("imageTitle", "Image_Title"),
        )
    )
    return (
        '<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        f'<RESOURCE type="results"><INFO name="QUERY_STATUS" value="{status}">{status}: POS</INFO>'
        f"<TABLE>{fields}<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE>{after}"
        "</RESOURCE></VOTABLE>"
    ).encode()


def rows(*urls: str) -> str:
    return "".join(f"<TR><TD>{url}</TD><TD>image/fits</TD><TD>title</TD></TR>" for url in urls)


def script(bad: Reply | None = None, search: Reply | None = None) -> dict[str, Reply]:
    """A SIA server with one field; `bad` answers for the second source's image."""

    def siap(line: Line, number: int) -> None:
        index = next(i for i, ra in enumerate(RA) if f"POS={ra}" in line.path)
        if index == 1 and search is not None:
            search(line, number)
            return
        place = f"{line.server.url}/{index}/P1_5"
        names = ("-mosaic", "-mosaic-rms", "-low-mosaic", "-residual-mosaic")
        line.send(votable(rows(*(f"{place}{name}.fits?x=1&amp;y=2" for name in names))))

    found: dict[str, Reply] = {"/siap": siap}
    for index, (ra, dec) in enumerate(zip(RA, DEC, strict=True)):
        found[f"/{index}/P1_5-mosaic.fits"] = always(cutout(ra, dec))
        found[f"/{index}/P1_5-mosaic-rms.fits"] = always(cutout(ra, dec, "rms"))
    if bad is not None:
        found["/1/P1_5-mosaic.fits"] = bad
    return found


def quick() -> Transport:
    limits = Limits(connect_s=2.0, read_s=1.0, total_s=5.0, max_bytes=4 << 20)
    retry_policy = RetryPolicy(
        attempts=3, first_s=0.02, longest_s=0.05, longest_retry_after_s=0.2, outage_s=0.3
    )
    return Transport(limits=limits, retry_policy=retry_policy, rng=random.Random(3))  # noqa: S311


def make(server: Server, out: Path, **options: object) -> list[dict[str, object]]:
    """Build through SIA; return the manifest's rows."""
    service = SiaService(f"{server.url}/siap", transport=quick(), workspace=out, **options)
    build(load_recipe("lotss"), out=out, catalogue=catalogue(), service=service)
    found = read_manifest(out).to_pylist()
    return [{k: None if v != v else v for k, v in row.items()} for row in found]  # noqa: PLR0124


def catalogue() -> Catalogue:
    return Catalogue.from_columns(NAMES, RA, DEC)
