"""The templates of HTML pages, those of the report and of the review page."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from mingolotss.qa.report.formatting import breakable, number

__all__ = ["open_templates"]


def open_templates(package: str) -> Environment:
    """Return the templates of a package, which escape everything that they are given.

    A name that a template uses and was not given is an error.

    Parameters
    ----------
    package : str
        Its name; the templates are in its folder ``templates``.
    """
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["num"] = number
    environment.filters["breakable"] = breakable
    return environment
