"""The hosts of the archives whose services this package names.

Everybody who uses such a service asks the same few machines, so that no host of them gets more
requests at a time than `mingolotss.io.http.Limits.connections`.

>>> is_archive("https://lofar-surveys.org/public/DR2/mosaics/P1/mosaic-blanked.fits")
True
"""

from __future__ import annotations

from urllib.parse import urlsplit

__all__ = ["is_archive"]

_HOSTS = frozenset(
    {
        "alasky.cds.unistra.fr",
        "lofar-surveys.org",
        "skyview.gsfc.nasa.gov",
        "third.ucllnl.org",
        "vo.astron.nl",
        "ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca",
        "www.legacysurvey.org",
    }
)


def is_archive(url: str) -> bool:
    """Return whether an address is on a host of one of these archives."""
    return (urlsplit(url).hostname or "").rstrip(".") in _HOSTS
