"""The components of a build: read and linked when it is planned, before any pixel is read."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.component_files import read_components
from mingolotss.catalogue.component_links import link_components
from mingolotss.catalogue.components import Components, NearComponents
from mingolotss.errors import CatalogueError, RecipeError
from mingolotss.io.summaries import count_text
from mingolotss.model import Floats
from mingolotss.recipe.model import Recipe

__all__ = ["PlannedMasks", "plan_masks", "resolve_components"]


class PlannedMasks(NamedTuple):
    """What the masks of a build are made from.

    Attributes
    ----------
    components : NearComponents or None
        Those near each source; None for a recipe without masks.
    notices : tuple of str
        A line for each kind of rows or sources that have no part in it.
    """

    components: NearComponents | None = None
    notices: tuple[str, ...] = ()


def resolve_components(
    recipe: Recipe, path: Path | str | None, catalogue: Catalogue
) -> Components | None:
    """Read the components of a build, and find the sources that they belong to.

    Parameters
    ----------
    recipe : Recipe
    path : Path, str or None
        The file, None if none was given.
    catalogue : Catalogue

    Returns
    -------
    Components or None
        None for a recipe without masks.

    Raises
    ------
    RecipeError
        The recipe makes masks and there is no file, or the other way round.
    CatalogueError
        The file cannot be read, or its components cannot be linked.
    """
    settings = recipe.mask
    if not settings.makes_masks:
        if path is None:
            return None
        raise RecipeError(
            f"use the components {path}: the recipe {recipe.name} makes no masks; set mask.from = "
            "'components' or 'shapes'"
        )
    if path is None:
        raise RecipeError(
            f"the recipe {recipe.name} makes masks from {settings.source} (mask.from), and none "
            "were given: --components FILE"
        )
    table = read_components(path, settings.columns)
    linked = link_components(table, catalogue, settings.link, settings.catalogue)
    return linked.linked(linked.source, f"{settings.source} {linked.link}")


def plan_masks(
    recipe: Recipe, components: Components | None, catalogue: Catalogue, extents: Floats
) -> PlannedMasks:
    """Find the components that lie on the stamp of each source.

    Parameters
    ----------
    recipe : Recipe
        Of the reference channel.
    components : Components or None
        Linked to `catalogue`.
    catalogue : Catalogue
    extents : float64 array, shape (n,), arcsec
        The expected sides of the stamps; NaN for a source that gets no stamp.

    Raises
    ------
    CatalogueError
        No component lies on a stamp, or none belongs to a source.
    """
    if components is None:
        return PlannedMasks()
    # Half the diagonal of the stamp, and how far the source may be from its middle.
    settings = recipe.recentre
    off_centre = settings.separation_arcsec if settings.enabled else recipe.images.size_arcmin * 30
    reach = np.nan_to_num(extents, nan=0.0) / np.sqrt(2) + off_centre
    near = components.near(catalogue.ra, catalogue.dec, reach)
    action, n = f"use the components of {components.path}", len(catalogue)
    has_own = np.zeros(n, bool)
    has_own[components.source[components.source >= 0]] = True
    if not len(near.index):
        raise CatalogueError(
            f"{action}: none of {count_text(len(components), 'component')} lies on the stamp of "
            f"one of {count_text(n, 'source')}; the first is at RA {components.ra[0]:.5f}, Dec "
            f"{components.dec[0]:+.5f}, and the first source at RA {catalogue.ra[0]:.5f}, Dec "
            f"{catalogue.dec[0]:+.5f}; check the file, and mask.frame and the units in the recipe"
        )
    if not has_own.any():
        raise CatalogueError(
            f"{action}: none of them belongs to a source ({components.link}); a component belongs "
            "to a source whose position is in it, or that is no farther than half of the size in "
            "the catalogue (catalogue.size)"
        )
    notices = list(components.notices)
    if not has_own.all():
        without = np.flatnonzero(~has_own)
        notices.append(
            f"{len(without):,} of {count_text(n, 'source')} have no component in "
            f"{components.path}, so that nothing in their masks is theirs: for example "
            f"{catalogue.names[without[0]]}"
        )
    return PlannedMasks(near, tuple(notices))
