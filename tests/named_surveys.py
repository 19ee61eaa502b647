"""A small server that answers as the servers of the surveys by name do: SkyView, FIRST and others.

SkyView: parameters, header, the value 0 without data and the pages with status 200 are those of its
web service and of its program (3.5.6), which writes the same files. FIRST: the header of its cutout
server. Legacy Surveys: the code of their viewer. CADC: SIA 2, whose identifiers name planes, and
DataLink, which names the files.
"""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from hips2fits_server import Hips, hips2fits_reply
from mingolotss.service.skyview_surveys import SKYVIEW_SURVEYS
from mingolotss.service.survey_table import SURVEYS
from mingolotss.testing import Image
from misbehave import Line, Reply, Server, running
from survey_server import (
    DATALINK_TYPE,
    SIA2,
    Survey,
    as_fits,
    part_of,
    query,
    votable,
)

PLANE = "ivo://cadc.nrc.ca/VLASS?"
MENU = "<a href='/'>SkyView Home</a> <a href='/q'>Query Form</a> <a href='/help'>Help</a> " * 9
PAGE = (
    "<!DOCTYPE HTML><html><head><title>SkyView query result</title></head><body>" + MENU
    + "<h2> Error processing survey: {}</h2><p>Error: {}</body></html>"
)  # fmt: skip
SKYVIEW_CARDS = """COMMENT SkyView Survey metadata
COMMENT Copyright:   1994, University of California. \t  Permission is granted
COMMENT PixelScale:  1.8"/pixel
COMMENT PixelUnits:  Janskies/beam
HISTORY Resampler used: NNSampler"""
LONGEST = 3000  # px, of a cutout of the Legacy Surveys


