"""HTTP client with per-host rate limiting.

A request is repeated until its response is complete or the retry budget is spent. urllib3 handles
HTTP and tenacity the repetition; their errors are translated in this module only.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import tenacity
import urllib3

from mingolotss.errors import (
    ServiceAnswerError,
    ServiceError,
    ServiceUnavailableError,
    TruncatedFileError,
)
from mingolotss.io.error_text import excerpt
from mingolotss.io.files import write_bytes
from mingolotss.io.http.hosts import HostLimiter
from mingolotss.io.http.redirects import check_scheme, next_address
from mingolotss.io.http.response import (
    BodyValidator,
    Download,
    HostUnavailableError,
    Response,
    RetryableError,
)
from mingolotss.io.http.retry_policy import Limits, RetryPolicy, retry_after

__all__ = [
    "Transport",
    "user_agent",
]

_Result = TypeVar("_Result")
_PIECE_BYTES = 1 << 16  # the limits of time and size are checked after each piece
_REDIRECT_STATUSES = {301, 302, 303, 307, 308}
_BUSY_STATUSES = {429, 503}  # the host asks for a pause
_TEMPORARY_STATUSES = {408, 425, 500, 502, 504}  # only this response failed
# Errors before a connection exists, which concern all addresses of the host.
_CONNECTION_ERRORS = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
)


class Transport:
    """HTTP client; every method may be called from any thread.

    A transport can be pickled, for workers: the copy has the limits, the retry policy and the
    certificates. It has connections and pauses of hosts of its own, and the default clock, `sleep`
    and `rng`.

    Parameters
    ----------
    limits : Limits
        Connections, time-outs and sizes.
    retry_policy : RetryPolicy
        Delays and attempts.
    ca_certs : str
        A file of trusted certificates; those of the system by default.
    clock, sleep : callables, seconds
        A monotonic clock, and a function that waits; the default one ends when `stopping` is set.
    rng : random.Random
        The source of jitter, which changes when a request is sent but never its result.

    Attributes
    ----------
    stopping : threading.Event
        Set it to end all waiting.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        retry_policy: RetryPolicy | None = None,
        ca_certs: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.retry_policy = retry_policy or RetryPolicy()
        self.stopping = threading.Event()
        self._clock, self._sleep = clock, sleep or self._wait_or_stop
        self._rng = rng or random.Random()  # noqa: S311  jitter is no secret
        self._hosts: dict[str, HostLimiter] = {}
        self._lock = threading.Lock()
        self._ca_certs = ca_certs
        # Responses are requested without compression: FITS files of noise hardly compress, and a
        # compressed response does not say how long its content is.
        self._pool = urllib3.PoolManager(
            num_pools=16,
            maxsize=self.limits.connections,
            headers={"User-Agent": user_agent(), "Accept-Encoding": "identity"},
            timeout=urllib3.Timeout(connect=self.limits.connect_s, read=self.limits.read_s),
            ca_certs=ca_certs,
        )

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.limits, self.retry_policy, self._ca_certs)

    def get(
        self,
        url: str,
        *,
        validator: BodyValidator | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Request an address until the response is complete and valid.

        Parameters
        ----------
        url : str
            An http or https address.
        validator : callable, optional
            Takes the body and returns the bytes to keep. It raises TruncatedFileError to have the
            request repeated, and ServiceAnswerError to reject the response.
        headers : mapping of str to str, optional
            Further request headers, such as ``Range``.

        Raises
        ------
        ServiceUnavailableError
            All attempts failed; a later request may succeed.
        ServiceAnswerError
            The response is complete but not usable.
        """

        def validate(response: Response) -> Response:
            if validator is None:
                return response
            return replace(response, body=validator(response.body))

        return self.get_parsed(url, validate, headers=headers)

    def get_parsed(
        self,
        url: str,
        parse: Callable[[Response], _Result],
        *,
        headers: Mapping[str, str] | None = None,
    ) -> _Result:
        """Request an address until the response can be parsed, and return the result.

        Parameters
        ----------
        url : str
            An http or https address.
        parse : callable
            Takes the whole response and returns the result. It raises the same errors as the
            validator of :meth:`get`, with the same effect.
        headers : mapping of str to str, optional
            Further request headers.

        Raises
        ------
        ServiceUnavailableError, ServiceAnswerError
            As for :meth:`get`.
        """
        check_scheme(url)
        return self.with_retries(lambda: self._request(url, parse, headers or {}))

    def with_retries(self, attempt: Callable[[], _Result]) -> _Result:
        """Call a function until it returns, within the retry policy.

        Raises
        ------
        ServiceUnavailableError
            The function raised `RetryableError` in every attempt.
        """
        start_time = self._clock()

        def is_spent(state: tenacity.RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome else None
            is_last = state.attempt_number >= self.retry_policy.attempts
            if isinstance(error, HostUnavailableError):  # it may be restarting: wait longer
                return is_last and self._clock() - start_time >= self.retry_policy.outage_s
            return is_last

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(RetryableError),
            stop=is_spent,
            wait=self._delay_s,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except RetryableError as error:
            attempts = retrying.statistics["attempt_number"]
            duration_s = self._clock() - start_time
            message = f"{error}; asked {attempts} times in {duration_s:.1f} s, then gave up"
            raise ServiceUnavailableError(message, url=error.url, status=error.status) from error

    def fetch(self, url: str, path: Path, *, validator: BodyValidator | None = None) -> Download:
        """Download an address to a file, complete or not at all.

        The errors are those of :meth:`get`.
        """
        response = self.get(url, validator=validator)
        write_bytes(path, response.body)
        return Download(path, response.sha256, len(response.body))

    def limiter_for(self, url: str) -> HostLimiter:
        """Return the limiter of the host of an address."""
        name = urlsplit(url).netloc.rpartition("@")[2].lower()  # without user and password
        with self._lock:
            if name not in self._hosts:
                self._hosts[name] = HostLimiter(
                    name,
                    self.limits.connections,
                    self.retry_policy,
                    clock=self._clock,
                    sleep=self._sleep,
                    rng=self._rng,
                    stopping=self.stopping,
                )
            return self._hosts[name]

    def mark_unavailable(
        self,
        url: str,
        reason: str,
        retry_after_s: float | None = None,
        *,
        status: int | None = None,
    ) -> ServiceUnavailableError:
        """Pause the requests to the host of an address, and return the error to raise.

        The method does both, since the kind of error depends on whether the host is now closed.

        Parameters
        ----------
        url : str
        reason : str
            How the host failed, for the message.
        retry_after_s : float, optional, seconds
            The pause that the host asks for.
        status : int, optional
            The HTTP status, if the host sent one.

        Returns
        -------
        HostUnavailableError or ServiceUnavailableError
            A HostUnavailableError, which `with_retries` repeats, while the retry policy allows to
            wait for the host. Otherwise the host is closed, and the error ends the request.
        """
        host = self.limiter_for(url)
        message = f"fetch {url}: {host.name} is not there ({reason})"
        if host.record_failure(retry_after_s):
            return HostUnavailableError(message, url=url, status=status)
        message = f"{message}; waited as long as was allowed"
        return ServiceUnavailableError(message, url=url, status=status)

    def _wait_or_stop(self, seconds: float) -> None:
        self.stopping.wait(seconds)

    def _delay_s(self, state: tenacity.RetryCallState) -> float:
        """Return the delay before the next attempt in seconds; 0 for a host that failed.

        `HostLimiter.slot` waits for such a host, so that all its requests wait together.
        """
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, HostUnavailableError):
            return 0.0
        return self.retry_policy.backoff(state.attempt_number - 1, self._rng)

    def _request(
        self, url: str, parse: Callable[[Response], _Result], headers: Mapping[str, str]
    ) -> _Result:
        """Send a request once, follow redirects, and parse the response."""
        trusted = urlsplit(url).hostname or ""
        address = url
        # urllib3 could follow redirects itself, but not check where each one leads.
        for _ in range(self.limits.redirects + 1):
            response = self._request_without_redirects(address, headers)
            if response.status not in _REDIRECT_STATUSES:
                return _parse(response, parse, url)
            location = response.headers.get("location", "")
            if not location:
                message = f"fetch {url}: status {response.status} from {address}, and no Location"
                raise ServiceAnswerError(message, url=url, status=response.status)
            address = next_address(address, location, trusted=trusted)
        message = f"fetch {url}: more than {self.limits.redirects} redirects, the last to {address}"
        raise ServiceAnswerError(message, url=url)

    def _request_without_redirects(self, url: str, headers: Mapping[str, str]) -> Response:
        """Send one request within the limits of its host, and read the whole response."""
        host = self.limiter_for(url)
        with host.slot(url):  # held until the body is read, so that it limits transfers as well
            try:
                response = self._read(url, headers)
            except urllib3.exceptions.HTTPError as error:
                if isinstance(error, _CONNECTION_ERRORS):
                    raise self.mark_unavailable(url, _error_text(error)) from error
                raise _as_service_error(error, url) from error
        status, reason = response.status, f"status {response.status}"
        if status in _BUSY_STATUSES:
            pause_s = retry_after(response.headers.get("retry-after"), now=time.time())
            raise self.mark_unavailable(url, reason, pause_s, status=status)
        host.record_success()
        if status in {200, 206, *_REDIRECT_STATUSES}:
            return response
        kind = RetryableError if status in _TEMPORARY_STATUSES else ServiceAnswerError
        raise kind(f"fetch {url}: {reason}: {excerpt(response.body)}", url=url, status=status)

    def _read(self, url: str, headers: Mapping[str, str]) -> Response:
        """Read status, headers and body, within the limits of time and size."""
        deadline = self._clock() + self.limits.total_s
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
        except BaseException:  # the rest of the body is not read: the connection is not reusable
            response.close()
            raise
        response.release_conn()
        lower_case = {name.lower(): value for name, value in response.headers.items()}
        return Response(url, response.status, lower_case, body)

    def _body(self, response: urllib3.BaseHTTPResponse, url: str, deadline: float) -> bytes:
        """Read a body in pieces, and stop when it takes too long or becomes too large."""
        content_length = response.headers.get("Content-Length", "")
        declared_size = int(content_length) if content_length.isdigit() else 0
        _refuse_large(declared_size, self.limits.max_bytes, url)
        pieces, size = [], 0
        while piece := response.read1(
            _PIECE_BYTES
        ):  # returns what has arrived, without waiting for more
            pieces.append(piece)
            size += len(piece)
            _refuse_large(size, self.limits.max_bytes, url)
            if self._clock() > deadline:
                message = f"fetch {url}: {size} bytes in {self.limits.total_s:g} s, not yet all"
                raise RetryableError(message, url=url)
        return b"".join(pieces)


def user_agent() -> str:
    """Return the User-Agent: the project and its version (RFC 9110, section 10.1.5)."""
    try:
        version = metadata.version("mingolotss")
    except metadata.PackageNotFoundError:
        version = "0"
    library = f"python-urllib3/{metadata.version('urllib3')}"
    return f"mingolotss/{version} (+radio galaxy datasets; {library})"


def _parse(response: Response, parse: Callable[[Response], _Result], url: str) -> _Result:
    """Parse a response, and put the address into the errors."""
    try:
        return parse(response)
    except TruncatedFileError as error:
        raise RetryableError(f"fetch {url}: {error}", url=url) from error
    except ServiceAnswerError as error:
        raise ServiceAnswerError(f"fetch {url}: {error}", url=url) from error


def _refuse_large(size: int, limit: int, url: str) -> None:
    """Refuse a body that is larger than the limit."""
    if size > limit:
        message = f"fetch {url}: {size} bytes or more, over the limit of {limit} bytes"
        raise ServiceAnswerError(message, url=url)


def _refuse_ignored_range(status: int, headers: Mapping[str, str], url: str) -> None:
    """Refuse the whole file, which may be a large mosaic, where a range was requested."""
    if status == 200 and "Range" in headers:
        message = (
            f"fetch {url}: asked for a range of bytes, and the server offers only the whole file;"
            " copy the mosaics and use the service mosaics, or a service that makes cutouts"
        )
        raise ServiceAnswerError(message, url=url, status=status)


def _as_service_error(error: urllib3.exceptions.HTTPError, url: str) -> ServiceError:
    """Return the error of this package for an error of urllib3."""
    text = _error_text(error)
    if isinstance(error, urllib3.exceptions.LocationValueError):
        return ServiceAnswerError(f"fetch {url}: not an address ({text})", url=url)
    if isinstance(error, urllib3.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in text:
        message = f"fetch {url}: the server's certificate does not verify ({text}); nothing sent"
        return ServiceAnswerError(message, url=url)
    return RetryableError(f"fetch {url}: {text}", url=url)


def _error_text(error: Exception) -> str:
    """Return the text of an error without the object that urllib3 puts in front of it."""
    text = str(error) or type(error).__name__
    return text.split(": ", 1)[1] if text.startswith("<") and ": " in text else text


def _rebuild(limits: Limits, retry_policy: RetryPolicy, ca_certs: str | None) -> Transport:
    """Unpickle a transport, with its settings and without its connections."""
    return Transport(limits=limits, retry_policy=retry_policy, ca_certs=ca_certs)
