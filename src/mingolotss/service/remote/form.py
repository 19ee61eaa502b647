"""ASTRON's cutouts of LoTSS DR1 through its web form, in a real browser.

The original program worked in this way. The service is for servers that have a form and nothing
else; with SIA (``lotss-dr1``) searches are faster and exact. The browser only searches; the images
are downloaded by the HTTP client, as by every other service.

The form is that of a GAVO DaCHS service: it has the inputs ``hPOS`` and ``hSIZE`` and the choice
``hINTERSECT``, and its results are links of the class ``productlink``. The server rounds positions
from the form to six decimals of a degree (4 milliarcsec). As a result, the cutout of about one
source in a thousand begins one pixel beside that from SIA, which passes on all decimals.
"""

from __future__ import annotations

import re
import threading
import weakref
from typing import TYPE_CHECKING, Self, TypedDict, Unpack
from urllib.parse import urlsplit

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import (
    InputError,
    ServiceAnswerError,
    ServiceError,
    ServiceUnavailableError,
    hide_credentials,
)
from mingolotss.io.http import RetryableError
from mingolotss.io.http.client import user_agent
from mingolotss.io.optional import import_optional
from mingolotss.model import Candidate, Source
from mingolotss.service.base import Progress
from mingolotss.service.remote.addresses import file_name, require_address
from mingolotss.service.remote.browser import start_browser
from mingolotss.service.remote.download import DownloadOptions, DownloadService, sha256_hex
from mingolotss.service.remote.products import Product, pair_products
from mingolotss.service.remote.search_cache import SearchResult

if TYPE_CHECKING:
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver import Chrome

__all__ = ["LotssDr1FormService"]

