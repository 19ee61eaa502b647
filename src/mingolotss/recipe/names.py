"""Names that a recipe gives to files and channels: their defaults and limits.

The readers of datasets need them too, and no settings: nothing here imports pydantic.
"""

from __future__ import annotations

__all__ = [
    "BATCH_FOLDER",
    "CHANNEL_NAME",
    "IMAGE_NAME",
    "LONGEST_NAME",
    "MOST_CHANNELS",
    "RESERVED_NAMES",
]

# File names without suffix of a build and of what services download (mingolotss.dataset.layout).
RESERVED_NAMES = {
    "stamps", "ledger", "png", "figures", "sky", "cutouts", "searches", "manifest", "candidates",
    "recipe", "checksums", "MingoML", "report", "montage", "README", "croissant", "decisions",
    "notices", "inputs", "rejected", "audit", "LICENSE", "CITATION", "splits", "channels",
    "fits", "suspects", "disagreements", "hats",
}  # fmt: skip
BATCH_FOLDER = "mingo-batches-py"
"""The folder of the batches of a recipe that sets no other."""
IMAGE_NAME = "{source}_{field}.png"
"""The name of an image of a recipe that sets no other."""
CHANNEL_NAME = "[A-Za-z0-9][A-Za-z0-9._-]*"
"""A regular expression of the names of channels."""
MOST_CHANNELS = 256
"""Channels of a recipe, and of a dataset from anywhere."""
LONGEST_NAME = 200
"""Letters of the name of a channel."""
