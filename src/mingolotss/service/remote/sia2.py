"""Simple Image Access 2 with DataLink and SODA: the server finds images and cuts them.

IVOA Recommendations SIA 2.0 (2015), DataLink 1.1 (2023) and SODA 1.0 (2017). If the response points
to a DataLink document for an image, the SODA service in that document cuts the image; the document
is read once per image. An image with a direct address is downloaded whole.

>>> SodaService("https://x.example/soda?ID=ivo://a/P1_5-mosaic.fits").circle(
...     Source(0, "A", 205.1, 54.9), 0.1)
'205.1 54.9 0.05'
"""

from __future__ import annotations

from typing import Self, Unpack
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pyvo.dal.sia2 import ObsCoreRecord, SIA2Results

from mingolotss.errors import InputError, ServiceAnswerError
from mingolotss.model import Candidate, Source
from mingolotss.service.remote.addresses import (
    add_query,
    file_name,
    join_address,
    require_address,
)
from mingolotss.service.remote.download import DownloadOptions, DownloadService, sha256_hex
from mingolotss.service.remote.products import Product, pair_products
from mingolotss.service.remote.search_cache import SearchResult
from mingolotss.service.remote.votable import parse_results, parse_votable, whole_votable

__all__ = ["Sia2Service", "SodaService"]

_SODA = "ivo://ivoa.net/std/soda#sync"
_ARCSEC_DEG = 1 / 3600


class SodaService(DownloadService):
    """Cutouts of images whose identifiers are known, by SODA.

    Parameters
    ----------
    url : str
        The SODA service, with a parameter ``ID`` for every image.
    **options
        See `mingolotss.service.remote.cutout_files.DownloadOptions`.
    """

    def __init__(self, url: str, **options: Unpack[DownloadOptions]) -> None:
        super().__init__(**options)
        parts = urlsplit(self.transport.without_credentials(url))
        parameters = parse_qsl(parts.query)
        self.ids = [value for name, value in parameters if name == "ID"]
        others = {name: value for name, value in parameters if name != "ID"}
        base = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
        self.url = add_query(base, **others) if others else base

    @classmethod
    def open(cls, argument: str, **options: Unpack[DownloadOptions]) -> Self:
        """Open ``soda:URL?ID=...``."""
        service = cls(require_address(argument, "soda"), **options)
        if not service.ids:
            raise InputError(
                f"open the service soda:{argument}: name the images, soda:URL?ID=...&ID=..."
            )
        return service

    def circle(self, source: Source, size_deg: float) -> str:
        """Return the circle inside a cutout of this size, as SODA writes it."""
        return f"{source.ra!r} {source.dec!r} {size_deg / 2:g}"

    def query(self, source: Source, size_deg: float) -> str:
        """Return the address of the service with the circle."""
        return add_query(self.url, CIRCLE=self.circle(source, size_deg))

    def run_query(self, query: str) -> SearchResult:
        """Return a cutout of every image; no request is sent."""
        products = [Product(_id_name(i), add_query(query, ID=i)) for i in self.ids]
        return SearchResult(tuple(pair_products(products, self.naming)))

    def _run_and_store(self, query: str) -> SearchResult:
        return self.run_query(query)  # as cheap as reading it


class Sia2Service(DownloadService):
    """A SIA 2.0 service at any address.

    Parameters
    ----------
    url : str
    **options
        See `mingolotss.service.remote.cutout_files.DownloadOptions`.
    """

    def __init__(self, url: str, **options: Unpack[DownloadOptions]) -> None:
        super().__init__(**options)
        self.url = self.transport.without_credentials(url)

    @classmethod
    def open(cls, argument: str, **options: Unpack[DownloadOptions]) -> Self:
        """Open ``sia2:URL``."""
        return cls(require_address(argument, "sia2"), **options)

    def query(self, source: Source, size_deg: float) -> str:
        """Return the address that asks for the images which hold a source, and ``#SIZE`` in deg."""
        # SIA 2.0 returns images that overlap the circle. With a radius of 1 arcsec these are the
        # images that hold the source; with that of the cutout there would be neighbours too. The
        # size follows as a fragment, which is not sent to the server but makes the stored result
        # one of this size.
        circle = f"CIRCLE {source.ra!r} {source.dec!r} {_ARCSEC_DEG:.6f}"
        url = add_query(self.url, POS=circle, DPTYPE="image")
        return f"{url}#{size_deg:g}"

    def run_query(self, query: str) -> SearchResult:
        """Send the query, read DataLink documents that are new, and pair the images."""
        url, _, size = query.rpartition("#")
        body = self.transport.get(url, validator=whole_votable).body
        try:
            rows = parse_results(SIA2Results, body, url)
            products = [self._product(row, url, float(size)) for row in rows]
            candidates = pair_products([p for p in products if p is not None], self.naming)
        except ServiceAnswerError as error:
            raise ServiceAnswerError(f"fetch {url}: {error}", url=url) from error
        return SearchResult(tuple(candidates), sha256=sha256_hex(body))

    def _product(self, row: ObsCoreRecord, query_url: str, size_deg: float) -> Product | None:
        """Return the file of a row, or None if it is no FITS image."""
        url = join_address(query_url, str(row.access_url or ""))
        media_type = str(row.access_format or "").lower()
        identifier = str(row.obs_publisher_did or "")
        name = _id_name(identifier) if ".fits" in identifier else file_name(url)
        if "datalink" in media_type:
            soda = self._soda_url(url, identifier)
            _, ra, dec, _ = dict(parse_qsl(urlsplit(query_url).query))["POS"].split()
            return Product(name, add_query(soda, CIRCLE=f"{ra} {dec} {size_deg / 2:g}"))
        return Product(name, url) if not media_type or "fits" in media_type else None

    def _soda_url(self, datalink_url: str, identifier: str) -> str:
        """Return the SODA address of an image with its ``ID``; the document is read only once."""

        def read(url: str) -> SearchResult:
            body = self.transport.get(url, validator=whole_votable, service=self.url).body
            soda = Candidate("", _find_soda(body, url, identifier))
            return SearchResult((soda,), sha256=sha256_hex(body))

        result = self.results.get_or_run(datalink_url, read)
        return result.candidates_or_raise(datalink_url)[0].image


def _find_soda(body: bytes, url: str, identifier: str) -> str:
    """Return the address of the SODA service in a DataLink document (DataLink 1.1, section 4)."""
    for resource in parse_votable(body).resources:
        parameters = {param.name: str(param.value) for param in resource.params}
        if parameters.get("standardID", "").lower().startswith(_SODA):
            ids = [p for group in resource.groups for p in group.entries if p.name == "ID"]
            image_id = str(ids[0].value) if ids and str(ids[0].value) else identifier
            return add_query(join_address(url, parameters.get("accessURL", "")), ID=image_id)
    raise ServiceAnswerError(f"no SODA service in the DataLink document {url}")


def _id_name(identifier: str) -> str:
    """Return the file name at the end of an identifier.

    >>> _id_name("ivo://x/~?hetdex/data/P1_5-mosaic.fits")
    'P1_5-mosaic.fits'
    """
    return file_name("x?" + "ID=" + identifier.replace("+", "%2B"))
