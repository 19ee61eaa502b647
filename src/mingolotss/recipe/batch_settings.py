"""The settings of the batches: their number and size, their names, and how they are pickled.

>>> PickleSettings(protocol=3, images="square").dtype_flags
'bool'
>>> BatchSettings(folder="../elsewhere")
Traceback (most recent call last):
    ...
pydantic_core._pydantic_core.ValidationError: 1 validation error for BatchSettings...
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from mingolotss.recipe.names import BATCH_FOLDER, RESERVED_NAMES
from mingolotss.recipe.settings import Settings

__all__ = ["BatchSettings", "PickleSettings"]

BatchKey = Literal["batch_label", "labels", "data", "filenames", "src_ids", "fieldnames"]
MetaKey = Literal["num_cases_per_batch", "label_names", "num_vis"]


class PickleSettings(Settings):
    """What a batch contains, and how it is pickled.

    Attributes
    ----------
    protocol : {3, 4}
        Of the pickle. Protocol 3 is written as numpy 1 wrote it, whatever numpy is installed.
    keys : tuple of str
        The keys of a batch, in their order.
    images : {"array", "flat", "square"}
        ``data``: one array of shape (n, side * side), or a list of an array for each image, of
        shape (side * side,) or (side, side).
    filenames : str
        The name of an image in ``filenames``; ``{image_file}`` stands for that in the manifest.
    text : {"str", "numpy"}
        The type of the file names: str, or `numpy.str_`.
    dtype_flags : {"bool", "int"}
        How the two flags of a dtype are pickled with protocol 3: as new versions of numpy 1, or as
        old ones.
    meta : tuple of str
        The keys of ``batches.meta``, in their order: the number of images in a batch, the names of
        the classes, and the number of pixels of an image.
    """

    protocol: Literal[3, 4] = 4
    keys: tuple[BatchKey, ...] = (
        "batch_label", "labels", "data", "filenames", "src_ids", "fieldnames",
    )  # fmt: skip
    images: Literal["array", "flat", "square"] = "array"
    filenames: str = "{image_file}"
    text: Literal["str", "numpy"] = "str"
    dtype_flags: Literal["bool", "int"] = "bool"
    meta: tuple[MetaKey, ...] = ("label_names",)

    @field_validator("filenames")
    @classmethod
    def _has_one_placeholder(cls, value: str) -> str:
        if "{image_file}" not in value or set(value.replace("{image_file}", "", 1)) & set("{}"):
            raise ValueError("expected a name with {image_file}")
        return value

    @model_validator(mode="after")
    def _is_readable(self) -> PickleSettings:
        absent = {"labels", "data"} - set(self.keys)
        if absent or "label_names" not in self.meta:
            raise ValueError("keys needs 'labels' and 'data', and meta needs 'label_names'")
        for keys in (self.keys, self.meta):
            if len(set(keys)) != len(keys):
                raise ValueError("a key comes twice")
        if self.protocol != 3 and self.dtype_flags != "bool":
            raise ValueError("dtype_flags is for protocol = 3")
        return self


class BatchSettings(Settings):
    """The number and the size of the batches.

    Attributes
    ----------
    train : int
        Number of training batches; those of the other splits follow them.
    rows, of : int
        In a split by the order of the catalogue, a training batch has `rows` rows of a catalogue of
        `of`; others in proportion. A recipe with a published list has the batches of the list
        instead.
    folder, archive : str
        Names in the build's folder.
    in_archive : {"folder", "root"}
        Where the archive has the files: in a folder of the name `folder`, or at its root.
    pickle : PickleSettings
    """

    train: int = Field(5, ge=1)
    rows: int = Field(1000, ge=1)
    of: int = Field(5805, ge=1)
    folder: str = BATCH_FOLDER
    archive: str = "mingo-batches-python.tar.gz"
    in_archive: Literal["folder", "root"] = "folder"
    pickle: PickleSettings = PickleSettings()

    @field_validator("folder", "archive")
    @classmethod
    def _one_component(cls, value: str) -> str:
        if not value or "/" in value or value.startswith("."):
            raise ValueError(f"{value!r} is no plain file name")
        if value.partition(".")[0] in RESERVED_NAMES:
            raise ValueError(f"{value!r} is the name of another file of the build")
        return value
