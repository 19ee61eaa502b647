"""Serve the review page from this machine.

The address that is printed holds the token; nobody without it is let in.
"""

from __future__ import annotations

import getpass
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from mingolotss.errors import InputError
from mingolotss.qa.review.state import State

__all__ = ["review"]

_LOCAL = {"127.0.0.1", "::1", "localhost"}


def review(
    build: Path | str,
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    by: str = "",
    decisions: Path | None = None,
    names: tuple[str, ...] = (),
    say: Callable[[str], None] = print,
) -> None:
    """Serve the review page of a build until it is interrupted.

    Parameters
    ----------
    build : Path
        A finished build.
    host, port : str, int
        Where to listen; port 0 takes a free one.
    by : str
        The reviewer; the login name by default. A visitor may give another.
    decisions : Path, optional
        Instead of the folder's ``decisions.csv``.
    names : tuple of str
        Names that this machine is reached by, when `host` is not this machine alone.
    say : callable
        Called with the address, and with a warning where one is due.

    Raises
    ------
    InputError
        The extra ``web`` is not installed, or the port is taken.
    DatasetError, DecisionError
        There is no finished build, or ``decisions.csv`` cannot be read.
    """
    try:
        import uvicorn

        from mingolotss.qa.review.app import create_app
        from mingolotss.qa.review.guard import allowed_hosts
    except ImportError as error:
        raise InputError(
            f"serve the review page: {error.name} is not installed; pip install 'mingolotss[web]'"
        ) from error
    state = State(Path(build), decisions)
    bound = _bind(host, port)
    port = bound.getsockname()[1]
    token = secrets.token_urlsafe(18)
    app = create_app(
        state,
        token=token,
        hosts=allowed_hosts(host, port, names),
        by=by or _login(),
        any_address=host not in _LOCAL,
    )
    shown = f"[{host}]" if ":" in host else host
    if host not in _LOCAL:
        say(f"Anybody who can reach {shown}:{port} and has the token can decide; http, not https")
    say(f"Review at  http://{shown}:{port}/?token={token}   (Ctrl+C ends it)")
    settings = uvicorn.Config(app, log_level="warning", server_header=False, lifespan="off")
    uvicorn.Server(settings).run(sockets=[bound])


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's delay off: 40 ms for every small answer.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen()  # before the address is shown: a visitor waits and is not refused
    except (OSError, OverflowError) as error:
        bound.close()
        raise InputError(
            f"serve the review page at {host}:{port}: {error}; choose another --port, 0 for any"
        ) from error
    return bound


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "reviewer"
