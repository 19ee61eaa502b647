"""A small HTTP server of a few images, with every protocol that a shipped service speaks.

SIA 1, SIA 2 with DataLink and SODA, the form of a DaCHS server, the cutout server of LoTSS DR2,
hips2fits, and plain files with range requests. Positions and pixels go through astropy alone.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from mingolotss.testing import Image
from misbehave import Line, Reply, Server, running

PRODUCTS = ("mosaic", "mosaic-rms", "low-mosaic", "residual-mosaic", "low-residual-mosaic")
ID = "ivo://test/~?"
BAD_REQUEST = "400 Bad Request"
SIA = {"accref": "VOX:Image_AccessReference", "mime": "VOX:Image_Format",
       "imageTitle": "VOX:Image_Title"}  # fmt: skip
SIA2 = {"access_url": "", "access_format": "", "obs_publisher_did": ""}
DATALINK_TYPE = "application/x-votable+xml;content=datalink"
FORM = """<html><body><form action="/form"><input name="hPOS"/><input name="hSIZE" value="0.5"/>
{choices}<input type="submit" name="submit" value="Go"/></form>{answer}</body></html>"""


def product_name(image: Image, product: str) -> str:
    """Return a file's name as archives write it, `_` for `+`."""
    return f"{image.field.replace('+', '_')}-{product}.fits"


