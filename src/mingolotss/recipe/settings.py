"""The base of all settings of a recipe: frozen and strict, and unknown keys are errors."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from mingolotss.errors import hide_credentials

__all__ = ["Settings", "check_address"]


class Settings(BaseModel):
    """A table of a recipe."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, strict=True, allow_inf_nan=False
    )


def check_address(value: str) -> str:
    """Check that an address has no password: every dataset publishes its recipe.

    Raises
    ------
    ValueError
        It has a user name or a password.
    """
    if value != hide_credentials(value):
        raise ValueError(
            "an address with a user name or a password, which the dataset would publish; give it "
            "with --service or --catalogue, where it is used and not kept"
        )
    return value
