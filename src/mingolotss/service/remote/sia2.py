"""Simple Image Access 2, with DataLink and SODA: find an image, then have the server cut it.

IVOA Recommendations SIA 2.0 (2015), DataLink 1.1 (2023) and SODA 1.0 (2017). An image whose
answer points to a DataLink document is cut by the SODA service named there (the document is read
once per image, not per source); one that is offered as it is, is fetched whole.

>>> SodaService("https://x.example/soda?ID=ivo://a/P1_5-mosaic.fits").circle(
...     Source(0, "A", 205.1, 54.9), 0.1)
'205.1 54.9 0.05'
"""

from __future__ import annotations

from typing import Any, Self
from urllib.parse import parse_qsl, urljoin, urlsplit, urlunsplit

from pyvo.dal.sia2 import SIA2Results

from mingolotss.errors import InputError, ServiceAnswerError
from mingolotss.model import Candidate, Source
from mingolotss.service.remote.download import DownloadService, digest
from mingolotss.service.remote.products import Product, file_name, pair_products
from mingolotss.service.remote.search_cache import SearchResult
from mingolotss.service.remote.sia import need_address, with_query
from mingolotss.service.remote.votable import parse_votable, results, whole_votable

__all__ = ["Sia2Service", "SodaService"]

_SODA = "ivo://ivoa.net/std/soda#sync"
_ARCSEC = 1 / 3600


class SodaService(DownloadService):
    """Cutouts of images whose identifiers are known, by SODA.

    Parameters
    ----------
    url : str
        The SODA service, with an ``ID`` for every image.
    """

    def __init__(self, url: str, **common: Any) -> None:
        super().__init__(**common)
        parts = urlsplit(url)
        words = parse_qsl(parts.query)
        self.ids = [value for name, value in words if name == "ID"]
        rest = {name: value for name, value in words if name != "ID"}
        bare = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
        self.url = with_query(bare, **rest) if rest else bare

    @classmethod
    def of_argument(cls, argument: str, **common: Any) -> Self:
        """Make the service of ``soda:URL?ID=...``."""
        service = cls(need_address(argument, "soda"), **common)
        if not service.ids:
            raise InputError(
                f"open the service soda:{argument}: name the images, soda:URL?ID=...&ID=..."
            )
        return service

    def circle(self, source: Source, size_deg: float) -> str:
        """Return the circle that a cutout of this size holds."""
        return f"{source.ra!r} {source.dec!r} {size_deg / 2:g}"

    def question(self, source: Source, size_deg: float) -> str:
        """Return the service's address with the circle."""
        return with_query(self.url, CIRCLE=self.circle(source, size_deg))

    def ask(self, question: str) -> SearchResult:
        """Return a cutout of every image, without asking anybody."""
        products = [Product(_id_name(i), with_query(question, ID=i)) for i in self.ids]
        return SearchResult(tuple(pair_products(products, self.naming)))

    def _ask_and_keep(self, question: str) -> SearchResult:
        return self.ask(question)


class Sia2Service(DownloadService):
    """A SIA 2.0 service at any address.

    Parameters
    ----------
    url : str
    """

    def __init__(self, url: str, **common: Any) -> None:
        super().__init__(**common)
        self.url = url

    @classmethod
    def of_argument(cls, argument: str, **common: Any) -> Self:
        """Make the service of ``sia2:URL``."""
        return cls(need_address(argument, "sia2"), **common)

    def question(self, source: Source, size_deg: float) -> str:
        """Return the address that asks which images hold a source, and the cutouts' circle."""
        place = f"CIRCLE {source.ra!r} {source.dec!r} {_ARCSEC:.6f}"
        asked = with_query(self.url, POS=place, DPTYPE="image")
        return f"{asked}#{size_deg:g}"

    def ask(self, question: str) -> SearchResult:
        """Ask, follow what is new of the DataLinks, and pair the images."""
        asked, _, size = question.rpartition("#")
        body = self.transport.get(asked, validator=whole_votable).body
        try:
            rows = results(SIA2Results, body, asked)
            offered = [self._product(row, asked, float(size)) for row in rows]
            found = pair_products([p for p in offered if p is not None], self.naming)
        except ServiceAnswerError as error:
            raise ServiceAnswerError(f"fetch {asked}: {error}", url=asked) from error
        return SearchResult(tuple(found), sha256=digest(body))

    def _product(self, row: Any, asked: str, size_deg: float) -> Product | None:
        """Return a row as a file that can be fetched; None for what is no FITS image."""
        url = urljoin(asked, str(row.access_url or ""))
        kind = str(row.access_format or "").lower()
        identifier = str(row.obs_publisher_did or "")
        name = _id_name(identifier) if ".fits" in identifier else file_name(url)
        if "datalink" in kind:
            soda = self._soda(url, identifier)
            _, ra, dec, _ = dict(parse_qsl(urlsplit(asked).query))["POS"].split()
            return Product(name, with_query(soda, CIRCLE=f"{ra} {dec} {size_deg / 2:g}"))
        return Product(name, url) if not kind or "fits" in kind else None

    def _soda(self, url: str, identifier: str) -> str:
        """Return the SODA address of an image, its ID filled in; asked once per image."""

        def read(url: str) -> SearchResult:
            body = self.transport.get(url, validator=whole_votable).body
            return SearchResult(
                (Candidate("", _soda_of(body, url, identifier)),), sha256=digest(body)
            )

        return self.answers.once(url, read).given(url)[0].image


def _soda_of(body: bytes, url: str, identifier: str) -> str:
    """Find the SODA service in a DataLink document (DataLink 1.1, section 4)."""
    for resource in parse_votable(body).resources:
        words = {param.name: str(param.value) for param in resource.params}
        if words.get("standardID", "").lower().startswith(_SODA):
            inputs = [p for group in resource.groups for p in group.entries if p.name == "ID"]
            given = str(inputs[0].value) if inputs and str(inputs[0].value) else identifier
            return with_query(urljoin(url, words["accessURL"]), ID=given)
    raise ServiceAnswerError(f"no SODA service in the DataLink document {url}")


def _id_name(identifier: str) -> str:
    """Return the file name at the end of an identifier.

    >>> _id_name("ivo://x/~?hetdex/data/P1_5-mosaic.fits")
    'P1_5-mosaic.fits'
    """
    return file_name("x?" + "ID=" + identifier.replace("+", "%2B"))
