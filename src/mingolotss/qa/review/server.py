"""``review()``: serve the review page from this machine.

The address that is printed contains a token; the server refuses requests without it.
"""

from __future__ import annotations

import getpass
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

from mingolotss.errors import InputError
from mingolotss.io.optional import import_optional
from mingolotss.qa.review.addresses import queue_address
from mingolotss.qa.review.filters import Filter, check_reason
from mingolotss.qa.review.state import Store, waiting_words

__all__ = ["review"]

_LOCAL = {"127.0.0.1", "::1", "localhost"}


def review(
    folder: Path | str,
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    by: str = "",
    decisions: Path | str | None = None,
    names: Sequence[str] = (),
    queue: str = "any",
    open_browser: bool = False,
    notify: Callable[[str], object] = print,
) -> None:
    """Serve the review page of a finished build, until the process is interrupted.

    The page shows the sources that a person should inspect, with all their candidates. Each
    decision is written to ``decisions.csv`` in `folder` immediately; the next build into this
    folder follows it. Nothing else is written.

    Parameters
    ----------
    folder : path
        The folder of a build.
    host : str
        The network address to listen on; by default only this machine can reach the page.
    port : int
        The port to listen on; 0 for any free one.
    by : str
        The name of the reviewer; by default the login name. Visitors can give another one.
    decisions : path, optional
        A file to use in place of ``decisions.csv`` in the folder.
    names : sequence of str
        Names of this machine that the page can be reached by, if `host` is not local.
    queue : str
        Which sources to begin with: a reason to inspect sources, "audit" for those that
        ``mingolotss audit`` found, or "all".
    open_browser : bool
        Whether to open the page in the default web browser.
    notify : callable
        Called with the address of the page, with a warning if other machines can reach it, and with
        the command that applies the decisions, at the end again if some are not applied yet.

    Raises
    ------
    MissingLibraryError
        The extra ``web`` is not installed. It is an InputError and an ImportError.
    InputError
        The port is in use, or there is no such queue.
    DatasetError, DecisionError
        There is no finished build, or the file of decisions cannot be read.
    """
    for library in ("starlette", "uvicorn", "contourpy"):
        import_optional(library, "serve the review page", extra="web")
    import uvicorn

    from mingolotss.qa.review.app import create_app
    from mingolotss.qa.review.connections import patient_protocol
    from mingolotss.qa.review.guard import allowed_hosts

    check_reason(queue)
    store = Store(Path(folder), None if decisions is None else Path(decisions))
    bound = _bind(host, port)
    port = bound.getsockname()[1]
    token = secrets.token_urlsafe(18)
    app = create_app(
        store,
        token=token,
        hosts=allowed_hosts(host, port, names),
        by=by or _login(),
        any_address=host not in _LOCAL,
    )
    shown = f"[{host}]" if ":" in host else host
    if host not in _LOCAL:
        notify(
            f"Everybody who can reach {shown}:{port} and has the token can decide; the connection "
            "is not encrypted"
        )
    start = "/?" if queue == "any" else f"{queue_address(Filter(queue))}&"
    address = f"http://{shown}:{port}{start}token={token}"
    notify(f"Review at  {address}   (stop with Ctrl+C)")
    notify(f"To apply the decisions afterwards:  {store.build_command}")
    if open_browser:  # in a thread, since a browser in a terminal does not return
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    settings = uvicorn.Config(
        app, log_level="warning", server_header=False, lifespan="off", http=patient_protocol()
    )
    try:
        uvicorn.Server(settings).run(sockets=[bound])
    finally:
        waiting = store.snapshot().waiting
        if waiting:
            notify(f"{waiting_words(waiting)}; to apply the decisions:  {store.build_command}")


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With a named protocol, asyncio disables Nagle's delay of 40 ms for every small response.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen()  # before the address is shown, so that an early visitor is not refused
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
