"""Byte ranges of a file at an fsspec address, such as ``s3://bucket/file``.

The library for the address decides how many requests are under way at a time: 10 for S3 (botocore).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mingolotss.errors import ImageError, TruncatedFileError
from mingolotss.io.byte_ranges import FileChangedError, FileVersion, Ranges
from mingolotss.io.object_stores import translate_store_errors
from mingolotss.io.range_plan import single_requests
from mingolotss.model import Ints

__all__ = ["StoreFile"]

_MAX_READS = 64  # after so many, the version of the file is compared


class StoreFile:
    """A file at an fsspec address, e.g. in an object store.

    Parameters
    ----------
    address : str
        E.g. ``s3://bucket/P1-mosaic.fits``.

    Raises
    ------
    ImageError
        The library for this kind of address is not installed.
    ServiceUnavailableError
        The address cannot be used.
    """

    def __init__(self, address: str) -> None:
        import fsspec

        self._address = address
        with _translated("open", address):
            self._filesystem, self._path = fsspec.core.url_to_fs(address)
        self.version: FileVersion | None = None

    def plan(self, ranges: Ints) -> list[Ranges]:
        """Return the requests for a union of ranges; see `RangeFile`."""
        return [*single_requests(ranges, _MAX_READS)]

    def read_start(self, length: int) -> bytes:
        """Return the first `length` bytes, or all if the file is shorter."""
        self._check_version()
        with _translated("read", self._address):
            start: bytes = self._filesystem.cat_file(self._path, start=0, end=length)
        return start

    def read_ranges(self, ranges: Ranges) -> list[bytes]:
        """Return the bytes of each range; see `RangeFile`."""
        starts, stops = [start for start, _ in ranges], [stop for _, stop in ranges]
        with _translated("read", self._address):
            parts: list[bytes] = self._filesystem.cat_ranges(
                [self._path] * len(ranges), starts, stops, max_gap=None, on_error="raise"
            )
        length, expected = sum(map(len, parts)), sum(stops) - sum(starts)
        if length != expected:
            raise TruncatedFileError(
                f"read {self._address}: {length} of {expected} bytes of a cutout",
                path=self._address,
            )
        self._check_version()  # after the bytes: a change before them is noticed as well
        return parts

    def _check_version(self) -> None:
        """Compare the version of the file with that at the first reading.

        Raises
        ------
        FileChangedError
        """
        with _translated("read", self._address):
            self._filesystem.invalidate_cache(self._path)
            info = self._filesystem.info(self._path)
        identity = (info.get(key) for key in ("ETag", "etag", "md5Hash", "ino"))
        times = (info.get(key) for key in ("LastModified", "last_modified", "updated", "mtime"))
        version = FileVersion(
            next((str(value) for value in identity if value), ""),
            next((str(value) for value in times if value), ""),
            info.get("size"),
        )
        if self.version is None:
            self.version = version
        elif self.version.differs_from(version):
            raise FileChangedError(
                f"read {self._address}: the file was changed after its header was read; run the"
                " same command again",
                url=self._address,
            )


@contextmanager
def _translated(action: str, address: str) -> Iterator[None]:
    """Translate the exceptions of fsspec and its backends."""
    try:
        with translate_store_errors(action, address):
            yield
    except FileNotFoundError as error:
        raise ImageError(f"open {address}: there is no such file", path=address) from error
    except ImportError as error:
        raise ImageError(f"open {address}: {error}", path=address) from error
