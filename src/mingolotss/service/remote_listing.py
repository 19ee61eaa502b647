"""Which FITS files there are at an address: in a web folder, or anywhere that fsspec reads.

>>> web_address("http://x/", "a/P1+50 #2-mosaic.fits")
'http://x/a/P1+50 %232-mosaic.fits'
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urljoin

from mingolotss.errors import InputError
from mingolotss.io.object_stores import require_store, translate_store_errors
from mingolotss.service.concurrency import concurrent_map
from mingolotss.service.fits_names import PassedOver, is_hidden, split_suffix, unread_suffix
from mingolotss.service.mosaic_names import is_mosaic_name

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

    from mingolotss.io.http import Transport

__all__ = [
    "list_fsspec_folder",
    "list_web_folder",
    "resolve_fsspec",
    "web_address",
    "web_folder_names",
]


def list_web_folder(
    url: str,
    transport: Transport,
    passed_over: PassedOver | None = None,
) -> list[str]:
    """List the FITS files in a web folder, or in the folders in it if it has no mosaics itself.

    Parameters
    ----------
    url : str
        The folder, with a slash at the end; the server must list its content as HTML.
    transport : Transport
        Several of the folders in it are asked for at a time.
    passed_over : PassedOver, optional
        Receives the folders that are not searched, and files that cannot be read by their names.

    Returns
    -------
    list of str
        Paths relative to `url`, unquoted; `web_address` makes addresses of them.
    """
    passed_over = PassedOver() if passed_over is None else passed_over

    def names_within(folder: str) -> list[str]:
        return [folder + name for name in web_folder_names(url + folder, transport)]

    names = web_folder_names(url, transport)
    if not any(is_mosaic_name(unquote(name)) for name in names):
        folders = [name for name in names if name.endswith("/")]
        names = [
            *(name for name in names if not name.endswith("/")),
            *(n for inner in concurrent_map(transport, names_within, folders) for n in inner),
        ]
    paths = [unquote(name) for name in names]
    for path in paths:
        if path.endswith("/"):
            passed_over.add(path, "a folder that is not searched; give its address to the service")
    return _fits_files(paths, passed_over)


def web_address(folder: str, path: str) -> str:
    """Return the address of a file in a web folder.

    Only the characters that end a path or begin an escape sequence are quoted; the HTTP client
    quotes the others.
    """
    return folder + re.sub("[%#?]", lambda match: quote(match[0]), path)


def web_folder_names(url: str, transport: Transport) -> list[str]:
    """Return the names in a web folder, as the server quotes them; folders end with a slash."""
    return _parse_listing(transport.get(url).body, url)


def _parse_listing(page: bytes, url: str) -> list[str]:
    """Return the names in the HTML listing of a folder, sorted; hidden ones are left out.

    >>> page = b'<a href="../">up</a> <a href="P1%2B2/">P1+2</a> <a href="?C=N">name</a> ' + (
    ...     b"<a href='./P3/'>P3</a> <a href=/m/P4/>P4</a> <a href='.git/'>.git</a>")
    >>> _parse_listing(page, "http://x/m/")
    ['P1%2B2/', 'P3/', 'P4/']
    """
    # Servers write a link as a name, as ./name, or as a path from their root.
    text = page[: 20 << 20].decode("utf-8", "replace")
    links = re.findall(r"""href=(?:"([^"]+)"|'([^']+)'|([^\s"'>]+))""", text, re.IGNORECASE)
    names = set()
    for link in links:
        name = html.unescape("".join(link)).removeprefix("./")
        if "?" in name or "#" in name:
            continue
        if name.startswith("/") or "://" in name:
            try:
                name = urljoin(url, name).removeprefix(url)
            except ValueError:
                continue  # no address
        plain = unquote(name)
        if plain and "/" not in plain.rstrip("/") and not is_hidden(plain):
            names.add(name)
    return sorted(names)


def list_fsspec_folder(root: str, passed_over: PassedOver | None = None) -> list[str]:
    """List the FITS files at an fsspec address and in the folders directly in it.

    Parameters
    ----------
    root : str
    passed_over : PassedOver, optional
        Receives the folders that are not searched, and files that cannot be read by their names.

    Returns
    -------
    list of str
        Whole addresses.

    Raises
    ------
    InputError
        The library for this kind of address is not installed.
    ServiceUnavailableError
        The address does not answer.
    """
    import fsspec

    passed_over = PassedOver() if passed_over is None else passed_over
    try:
        with translate_store_errors("list the mosaics in", root):
            filesystem, path = fsspec.core.url_to_fs(root)
            require_store(filesystem, root)
            files, folders = _list_fsspec(filesystem, path)
            deeper: list[str] = []
            for folder in folders:
                inner_files, inner_folders = _list_fsspec(filesystem, folder)
                files, deeper = [*files, *inner_files], [*deeper, *inner_folders]
    except ImportError as error:
        raise InputError(f"open the mosaics in {root}: {error}") from error
    for folder in deeper:
        reason = "a folder more than one down is not searched; give its address to the service"
        passed_over.add(f"{folder.removeprefix(path).strip('/')}/", reason)
    return [filesystem.unstrip_protocol(file) for file in _fits_files(files, passed_over, path)]


def resolve_fsspec(root: str) -> str:
    """Return a folder at an fsspec address as it begins the addresses of its files."""
    import fsspec

    filesystem, path = fsspec.core.url_to_fs(root)
    address: str = filesystem.unstrip_protocol(path)
    return address.rstrip("/")


def _list_fsspec(filesystem: AbstractFileSystem, path: str) -> tuple[list[str], list[str]]:
    """Return the paths of the files and folders in a folder; hidden ones are left out."""
    # `ls` is used and not `glob`, since the name of the folder may contain [ or *.
    files: list[str] = []
    folders: list[str] = []
    try:
        entries = filesystem.ls(path, detail=True)
    except FileNotFoundError:
        return [], []
    for entry in entries:
        name = entry["name"].rstrip("/")
        if name == path.rstrip("/") or is_hidden(name.rpartition("/")[2]):
            continue
        (folders if entry["type"] == "directory" else files).append(name)
    return sorted(files), sorted(folders)


def _fits_files(paths: Iterable[str], passed_over: PassedOver, root: str = "") -> list[str]:
    """Return the paths that are FITS files by their names; `root` is left out of messages."""
    files = []
    for path in paths:
        name = path.rpartition("/")[2]
        if split_suffix(name) is not None:
            files.append(path)
        elif reason := unread_suffix(name):
            passed_over.add(path.removeprefix(root).lstrip("/"), reason)
    return files
