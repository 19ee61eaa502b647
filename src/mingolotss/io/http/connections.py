"""Connections with one deadline for a whole request, and only to hosts that may be asked.

urllib3 limits each wait for bytes, so a server that sends one byte now and then holds a request
forever, in the status line, the headers or between two chunks. The sockets here share one clock for
everything from the resolution of the name to the last byte. They also bound what is not content:
headers, interim responses, chunk extensions and trailers.

An address in an answer or a redirect could lead into a private network: the metadata address of a
cloud, a router, another service on this machine (server-side request forgery, CWE-918). A name is
resolved once for a connection, each address is checked, and the connection goes to a checked
address; a name that resolves differently a second time (DNS rebinding) changes nothing.
"""

from __future__ import annotations

import http.client
import ipaddress
import queue
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from mingolotss.errors import ServiceAnswerError

__all__ = ["EXCHANGE", "Exchange", "OwnHosts", "is_public", "make_pool", "try_connection"]

_Resolved = list[tuple[Any, ...]]  # what `socket.getaddrinfo` returns
_OVERHEAD_BYTES = 1 << 20  # of headers and chunk lines, beyond `_OVERHEAD_FACTOR` times the content
_OVERHEAD_FACTOR = 8  # chunks of one byte, which some servers send, have five bytes around each
_MAX_INTERIM = 100  # responses before the final one (RFC 9110, section 15.2)
_TRANSLATED = (  # IPv6 networks whose addresses stand for an IPv4 address in their last 32 bits
    ipaddress.ip_network("::/96"),
    ipaddress.ip_network("64:ff9b::/96"),
)


def is_public(address: str) -> bool:
    """Return whether an IP address is on the public internet.

    >>> [is_public(a) for a in ("8.8.8.8", "10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1")]
    [True, False, False, False]
    """
    ip = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and any(ip in network for network in _TRANSLATED):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
        elif ip.teredo is not None or ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast


class OwnHosts:
    """The addresses of the hosts that the user named; may be used from any thread.

    A host that the user named may be private, and its answers may lead to itself by another name:
    ``localhost`` and ``127.0.0.1``. Whether it is private is decided once: a public archive that
    later resolves to a private address is not followed there.
    """

    def __init__(self) -> None:
        self._addresses: dict[str, frozenset[str]] = {}

    def addresses(self, host: str, resolve: Callable[[], Iterable[str]]) -> frozenset[str]:
        """Return the private addresses of a host that the user named, as first resolved."""
        if host not in self._addresses:
            private = frozenset(address for address in resolve() if not is_public(address))
            return self._addresses.setdefault(host, private)
        return self._addresses[host]


