"""Transport: one request at a time through the gate of its host, until it is whole or hopeless.

urllib3 speaks HTTP and tenacity repeats; their errors are translated here and nowhere else.
"""

import hashlib
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import tenacity
import urllib3

from mingolotss.errors import ServiceAnswerError, ServiceUnavailableError, TruncatedFileError
from mingolotss.io.files import write_bytes
from mingolotss.io.http.hosts import HostLimiter
from mingolotss.io.http.redirects import check_scheme, next_address
from mingolotss.io.http.retry_policy import Limits, RetryPolicy, retry_after
from mingolotss.io.http.validators import excerpt

__all__ = [
    "Answer",
    "Download",
    "HostAwayError",
    "Transport",
    "TryLaterError",
    "Validator",
    "user_agent",
]

Validator = Callable[[bytes], bytes]
_Out = TypeVar("_Out")
_PIECE = 1 << 16
_REDIRECTS = {301, 302, 303, 307, 308}
_BUSY = {429, 503}
_PASSING = {408, 425, 500, 502, 504}
_ABSENT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One judged answer.

    Attributes
    ----------
    url : str
        The address that answered, after redirects.
    status : int
        200, or 206 for a range.
    headers : mapping of str to str
        Names in lower case.
    body : bytes
        What the judge let through.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def sha256(self) -> str:
        """The checksum of the body, in hexadecimal."""
        return hashlib.sha256(self.body).hexdigest()


class Download(NamedTuple):
    """A file that was fetched: where it is, its checksum and its length in bytes."""

    path: Path
    sha256: str
    size: int


class TryLaterError(ServiceUnavailableError):
    """One answer failed in a way that may pass."""


class HostAwayError(TryLaterError):
    """The host did not take the request at all: its other addresses will fare no better."""