_STATE = """
const text = s => [...document.querySelectorAll(s)].map(e => e.textContent.trim()).join(' ');
return {
  ready: document.readyState,
  marked: document.documentElement.hasAttribute('data-asked'),
  errors: text('.errors'), warning: text('.warning'), matched: text('.resmeta'),
  page: document.body ? document.body.innerText.slice(0, 300) : '',
  links: [...document.querySelectorAll('a.productlink')].map(a => [a.textContent.trim(), a.href]),
};
"""
_FILL_IN = """
const named = name => document.querySelector(`[name=${name}]`);
named('hPOS').value = arguments[0].hPOS;
named('hSIZE').value = arguments[0].hSIZE;
document.querySelector(`[name=hINTERSECT][value=${arguments[0].hINTERSECT}]`).checked = true;
document.documentElement.setAttribute('data-asked', '');
named('submit').click();
"""
_UNREACHABLE = ("ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "ERR_TIMED_OUT", "ERR_ADDRESS", "ERR_NAME")
_POLL_S = 0.02


class _PageState(TypedDict):
    """The page in the browser, as the script `_STATE` describes it."""

    ready: str
    marked: bool  # it is still the page that the form was sent from
    errors: str
    warning: str
    matched: str
    page: str  # the beginning of its text
    links: list[tuple[str, str]]  # text and address


class LotssDr1FormService(DownloadService):
    """The web form of a DaCHS server, filled in by a browser.

    Parameters
    ----------
    url : str
        The address of the form.
    **options
        See `mingolotss.service.remote.cutout_files.DownloadOptions`.

    Raises
    ------
    MissingLibraryError
        Selenium is not installed.
    """

    URL = "https://vo.astron.nl/hetdex/lotss-dr1-img/cutout/form"

    def __init__(self, url: str = URL, **options: Unpack[DownloadOptions]) -> None:
        import_optional("selenium.webdriver", "open the service lotss-dr1-form", extra="browser")
        super().__init__(**options)
        if url != hide_credentials(url):
            raise InputError(
                "open the service lotss-dr1-form: the browser signs in nowhere; give the address "
                "without user and password, or use the service lotss-dr1"
            )
        self.url = url
        self._browser: Chrome | None = None
        self._lock = threading.Lock()

    @classmethod
    def open(cls, argument: str, **options: Unpack[DownloadOptions]) -> Self:
        """Open ``lotss-dr1-form``, or ``lotss-dr1-form:URL`` for another server."""
        return cls(require_address(argument or cls.URL, "lotss-dr1-form"), **options)

    def query(self, source: Source, size_deg: float) -> str:
        """Return a line of text that stands for the filled-in form."""
        return f"{self.url} hPOS={source.ra!r},{source.dec!r} hSIZE={size_deg:g} hINTERSECT=CENTER"

    def run_query(self, query: str) -> SearchResult:
        """Fill in the form, send it, and pair the links of the result page."""
        self.transport.require_contact(self.url)  # the browser would take a minute to find out
        links = self.transport.with_retries(lambda: self._submit(query))
        products = [Product(_link_name(text, url), url) for text, url in links]
        try:
            candidates = pair_products(products, self.naming)
        except ServiceAnswerError as error:
            raise ServiceAnswerError(f"ask {query}: {error}", url=self.url) from error
        return SearchResult(tuple(candidates), sha256=sha256_hex(repr(sorted(links)).encode()))

    def search_all(
        self, catalogue: Catalogue, size_deg: float, progress: Progress | None = None
    ) -> list[list[Candidate] | ServiceError]:
        """Return the candidates of every source; one browser is used, and closed at the end."""
        try:
            return super().search_all(catalogue, size_deg, progress)
        finally:
            self.close()

    def close(self) -> None:
        """Close the browser; the next query starts another."""
        browser, self._browser = self._browser, None
        if browser is not None:
            browser.quit()

    def _submit(self, query: str) -> list[tuple[str, str]]:
        """Send the form and return the links of the result page: text and address."""
        from selenium.common.exceptions import TimeoutException, WebDriverException
        from selenium.webdriver.support.ui import WebDriverWait

        # The query is a line of text, the key of the search cache; the values of the inputs are
        # read from it, so that a stored result always belongs to exactly what was sent. One browser
        # means one form at a time: the lock orders the threads, and the slot of the host counts the
        # form as one of its requests.
        fields = dict(re.findall(r"(h\w+)=(\S+)", query.removeprefix(self.url)))
        with self._lock, self.transport.limiter_for(self.url).slot(self.url):
            try:
                browser = self._open_form()
                browser.execute_script(_FILL_IN, fields)
                wait = WebDriverWait(browser, self.transport.limits.read_s, _POLL_S)
                state = wait.until(_result_page)
            except TimeoutException as error:
                raise RetryableError(f"ask {query}: no answer in time", url=self.url) from error
            except WebDriverException as error:
                self.close()
                raise self._browser_error(error, query) from error
            self.transport.limiter_for(self.url).record_success()
        return _read_links(state, query, self.url)

    def _open_form(self) -> Chrome:
        """Return the browser with the form on its page, empty or used."""
        from selenium.webdriver.common.by import By

        if self._browser is None:
            limits = self.transport.limits
            host = urlsplit(self.url).hostname or ""
            self._browser = start_browser(user_agent(), host, limits.connect_s + limits.read_s)
            weakref.finalize(self, self._browser.quit)
        if not self._browser.find_elements(By.NAME, "hPOS"):
            self._browser.get(self.url)
        if not self._browser.find_elements(By.NAME, "hPOS"):
            text = _one_line(self._browser.execute_script(_STATE)["page"], 160)
            message = f"no input hPOS on the page; it says {text!r}"
            raise ServiceUnavailableError(f"open the form {self.url}: {message}", url=self.url)
        return self._browser

    def _browser_error(self, error: WebDriverException, query: str) -> ServiceError:
        line = (error.msg or type(error).__name__).splitlines()[0]
        if any(code in line for code in _UNREACHABLE):
            return self.transport.mark_unavailable(self.url, line)
        return RetryableError(f"ask {query}: the browser failed ({line})", url=self.url)

    def __getstate__(self) -> dict[str, object]:
        return {**super().__getstate__(), "_browser": None, "_lock": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())


def _result_page(browser: Chrome) -> _PageState | None:
    """Return the page once it is the result; None while it is still the form that was sent.

    `_FILL_IN` marks the form; the page that replaces it has no mark.
    """
    state: _PageState = browser.execute_script(_STATE)
    loading = state["marked"] or state["ready"] == "loading"
    return None if loading else state


def _read_links(state: _PageState, query: str, url: str) -> list[tuple[str, str]]:
    """Return the links of a result page.

    Raises
    ------
    ServiceAnswerError
        The form was refused, or there are fewer links than images.
    RetryableError
        It is no result page.
    """
    if state["errors"]:
        message = f"ask {query}: the form was refused: {_one_line(state['errors'], 300)}"
        raise ServiceAnswerError(message, url=url)
    # The page states how many images matched. Fewer links mean that the server has cut the list at
    # its limit: an incomplete list of candidates would change the choice of the field without any
    # sign, so it is an error.
    matched = re.search(r"Matched: (\d+)", state["matched"])
    if matched is None:
        text = _one_line(state["page"], 160)
        message = f"ask {query}: no result page came back; it says {text!r}"
        raise RetryableError(message, url=url)
    links = [(str(text), str(address)) for text, address in state["links"]]
    if "limit" in state["warning"].lower() or len(links) != int(matched[1]):
        raise ServiceAnswerError(
            f"ask {query}: {len(links)} links for {matched[1]} images"
            f" ({_one_line(state['warning'], 160)}); some would be missing",
            url=url,
        )
    return links


def _link_name(text: str, url: str) -> str:
    """Return the file name of a link: it is in the address, or else the text of the link."""
    name = file_name(url)
    return name if ".fits" in name else text


def _one_line(text: str, length: int) -> str:
    return " ".join(text.split())[:length]