@dataclass(slots=True)
class Exchange:
    """One request, its redirects included: how long it may take, and which hosts it may ask.

    Attributes
    ----------
    url : str
        The address of the request, for messages.
    own_host : str
        The host that the user named: that of `url`, or of the service whose answer gave `url`.
    own_hosts : OwnHosts
    clock : callable, seconds
    total_s, connect_s, read_s : float, seconds
        Longest time for the whole, for a connection, and for the next bytes.
    spent_s : float, seconds
        The time of finished parts of the exchange; waiting for the turn at a host is none.
    content_bytes : int
        Content of the present response that was handed on.
    ended : bool
        The server has closed the connection of the present response.
    connected : bool
        A host has accepted a connection since the last `start`.
    reused : bool
        The present request went out over a connection of an earlier one.
    """

    url: str
    own_host: str
    own_hosts: OwnHosts
    clock: Callable[[], float]
    total_s: float
    connect_s: float
    read_s: float
    spent_s: float = 0.0
    content_bytes: int = 0
    ended: bool = False
    connected: bool = False
    reused: bool = False
    _received: int = 0
    _started: float = field(default=0.0)

    def start(self) -> None:
        """Start the clock, for the request itself or for the next redirect."""
        self._started = self.clock()
        self._received = self.content_bytes = 0
        self.ended = self.connected = False

    def stop(self) -> None:
        """Stop the clock until the next `start`."""
        self.spent_s += self.clock() - self._started

    @property
    def was_idle_too_long(self) -> bool:
        """Tell whether a connection of an earlier request has brought nothing for this one."""
        return self.reused and self._received == 0

    @property
    def remaining_s(self) -> float:
        """Return the remaining time in seconds; 0 or less after the deadline."""
        return self.total_s - self.spent_s - (self.clock() - self._started)

    def timeout(self, longest: float) -> float:
        """Return the time-out of the next operation on a socket in seconds.

        Raises
        ------
        TimeoutError
            The deadline has passed.
        """
        remaining = self.remaining_s
        if remaining <= 0:
            raise TimeoutError(f"no complete answer in {self.total_s:g} s")
        return min(longest, remaining)

    def count(self, received: int) -> None:
        """Count received bytes; raise OSError if nearly all of them are no content."""
        self.ended = received == 0
        self._received += received
        if self._received > _OVERHEAD_BYTES + _OVERHEAD_FACTOR * self.content_bytes:
            raise OSError(f"{self._received} bytes of headers and chunk lines without content")

    def allowed(self, host: str, addresses: Iterable[str]) -> list[str]:
        """Return the addresses of a host that may be asked.

        Raises
        ------
        ServiceAnswerError
            None of them may.
        """
        addresses = list(addresses)
        private = [address for address in addresses if not is_public(address)]
        if host == self.own_host:
            own = self.own_hosts.addresses(host, lambda: addresses)
            if own:  # a private host from the beginning, whose address may change
                return addresses
        elif not private:
            return addresses
        else:
            own = self.own_hosts.addresses(
                self.own_host, lambda: _addresses(_resolve(self.own_host, 0, self))
            )
        allowed = [address for address in addresses if address not in private or address in own]
        if not allowed and private:
            message = (
                f"fetch {self.url}: this leads to {host}, a private address ({private[0]}) of"
                " another host, which is not followed; tell whoever runs the service"
            )
            raise ServiceAnswerError(message, url=self.url)
        return allowed


EXCHANGE: ContextVar[Exchange] = ContextVar("exchange")
"""The exchange of this thread: urllib3 has no argument for it on the way to its sockets."""


class _TimedReads:
    """A socket whose every wait for bytes ends with the deadline of its exchange."""

    exchange: Exchange

    def recv_into(self, *arguments: Any) -> int:
        exchange = self.exchange
        self.settimeout(exchange.timeout(exchange.read_s))  # type: ignore[attr-defined]
        received: int = super().recv_into(*arguments)  # type: ignore[misc]
        exchange.count(received)
        return received


class _Socket(_TimedReads, socket.socket):
    """A plain socket."""


class _TLSSocket(_TimedReads, ssl.SSLSocket):
    """A socket over TLS; OpenSSL ends one read, and the handshake, with the time-out of it."""


class _Response(http.client.HTTPResponse):
    """A response with whole headers; all interim responses are skipped, not only those of 100."""

    def begin(self) -> None:
        for _ in range(_MAX_INTERIM):
            super().begin()
            if EXCHANGE.get().ended:  # `http.client` takes the end of the connection for theirs
                raise OSError("the connection was closed within the headers")
            if not 100 <= self.status < 200:
                return
            self.headers = self.msg = None  # type: ignore[assignment]  # `begin` reads on without
        raise OSError(f"more than {_MAX_INTERIM} interim responses")


class _Connection(HTTPConnection):
    """A connection to a checked address, with the deadline of the present exchange."""

    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return _connect(self)

    def connect(self) -> None:
        super().connect()
        cast("_TimedReads", self.sock).exchange = EXCHANGE.get()

    def request(self, *args: Any, **options: Any) -> None:
        _reuse(self)
        super().request(*args, **options)


class _TLSConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TLSConnection

    def __init__(
        self, *args: Any, ssl_context: ssl.SSLContext | None = None, **options: Any
    ) -> None:
        # The certificates of the system take 25 ms to load: only hosts of https wait for them.
        super().__init__(*args, ssl_context=ssl_context or _tls_context(None), **options)


