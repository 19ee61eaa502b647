"""The settings of a recipe: everything that is particular to one dataset.

Every key is checked; an unknown one is an error that suggests the nearest. What is not here:
finding and reading the files (`mingolotss.recipe.load`).

>>> parse_recipe({"name": "mine", "noise": {"sigmma": 4}}, "mine.toml")
Traceback (most recent call last):
    ...
mingolotss.errors.RecipeError: read the recipe mine.toml: there is no key 'noise.sigmma': did you
mean 'sigma'? known here: method, otherwise, sigma, iterations, box
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Literal, get_args

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from mingolotss.catalogue.label_vectors import LabelKind
from mingolotss.catalogue.vector_rules import Rules
from mingolotss.errors import RecipeError
from mingolotss.io.png import PNG_CHANNELS
from mingolotss.recipe.batch_settings import BatchSettings, PickleSettings
from mingolotss.recipe.beam_settings import BeamSettings
from mingolotss.recipe.catalogue_settings import CatalogueSettings
from mingolotss.recipe.channel_settings import ChannelSettings
from mingolotss.recipe.class_settings import ClassSettings, LabelSettings
from mingolotss.recipe.hats_settings import HatsSettings
from mingolotss.recipe.image_settings import (
    ChooseSettings,
    ImageSettings,
    NoiseSettings,
    RecentreSettings,
)
from mingolotss.recipe.judgement_settings import JudgementSettings
from mingolotss.recipe.mask_settings import MaskSettings
from mingolotss.recipe.metadata import Metadata
from mingolotss.recipe.names import MOST_CHANNELS
from mingolotss.recipe.published_list import PublishedSettings
from mingolotss.recipe.settings import Settings
from mingolotss.recipe.stamp_settings import StampSettings, StepSettings
from mingolotss.recipe.steps import CLIP_SIGMA, MASK_STEPS, check_mask_steps, check_step
from mingolotss.registry import nearest

__all__ = [
    "DEFAULT_SPLIT",
    "FORMATS",
    "PUBLISHED_SPLIT",
    "BatchSettings",
    "BeamSettings",
    "CatalogueSettings",
    "ChannelSettings",
    "ChooseSettings",
    "ClassSettings",
    "HatsSettings",
    "ImageSettings",
    "JudgementSettings",
    "LabelSettings",
    "MaskSettings",
    "NoiseSettings",
    "PickleSettings",
    "PublishedSettings",
    "RecentreSettings",
    "Recipe",
    "SplitSettings",
    "StampSettings",
    "StepSettings",
    "parse_recipe",
]

Format = Literal["png", "csv", "batches", "parquet", "fits", "hats"]
DEFAULT_SPLIT = "stratified:train=0.8,test=0.2,seed=0"
"""The split of a recipe that states none and has no published files."""
PUBLISHED_SPLIT = "published"
FORMATS: tuple[Format, ...] = ("png", "csv", "batches", "parquet")


_LATER_KEYS = (
    ("catalogue", "positions"),
    *(("classes", k) for k in ("votes", "total", "least_fraction")),
    *(("stamp", k) for k in ("resample", "centre", "size", "redshift", "cosmology", "rotate")),
)
"""Keys that a recipe is written without unless they are set: earlier versions did not have them."""


class SplitSettings(Settings):
    """How the sources are divided into splits.

    Attributes
    ----------
    plan : str
        As `mingolotss.dataset.splits.SplitPlan.parse` reads it. By default `PUBLISHED_SPLIT` for a
        recipe with published files of its own, and `DEFAULT_SPLIT` for any other.
    """

    plan: str = DEFAULT_SPLIT

    @field_validator("plan")
    @classmethod
    def _plan(cls, value: str) -> str:
        if value != value.strip() or not value.partition(":")[0]:
            raise ValueError(f"expected a split, for example {DEFAULT_SPLIT!r}")
        return value


class Recipe(Metadata):
    """Every setting of one dataset, and what the recipe states about it.

    A recipe is frozen: `changed` gives another one. The page of recipes in the documentation has
    every key, which is an attribute here (``recipe.stamp.pixels``).

    Parameters
    ----------
    **data : value
        The tables and keys of the file, by their names; see `mingolotss.load_recipe`.

    Raises
    ------
    pydantic.ValidationError
        A key is unknown, or a value is impossible. `mingolotss.load_recipe` and `changed` raise a
        `RecipeError` of one line for it.

    Examples
    --------
    >>> import mingolotss
    >>> recipe = mingolotss.load_recipe("mingolotss").changed({"noise.sigma": 4})
    >>> recipe.noise.sigma
    4.0
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    catalogue: CatalogueSettings = CatalogueSettings()
    classes: LabelSettings = LabelSettings()
    judgements: JudgementSettings = JudgementSettings()
    images: ImageSettings = ImageSettings()
    choose: ChooseSettings = ChooseSettings()
    recentre: RecentreSettings = RecentreSettings()
    noise: NoiseSettings = NoiseSettings()
    stamp: StampSettings = StampSettings()
    steps: tuple[StepSettings, ...] = ()
    channels: tuple[ChannelSettings, ...] = Field((), max_length=MOST_CHANNELS)
    beam: BeamSettings = BeamSettings()
    mask: MaskSettings = MaskSettings()
    split: SplitSettings = SplitSettings()
    batches: BatchSettings = BatchSettings()
    hats: HatsSettings = HatsSettings()
    published: PublishedSettings = PublishedSettings()
    formats: tuple[Format, ...] = FORMATS

    @model_validator(mode="after")
    def _channels_fit(self) -> Recipe:
        names = [channel.name.lower() for channel in self.channels]  # also names of folders
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"channels: two have the same name: {', '.join(twice)}")
        if sum(channel.reference for channel in self.channels) > 1:
            raise ValueError("channels: only one can be the reference")
        for channel in self.channels:
            if channel.missing == "nan" and self.stamp.kind != "float32":
                raise ValueError(
                    f"channels: {channel.name} has missing = 'nan', and uint8 images have no NaN; "
                    "use missing = 'zero' or 'reject', or stamp.kind = 'float32'"
                )
        return self

    @model_validator(mode="after")
    def _judgements_fit(self) -> Recipe:
        if self.judgements.are_used and self.classes.source == "none" and not self.classes.table:
            raise ValueError(
                "judgements: people need classes to choose from; give classes.from, or a table of "
                "classes, [[classes.table]], for a catalogue without labels"
            )
        if self.classes.least_fraction and self.label_kind != "votes":
            raise ValueError(
                "classes.least_fraction needs votes: classes.from = 'votes', or judgements.rule = "
                "'fractions'"
            )
        return self

    @model_validator(mode="after")
    def _steps_exist(self) -> Recipe:
        steps = [self.steps, *(channel.steps or () for channel in self.channels)]
        for one in chain.from_iterable(steps):
            check_step(one.do, one.settings)
        for several in steps:
            pairs = [(one.do, one.settings) for one in several]
            check_mask_steps(pairs, has_masks=self.mask.makes_masks)
        # This check needs two tables of the recipe, so no field can do it alone: the class of a
        # source can only come from the name of its image if the pattern has a group for it.
        labelled = self.catalogue.names and self.classes.source != "none"
        if labelled and "(?P<class>" not in self.catalogue.names:
            raise ValueError("catalogue.names: classes from names need a group (?P<class>...)")
        self._check_formats()
        return self

    def _check_formats(self) -> None:
        count = len(self.channels)
        if self.stamp.kind == "float32" and not count and {"png", "batches"} & set(self.formats):
            raise ValueError(
                "formats: png and batches hold uint8 images; with stamp.kind = 'float32' "
                "use formats = ['csv', 'parquet']"
            )
        is_png = self.stamp.kind == "uint8" and (not count or count in PNG_CHANNELS)
        if "png" in self.formats and not is_png:
            raise ValueError(
                f"formats: png holds uint8 images of {' or '.join(map(str, PNG_CHANNELS))} "
                f"channels, and these are {self.stamp.kind} of {count}; use "
                "formats = ['csv', 'batches', 'parquet']"
            )
        is_published = self.batches.pickle.protocol == 3 or self.published.list
        if "batches" in self.formats and self.stamp.kind == "float32" and is_published:
            raise ValueError(
                "formats: batches of protocol 3 hold uint8 images; with stamp.kind = 'float32' "
                "use formats = ['csv', 'parquet']"
            )

    @property
    def reference_channel(self) -> ChannelSettings | None:
        """Return the channel whose grid all share, None for a recipe without channels."""
        marked = [channel for channel in self.channels if channel.reference]
        return next(iter(marked or self.channels), None)

    @property
    def further_channels(self) -> tuple[ChannelSettings, ...]:
        """Return the channels but the reference, in the order of the recipe."""
        reference = self.reference_channel
        return tuple(channel for channel in self.channels if channel is not reference)

    def of_channel(self, channel: ChannelSettings) -> Recipe:
        """Return the recipe of one channel alone, which has no channels.

        Parameters
        ----------
        channel : ChannelSettings
            One of ``channels``.

        Returns
        -------
        Recipe
            Its images, choice, noise, beam and steps are those of the channel.
        """
        tables = ("images", "choose", "noise", "beam", "steps")
        given = {name: getattr(channel, name) for name in tables}
        changes = {name: value for name, value in given.items() if value is not None}
        return self._with({**changes, "channels": ()})

    @property
    def reference_recipe(self) -> Recipe:
        """Return the recipe of the reference channel; itself, if it has no channels."""
        channel = self.reference_channel
        return self if channel is None else self.of_channel(channel)

    def with_planned_beam(self, beam: BeamSettings) -> Recipe:
        """Return the recipe with the largest beam that a plan found, if it asks for that.

        Parameters
        ----------
        beam : BeamSettings
            The table ``[beam]`` with the beam.

        Returns
        -------
        Recipe
            The other recipe, or the same.
        """
        if not self.beam.is_planned or beam.common != self.beam.common:
            return self
        return self._with({"beam": beam})

    def with_judgements(self, judgements: JudgementSettings) -> Recipe:
        """Return the recipe with other rules for the judgements of people.

        Parameters
        ----------
        judgements : JudgementSettings
            The table ``[judgements]``.

        Returns
        -------
        Recipe
            The other recipe.
        """
        return self if judgements == self.judgements else self._with({"judgements": judgements})

    def with_hats(self, settings: HatsSettings | Mapping[str, object]) -> Recipe:
        """Return the recipe with other settings of HATS collections, some of them or all.

        Parameters
        ----------
        settings : HatsSettings or mapping
            All of them, or some by their keys.

        Returns
        -------
        Recipe
            The other recipe.

        Raises
        ------
        RecipeError
            A setting is unknown, or its value impossible.
        """
        if isinstance(settings, HatsSettings):
            return self._with({"hats": settings})
        return self.changed({f"hats.{key}": value for key, value in settings.items()})

    def _with(self, changes: Mapping[str, object]) -> Recipe:
        """Return a recipe with some tables replaced by others that have been checked."""
        # A copy by pydantic would keep the digest of this recipe.
        tables = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_construct(**{**tables, **changes})

    @property
    def label_kind(self) -> LabelKind:
        """Return whether a source has one class, any set of tags, or a fraction for each class."""
        if self.judgements.rule == "fractions":
            return "votes"
        return self.classes.source if self.classes.source in {"tags", "votes"} else "classes"

    @property
    def rules(self) -> Rules | None:
        """Return how a row gets its label."""
        return self.classes.rules

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names of label 0, 1, ...; empty if the catalogue names them."""
        return tuple(row.name for row in self.classes.final_table)

    @property
    def step_list(self) -> list[tuple[str, dict[str, object]]]:
        """Return the steps as (name, settings)."""
        return [(one.do, one.settings) for one in self.steps]

    @property
    def uses_masks(self) -> bool:
        """Return whether a step changes pixels by the mask of the stamp."""
        return any(one.do in MASK_STEPS for one in self.steps)

    def without_mask_steps(self) -> Recipe:
        """Return the recipe without the steps that need the mask of the stamp.

        Returns
        -------
        Recipe
            The other recipe.
        """
        if not self.uses_masks:
            return self
        return self._with({"steps": tuple(one for one in self.steps if one.do not in MASK_STEPS)})

    @property
    def clip_sigma(self) -> float | None:
        """Return the level of the first step ``clip`` in units of the noise, None without one."""
        for step in self.steps:
            if step.do == "clip":
                sigma = step.settings.get("sigma", CLIP_SIGMA)
                return float(sigma) if isinstance(sigma, int | float) else None
        return None

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of the settings that decide the content of the dataset.

        What the recipe only states, its title, its licence and the checksums of the published
        dataset for example, is not among them. Nor are a HATS collection and its settings: it is
        made from the finished stamps.
        """
        others = {*Metadata.model_fields, "published", "hats"}
        settings = {k: v for k, v in self.to_dict().items() if k not in others}
        settings["formats"] = [name for name in self.formats if name != "hats"]
        if self.published.list:
            settings["published"] = {"list": self.published.list}
        text = json.dumps(settings, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, object]:
        """Return the effective settings as values of TOML.

        The published dataset is among them if its list decides what the dataset is. Channels, a
        common beam, judgements, masks, positions from names, and the settings of resampled stamps
        and of a HATS collection are left out where there are none, so that the text and the digest
        of a recipe without them stay what they were before these existed.

        Returns
        -------
        dict of str to value
            By their keys; `tomli_w` writes it.
        """
        settings = {"name": self.name} | self.model_dump(mode="json", by_alias=True)
        settings["hats"] = self.hats.to_dict()
        if not self.published.list:
            del settings["published"]
        for key in ("channels", "beam", "judgements", "mask", "hats"):
            if getattr(self, key) == type(self).model_fields[key].default:
                del settings[key]
        for channel in settings.get("channels", ()):
            for key in [key for key, value in channel.items() if value is None]:
                del channel[key]
        for table in (settings, *settings.get("channels", ())):
            if not table.get("beam", {}).get("largest"):
                table.get("beam", {}).pop("largest", None)
        for name, key in _LATER_KEYS:
            if settings[name][key] == type(getattr(self, name)).model_fields[key].default:
                del settings[name][key]
        return settings

    def changed(self, changes: Mapping[str, object]) -> Recipe:
        """Return a recipe with some settings changed; keys are dotted, e.g. ``noise.method``.

        A channel is named, ``channels.nvss.missing``, and every table of a list has its number from
        0, ``steps.1.sigma``.

        Parameters
        ----------
        changes : mapping of str to value
            Values by their keys.

        Returns
        -------
        Recipe
            The other recipe.

        Raises
        ------
        RecipeError
            A key is unknown, or a value is impossible.
        """
        # The changes are made in the plain values and checked like a file, so that ``--set``
        # accepts exactly what a recipe accepts. `to_dict` may be without `published`.
        settings: dict[str, object] = self.to_dict() | {"published": self.published.model_dump()}
        if "beam.common" in changes and isinstance(settings.get("beam"), dict):
            settings["beam"] = {}  # what the largest beam was holds no longer
        for dotted, value in changes.items():
            *parents, last = dotted.split(".")
            table: object = settings
            for parent in parents:
                table = _inner(table, parent)
            if not isinstance(table, dict):
                raise RecipeError(f"set {dotted}: {'.'.join(parents)} is no table of the recipe")
            table[last] = value
        return parse_recipe(settings, "the changed recipe")


