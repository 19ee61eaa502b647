"""HTTP client with per-host rate limiting.

A request is repeated until its response is complete or the retry budget is spent. urllib3 handles
HTTP and tenacity the repetition; their errors are translated in this module only.
"""

import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import BinaryIO, TypeVar
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
from mingolotss.io.files import atomic_path, sha256_file
from mingolotss.io.http.addresses import (
    CredentialStore,
    address_in_answer,
    check_address,
    origin,
)
from mingolotss.io.http.connections import (
    EXCHANGE,
    Exchange,
    OwnHosts,
    make_pool,
    try_connection,
)
from mingolotss.io.http.hosts import HostLimiter
from mingolotss.io.http.redirects import next_address
from mingolotss.io.http.response import (
    BodyValidator,
    Download,
    FileValidator,
    HostUnavailableError,
    Response,
    RetryableError,
)
from mingolotss.io.http.retry_policy import Limits, RetryPolicy
from mingolotss.io.response_headers import parse_content_length, parse_retry_after

__all__ = [
    "Transport",
    "user_agent",
]

_Result = TypeVar("_Result")
_PIECE_BYTES = 1 << 16  # the limits of time and size are checked after each piece
_MAX_PAGE_BYTES = 1 << 16  # of the body of a redirect or an error; its first words are enough
_CONTENT_STATUSES = {200, 206}
_REDIRECT_STATUSES = {301, 302, 303, 307, 308}
_BUSY_STATUSES = {429, 503}  # the host asks for a pause
_TEMPORARY_STATUSES = {408, 425}  # only this response failed, as with the statuses from 500 on
# The same request would be refused again. All other statuses may pass, such as 403 of a firewall
# that counts requests, or 401 before the user gives a password: they are not repeated at once, but
# in the next run.
_FINAL_STATUSES = {400, 404, 405, 406, 410, 411, 413, 414, 415, 416, 422, 431, 451, 501, 505}
# Errors before a connection exists, which concern all addresses of the host.
_CONNECTION_ERRORS = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
)
_URLLIB3_OBJECT = re.compile(r"^(<[^>]*>|\w+\([^)]*\)): ")


