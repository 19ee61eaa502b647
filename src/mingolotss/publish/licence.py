"""The licence of a dataset: an SPDX identifier, an address, or terms in words; or not known.

Identifiers are those of the SPDX licence list (https://spdx.org/licenses/).

>>> licence = read_licence("https://creativecommons.org/licenses/by/4.0/")
>>> licence.spdx, licence.hugging_face
('CC-BY-4.0', 'cc-by-4.0')
>>> read_licence("for scholarly use").hugging_face, read_licence("").hugging_face
('other', 'unknown')
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

__all__ = ["Licence", "read_licence"]

_SPDX_PAGE = "https://spdx.org/licenses/"
_CREATIVE_COMMONS = re.compile(
    r"https?://(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/"
    r"(?P<name>[a-z-]+)/(?P<version>\d\.\d)\b.*"
)
_SPDX_ADDRESS = re.compile(r"https?://(?:www\.)?spdx\.org/licenses/(?P<name>[\w.+-]+?)(?:\.\w+)?/?")
_ADDRESS = re.compile(r"https?://\S+")
_NOT_KNOWN = frozenset({"", "not known", "unknown", "not stated", "none", "n/a"})
# The identifiers of Hugging Face (https://huggingface.co/docs/hub/repositories-licenses) that are
# those of SPDX in small letters, and those that are spelled in another way.
_HUGGING_FACE = {
    "apache-2.0", "mit", "afl-3.0", "agpl-3.0", "artistic-2.0", "bsl-1.0", "bsd-2-clause",
    "bsd-3-clause", "bsd-3-clause-clear", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0",
    "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0",
    "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0",
    "cc-by-nc-sa-4.0", "cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0",
    "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1", "eupl-1.2", "gpl-2.0", "gpl-3.0",
    "isc", "lgpl-2.1", "lgpl-3.0", "lppl-1.3c", "ms-pl", "mpl-2.0", "ncsa", "ofl-1.1", "osl-3.0",
    "postgresql", "unlicense", "wtfpl", "zlib",
}  # fmt: skip
_SPELLED_BY_HUGGING_FACE = {
    "c-uda-1.0": "c-uda", "odc-by-1.0": "odc-by", "odbl-1.0": "odbl", "pddl-1.0": "pddl",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Licence:
    """The licence of a dataset.

    Attributes
    ----------
    text : str
        As it is stated, in one line; "" if it is not known.
    spdx : str
        SPDX identifier or expression; "" if it has none.
    url : str
        Where its text is; "" if that is not known.
    """

    text: str
    spdx: str = ""
    url: str = ""

    @property
    def is_known(self) -> bool:
        """Whether a licence is stated."""
        return bool(self.text)

    @property
    def is_one(self) -> bool:
        """Whether it is a single licence of the SPDX list."""
        return bool(self.spdx) and " " not in self.spdx and not self.spdx.startswith("LicenseRef-")

    @property
    def hugging_face(self) -> str:
        """The identifier of Hugging Face: "unknown", or "other" for one that it does not list."""
        if not self.is_known:
            return "unknown"
        small = self.spdx.lower().removesuffix("-only").removesuffix("-or-later")
        return _SPELLED_BY_HUGGING_FACE.get(small, small if small in _HUGGING_FACE else "other")


def read_licence(stated: str) -> Licence:
    """Return the licence that a recipe states.

    Parameters
    ----------
    stated : str
        An SPDX identifier or expression, in any case and with spaces for hyphens; the address of a
        licence; or terms in words. "" if the licence is not known.
    """
    text = " ".join(stated.split())
    if text.lower().rstrip(".") in _NOT_KNOWN:
        return Licence("")
    named = text
    if match := _CREATIVE_COMMONS.fullmatch(text):
        name = "CC0" if match["name"] == "zero" else f"CC-{match['name']}"
        named = f"{name}-{match['version']}"
    elif match := _SPDX_ADDRESS.fullmatch(text):
        named = match["name"]
    for candidate in (named, named.replace(" ", "-")):
        try:
            spdx = str(canonicalize_license_expression(candidate))
        except InvalidLicenseExpression:
            continue
        is_one = Licence(spdx, spdx).is_one
        return Licence(spdx, spdx, f"{_SPDX_PAGE}{spdx}.html" if is_one else "")
    return Licence(text, url=text if _ADDRESS.fullmatch(text) else "")
