"""What a recipe states about its dataset: title, authors, licence, version, DOI, papers.

Nothing here decides a pixel, so a change of it leaves the digest of a recipe as it is, and an
existing build takes the new texts over without making its stamps again.

>>> Author(family="Curie", given="Marie", orcid="0000-0002-1825-0097").name_in_order
'Marie Curie'
>>> Metadata(licence="cc by 4.0", doi="https://doi.org/10.5281/zenodo.1").doi
'10.5281/zenodo.1'
"""

from __future__ import annotations

import re
from datetime import date

from pydantic import Field, field_validator, model_validator

from mingolotss.recipe.settings import Settings, check_address

__all__ = ["DOI_ADDRESS", "Author", "Metadata"]

DOI_ADDRESS = "https://doi.org/"
_ORCID_ADDRESS = "https://orcid.org/"
_ORCID = re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]", re.ASCII)
# The form of a DOI that the schema of CITATION.cff 1.2 accepts.
_DOI = re.compile(r"10\.\d{4,9}(\.\d+)?/[A-Za-z0-9:/_;\-.()\[\]\\]+", re.ASCII)
_DOI_PREFIX = re.compile(r"(https?://(dx\.)?doi\.org/|doi:\s*)", re.IGNORECASE)
# MAJOR.MINOR.PATCH (Semantic Versioning 2.0.0, https://semver.org), as Croissant recommends; MINOR
# and PATCH may be left out.
_NUMBER = r"(0|[1-9]\d*)"
_VERSION = re.compile(
    rf"{_NUMBER}(\.{_NUMBER}(\.{_NUMBER}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?)?)?", re.ASCII
)


class Author(Settings):
    """One author of a dataset: a person with `family`, or a group with `name`.

    Attributes
    ----------
    family, given : str
        The names of a person.
    name : str
        The name of a group or institute.
    orcid : str
        Of a person, e.g. ``0000-0002-1825-0097``.
    affiliation : str
    """

    family: str = ""
    given: str = ""
    name: str = ""
    orcid: str = ""
    affiliation: str = ""

    @field_validator("orcid")
    @classmethod
    def _identifier(cls, value: str) -> str:
        bare = value.removeprefix(_ORCID_ADDRESS)
        if bare and (not _ORCID.fullmatch(bare) or bare[-1] != _check_digit(bare)):
            raise ValueError("no ORCID iD, which is like 0000-0002-1825-0097")
        return bare

    @model_validator(mode="after")
    def _one_kind(self) -> Author:
        if bool(self.family) == bool(self.name):
            raise ValueError("an author has 'family' (a person) or 'name' (a group), one of them")
        if self.name and (self.given or self.orcid):
            raise ValueError("'given' and 'orcid' belong to a person, who has 'family'")
        return self

    @property
    def name_in_order(self) -> str:
        """The name as it is spoken: given names first."""
        return self.name or f"{self.given} {self.family}".strip()

    @property
    def name_in_lists(self) -> str:
        """The name as lists of references sort it: family name first."""
        return self.name or ", ".join(filter(None, (self.family, self.given)))

    @property
    def orcid_address(self) -> str:
        """The ORCID iD as an address; "" if there is none."""
        return self.orcid and f"{_ORCID_ADDRESS}{self.orcid}"


class Metadata(Settings):
    """What a recipe states about its dataset. Everything is optional; "" and () are not stated.

    Attributes
    ----------
    title, summary, description : str
        For people: a name, one line for lists of recipes, and a paragraph.
    authors : tuple of Author
    citation : tuple of str
        What to cite, one line each, with the DOI where it has one.
    licence : str
        An SPDX identifier, an address, or the terms in words.
    version, doi, url : str
        Of the dataset, not of this program.
    date : str
        Of the release, as 2026-11-26; by default the day on which the build began.
    keywords, funding : tuple of str
    """

    title: str = ""
    summary: str = ""
    description: str = ""
    authors: tuple[Author, ...] = ()
    citation: tuple[str, ...] = ()
    licence: str = ""
    version: str = ""
    doi: str = ""
    url: str = ""
    date: str = Field("", max_length=10)
    keywords: tuple[str, ...] = ()
    funding: tuple[str, ...] = ()

    @field_validator("version")
    @classmethod
    def _semantic(cls, value: str) -> str:
        if value and not _VERSION.fullmatch(value):
            raise ValueError("expected MAJOR.MINOR.PATCH, for example 1.0.0 (https://semver.org)")
        return value

    @field_validator("doi")
    @classmethod
    def _bare_doi(cls, value: str) -> str:
        bare = _DOI_PREFIX.sub("", value.strip(), count=1)
        if bare and not _DOI.fullmatch(bare):
            raise ValueError("no DOI, which is like 10.5281/zenodo.4288837")
        return bare

    @field_validator("url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if value and not re.match(r"https?://[^\s/]", value):
            raise ValueError("expected an address that begins with https:// or http://")
        return check_address(value)

    @field_validator("date")
    @classmethod
    def _iso_date(cls, value: str) -> str:
        try:
            return value and date.fromisoformat(value).isoformat()
        except ValueError as error:
            raise ValueError("expected a date like 2026-11-26") from error


def _check_digit(orcid: str) -> str:
    """Return the last character that the first fifteen digits demand (ISO 7064, MOD 11-2)."""
    total = 0
    for digit in orcid.replace("-", "")[:-1]:
        total = (total + int(digit)) * 2
    return "0123456789X"[(12 - total % 11) % 11]
