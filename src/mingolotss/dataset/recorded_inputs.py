"""``inputs.toml`` of a build: where its inputs are, so that it can be built again.

``recipe.toml`` says what a dataset was made from, and is a part of it; ``inputs.toml`` says where
that is on this machine. It is in no list of checksums and in no export, so that equal inputs at
other places give equal datasets. Passwords are not recorded. A build of an earlier version has no
such file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Self

import tomli_w
from pydantic import BaseModel, ConfigDict

from mingolotss.candidates.decisions import JUDGEMENT_VERDICTS, Decision
from mingolotss.dataset.layout import BuildFolder
from mingolotss.errors import DatasetError
from mingolotss.io.documents import parse_toml
from mingolotss.io.error_text import first_line
from mingolotss.io.files import read_bounded, write_bytes
from mingolotss.io.places import Place

__all__ = [
    "RecordedCatalogue",
    "RecordedComponents",
    "RecordedDecisions",
    "RecordedImages",
    "RecordedInputs",
    "RecordedRecipe",
    "carry_products",
    "decisions_digest",
    "decisions_file",
    "image_folder",
    "locate_image",
    "mark_products",
    "read_inputs",
    "write_inputs",
]

_COMMENT = """\
# Where the inputs of this build are on this machine, for `mingolotss build --out THIS_FOLDER`.
# It is no part of the dataset and in no export, and has no passwords.
"""


class _Record(BaseModel):
    """A table of ``inputs.toml``. Keys of later versions are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class _PlacedRecord(_Record):
    """An input that may be a file or folder: the fields of `Place`."""

    relative: str = ""
    absolute: str = ""

    @property
    def place(self) -> Place:
        """Where the file or folder is."""
        return Place(self.relative, self.absolute)

    def at(self, place: Place) -> Self:
        """Return the record of the same input at a place.

        A name that is not UTF-8 is not recorded, since no text can hold it.
        """
        if any("\ud800" <= letter <= "\udfff" for letter in "".join(place)):
            place = Place()
        return self.model_copy(update=place._asdict())


class RecordedRecipe(_PlacedRecord):
    """The recipe as it was given.

    Attributes
    ----------
    name : str
        Of a shipped recipe; "" for a file, and for a recipe from Python.
    digest : str
        Of the recipe before single settings were changed (``--set``).
    effective : str
        The digest of the recipe that the products were made with; "" before they are complete.
    """

    name: str = ""
    digest: str = ""
    effective: str = ""


class RecordedCatalogue(_PlacedRecord):
    """The catalogue.

    Attributes
    ----------
    given : bool
        Whether it was given for this build, and not by the recipe.
    source : str
        "file", "names" (of the images), "list" (the published list of the recipe) or "python" (a
        catalogue in memory).
    url : str
        The address that the file was downloaded from.
    sha256 : str
    """

    given: bool = False
    source: str = "file"
    url: str = ""
    sha256: str = ""


class RecordedImages(_PlacedRecord):
    """The image service.

    Attributes
    ----------
    given : bool
        Whether it was given for this build, and not by the recipe.
    service : str
        The name of the service, if it reads a folder, which is at `place`; otherwise its whole
        address, without user and password.
    reads_folder : bool
    source : str
        "address" or "python" (an object).
    has_credentials : bool
        Whether the address had user and password, which are not recorded.
    files : int
        Number of FITS files in the folder.
    files_sha256 : str
        Of their names.
    """

    given: bool = False
    service: str = ""
    reads_folder: bool = False
    source: str = "address"
    has_credentials: bool = False
    files: int = 0
    files_sha256: str = ""


class RecordedComponents(_PlacedRecord):
    """The components that the masks are made from, for a recipe with masks.

    Attributes
    ----------
    sha256 : str
    """

    sha256: str = ""


class RecordedDecisions(_PlacedRecord):
    """The decisions that the products follow.

    Attributes
    ----------
    count : int
    sha256 : str
        From `decisions_digest`; "" before the products are complete.
    """

    count: int = 0
    sha256: str = ""