def make_pool(ca_certs: str | None, connections: int) -> urllib3.PoolManager:
    """Return a pool of connections that belong to the exchange in `EXCHANGE`.

    Parameters
    ----------
    ca_certs : str or None
        A file of trusted certificates; None for those of the system.
    connections : int
        Connections that are kept open for one host at most.
    """
    context = None if ca_certs is None else _tls_context(ca_certs)
    pool = urllib3.PoolManager(num_pools=16, maxsize=connections, ssl_context=context)
    pool.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
    return pool


def _tls_context(ca_certs: str | None) -> ssl.SSLContext:
    """Return what connections over TLS trust: a file, or the certificates of the system."""
    context = urllib3.util.ssl_.create_urllib3_context()
    context.sslsocket_class = _TLSSocket
    if ca_certs is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(ca_certs)
    return context


def try_connection(host: str, port: int) -> None:
    """Open a connection to a host for the present exchange, and close it.

    Raises
    ------
    urllib3.exceptions.HTTPError
        The host has no address, or accepts no connection.
    """
    connection = _Connection(host, port)
    try:
        connection.connect()
    finally:
        connection.close()


def _reuse(connection: HTTPConnection) -> None:
    """Give an open connection to the present exchange, if that may ask the host."""
    exchange = EXCHANGE.get()
    exchange.reused = connection.sock is not None
    if connection.sock is not None:
        exchange.allowed(_name(connection), [connection.sock.getpeername()[0]])
        cast("_TimedReads", connection.sock).exchange = exchange


def _connect(connection: HTTPConnection) -> socket.socket:
    """Resolve the host, check its addresses, and connect to the first that answers."""
    exchange, host, port = EXCHANGE.get(), connection.host, connection.port or 0
    give_up = exchange.clock() + exchange.connect_s
    try:
        resolved = _resolve(host.strip("[]"), port, exchange)
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, f"{host} was not resolved in time") from error
    except (OSError, UnicodeError) as error:
        reason = error if isinstance(error, socket.gaierror) else socket.gaierror(str(error))
        raise NameResolutionError(host, connection, reason) from error
    allowed = set(exchange.allowed(_name(connection), _addresses(resolved)))
    failure: OSError = OSError("the name has no address")
    addresses = [entry for entry in resolved if entry[4][0] in allowed]
    for number, (family, kind, protocol, _canonical, address) in enumerate(addresses):
        # An address that does not answer leaves time for the others, as IPv6 may fail on its own.
        share_s = (give_up - exchange.clock()) / (len(addresses) - number)
        try:
            opened = _Socket(family, kind, protocol)
        except OSError as error:
            failure = error
            continue
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.settimeout(exchange.timeout(max(share_s, 0.1)))
            opened.connect(address)
            opened.settimeout(exchange.timeout(exchange.connect_s))  # of the handshake
        except OSError as error:
            opened.close()
            failure = error
            continue
        opened.exchange = exchange
        exchange.connected = True
        sys.audit("http.client.connect", connection, host, port)
        return opened
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(connection, f"Connection to {host} timed out") from failure
    raise NewConnectionError(connection, f"Failed to connect: {failure}") from failure


def _name(connection: HTTPConnection) -> str:
    return connection.host.strip("[]").lower()


def _addresses(resolved: _Resolved) -> list[str]:
    return [str(address[0]) for *_, address in resolved]


def _resolve(host: str, port: int, exchange: Exchange) -> _Resolved:
    """Return the addresses of a host; a resolver that does not answer is left behind in a thread.

    Raises
    ------
    TimeoutError
        The name was not resolved in time.
    OSError, UnicodeError
        The name has no address, or is none.
    """
    try:
        ipaddress.ip_address(host.split("%", maxsplit=1)[0])
    except ValueError:
        pass
    else:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # `getaddrinfo` has no time-out, and cannot be interrupted.
    answers: queue.SimpleQueue[_Resolved | Exception] = queue.SimpleQueue()

    def resolve() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    try:
        threading.Thread(target=resolve, name="resolve", daemon=True).start()
    except RuntimeError as error:  # the system has no further threads, which may pass
        raise OSError(f"{host} was not resolved: {error}") from error
    try:
        answer = answers.get(timeout=exchange.timeout(exchange.connect_s))
    except queue.Empty as error:
        raise TimeoutError(f"{host} was not resolved in time") from error
    if isinstance(answer, Exception):
        raise answer
    return answer
