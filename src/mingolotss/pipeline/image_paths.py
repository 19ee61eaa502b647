"""How tables name the images of a build: relative to the folder that they lie in.

The same images in another folder then give the same tables, byte for byte, and no table of a build
carries the path of somebody's home directory. Addresses are recorded whole.

>>> paths = ImagePaths("/data/mosaics", "/data/out")
>>> paths.name("/data/mosaics/P1/mosaic.fits"), paths.name("https://x.org/P1.fits")
('P1/mosaic.fits', 'https://x.org/P1.fits')
>>> paths.shorten("read /data/mosaics/P1/mosaic.fits: looked for it in /data/mosaics")
'read P1/mosaic.fits: looked for it in the folder of the images'
>>> paths.shorten("read /data/mosaics2/P1.fits and /data/out/cutouts/A.fits")
'read /data/mosaics2/P1.fits and cutouts/A.fits'
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = ["ImagePaths"]

_END = r"(?![^\s'\":;,)\]])"  # of a path in a sentence


@dataclass(frozen=True)
class ImagePaths:
    """The folders that the paths of images and messages begin with.

    Attributes
    ----------
    root : str
        The folder of the images; "" if they do not lie in one folder.
    out : str
        The folder of the build, which has the downloads.
    """

    root: str
    out: str

    @cached_property
    def _prefix(self) -> str:
        return str(Path(self.root, "x"))[:-1] if self.root else ""

    def name(self, path: str) -> str:
        """Return the path of an image relative to the folder of the images."""
        return path.removeprefix(self._prefix)

    def shorten(self, text: str) -> str:
        """Return a message with the paths in these folders relative to them."""
        if "/" not in text:
            return text
        if self._root is not None:
            text = self._root.sub(
                lambda match: "" if match[1] else "the folder of the images", text
            )
        return self._out.sub("", text)

    @cached_property
    def _root(self) -> re.Pattern[str] | None:
        root = self._prefix.rstrip("/")
        return re.compile(rf"(?<![\w./~-]){re.escape(root)}(?:(/)|{_END})") if root else None

    @cached_property
    def _out(self) -> re.Pattern[str]:
        return re.compile(rf"(?<![\w./~-]){re.escape(self.out.rstrip('/'))}/")