class RecordedInputs(_Record):
    """All inputs of a build.

    Attributes
    ----------
    recipe : RecordedRecipe
    catalogue : RecordedCatalogue
    images : RecordedImages
        Of the reference channel, where the recipe has channels.
    decisions : RecordedDecisions
    channels : dict of str to RecordedImages
        Of the further channels, by their names.
    components : RecordedComponents
    """

    recipe: RecordedRecipe = RecordedRecipe()
    catalogue: RecordedCatalogue = RecordedCatalogue()
    images: RecordedImages = RecordedImages()
    decisions: RecordedDecisions = RecordedDecisions()
    channels: dict[str, RecordedImages] = {}
    components: RecordedComponents = RecordedComponents()

    def images_of(self, channel: str) -> RecordedImages:
        """Return the images of a further channel, or of the reference, whose name is ""."""
        return self.channels.get(channel, RecordedImages()) if channel else self.images


def write_inputs(folder: Path, inputs: RecordedInputs) -> None:
    """Write ``inputs.toml`` of a build, unless the same is there."""
    tables = inputs.model_dump(exclude_defaults=True)
    data = (_COMMENT + tomli_w.dumps(tables)).encode()
    path = BuildFolder(folder).inputs
    if not (path.is_file() and path.read_bytes() == data):
        write_bytes(path, data)


def read_inputs(folder: Path) -> RecordedInputs | None:
    """Read ``inputs.toml`` of a build; None if there is none.

    Raises
    ------
    DatasetError
        The file is damaged.
    """
    path = BuildFolder(folder).inputs
    try:
        return RecordedInputs.model_validate(parse_toml(read_bounded(path).decode()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, no TOML, or other values
        raise DatasetError(
            f"read {path}: damaged ({first_line(error)}); remove the file, and give --catalogue "
            "and --service once more"
        ) from error


def carry_products(inputs: RecordedInputs, before: RecordedInputs | None) -> RecordedInputs:
    """Return a record of inputs that says of the products what the one before said."""
    if before is None:
        return inputs
    recipe = inputs.recipe.model_copy(update={"effective": before.recipe.effective})
    update = {"count": before.decisions.count, "sha256": before.decisions.sha256}
    decisions = inputs.decisions.model_copy(update=update)
    return inputs.model_copy(update={"recipe": recipe, "decisions": decisions})


def mark_products(
    inputs: RecordedInputs, digest: str, decisions: Collection[Decision]
) -> RecordedInputs:
    """Return a record of inputs for products that are complete.

    Parameters
    ----------
    inputs : RecordedInputs
    digest : str
        Of the recipe.
    decisions : collection of Decision
        That the products follow.
    """
    recipe = inputs.recipe.model_copy(update={"effective": digest})
    update = {"count": len(decisions), "sha256": decisions_digest(decisions)}
    followed = inputs.decisions.model_copy(update=update)
    return inputs.model_copy(update={"recipe": recipe, "decisions": followed})


def image_folder(folder: Path, channel: str = "") -> Path | None:
    """Return the folder of the images of a build, if its service reads one that is there.

    Parameters
    ----------
    folder : Path
        The build.
    channel : str
        A further channel; "" for the images of the reference, or of a recipe without channels.
    """
    inputs = read_inputs(folder)
    paths = inputs.images_of(channel).place.paths(folder) if inputs is not None else []
    return next((path for path in paths if path.is_dir()), None)


def locate_image(image: str, root: Path | None) -> str:
    """Return the path or address of an image that a build has recorded.

    Parameters
    ----------
    image : str
        From the table of candidates: relative to the folder of the images.
    root : Path or None
        From `image_folder`.
    """
    if root is None or not image or "://" in image:
        return image
    path = root / image
    # Builds of earlier versions have paths from the working directory.
    return image if not path.exists() and Path(image).exists() else str(path)


def decisions_file(folder: Path) -> Path:
    """Return the file of decisions of a build: the one it was built with, or its own.

    A recorded file that is not there is never created: the folder may come from somebody else.
    """
    inputs = read_inputs(folder)
    paths = inputs.decisions.place.paths(folder) if inputs is not None else []
    return next((path for path in paths if path.is_file()), BuildFolder(folder).decisions)


def decisions_digest(decisions: Iterable[Decision]) -> str:
    """Return the SHA-256 of decisions in any order; it does not depend on the form of the file."""
    rows = sorted(
        (*row.about_image, *(row.classes if row.verdict in JUDGEMENT_VERDICTS else ()))
        for row in decisions
    )
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest() if rows else ""
