"""The formats that hold any dataset of grey stamps; COCO needs masks (``test_coco.py``)."""

from __future__ import annotations

from contextlib import suppress

from mingolotss.formats import FORMATS

_missing = {"coco", "hats"}
with suppress(ImportError):  # not with the oldest dependencies
    import hats.io  # noqa: F401  # `hats` alone can also be a folder of the tests

    _missing.remove("hats")
PLAIN_FORMATS = tuple(name for name in FORMATS if name not in _missing)
