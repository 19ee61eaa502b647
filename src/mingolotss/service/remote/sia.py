"""Simple Image Access, version 1: one query per source, whose response has an address per image.

IVOA Recommendation SIA 1.0 (2009). If the server makes cutouts (GAVO DaCHS does, and so does
ASTRON's service of LoTSS DR1), the addresses are those of cutouts. If it offers whole images, the
images are downloaded whole.

>>> service = SiaService("https://vo.example.org/siap.xml?")
>>> service.query(Source(0, "A", 205.1, 54.9), 0.1)
'https://vo.example.org/siap.xml?POS=205.1%2C54.9&SIZE=0.1&INTERSECT=CENTER&FORMAT=image%2Ffits'
"""

from __future__ import annotations

from typing import Self, Unpack

from pyvo.dal.sia import SIARecord, SIAResults

from mingolotss.errors import ServiceAnswerError
from mingolotss.model import Source
from mingolotss.service.remote.addresses import (
    add_query,
    file_name,
    join_address,
    require_address,
)
from mingolotss.service.remote.download import DownloadOptions, DownloadService, sha256_hex
from mingolotss.service.remote.products import Product, pair_products
from mingolotss.service.remote.search_cache import SearchResult
from mingolotss.service.remote.votable import parse_results, whole_votable

__all__ = ["LotssDr1Service", "SiaService"]

_FITS_TYPES = ("fits", "octet-stream")


class SiaService(DownloadService):
    """A SIA 1.0 service at any address.

    Parameters
    ----------
    url : str
        The base address of the service.
    **options
        See `mingolotss.service.remote.cutout_files.DownloadOptions`.
    """

    def __init__(self, url: str, **options: Unpack[DownloadOptions]) -> None:
        super().__init__(**options)
        self.url = self.transport.without_credentials(url)

    @classmethod
    def open(cls, argument: str, **options: Unpack[DownloadOptions]) -> Self:
        """Open ``sia:URL``."""
        return cls(require_address(argument, "sia"), **options)

    def query(self, source: Source, size_deg: float) -> str:
        """Return the address that asks for the images which hold a source."""
        return add_query(
            self.url,
            POS=f"{source.ra!r},{source.dec!r}",
            SIZE=f"{size_deg:g}",
            INTERSECT="CENTER",
            FORMAT="image/fits",
        )

    def run_query(self, query: str) -> SearchResult:
        """Send the query, and pair the images and rms maps of the response."""
        body = self.transport.get(query, validator=whole_votable).body
        try:
            rows = parse_results(SIAResults, body, query)
            products = [_product(row, query) for row in rows if _is_fits(row)]
            candidates = pair_products(products, self.naming)
        except ServiceAnswerError as error:
            raise ServiceAnswerError(f"fetch {query}: {error}", url=query) from error
        return SearchResult(tuple(candidates), sha256=sha256_hex(body))


class LotssDr1Service(SiaService):
    """ASTRON's cutouts of LoTSS DR1 (Shimwell et al. 2019, A&A 622, A1)."""

    URL = "https://vo.astron.nl/hetdex/lotss-dr1-img/cutout/siap.xml"

    @classmethod
    def open(cls, argument: str, **options: Unpack[DownloadOptions]) -> Self:
        """Open ``lotss-dr1``, or ``lotss-dr1:URL`` for a mirror."""
        return cls(require_address(argument or cls.URL, "lotss-dr1"), **options)


def _is_fits(row: SIARecord) -> bool:
    """Return whether a row is a FITS file; a row without a format may be one."""
    media_type = str(row.format or "").lower()
    return not media_type or any(name in media_type for name in _FITS_TYPES)


def _product(row: SIARecord, query: str) -> Product:
    """Return the file of a row. Its name is in the address; if not, the title is used."""
    url = join_address(query, str(row.getdataurl() or ""))
    name = file_name(url)
    if ".fits" not in name and row.title:
        name = "-".join(str(row.title).split()) + ".fits"
    return Product(name.replace("/", "_"), url)
