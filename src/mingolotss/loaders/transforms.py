"""The changes that a user applies to an image, its mask and its target, as torchvision has them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from mingolotss.errors import InputError

__all__ = [
    "JointTransform",
    "Transform",
    "TransformedSamples",
    "check_masks",
    "check_transforms",
    "mask_class",
]

Transform = Callable[[Any], object]
JointTransform = Callable[[Any, Any], tuple[Any, Any]]


def check_transforms(transforms: JointTransform | None, action: str, *, masks: bool) -> None:
    """Refuse a change of image and mask together for a dataset that gives no masks.

    Raises
    ------
    InputError
    """
    if transforms is not None and not masks:
        raise InputError(
            f"{action}: transforms= is applied to an image and its mask; give masks=True, or "
            "transform= for the image alone"
        )


def check_masks(action: str, *, masks: bool, has_masks: bool) -> None:
    """Refuse to give the masks of a dataset that has none.

    Raises
    ------
    InputError
    """
    if masks and not has_masks:
        raise InputError(
            f"{action}: masks=True, and its images have no masks; build it with a recipe that has "
            "[mask], or leave masks= out"
        )


def mask_class() -> Callable[[Any], Any]:
    """Return the class of masks in torchvision; without torchvision, masks stay as they are."""
    if find_spec("torchvision") is None:
        return lambda mask: mask
    kind: Callable[[Any], Any] = import_module("torchvision.tv_tensors").Mask
    return kind


class TransformedSamples:
    """What a dataset does that has the attributes of torchvision's datasets.

    Attributes
    ----------
    transform, target_transform : callable or None
        Of an image, and of a target.
    transforms : callable or None
        Of an image and its mask together, before `transform`.
    """

    transform: Transform | None
    target_transform: Transform | None
    transforms: JointTransform | None

    def _is_transformed(self) -> bool:
        changes = self.transform, self.target_transform, self.transforms
        return any(change is not None for change in changes)

    def _transformed(self, image: object, target: object) -> tuple[object, object]:
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def _transformed_with_mask(
        self, image: object, mask: Any, target: object
    ) -> tuple[object, object, object]:
        if self.transforms is not None:
            image, mask = self.transforms(image, mask_class()(mask))
        image, target = self._transformed(image, target)
        return image, mask, target