class Transport:
    """Fetch addresses over HTTP, politely; every method may be called from any thread.

    Parameters
    ----------
    limits : Limits
        Connections, time-outs and sizes.
    patience : RetryPolicy
        Delays and tries.
    ca_certs : str
        A file of certificates to trust; the system's own by default.
    clock, sleep : callables, seconds
        A clock that never goes back, and a way to wait on it; by default one that `stop` ends.
    rng : random.Random
        Where jitter comes from: it changes when a request is sent and never what comes of it.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        patience: RetryPolicy | None = None,
        ca_certs: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.patience = patience or RetryPolicy()
        self.stopping = threading.Event()
        self._clock, self._sleep = clock, sleep or self._rest
        self._rng = rng or random.Random()  # noqa: S311  jitter is no secret
        self._hosts: dict[str, HostLimiter] = {}
        self._lock = threading.Lock()
        self._ca_certs = ca_certs
        self._pool = urllib3.PoolManager(
            num_pools=16,
            maxsize=self.limits.connections,
            headers={"User-Agent": user_agent(), "Accept-Encoding": "identity"},
            timeout=urllib3.Timeout(connect=self.limits.connect_s, read=self.limits.read_s),
            ca_certs=ca_certs,
        )

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.limits, self.patience, self._ca_certs)

    def get(
        self,
        url: str,
        *,
        judge: Validator | None = None,
        headers: Mapping[str, str] | None = None,
        check: Callable[[Answer], Answer] | None = None,
    ) -> Answer:
        """Return what an address holds, once it is whole and the judge lets it through.

        Parameters
        ----------
        url : str
            An http or https address.
        judge : callable, optional
            Takes the body and returns the bytes to keep, or raises; see the package.
        headers : mapping of str to str, optional
            Further request headers, such as ``Range``.
        check : callable, optional
            A judge of the whole answer, headers and all.

        Raises
        ------
        ServiceUnavailableError
            When patience ran out; asking again later may help.
        ServiceAnswerError
            When the answer is complete and of no use.
        """
        check_scheme(url)
        return self.patiently(lambda: self._ask(url, judge, headers or {}, check))

    def patiently(self, ask: Callable[[], _Out]) -> _Out:
        """Call `ask` until it returns, as patiently as `get` is, and say so when it never does.

        Raises
        ------
        ServiceUnavailableError
            When `ask` raised `TryLaterError` too often.
        """
        started = self._clock()

        def spent(state: tenacity.RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome else None
            tried_enough = state.attempt_number >= self.patience.attempts
            if isinstance(error, HostAwayError):
                return tried_enough and self._clock() - started >= self.patience.outage_s
            return tried_enough

        tries = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TryLaterError),
            stop=spent,
            wait=self._wait,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return tries(ask)
        except TryLaterError as error:
            asked, took = tries.statistics["attempt_number"], self._clock() - started
            message = f"{error}; asked {asked} times in {took:.1f} s, then gave up"
            raise ServiceUnavailableError(message, url=error.url) from error

    def fetch(self, url: str, path: Path, *, judge: Validator | None = None) -> Download:
        """Write what an address holds to a file, whole or not at all.

        Raises as :meth:`get` does.
        """
        answer = self.get(url, judge=judge)
        write_bytes(path, answer.body)
        return Download(path, answer.sha256, len(answer.body))

    def host(self, url: str) -> HostLimiter:
        """Return the gate of the host of an address."""
        name = urlsplit(url).netloc.rpartition("@")[2].lower()
        with self._lock:
            if name not in self._hosts:
                self._hosts[name] = HostLimiter(
                    name,
                    self.limits.connections,
                    self.patience,
                    clock=self._clock,
                    sleep=self._sleep,
                    rng=self._rng,
                    stopping=self.stopping,
                )
            return self._hosts[name]

    def away(self, url: str, found: str, asked_s: float | None = None) -> ServiceUnavailableError:
        """Pause an address's host, and return the error that says so: to be raised.

        Parameters
        ----------
        url : str
        found : str
            What showed that the host is not there.
        asked_s : float, optional, seconds
            How long the host asks to be left alone.
        """
        host = self.host(url)
        message = f"fetch {url}: {host.name} is not there ({found})"
        if host.failed(asked_s):
            return HostAwayError(message, url=url)
        return ServiceUnavailableError(f"{message}; waited as long as was allowed", url=url)

    def _rest(self, seconds: float) -> None:
        self.stopping.wait(seconds)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """Return the delay before the next try; a host that is away is waited for at its gate."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, HostAwayError):
            return 0.0
        return self.patience.backoff(state.attempt_number - 1, self._rng)

    def _ask(
        self,
        url: str,
        judge: Validator | None,
        headers: Mapping[str, str],
        check: Callable[[Answer], Answer] | None,
    ) -> Answer:
        """Ask once, following redirects, and judge the answer."""
        trusted = urlsplit(url).hostname or ""
        place = url
        for _ in range(self.limits.redirects + 1):
            answer = self._one(place, headers)
            if answer.status not in _REDIRECTS:
                return _judged(answer, judge, check, url)
            location = answer.headers.get("location", "")
            if not location:
                message = f"fetch {url}: status {answer.status} from {place}, and no Location"
                raise ServiceAnswerError(message, url=url)
            place = next_address(place, location, trusted=trusted)
        message = f"fetch {url}: more than {self.limits.redirects} redirects, the last to {place}"
        raise ServiceAnswerError(message, url=url)

    def _one(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Send one request through its host's gate and read the whole answer."""
        host = self.host(url)
        with host.turn(url):
            try:
                answer = self._read(url, headers)
            except urllib3.exceptions.HTTPError as error:
                if isinstance(error, _ABSENT):
                    raise self.away(url, _words(error)) from error
                raise _translated(error, url) from error
        if answer.status in _BUSY:
            asked = retry_after(answer.headers.get("retry-after"), now=time.time())
            raise self.away(url, f"status {answer.status}", asked)
        host.answered()
        if answer.status in _PASSING:
            said = f"status {answer.status}: {excerpt(answer.body)}"
            raise TryLaterError(f"fetch {url}: {said}", url=url)
        if answer.status not in {200, 206, *_REDIRECTS}:
            said = f"status {answer.status}: {excerpt(answer.body)}"
            raise ServiceAnswerError(f"fetch {url}: {said}", url=url)
        return answer

    def _read(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Read status, headers and body, within the limits of time and size."""
        deadline = self._clock() + self.limits.whole_s
        response = self._pool.request(
            "GET",
            url,
            headers={**self._pool.headers, **headers},
            redirect=False,
            retries=False,
            preload_content=False,
        )
        try:
            _refuse_ignored_range(response.status, headers, url)
            body = self._body(response, url, deadline)
        except BaseException:
            response.close()
            raise
        response.release_conn()
        found = {name.lower(): value for name, value in response.headers.items()}
        return Answer(url, response.status, found, body)

    def _body(self, response: urllib3.BaseHTTPResponse, url: str, deadline: float) -> bytes:
        """Read a body piece by piece, so that neither a trickle nor a flood goes on for ever."""
        declared = response.headers.get("Content-Length", "")
        pieces, size = [], int(declared) if declared.isdigit() else 0
        _refuse_large(size, self.limits.max_bytes, url)
        size = 0
        while piece := response.read1(_PIECE):
            pieces.append(piece)
            size += len(piece)
            _refuse_large(size, self.limits.max_bytes, url)
            if self._clock() > deadline:
                message = f"fetch {url}: {size} bytes in {self.limits.whole_s:g} s, not yet all"
                raise TryLaterError(message, url=url)
        return b"".join(pieces)


def user_agent() -> str:
    """Return who asks: the project and its version (RFC 9110, section 10.1.5)."""
    try:
        version = metadata.version("mingolotss")
    except metadata.PackageNotFoundError:
        version = "0"
    library = f"python-urllib3/{metadata.version('urllib3')}"
    return f"mingolotss/{version} (+radio galaxy datasets; {library})"


def _judged(
    answer: Answer,
    judge: Validator | None,
    check: Callable[[Answer], Answer] | None,
    url: str,
) -> Answer:
    """Let the judges decide, and say which address it was."""
    try:
        if judge is not None:
            answer = replace(answer, body=judge(answer.body))
        return answer if check is None else check(answer)
    except TruncatedFileError as error:
        raise TryLaterError(f"fetch {url}: {error}", url=url) from error
    except ServiceAnswerError as error:
        raise ServiceAnswerError(f"fetch {url}: {error}", url=url) from error


def _refuse_large(size: int, limit: int, url: str) -> None:
    """Stop at a body that is over the limit."""
    if size > limit:
        message = f"fetch {url}: {size} bytes or more, over the limit of {limit} bytes"
        raise ServiceAnswerError(message, url=url)


def _refuse_ignored_range(status: int, headers: Mapping[str, str], url: str) -> None:
    """Stop before a whole mosaic travels where only some rows were asked for."""
    if status == 200 and "Range" in headers:
        message = (
            f"fetch {url}: asked for a range of bytes, and the server offers only the whole file;"
            " copy the mosaics and use the service mosaics, or a service that makes cutouts"
        )
        raise ServiceAnswerError(message, url=url)


def _translated(error: urllib3.exceptions.HTTPError, url: str) -> Exception:
    """Turn an error of urllib3 into one of ours."""
    text = _words(error)
    if isinstance(error, urllib3.exceptions.LocationValueError):
        return ServiceAnswerError(f"fetch {url}: not an address ({text})", url=url)
    if isinstance(error, urllib3.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in text:
        message = f"fetch {url}: the server's certificate does not verify ({text}); nothing sent"
        return ServiceAnswerError(message, url=url)
    return TryLaterError(f"fetch {url}: {text}", url=url)


def _words(error: Exception) -> str:
    """Return an error's own words, without the object that urllib3 puts in front."""
    text = str(error) or type(error).__name__
    return text.split(": ", 1)[1] if text.startswith("<") and ": " in text else text


def _rebuild(limits: Limits, patience: RetryPolicy, ca_certs: str | None) -> Transport:
    """Unpickle a transport: its settings travel, its connections do not."""
    return Transport(limits=limits, patience=patience, ca_certs=ca_certs)
