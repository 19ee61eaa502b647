"""File names from names of sources, fields, classes and splits, by one rule for every disk.

A catalogue can hold any text, and a disk cannot: a name is percent-encoded where a file system, a
shell pattern or a reader of datasets would take a character for something else, and a long name is
cut and ends in a part of its SHA-256. Different names give different file names, also on Windows
and after a change between the normal forms of Unicode. Ordinary names stay as they are. A file name
is never decoded: the manifest holds the true name beside it.

>>> safe_name("../<script>"), safe_name("ILTJ104416.22+524037.3")
('%2E.%2F%3Cscript%3E', 'ILTJ104416.22+524037.3')
>>> safe_name(".."), safe_name("NUL"), safe_name("50% ")
('%2E%2E', '%4EUL', '50%25%20')
>>> format_file_name("{source}_{field}.png", source="L" * 300, field="P1")[-31:]
'LLLLLLL~10bf7a12272b807e_P1.png'
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from urllib.parse import quote

__all__ = [
    "MAX_FILE_NAME",
    "MAX_SAFE_NAME",
    "format_file_name",
    "is_file_name",
    "safe_name",
    "with_suffix",
]

MAX_FILE_NAME = 240
"""Bytes of a file name. Disks allow 255, and a temporary file has a prefix of 15 (``files.py``)."""
MAX_SAFE_NAME = 200
"""Bytes of `safe_name`, which leaves room for a suffix such as ``-00000-of-00001.parquet``."""
_KEPT = "+ =@,()"  # besides letters, digits and _.-~, which `quote` always keeps
_DIGITS = 16  # of the SHA-256, hexadecimal
# A name that stays as it is. Windows cannot hold a dot or a space at the end, and takes CON,
# CON.png and "con .png" for a device; a dot at the beginning hides a file, also from readers.
_DEVICE = r"(?i:con|prn|aux|nul|com[0-9]|lpt[0-9]) *(?:\.|\Z)"
_HASH = rf"~[0-9a-f]{{{_DIGITS}}}"
_UNCHANGED = re.compile(
    rf"(?![.])(?!{_DEVICE})[A-Za-z0-9_.~+ =@,()-]+(?<![. ])(?<!{_HASH})", re.ASCII
)
_FILE_NAME = re.compile(
    rf"(?![.])(?!{_DEVICE})(?:[A-Za-z0-9_.~+ =@,()-]|%[0-9A-F]{{2}})+(?<![. ])", re.ASCII
)


def safe_name(name: str) -> str:
    """Return `name` as one component of a path, of at most `MAX_SAFE_NAME` bytes.

    Letters, digits and ``+-._~ =@,()`` are kept, and everything else is percent-encoded. So are a
    dot at the beginning, a dot or a space at the end, and the first letter of a name that Windows
    reserves. Different names give different components.
    """
    encoded = _encode(name)
    return encoded if len(encoded) <= MAX_SAFE_NAME else _shorten(name, MAX_SAFE_NAME)


def format_file_name(template: str, *, source: str, field: str) -> str:
    """Return the name of a file of a source, of at most `MAX_FILE_NAME` bytes.

    Parameters
    ----------
    template : str
        A file name in which ``{source}`` and ``{field}`` stand for the names.
    source, field : str
        The names, not encoded. Of a file name that is too long, the longer one is shortened, or
        both.
    """
    encoded_source, encoded_field = _encode(source), _encode_field(field)
    name = template.format(source=encoded_source, field=encoded_field)
    if len(name) <= MAX_FILE_NAME:
        return name
    room = MAX_FILE_NAME - len(template.format(source="", field="").encode())
    field_length = len(encoded_field) if "{field}" in template else 0
    # A shortened source is that of `safe_name` wherever there is room, in every kind of file.
    source_room = max(room // 2, room - field_length)
    if len(encoded_source) > source_room:
        encoded_source = _shorten(source, min(source_room, MAX_SAFE_NAME))
    if field_length > room - len(encoded_source):
        encoded_field = _shorten(field, room - len(encoded_source))
    return template.format(source=encoded_source, field=encoded_field)


def is_file_name(name: str) -> bool:
    """Return whether `name` can be a file name as it is: whether this rule could have made it.

    >>> is_file_name("%E5%90%8D_P1.png"), is_file_name("../x"), is_file_name("50%.png")
    (True, False, False)
    """
    return len(name) <= MAX_FILE_NAME and _FILE_NAME.fullmatch(name) is not None


def with_suffix(stem: str, suffix: str) -> str:
    """Return a file name with another suffix, of at most `MAX_FILE_NAME` bytes.

    Parameters
    ----------
    stem : str
        A name that `is_file_name`, without its suffix.
    suffix : str
        With its dot.

    >>> with_suffix("ILTJ1_P1", ".fits"), len(with_suffix("L" * 240, ".fits"))
    ('ILTJ1_P1.fits', 221)
    """
    name = f"{stem}{suffix}"
    if len(name) <= MAX_FILE_NAME:
        return name
    digest = hashlib.sha256(stem.encode()).hexdigest()
    beginning = re.sub(r"%[0-9A-F]?\Z", "", stem[: MAX_SAFE_NAME - 1])
    return f"{beginning}~{digest[:_DIGITS]}{suffix}"


def _encode(name: str) -> str:
    """Return `name` encoded and not shortened."""
    if _UNCHANGED.fullmatch(name):
        return name  # nearly always; quote is ten times slower
    encoded = quote(name, safe=_KEPT)
    # A name that looks like a shortened one keeps its letters and loses its "~", so that no two
    # names have one encoding.
    encoded = re.sub(rf"~(?=[0-9a-f]{{{_DIGITS}}}\Z)", "%7E", encoded)
    if encoded.endswith((".", " ")):
        encoded = f"{encoded[:-1]}{_percent(encoded[-1])}"
    if encoded.startswith(".") or re.match(_DEVICE, encoded):
        encoded = f"{_percent(encoded[0])}{encoded[1:]}"
    return encoded


_encode_field = lru_cache(maxsize=1024)(_encode)  # a survey has few fields, and many sources


def _percent(character: str) -> str:
    return f"%{ord(character):02X}"


def _shorten(name: str, length: int) -> str:
    """Return the beginning of the encoded name and a hash of the whole, `length` bytes at most."""
    room = length - 1 - _DIGITS
    # Characters are encoded one by one, so that none is cut in its middle.
    end = len(name[: max(room, 0)])
    while end and len(_encode(name[:end])) > room:
        end -= 1
    beginning = _encode(name[:end]) if end else ""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{beginning}~{digest[:_DIGITS]}"
