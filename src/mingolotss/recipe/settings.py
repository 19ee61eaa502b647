"""The base of all settings of a recipe: frozen and strict, and unknown keys are errors."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from mingolotss.errors import hide_credentials

__all__ = ["Settings", "check_address", "check_template"]


class Settings(BaseModel):
    """A table of a recipe."""

    # The schemas are built when the first recipe is read, together and not one by one: a third of
    # the time of their import.
    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, strict=True, allow_inf_nan=False,
        defer_build=True,
    )  # fmt: skip


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


def check_template(value: str) -> str:
    """Check a file name in which ``{source}`` and ``{field}`` stand for the names."""
    # Without its two placeholders a name must still have characters, and no brace or slash: a
    # repeated or an unknown placeholder leaves its braces, and a slash would leave the folder.
    rest = value.replace("{source}", "", 1).replace("{field}", "", 1)
    if "{source}" not in value or not rest or set(rest) & set("{}/\\") or value.startswith("."):
        raise ValueError("expected a file name with {source}, {field} if it has one, and an ending")
    return value
