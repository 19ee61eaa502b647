"""The channels of a stamp: images of one source from several surveys or frequencies."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from mingolotss.recipe.beam_settings import LARGEST, BeamSettings
from mingolotss.recipe.image_settings import ChooseSettings, ImageSettings, NoiseSettings
from mingolotss.recipe.names import CHANNEL_NAME, LONGEST_NAME
from mingolotss.recipe.settings import Settings
from mingolotss.recipe.stamp_settings import StepSettings

__all__ = ["ChannelSettings"]


class ChannelSettings(Settings):
    """One channel. A table that it does not have is that of the recipe.

    Attributes
    ----------
    name : str
        Names a plane of the stamp in tables and files.
    reference : bool
        All channels share the grid of this one. Without any, it is the first.
    missing : {"reject", "nan", "zero"}
        What happens to a source without an image in this channel: it is rejected, or the plane
        holds NaN or 0 and the source is flagged. Of the reference it is always rejected.
    images, choose, noise, beam, steps
        As the tables of the recipe of these names. The largest beam is one for all channels.
    """

    name: str = Field(pattern=rf"^{CHANNEL_NAME}$", max_length=LONGEST_NAME)
    reference: bool = False
    missing: Literal["reject", "nan", "zero"] = "reject"
    images: ImageSettings | None = None
    choose: ChooseSettings | None = None
    noise: NoiseSettings | None = None
    beam: BeamSettings | None = None
    steps: tuple[StepSettings, ...] | None = None

    @field_validator("beam")
    @classmethod
    def _own_beam(cls, value: BeamSettings | None) -> BeamSettings | None:
        if value is not None and value.common == LARGEST:
            raise ValueError(
                f"the common beam {LARGEST!r} is one for all channels; set beam.common of the "
                "recipe, and leave out the table of the channel"
            )
        return value