class Survey:
    """The replies of the server: one method for each path.

    Parameters
    ----------
    images : sequence of Image
    layouts : Path
        A folder whose files are served under ``/files``, with range requests.
    """

    def __init__(self, images: Sequence[Image], layouts: Path) -> None:
        self.images, self.layouts = images, layouts
        self.files = {}
        for image in images:
            self.files[product_name(image, "mosaic")] = image.path
            self.files[product_name(image, "mosaic-rms")] = image.rms

    def replies(self) -> dict[str, Reply]:
        """Return the script of the server."""
        return {
            "/siap": lambda line, number: self.sia(line, number, "cut"),
            "/siap-whole": lambda line, number: self.sia(line, number, "whole"),
            "/sia2": lambda line, number: self.sia2(line, number, whole=False),
            "/sia2-whole": lambda line, number: self.sia2(line, number, whole=True),
            "/datalink": self.datalink,
            "/soda": self.soda,
            "/form": self.form,
            "/dr2-cutout.fits": self.cutout_server,
            "/hips2fits": self.hips2fits,
            "*": self.product_or_file,
        }

    def sia(self, line: Line, number: int, kind: str) -> None:
        """Answer SIA 1: rows in an order of the server's own, other products among them."""
        words = query(line)
        ra, dec = (float(v) for v in words["POS"].split(","))
        assert words["INTERSECT"] == "CENTER"
        links = self.links(line, ra, dec, float(words["SIZE"]), kind)
        rows = [(url, "image/fits", "a title") for url in shuffled(links, number)]
        line.send(votable(SIA, rows))

    def links(self, line: Line, ra: float, dec: float, size: float, kind: str) -> list[str]:
        """Return the addresses of all products of all images that hold a position."""
        cut = f"?ra={ra!r}&dec={dec!r}&size={size!r}" if kind == "cut" else ""
        return [
            f"{line.server.url}/{kind}/{product_name(image, product)}{cut}"
            for image in self.images
            if image.holds(SkyCoord(ra, dec, unit="deg"))
            for product in PRODUCTS
        ]

    def sia2(self, line: Line, number: int, *, whole: bool) -> None:
        """Answer SIA 2: a DataLink document for every image, or the image as it is."""
        shape, ra, dec, _ = query(line)["POS"].split()
        assert shape == "CIRCLE"
        rows = []
        for image in self.images:
            if image.holds(SkyCoord(float(ra), float(dec), unit="deg")):
                for name in (product_name(image, product) for product in PRODUCTS[:2]):
                    link = f"{line.server.url}/datalink?ID={quote(ID + name)}"
                    file = f"{line.server.url}/whole/{name}"
                    kind = "image/fits" if whole else DATALINK_TYPE
                    rows.append((file if whole else link, kind, ID + name))
        line.send(votable(SIA2, shuffled(rows, number)))

    def datalink(self, line: Line, _: int) -> None:
        """Answer with the SODA service of one image (DataLink 1.1, section 4)."""
        parameter = '<PARAM name="{}" datatype="char" arraysize="*" value="{}"/>'
        words = (
            ("standardID", "ivo://ivoa.net/std/SODA#sync-1.0"),
            ("accessURL", f"{line.server.url}/soda"),
        )
        service = "".join(parameter.format(*pair) for pair in words)
        identifier = parameter.format("ID", escape(query(line)["ID"]))
        resource = (
            f'<RESOURCE type="meta" utype="adhoc:service">{service}'
            f'<GROUP name="inputParams">{identifier}</GROUP></RESOURCE>'
        )
        line.send(votable({"ID": ""}, [], resource))

    def soda(self, line: Line, _: int) -> None:
        """Cut the square around a circle; unknown images and wrong circles are refused."""
        words = query(line)
        try:
            path = self.files[words["ID"].removeprefix(ID)]
            ra, dec, radius = (float(v) for v in words["CIRCLE"].split())
        except (KeyError, ValueError) as error:
            line.send(f"UsageFault: {error}".encode(), BAD_REQUEST)
        else:
            self.send_rectangle(line, path, ra, dec, 2 * radius)

    def form(self, line: Line, number: int) -> None:
        """Show the form, and the links to all products where it was filled in."""
        choices = "".join(
            f'<input type="radio" name="hINTERSECT" value="{value}"/>'
            for value in ("OVERLAPS", "COVERS", "ENCLOSED", "CENTER")
        )
        words, answer = query(line), ""
        if words:
            ra, dec = (float(v) for v in words["hPOS"].split(","))
            assert words["hINTERSECT"] == "CENTER"
            links = self.links(line, ra, dec, float(words["hSIZE"]), "cut")
            answer = f'<ul class="resmeta"><li>Matched: {len(links)}</li></ul>' + "".join(
                f'<a class="productlink" href="{escape(url)}">{url[-9:]}</a>'
                for url in shuffled(links, number)
            )
        line.send(FORM.format(choices=choices, answer=answer).encode(), Content_Type="text/html")

    def cutout_server(self, line: Line, _: int) -> None:
        """Cut a square out of the first image that holds the position, or send a page."""
        words = query(line)
        try:
            ra, dec = (float(v) for v in words["pos"].split())
            side = round(float(words["size"]) * 60 / 1.5)
            image = next(i for i in self.images if i.holds(SkyCoord(ra, dec, unit="deg")))
        except (ValueError, StopIteration):
            line.send(b"<html><body>Position not covered by the survey</body></html>")
            return
        x, y = (round(float(v)) for v in image.wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg")))
        line.send(part_of(image.path, y - side // 2, x - side // 2, side, side))

    def hips2fits(self, line: Line, _: int) -> None:
        """Resample the images to the grid asked for, nearest pixel, NaN where there is none."""
        words = query(line)
        if words["format"] != "fits" or words["projection"] != "SIN":
            line.send(b'{"title": "Bad Request"}', BAD_REQUEST)
            return
        nx, ny = int(words["width"]), int(words["height"])
        wcs = WCS(naxis=2)
        wcs.wcs.ctype, wcs.wcs.cunit = ["RA---SIN", "DEC--SIN"], ["deg", "deg"]
        wcs.wcs.crval = float(words["ra"]), float(words["dec"])
        wcs.wcs.crpix = (nx + 1) / 2, (ny + 1) / 2
        wcs.wcs.cdelt = np.array([-1, 1]) * float(words["fov"]) / nx
        rows, columns = np.mgrid[:ny, :nx]
        sky = wcs.pixel_to_world(columns, rows)
        pixels = np.full((ny, nx), np.nan, "f4")
        for image in self.images:
            x, y = np.nan_to_num(np.rint(image.wcs.world_to_pixel(sky)), nan=-1).astype(int)
            high, wide = image.pixels.shape
            inside = (x >= 0) & (x < wide) & (y >= 0) & (y < high)
            pixels[inside] = image.pixels[y[inside], x[inside]]
        line.send(as_fits(pixels, wcs.to_header()))

    def product_or_file(self, line: Line, _: int) -> None:
        """Send a cutout, a whole product, or a file or a list of files under ``/files``."""
        kind, _, rest = unquote(urlsplit(line.path).path).strip("/").partition("/")
        words = query(line)
        if kind == "files":
            self.send_file(line, self.layouts / rest)
        elif rest not in self.files or (kind == "cut" and not is_number(words.get("size", ""))):
            line.send(b"<html><body>No such product</body></html>", "404 Not Found")
        elif kind == "cut":
            ra, dec, size = (float(words[name]) for name in ("ra", "dec", "size"))
            self.send_rectangle(line, self.files[rest], ra, dec, size)
        else:
            line.send(self.files[rest].read_bytes())

    def send_rectangle(self, line: Line, path: Path, ra: float, dec: float, size: float) -> None:
        """Cut between the pixels of two opposite corners, ending at the edge, as DaCHS does."""
        half = np.array([-size / 2, size / 2])
        ny, nx = fits.getdata(path).shape
        corners = WCS(fits.getheader(path)).wcs_world2pix(
            ra + half / np.cos(np.radians(dec)), dec + half, 1
        )
        if not np.isfinite(corners).all():
            line.send(b"Cutout is not on the image's projection", BAD_REQUEST)
            return
        (x0, x1), (y0, y1) = (
            np.clip(sorted(np.rint(one).astype(int)), 1, length)
            for one, length in zip(corners, (nx, ny), strict=True)
        )
        line.send(part_of(path, y0 - 1, x0 - 1, y1 - y0 + 1, x1 - x0 + 1))

    def send_file(self, line: Line, path: Path) -> None:
        """Send a list of a folder, or a file or the ranges of it that are asked for."""
        if path.is_dir():
            names = (entry.name + "/" * entry.is_dir() for entry in sorted(path.iterdir()))
            links = "".join(f'<a href="{quote(name)}">{name}</a>' for name in names)
            line.send(f'<html><body><a href="../">up</a>{links}</body></html>'.encode())
            return
        if not path.is_file():
            line.send(b"no such file", "404 Not Found")
            return
        body = path.read_bytes()
        requested = re.findall(r"(\d+)-(\d+)", line.request_headers.get("range", ""))
        spans = [(int(first), min(int(last), len(body) - 1)) for first, last in requested]
        labels = [f"bytes {first}-{last}/{len(body)}" for first, last in spans]
        pieces = [body[first : last + 1] for first, last in spans]
        partial = "206 Partial Content"
        if not spans:
            line.send(body)
        elif len(spans) == 1:
            line.send(pieces[0], partial, Content_Range=labels[0])
        else:
            parts = (
                b"\r\n--edge\r\nContent-Range: " + label.encode() + b"\r\n\r\n" + piece
                for label, piece in zip(labels, pieces, strict=True)
            )
            kind = "multipart/byteranges; boundary=edge"
            line.send(b"".join(parts) + b"\r\n--edge--\r\n", partial, Content_Type=kind)


def query(line: Line) -> dict[str, str]:
    """Return the words of a request."""
    return {name: values[-1] for name, values in parse_qs(urlsplit(line.path).query).items()}


def is_number(text: str) -> bool:
    """Tell whether a text is a number."""
    return re.fullmatch(r"[\d.e+-]+", text) is not None


def shuffled(rows: Sequence, number: int) -> list:
    """Return rows in another order each time that they are asked for."""
    return list(np.array(rows, object)[np.random.default_rng(number).permutation(len(rows))])


def votable(fields: dict[str, str], rows: Sequence[Sequence[str]], more: str = "") -> bytes:
    """Return a VOTable of text columns; `fields` gives the UCD of each."""
    columns = "".join(
        f'<FIELD name="{name}" ucd="{ucd}" datatype="char" arraysize="*"/>'
        for name, ucd in fields.items()
    )
    cells = "".join(
        "<TR>" + "".join(f"<TD>{escape(value)}</TD>" for value in row) + "</TR>" for row in rows
    )
    return (
        '<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        '<RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/>'
        f"<TABLE>{columns}<DATA><TABLEDATA>{cells}</TABLEDATA></DATA></TABLE></RESOURCE>{more}"
        "</VOTABLE>"
    ).encode()


def part_of(path: Path, y0: int, x0: int, ny: int, nx: int) -> bytes:
    """Return a FITS file of a box of an image, as far as the image reaches."""
    data, header = fits.getdata(path), fits.getheader(path)
    low_y, low_x = max(y0, 0), max(x0, 0)
    header["CRPIX1"] -= low_x
    header["CRPIX2"] -= low_y
    return as_fits(data[low_y : max(y0 + ny, 0), low_x : max(x0 + nx, 0)], header)


def as_fits(pixels: np.ndarray, header: fits.Header) -> bytes:
    """Return a FITS file."""
    stream = io.BytesIO()
    fits.PrimaryHDU(pixels, header).writeto(stream)
    return stream.getvalue()


@contextlib.contextmanager
def survey(images: Sequence[Image], layouts: Path) -> Iterator[Server]:
    """Run the server until the block ends."""
    with running(Survey(images, layouts).replies()) as server:
        yield server