class Transport:
    """HTTP client; every method may be called from any thread.

    A transport can be pickled, for workers: the copy has the limits, the retry policy, the
    certificates, and the names of the hosts that were reached. It has connections and pauses of
    hosts of its own, and the default clock, `sleep` and `rng`.

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
        self._reached: frozenset[str] = frozenset()  # by the transport that this one is a copy of
        self._lock = threading.Lock()
        self._ca_certs = ca_certs
        self._credentials = CredentialStore()
        self._own_hosts = OwnHosts()
        most = max(self.limits.connections, self.limits.range_connections)
        self._pool = make_pool(ca_certs, most)
        # Responses are requested without compression: FITS files of noise hardly compress, and a
        # compressed response does not say how long its content is.
        self._headers = {"User-Agent": user_agent(), "Accept-Encoding": "identity"}

    def __reduce__(self) -> tuple[object, ...]:
        with self._lock:
            reached = {name for name, host in self._hosts.items() if host.reached} | self._reached
        settings = (self.limits, self.retry_policy, self._ca_certs, self._credentials, reached)
        return _rebuild, settings

    def without_credentials(self, url: str) -> str:
        """Return an address without user and password, which are sent to its host from now on.

        Parameters
        ----------
        url : str
            An address from the user, such as ``https://USER:PASSWORD@host/path``. They are sent by
            the scheme Basic (RFC 7617), to this scheme, host and port only.

        Raises
        ------
        ServiceAnswerError
            It is no http or https address.
        """
        return self._credentials.take_from(url)

    def get(
        self,
        url: str,
        *,
        validator: BodyValidator | None = None,
        headers: Mapping[str, str] | None = None,
        service: str | None = None,
    ) -> Response:
        """Request an address until the response is complete and valid.

        Parameters
        ----------
        url : str
            An http or https address. User and password in it are used as in
            `without_credentials`.
        validator : callable, optional
            Takes the body and returns the bytes to keep. It raises TruncatedFileError to have the
            request repeated, and ServiceAnswerError to reject the response.
        headers : mapping of str to str, optional
            Further request headers, such as ``Range``.
        service : str, optional
            The address of the service whose answer gave `url`. Such an address may not have a user
            name, and may not lead to a private or loopback host other than that of the service. By
            default the user gave `url`, and its host may be private.

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

        return self.get_parsed(url, validate, headers=headers, service=service)

    def get_parsed(
        self,
        url: str,
        parse: Callable[[Response], _Result],
        *,
        headers: Mapping[str, str] | None = None,
        service: str | None = None,
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
        service : str, optional
            As for :meth:`get`.

        Raises
        ------
        ServiceUnavailableError, ServiceAnswerError
            As for :meth:`get`.
        """
        url, service = self._checked(url, service)

        def attempt() -> _Result:
            return _parse(self._request(url, headers or {}, service), parse, url)

        return self.with_retries(attempt)

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
            if error.url:
                self.limiter_for(error.url).close_if_silent()
            raise ServiceUnavailableError(message, url=error.url, status=error.status) from error

    def fetch(
        self,
        url: str,
        path: Path,
        *,
        validator: FileValidator | None = None,
        service: str | None = None,
    ) -> Download:
        """Download an address to a file, complete or not at all.

        The content goes to a temporary file beside `path` as it arrives, and never as a whole to
        memory.

        Parameters
        ----------
        url : str
            An http or https address.
        path : Path
        validator : callable, optional
            Takes the temporary file, and may replace its content. It raises the same errors as the
            validator of :meth:`get`, with the same effect.
        service : str, optional
            As for :meth:`get`.

        Raises
        ------
        ServiceUnavailableError, ServiceAnswerError
            As for :meth:`get`.
        InputError
            The file cannot be written.
        """
        url, service = self._checked(url, service)

        def attempt() -> Download:
            with atomic_path(path) as temporary:
                with temporary.open("xb") as stream:
                    response = self._request(url, {}, service, stream)
                if validator is not None:
                    _parse(response, lambda _: validator(temporary), url)
                return Download(path, sha256_file(temporary), temporary.stat().st_size)

        return self.with_retries(attempt)

    def require_contact(self, url: str) -> None:
        """Check that the host of an address accepts connections, unless it did before.

        No request is sent.

        Parameters
        ----------
        url : str
            An http or https address from the user.

        Raises
        ------
        UnreachableHostError
            It accepts none within the time for the first contact.
        ServiceUnavailableError
            The host was closed after an outage.
        """
        url, _ = self._checked(url, None)
        host, (_, name, port) = self.limiter_for(url), origin(url)

        def attempt() -> None:
            exchange = self._exchange(url, url)
            with host.slot(url), self._timed(exchange, host):
                try:
                    try_connection(name, port)
                except urllib3.exceptions.HTTPError as error:
                    raise self.mark_unavailable(url, _error_text(error)) from error
                host.reached = True

        if not host.reached:
            self.with_retries(attempt)

    def limiter_for(self, url: str) -> HostLimiter:
        """Return the limiter of the host of an address."""
        name = urlsplit(url).netloc.lower()
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
                    reached=name in self._reached,
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
            wait for the host. Otherwise the host is closed, and the error ends the request: an
            UnreachableHostError if no connection was possible at all.
        """
        host = self.limiter_for(url)
        host.reached |= status is not None
        message = f"fetch {url}: {host.name} is not there ({reason})"
        if host.record_failure(retry_after_s, reason):
            return HostUnavailableError(message, url=url, status=status)
        if not host.reached:
            return host.unreachable_error(url)
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

    def _checked(self, url: str, service: str | None) -> tuple[str, str]:
        """Return an address that may be requested, and the one that the user gave."""
        if service is None:
            url = self.without_credentials(url)
            check_address(url)
            return url, url
        return address_in_answer(service, url), service

    def _request(
        self, url: str, headers: Mapping[str, str], service: str, stream: BinaryIO | None = None
    ) -> Response:
        """Send a request once, and follow redirects.

        Parameters
        ----------
        url : str
        headers : mapping of str to str
        service : str
            The address that the user gave: its host may be private.
        stream : binary file, optional
            Where the content goes, instead of into the response.
        """
        limits, address = self.limits, url
        exchange = self._exchange(url, service)
        # urllib3 could follow redirects itself, but not check where each one leads.
        for _ in range(limits.redirects + 1):
            response = self._request_without_redirects(address, headers, exchange, stream)
            if response.status not in _REDIRECT_STATUSES:
                return response
            address = next_address(address, response.headers.get("location"))
        message = f"fetch {url}: more than {limits.redirects} redirects, the last to {address}"
        raise ServiceAnswerError(message, url=url)

    def _exchange(self, url: str, service: str) -> Exchange:
        """Return a new exchange for a request; `service` is the address that the user gave."""
        return Exchange(
            url,
            (urlsplit(service).hostname or "").rstrip("."),
            self._own_hosts,
            self._clock,
            self.limits.total_s,
            self.limits.connect_s,
            self.limits.read_s,
        )

    @contextmanager
    def _timed(self, exchange: Exchange, host: HostLimiter) -> Iterator[None]:
        """Let the connections of the block belong to an exchange, whose clock runs meanwhile."""
        exchange.start()
        exchange.connect_s = host.connect_s(self.limits.connect_s)
        context = EXCHANGE.set(exchange)
        try:
            yield
        finally:
            EXCHANGE.reset(context)
            exchange.stop()

    def _request_without_redirects(
        self,
        url: str,
        headers: Mapping[str, str],
        exchange: Exchange,
        stream: BinaryIO | None,
    ) -> Response:
        """Send one request within the limits of its host, and read the whole response."""
        host = self.limiter_for(url)
        # The slot is held until the body is read, so that it limits transfers as well.
        with host.slot(url), self._timed(exchange, host):
            try:
                response = self._read(url, headers, exchange, stream)
            except urllib3.exceptions.HTTPError as error:
                host.reached |= exchange.connected
                if isinstance(error, _CONNECTION_ERRORS):
                    raise self.mark_unavailable(url, _error_text(error)) from error
                raise _as_service_error(error, url, exchange) from error
        status, reason = response.status, f"status {response.status}"
        if status in _BUSY_STATUSES:
            pause_s = parse_retry_after(response.headers.get("retry-after"), now=time.time())
            raise self.mark_unavailable(url, reason, pause_s, status=status)
        host.record_success()
        if status in _CONTENT_STATUSES or status in _REDIRECT_STATUSES:
            return response
        raise _status_error(response, url)

    def _read(
        self,
        url: str,
        headers: Mapping[str, str],
        exchange: Exchange,
        stream: BinaryIO | None,
    ) -> Response:
        """Read status, headers and body, within the limits of time and size."""
        all_headers = {**self._headers, **headers}
        credentials = self._credentials.header_for(url)
        if credentials is not None:
            all_headers["Authorization"] = credentials
        response = self._send(url, all_headers, exchange)
        host = self.limiter_for(url)
        host.reached = host.answered = True
        is_content = response.status in _CONTENT_STATUSES
        try:
            _refuse_ignored_range(response.status, headers, url)
            if is_content:
                body = self._content(response, url, exchange, stream)
            else:
                body = _start_of_page(response, exchange)
        except BaseException:  # the rest of the body is not read: the connection is not reusable
            response.close()
            raise
        if is_content:
            response.release_conn()
        else:
            response.close()
        lower_case = {name.lower(): value for name, value in response.headers.items()}
        return Response(url, response.status, lower_case, body)

    def _send(
        self, url: str, headers: Mapping[str, str], exchange: Exchange
    ) -> urllib3.BaseHTTPResponse:
        """Send one request, again for each kept connection that the server has closed meanwhile.

        It may close an idle connection while the next request is on its way. That is no fault: the
        request is repeated at once over another connection (RFC 9112, section 9.3.1).
        """
        while True:
            try:
                return self._pool.request(
                    "GET",
                    url,
                    headers=headers,
                    timeout=urllib3.Timeout(connect=self.limits.connect_s, read=self.limits.read_s),
                    redirect=False,
                    retries=False,
                    preload_content=False,
                )
            except urllib3.exceptions.ProtocolError:
                if not exchange.was_idle_too_long:
                    raise

    def _content(
        self,
        response: urllib3.BaseHTTPResponse,
        url: str,
        exchange: Exchange,
        stream: BinaryIO | None,
    ) -> bytes:
        """Read a body in pieces, and stop when it takes too long or becomes too large."""
        declared_size = parse_content_length(response.headers.get("Content-Length"))
        _refuse_large(declared_size or 0, self.limits.max_bytes, url)
        pieces: list[bytes] = []
        keep = pieces.append if stream is None else stream.write
        size = 0
        # `read1` returns what has arrived, without waiting for more.
        while piece := response.read1(_PIECE_BYTES):
            keep(piece)
            size += len(piece)
            exchange.content_bytes = size
            _refuse_large(size, self.limits.max_bytes, url)
            if exchange.remaining_s <= 0:
                raise _late_error(url, exchange)
        return b"".join(pieces)


@cache
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
    except ServiceUnavailableError as error:
        raise ServiceUnavailableError(f"fetch {url}: {error}", url=url) from error
    except ServiceAnswerError as error:
        raise ServiceAnswerError(f"fetch {url}: {error}", url=url) from error


def _start_of_page(response: urllib3.BaseHTTPResponse, exchange: Exchange) -> bytes:
    """Return the beginning of the body of a redirect or of an error."""
    page = b""
    while len(page) < _MAX_PAGE_BYTES and (piece := response.read1(_MAX_PAGE_BYTES)):
        page += piece
        exchange.content_bytes = len(page)
    return page


def _status_error(response: Response, url: str) -> ServiceError:
    """Return the error for a status that is neither content nor a redirect."""
    status = response.status
    message = f"fetch {url}: status {status}: {excerpt(response.body)}"
    if status == 401:
        message += "; give USER:PASSWORD@ before the host in the address of the service"
    if status in _FINAL_STATUSES:
        return ServiceAnswerError(message, url=url, status=status)
    if status in _TEMPORARY_STATUSES or status >= 500:
        return RetryableError(message, url=url, status=status)
    return ServiceUnavailableError(message, url=url, status=status)


def _late_error(url: str, exchange: Exchange) -> RetryableError:
    size, total_s = exchange.content_bytes, exchange.total_s
    return RetryableError(f"fetch {url}: {size} bytes in {total_s:g} s, not yet all", url=url)


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


def _as_service_error(
    error: urllib3.exceptions.HTTPError, url: str, exchange: Exchange
) -> ServiceError:
    """Return the error of this package for an error of urllib3."""
    if exchange.remaining_s <= 0:
        return _late_error(url, exchange)
    text = _error_text(error)
    if isinstance(error, urllib3.exceptions.LocationValueError):
        return ServiceAnswerError(f"fetch {url}: not an address ({text})", url=url)
    if isinstance(error, urllib3.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in text:
        message = f"fetch {url}: the server's certificate does not verify ({text}); nothing sent"
        return ServiceUnavailableError(message, url=url)
    return RetryableError(f"fetch {url}: {text}", url=url)


def _error_text(error: Exception) -> str:
    """Return the text of an error without the object that urllib3 puts in front of it."""
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        reason = error.__cause__ or error
        return f"its name does not resolve: {getattr(reason, 'strerror', None) or reason}"
    texts = [argument for argument in error.args if isinstance(argument, str)]
    return _URLLIB3_OBJECT.sub("", texts[-1] if texts else str(error)) or type(error).__name__


def _rebuild(
    limits: Limits,
    retry_policy: RetryPolicy,
    ca_certs: str | None,
    credentials: CredentialStore,
    reached: frozenset[str],
) -> Transport:
    """Unpickle a transport, with its settings and without its connections."""
    transport = Transport(limits=limits, retry_policy=retry_policy, ca_certs=ca_certs)
    transport._credentials, transport._reached = credentials, reached  # noqa: SLF001
    return transport
