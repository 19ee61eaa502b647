"""Simple Image Access, version 1: one question a source, an address per image in the answer.

IVOA Recommendation SIA 1.0 (2009). Where the server makes cutouts (GAVO DaCHS does, and with it
ASTRON's LoTSS DR1), the addresses are those of cutouts; where it offers whole images, the images
are fetched whole, so they had better be small.

>>> service = SiaService("https://vo.example.org/siap.xml?")
>>> service.question(Source(0, "A", 205.1, 54.9), 0.1)
'https://vo.example.org/siap.xml?POS=205.1%2C54.9&SIZE=0.1&INTERSECT=CENTER&FORMAT=image%2Ffits'
"""

from __future__ import annotations

from typing import Any, Self
from urllib.parse import urlencode, urljoin

from pyvo.dal.sia import SIAResults

from mingolotss.errors import InputError, ServiceAnswerError
from mingolotss.model import Source
from mingolotss.service.remote.download import DownloadService, digest
from mingolotss.service.remote.products import Product, file_name, pair_products
from mingolotss.service.remote.search_cache import SearchResult
from mingolotss.service.remote.votable import results, whole_votable

__all__ = ["LotssDr1Service", "SiaService", "need_address", "with_query"]

_FITS = ("fits", "octet-stream")


class SiaService(DownloadService):
    """A SIA 1.0 service at any address.

    Parameters
    ----------
    url : str
        The service's base address.
    **common
        As for :class:`~mingolotss.service.remote.download.DownloadService`.
    """

    def __init__(self, url: str, **common: Any) -> None:
        super().__init__(**common)
        self.url = url

    @classmethod
    def of_argument(cls, argument: str, **common: Any) -> Self:
        """Make the service of ``sia:URL``."""
        return cls(need_address(argument, "sia"), **common)

    def question(self, source: Source, size_deg: float) -> str:
        """Return the address that asks which images hold a source."""
        return with_query(
            self.url,
            POS=f"{source.ra!r},{source.dec!r}",
            SIZE=f"{size_deg:g}",
            INTERSECT="CENTER",
            FORMAT="image/fits",
        )

    def ask(self, question: str) -> SearchResult:
        """Ask, and pair the rows of the answer."""
        body = self.transport.get(question, validator=whole_votable).body
        try:
            rows = results(SIAResults, body, question)
            products = [_product(row, question) for row in rows if _is_fits(row)]
            found = pair_products(products, self.naming)
        except ServiceAnswerError as error:
            raise ServiceAnswerError(f"fetch {question}: {error}", url=question) from error
        return SearchResult(tuple(found), sha256=digest(body))


class LotssDr1Service(SiaService):
    """ASTRON's cutouts of LoTSS DR1 (Shimwell et al. 2019, A&A 622, A1)."""

    URL = "https://vo.astron.nl/hetdex/lotss-dr1-img/cutout/siap.xml"

    @classmethod
    def of_argument(cls, argument: str, **common: Any) -> Self:
        """Make the service of ``lotss-dr1``, or of ``lotss-dr1:URL`` for a mirror."""
        return cls(need_address(argument or cls.URL, "lotss-dr1"), **common)


def need_address(argument: str, name: str) -> str:
    """Return an argument that is an address.

    Raises
    ------
    InputError
        It is something else.
    """
    if not argument.startswith(("http://", "https://")):
        raise InputError(
            f"open the service {name}:{argument}: give its address, {name}:https://..."
        )
    return argument


def with_query(url: str, **words: str) -> str:
    """Return an address with a query added to whatever it has.

    >>> with_query("http://x/s?a=1", POS="1,2"), with_query("http://x/s?", b="+")
    ('http://x/s?a=1&POS=1%2C2', 'http://x/s?b=%2B')
    """
    joint = "" if url.endswith(("?", "&")) else "&" if "?" in url else "?"
    return f"{url}{joint}{urlencode(words)}"


def _is_fits(row: Any) -> bool:
    kind = str(row.format or "").lower()
    return not kind or any(word in kind for word in _FITS)


def _product(row: Any, question: str) -> Product:
    """Return what a row offers; its file name is in the address, or else its title is used."""
    url = urljoin(question, str(row.getdataurl() or ""))
    name = file_name(url)
    if ".fits" not in name and row.title:
        name = "-".join(str(row.title).split()) + ".fits"
    return Product(name.replace("/", "_"), url)
