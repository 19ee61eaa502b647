"""What the card says about masks: what they are, how to load them, and what was measured."""

from __future__ import annotations

from mingolotss.dataset.mask_census import describe_masks
from mingolotss.publish.markdown import escape
from mingolotss.publish.summary import DatasetSummary

__all__ = ["describe_components", "render_masks"]

_LOAD = (
    'mingolotss.load("FOLDER").masks  # uint8, a mask for each image',
    'mingolotss.MingoLoTSS("FOLDER", masks=True)  # PyTorch: an image, its mask and its target',
)


def render_masks(summary: DatasetSummary, format_name: str = "build") -> str:
    """Return the section about the masks; "" for a dataset without any.

    Parameters
    ----------
    summary : DatasetSummary
    format_name : str
        "build", or the format of an export.
    """
    sentences = describe_masks(summary.manifest, summary.provenance.recipe.mask)
    if not sentences:
        return ""
    code = "\n".join(["```python", *_LOAD, "```"]) if format_name != "fits" else ""
    return "\n\n".join(filter(None, ["## Masks", " ".join(sentences), code]))


def describe_components(summary: DatasetSummary) -> str:
    """Name the file that the masks were made from; "" without masks."""
    provenance = summary.provenance
    if not provenance.components:
        return ""
    digest = provenance.components_sha256
    checksum = f" (SHA-256 `{digest}`)" if digest else ""
    return f"The masks were made from the file {escape(provenance.components)}{checksum}."
