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
from mingolotss.qa.review.addresses import labels_address, queue_address
from mingolotss.qa.review.filters import FILE_REASONS, Filter, check_reason
from mingolotss.qa.review.responses import NAME_COOKIE
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
    queue: str = "",
    queue_file: Path | str | None = None,
    blind: bool = False,
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
        Which sources to begin with: "any" reason to inspect sources, the default; one of these
        reasons; "audit" for those that ``mingolotss audit`` found; or "all". With "labels",
        "suspects" (as ``mingolotss suspects`` wrote them) and "disagreements" (as ``mingolotss
        agreement`` wrote them), the page begins with the labels of the sources.
    queue_file : path, optional
        A table with a column ``source``: the page begins with the labels of these sources, in
        this order.
    blind : bool
        Whether the page shows neither the labels of the dataset nor the judgements of other
        people; it then has the labels only, and with no queue all sources in an order that does
        not depend on the catalogue.
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

    Examples
    --------
    The call serves until it is interrupted with Ctrl-C:

    >>> import mingolotss
    >>> mingolotss.review("demo", by="ada", open_browser=True)  # doctest: +SKIP
    review page: http://127.0.0.1:8765/...
    """
    for library in ("starlette", "uvicorn", "contourpy"):
        import_optional(library, "serve the review page", extra="web")
    import uvicorn

    from mingolotss.qa.review.app import create_app
    from mingolotss.qa.review.connections import patient_protocol
    from mingolotss.qa.review.guard import allowed_hosts

    reason, on_labels = _start(queue, queue_file, blind=blind)
    store = Store(
        Path(folder),
        None if decisions is None else Path(decisions),
        queue=None if queue_file is None else Path(queue_file),
        blind=blind,
    )
    notice = _check_labels(store, reason) if on_labels else ""
    with _bind(host, port) as bound:
        port = bound.getsockname()[1]
        token = secrets.token_urlsafe(18)
        app = create_app(
            store,
            token=token,
            hosts=allowed_hosts(host, port, names),
            by=by or _login(),
            any_address=host not in _LOCAL,
            queue=reason,
            # A name that was typed for another server, with this browser, does not replace `by`.
            name_cookie=f"{NAME_COOKIE}-{secrets.token_hex(4)}" if by else NAME_COOKIE,
        )
        shown = f"[{host}]" if ":" in host else host
        if host not in _LOCAL:
            notify(
                f"Everybody who can reach {shown}:{port} and has the token can decide; the "
                "connection is not encrypted"
            )
        if notice:
            notify(notice)
        start = _first_address(reason, blind=blind, on_labels=on_labels)
        address = f"http://{shown}:{port}{start}token={token}"
        notify(f"Review at  {address}   (stop with Ctrl+C)")
        notify(f"To apply the decisions afterwards:  {store.build_command}")
        if on_labels and (about := store.snapshot().about_judgements):
            notify(about)
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


def _start(queue: str, queue_file: Path | str | None, *, blind: bool) -> tuple[str, bool]:
    """Return the reason of the first filter, and whether the page begins with the labels.

    Raises
    ------
    InputError
        There is no such queue, or there are two.
    """
    if queue_file is not None:
        if queue:
            raise InputError(
                f"review: both the queue {queue!r} and the file {queue_file}; give one of them"
            )
        return "queue", True
    if queue == "labels" or (blind and not queue):
        return "all", True
    check_reason(queue or "any")
    if queue == "queue":
        raise InputError("review: the queue 'queue' is a file; give queue_file, or --queue FILE")
    if blind and queue not in {"all", *FILE_REASONS}:
        raise InputError(
            f"review: the queue {queue!r} shows images and not labels; blind reviewers can have "
            "all, suspects, disagreements or a file"
        )
    return queue or "any", blind or queue in FILE_REASONS


def _check_labels(store: Store, reason: str) -> str:
    """Return a line about sources of a queue that are not in the build; "" if all are.

    Raises
    ------
    InputError
        The dataset has no classes, or there is no file with the queue.
    """
    snapshot = store.snapshot()
    if not snapshot.build.provenance.classes:
        raise InputError(
            f"review the labels of {store.folder.path}: its dataset has no classes; build it with "
            "a recipe that has [classes]"
        )
    return snapshot.queue(reason).absent_words if reason in FILE_REASONS else ""


def _first_address(reason: str, *, blind: bool, on_labels: bool) -> str:
    """Return the path to open, up to its last value."""
    if blind:
        return "/labels?"
    if on_labels:
        return f"{labels_address(Filter(reason))}&"
    return "/?" if reason == "any" else f"{queue_address(Filter(reason))}&"


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