class NamedSurveys(Survey):
    """The replies of all of them, with the same images behind each."""

    def replies(self) -> dict[str, Reply]:
        """Return the script of the server."""
        hips = {
            band.name: Hips(band.field, self.brightness)
            for survey in SURVEYS.values()
            for band in survey.bands.values()
            if "/P/" in band.name
        }
        return super().replies() | {
            "/runquery.pl": self.skyview,
            "/firstcutout": self.first,
            "/fits-cutout": self.legacy,
            "/hips": hips2fits_reply(hips),
            "/cadc": self.cadc,
            "/cadc-datalink": self.cadc_datalink,
        }

    def brightness(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return the pixels nearest to places, of the last image that holds them; NaN elsewhere."""
        pixels = np.full(np.shape(ra), np.nan, "f4")
        sky = SkyCoord(ra, dec, unit="deg")
        for image in self.images:
            x, y = np.nan_to_num(np.rint(image.wcs.world_to_pixel(sky)), nan=-1).astype(int)
            high, wide = image.pixels.shape
            inside = (x >= 0) & (x < wide) & (y >= 0) & (y < high)
            pixels[inside] = image.pixels[y[inside], x[inside]]
        return pixels

    def resampled(self, ra: float, dec: float, side: int, step: float) -> tuple[np.ndarray, WCS]:
        """Return the brightness on a grid around a place: north up, TAN, `step` in deg."""
        wcs = WCS(naxis=2)
        wcs.wcs.ctype, wcs.wcs.cunit = ["RA---TAN", "DEC--TAN"], ["deg", "deg"]
        wcs.wcs.crval, wcs.wcs.cdelt = (ra, dec), (-step, step)
        wcs.wcs.crpix = (side + 1) / 2, (side + 1) / 2
        rows, columns = np.mgrid[:side, :side]
        sky = wcs.pixel_to_world(columns, rows)
        return self.brightness(sky.ra.deg, sky.dec.deg), wcs

    def skyview(self, line: Line, _: int) -> None:
        """Answer the batch interface: a FITS file, or a page with status 200."""
        words = {name.lower(): value for name, value in query(line).items()}
        if words.get("return", "").upper() != "FITS":
            line.send(b"<html><body>a page with links to images</body></html>")
            return
        survey = words["survey"]
        if survey not in {one.name for one in SKYVIEW_SURVEYS} | {"Other Survey"}:
            line.send(PAGE.format(survey, f"Unable to find requested survey:{survey}").encode())
            return
        ra, dec = (float(v) for v in words["position"].split(","))
        side, size = int(words["pixels"]), float(words["size"])
        pixels, _wcs = self.resampled(ra, dec, side, size / side)
        if np.isnan(pixels).all():
            reason = (
                "No candidate images were found in the region. Position may be outside the "
                "coverage area."
            )
            line.send(PAGE.format(survey, reason).encode(), Content_Type="text/html")
            return
        kind = "f4" if words.get("float") == "on" else "f8"
        header = fits.Header()
        header.update(CRVAL1=ra, CRVAL2=dec, RADESYS="FK5", EQUINOX=2000.0)
        header.update(CTYPE1="RA---TAN", CTYPE2="DEC--TAN")
        header.update(CRPIX1=(side + 1) / 2, CRPIX2=(side + 1) / 2)
        header.update(CDELT1=-size / side, CDELT2=size / side)
        body = as_fits(np.nan_to_num(pixels).astype(kind), header)
        line.send(with_cards(body, SKYVIEW_CARDS.splitlines()), Content_Type="image/fits")

    def first(self, line: Line, _: int) -> None:
        """Cut the coadded image that holds the position on its own pixels, gzip'd now and then."""
        words = query(line)
        assert words["ImageType"] == "FITS File", words
        hours, dec = (float(v) for v in words["RA"].split())
        place = SkyCoord(15 * hours, dec, unit="deg")
        image = next((i for i in self.images if i.holds(place)), None)
        if image is None or not words["MaxImSize"].isdecimal():
            line.send(b"<html><body>No image of the survey at this position</body></html>")
            return
        side = round(float(words["ImageSize"]) * 60 / 1.5)
        x, y = (round(float(v)) for v in image.wcs.world_to_pixel(place))
        body = part_of(image.path, y - side // 2, x - side // 2, side, side)
        line.send(gzip.compress(body) if side % 2 else body)

    def legacy(self, line: Line, _: int) -> None:
        """Resample the images; several bands are several planes, and 0 is a pixel without data."""
        words = query(line)
        if words.get("layer") != "ls-dr10":
            line.send(b"no such layer")
            return
        side, scale = min(int(words["size"]), LONGEST), float(words["pixscale"])
        bands = words["bands"]
        pixels, wcs = self.resampled(float(words["ra"]), float(words["dec"]), side, scale / 3600)
        if np.isnan(pixels).all() or not set(bands) <= set("griz"):
            line.send(b"<h1>Server Error (500)</h1>", "500 Internal Server Error")
            return
        planes = np.stack([np.nan_to_num(pixels)] * len(bands)).squeeze()
        header = wcs.to_header()
        header.update(SURVEY="LegacySurvey", VERSION="DR10", BANDS=bands)
        line.send(as_fits(planes.astype("f4"), header))

    def cadc(self, line: Line, _: int) -> None:
        """Answer SIA 2 with a DataLink for every plane of the collection."""
        words = query(line)
        assert words["COLLECTION"] == "VLASS", words
        _, ra, dec, _ = words["POS"].split()
        place = SkyCoord(float(ra), float(dec), unit="deg")
        planes = [f"{PLANE}{i.field}/{i.field}" for i in self.images if i.holds(place)]
        rows = [
            (f"{line.server.url}/cadc-datalink?ID={quote(plane, safe='')}", DATALINK_TYPE, plane)
            for plane in planes
        ]
        line.send(votable(SIA2, rows))

    def cadc_datalink(self, line: Line, _: int) -> None:
        """Answer with asynchronous and synchronous SODA, whose identifier is that of the file."""
        plane = parse_qs(urlsplit(line.path).query)["ID"][0]
        field = plane.removeprefix(PLANE).partition("/")[0]
        file = f"ivo://test/~?{field.replace('+', '_')}-mosaic.fits"
        parameter = '<PARAM name="{}" datatype="char" arraysize="*" value="{}"/>'
        services = "".join(
            '<RESOURCE type="meta" utype="adhoc:service">'
            + parameter.format("standardID", f"ivo://ivoa.net/std/SODA#{kind}-1.0")
            + parameter.format("accessURL", f"{line.server.url}/{path}")
            + f'<GROUP name="inputParams">{parameter.format("ID", file)}</GROUP></RESOURCE>'
            for kind, path in (("async", "soda-async"), ("sync", "soda"))
        )
        line.send(votable({"ID": ""}, [], services))


def with_cards(body: bytes, cards: Sequence[str]) -> bytes:
    """Return a FITS file with further cards before END, as they are, tabs among them."""
    end = body.index(b"END".ljust(80))
    more = b"".join(card.encode().ljust(80) for card in cards)
    header = (body[:end] + more + b"END").ljust(-(-(end + len(more) + 80) // 2880) * 2880)
    return header + body[-(-(end + 80) // 2880) * 2880 :]


def named_addresses(server: Server) -> dict[str, str]:
    """Return the address of the service of each survey on the server, in its first band."""
    paths = {
        "first": "firstcutout", "legacy": "fits-cutout", "tgss": "siap", "lolss": "siap",
        "vlass": "cadc", "racs": "hips", "panstarrs": "hips", "sdss": "hips", "unwise": "hips",
        "dss2": "hips",
    }  # fmt: skip
    return {name: f"{name}:{server.url}/{paths.get(name, 'runquery.pl')}" for name in SURVEYS}


@contextlib.contextmanager
def named_surveys(images: Sequence[Image], layouts: Path | None = None) -> Iterator[Server]:
    """Run the server until the block ends."""
    with running(NamedSurveys(images, layouts or Path()).replies()) as server:
        yield server
