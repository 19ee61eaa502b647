"""The formats that hold any dataset of grey stamps; COCO needs masks (``test_coco.py``)."""

from __future__ import annotations

from mingolotss.formats import FORMATS

PLAIN_FORMATS = tuple(name for name in FORMATS if name != "coco")