def _inner(table: object, key: str) -> object:
    """Return a table in a table, which is added if it is not there, or in a list of tables."""
    if isinstance(table, dict):
        return table.setdefault(key, {})
    if not isinstance(table, list):
        return None
    named = [one for one in table if isinstance(one, dict) and one.get("name") == key]
    if not named and key.isdecimal() and int(key) < len(table):
        return table[int(key)]
    return next(iter(named), None)


def parse_recipe(settings: Mapping[str, object], where: str) -> Recipe:
    """Make a recipe from settings.

    Parameters
    ----------
    settings : mapping of str to object
        Keys and values as TOML has them.
    where : str
        What the settings are, for error messages.

    Raises
    ------
    RecipeError
        A key is unknown, or a value is impossible.
    """
    try:
        # In strict mode pydantic refuses a list for a tuple in Python values and accepts an array
        # for it in JSON. TOML has arrays only, so the settings are checked as JSON.
        return Recipe.model_validate_json(json.dumps(_state_split(settings), default=str))
    except ValidationError as error:
        raise RecipeError(f"read the recipe {where}: {_explain(error)}") from error
    except RecipeError as error:
        raise RecipeError(f"read the recipe {where}: {error}") from error


def _state_split(settings: Mapping[str, object]) -> Mapping[str, object]:
    """Return the settings with the split of a recipe that has published files.

    A build records it so, since ``published`` is not in its ``recipe.toml``.
    """
    split, published = settings.get("split", {}), settings.get("published", {})
    if not isinstance(split, Mapping) or not isinstance(published, Mapping):
        return settings  # which is an error
    if "plan" in split or not PublishedSettings.model_construct(**published).has_split:
        return settings
    return {**settings, "split": {**split, "plan": PUBLISHED_SPLIT}}


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "string_pattern_mismatch":  # of names, which have one pattern
            message = "give letters, digits, '.', '_' and '-', and begin with a letter or a digit"
        if isinstance(first["input"], Mapping):  # keys of one table that do not fit together
            return f"{path}: {message}" if path else message
        return f"{path} = {first['input']!r}: {message}" if path else message
    known = _known_keys(first["loc"][:-1])
    hint = nearest(str(first["loc"][-1]), known)
    return f"there is no key {path!r}:{hint} known here: {', '.join(known)}"


def _known_keys(path: Sequence[int | str]) -> list[str]:
    model: type[BaseModel] = Recipe
    # The path of an error names fields, and numbers for the items of an array; follow the fields
    # down to the model that the unknown key was in.
    for part in path:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        for kind in (annotation, *get_args(annotation)):  # itself, or what a tuple of it holds
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                model = kind
    return [field.alias or name for name, field in model.model_fields.items()]
