"""ASTRON's cutouts of LoTSS DR1 through the web form, in a real browser.

This is what the original program did. It is for servers that offer a form and nothing else:
where there is SIA (``lotss-dr1``), SIA is faster and exact. The browser only asks which
images there are; the images themselves come through the HTTP client like any other's.

The form is that of a GAVO DaCHS service: inputs ``hPOS`` and ``hSIZE``, a choice
``hINTERSECT``, and results as links of the class ``productlink``. The server itself rounds a place
from its form to six decimals of a degree, 4 milliarcsec: about one source in a thousand is cut out
a pixel to one side of where SIA, which passes on all decimals, cuts it out.
"""

from __future__ import annotations

import re
import threading
import weakref
from typing import Any, Self

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import InputError, ServiceAnswerError, ServiceError
from mingolotss.io.http import RetryableError
from mingolotss.io.http.client import user_agent
from mingolotss.model import Candidate, Source
from mingolotss.service.base import Progress
from mingolotss.service.remote.download import DownloadService, digest
from mingolotss.service.remote.products import Product, file_name, pair_products
from mingolotss.service.remote.search_cache import SearchResult
from mingolotss.service.remote.sia import need_address

try:
    from selenium.common.exceptions import TimeoutException, WebDriverException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    from mingolotss.service.remote.browser import start_browser
except ImportError as error:
    raise InputError(
        "open the service lotss-dr1-form: Selenium is not installed:"
        " pip install 'mingolotss[browser]'"
    ) from error

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


class LotssDr1FormService(DownloadService):
    """The form at a DaCHS server, driven as a person drives it.

    Parameters
    ----------
    url : str
        Of the form.
    **common
        As for :class:`~mingolotss.service.remote.download.DownloadService`.
    """

    URL = "https://vo.astron.nl/hetdex/lotss-dr1-img/cutout/form"

    def __init__(self, url: str = URL, **common: Any) -> None:
        super().__init__(**common)
        self.url = url
        self._browser: Any = None
        self._lock = threading.Lock()

    @classmethod
    def of_argument(cls, argument: str, **common: Any) -> Self:
        """Make the service of ``lotss-dr1-form``, or of ``lotss-dr1-form:URL`` elsewhere."""
        return cls(need_address(argument or cls.URL, "lotss-dr1-form"), **common)

    def question(self, source: Source, size_deg: float) -> str:
        """Return a line that stands for a filled-in form."""
        return f"{self.url} hPOS={source.ra!r},{source.dec!r} hSIZE={size_deg:g} hINTERSECT=CENTER"

    def ask(self, question: str) -> SearchResult:
        """Fill in the form, send it, and pair the links of the answer."""
        links = self.transport.with_retries(lambda: self._links(question))
        products = [Product(_name(text, url), url) for text, url in links]
        try:
            found = pair_products(products, self.naming)
        except ServiceAnswerError as error:
            raise ServiceAnswerError(f"ask {question}: {error}", url=self.url) from error
        return SearchResult(tuple(found), sha256=digest(repr(sorted(links)).encode()))

    def search_all(
        self, catalogue: Catalogue, size_deg: float, progress: Progress | None = None
    ) -> list[list[Candidate] | ServiceError]:
        """Ask for every source, with one browser, which is closed at the end."""
        try:
            return super().search_all(catalogue, size_deg, progress)
        finally:
            self.close()

    def close(self) -> None:
        """End the browser; the next question starts another."""
        browser, self._browser = self._browser, None
        if browser is not None:
            browser.quit()

    def _links(self, question: str) -> list[tuple[str, str]]:
        """Return the links that a filled-in form is answered with."""
        values = dict(re.findall(r"(h\w+)=(\S+)", question.removeprefix(self.url)))
        with self._lock, self.transport.host(self.url).slot(self.url):
            try:
                page = self._page()
                _send(page, values)
                state = WebDriverWait(page, self.transport.limits.read_s, _POLL_S).until(_answer)
            except TimeoutException as error:
                raise RetryableError(f"ask {question}: no answer in time", url=self.url) from error
            except WebDriverException as error:
                self.close()
                raise self._trouble(error, question) from error
            self.transport.host(self.url).record_success()
        return _read(state, question, self.url)

    def _page(self) -> Any:
        """Return the browser with an empty or used form before it."""
        if self._browser is None:
            limits = self.transport.limits
            self._browser = start_browser(user_agent(), limits.connect_s + limits.read_s)
            weakref.finalize(self, self._browser.quit)
        if not self._browser.find_elements(By.NAME, "hPOS"):
            self._browser.get(self.url)
        if not self._browser.find_elements(By.NAME, "hPOS"):
            said = self._browser.execute_script(_STATE)["page"]
            words = f"no input hPOS on the page; it says {' '.join(said.split())[:160]!r}"
            raise ServiceAnswerError(f"open the form {self.url}: {words}", url=self.url)
        return self._browser

    def _trouble(self, error: WebDriverException, question: str) -> ServiceError:
        line = (error.msg or type(error).__name__).splitlines()[0]
        if any(word in line for word in _UNREACHABLE):
            return self.transport.mark_unavailable(self.url, line)
        return RetryableError(f"ask {question}: the browser failed ({line})", url=self.url)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_browser": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())


def _send(page: Any, values: dict[str, str]) -> None:
    """Fill in the form and press its button; the page is marked, so that the next one shows."""
    page.execute_script(_FILL_IN, values)


def _answer(page: Any) -> dict[str, Any] | None:
    """Return what the page shows once it is the answer; None while it is still the question."""
    state: dict[str, Any] = page.execute_script(_STATE)
    loading = state["marked"] or state["ready"] == "loading"
    return None if loading else state


def _read(state: dict[str, Any], question: str, url: str) -> list[tuple[str, str]]:
    """Return the links of an answer, once it is clear that they are all there are."""
    if state["errors"]:
        words = " ".join(state["errors"].split())[:300]
        raise ServiceAnswerError(f"ask {question}: the form was refused: {words}", url=url)
    matched = re.search(r"Matched: (\d+)", state["matched"])
    if matched is None:
        words = " ".join(state["page"].split())[:160]
        raise RetryableError(
            f"ask {question}: no result page came back; it says {words!r}", url=url
        )
    links = [(str(text), str(address)) for text, address in state["links"]]
    if "limit" in state["warning"].lower() or len(links) != int(matched[1]):
        raise ServiceAnswerError(
            f"ask {question}: {len(links)} links for {matched[1]} images"
            f" ({' '.join(state['warning'].split())[:160]}); some would be missing",
            url=url,
        )
    return links


def _name(text: str, url: str) -> str:
    """Return the file name of a link: in its address, or else its text."""
    name = file_name(url)
    return name if ".fits" in name else text
