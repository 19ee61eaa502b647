"""A page for each public name of the package, and links to these pages from all others.

The pages are written to ``docs/generated/python`` when a build of the site begins, from the
docstrings. These are checked by the rules of numpydoc: what they lack is a warning. A page in
Markdown names a function in code, `mingolotss.build`; in the site this is a link. In the index of
the names, ``reference/python.md``, the name alone is one, too.
"""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from code_links import unlinked_code, wrap
from docutils import nodes
from numpydoc.docscrape import NumpyDocString
from numpydoc.docscrape_sphinx import get_doc_object
from numpydoc.validate import validate
from sphinx import addnodes
from sphinx.util import logging

import mingolotss
import mingolotss.errors
import mingolotss.simulate
import mingolotss.testing

if TYPE_CHECKING:
    from sphinx.application import Sphinx

INDEX = "reference/python"
MODULES = (mingolotss, mingolotss.errors, mingolotss.testing, mingolotss.simulate)
LOG = logging.getLogger(__name__)
# ruff decides where a docstring begins; not every name has others to see, or more to say.
LEFT_OUT = {"GL01", "GL02", "GL03", "SA01", "ES01"}


def public_names() -> dict[str, object]:
    """Return every public object by its full name."""
    return {
        f"{module.__name__}.{name}": getattr(module, name)
        for module in MODULES
        for name in module.__all__
        if module is mingolotss or not hasattr(mingolotss, name)
    }


def full_docstring(thing: type) -> str:
    """Return the docstring of a class with the sections that it leaves to others.

    The arguments may be described by ``__init__``, and arguments and attributes by a base class.
    """
    text = NumpyDocString(inspect.getdoc(thing) or "")
    bases = [base for base in thing.__mro__ if base.__module__.startswith("mingolotss")]
    documents = [
        NumpyDocString(inspect.cleandoc(getattr(part, "__doc__", None) or ""))
        for base in bases
        for part in (vars(base).get("__init__"), base)
    ]
    for name in ("Parameters", "Attributes", "Raises"):
        if not text[name]:
            text[name] = next((one[name] for one in documents if one[name]), [])
    return str(text)


def members(name: str, thing: type) -> dict[str, object]:
    """Return the methods and properties of a class that this package defines."""
    shown = {}
    for member in dir(thing):
        value = inspect.getattr_static(thing, member)
        function = getattr(value, "fget", None) or getattr(value, "__func__", value)
        own = inspect.isfunction(function) and function.__module__.startswith("mingolotss")
        if own and not member.startswith("_"):
            shown[f"{name}.{member}"] = getattr(thing, member)
    return shown


def problems(name: str, thing: object) -> list[str]:
    """Return what the docstring of a name, or of a method, lacks by the rules of numpydoc."""
    accepted = set(LEFT_OUT)
    text = None
    if inspect.isclass(thing):
        document = NumpyDocString(full_docstring(thing))
        if not document["Parameters"]:  # those of a dataclass are its attributes
            document["Parameters"] = document["Attributes"]
        text = str(document)
        if thing is mingolotss.Recipe or thing is mingolotss.ImageService:
            accepted |= {"PR01", "PR02"}  # its keys have a page; nobody calls it
    if name not in public_names() or name.startswith("mingolotss.errors."):
        accepted.add("EX01")
    errors = validate(get_doc_object(thing, doc=text))["errors"]
    return [f"{code} {message}" for code, message in errors if code not in accepted]


def _complete(
    _app: Sphinx, what: str, _name: str, thing: Any, _options: Any, lines: list[str]
) -> None:
    """Give a class its whole docstring, before numpydoc reads it."""
    if what == "class":
        lines[:] = full_docstring(thing).splitlines()


def _page(name: str, thing: object) -> str:
    """Return the page of one name in reStructuredText."""
    module, _, short = name.rpartition(".")
    lines = [short, "=" * len(short), "", f".. currentmodule:: {module}", ""]
    own = getattr(thing, "__name__", short)
    if own != short:
        lines += [f".. py:data:: {short}", "", f"   Another name of :py:class:`{own}`."]
    elif inspect.isclass(thing):
        signature = "(**data)" if thing is mingolotss.Recipe else ""  # it has a page of its own
        lines += [f".. autoclass:: {short}{signature}", "   :members:"]
        if not issubclass(thing, Exception):
            lines += [f"   :inherited-members: {', '.join(_foreign_bases(thing))}"]
    elif callable(thing):
        lines += [f".. autofunction:: {short}"]
    else:
        lines += [f".. autodata:: {short}", "   :no-value:"]
    return "\n".join([*lines, ""])


def _foreign_bases(thing: type) -> list[str]:
    """Return the classes of other packages whose members are not shown."""
    return [base.__name__ for base in thing.__mro__ if not base.__module__.startswith("mingolotss")]


def _write_pages(app: Sphinx) -> None:
    folder = Path(app.srcdir, "generated", "python")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, thing in public_names().items():
        (folder / f"{name}.rst").write_text(_page(name, thing))
        parts = members(name, thing) if inspect.isclass(thing) else {}
        for part, value in {name: thing, **parts}.items():
            for problem in problems(part, value) if callable(thing) else ():
                LOG.warning("docstring of %s: %s", part, problem)


def _link_names(app: Sphinx, tree: nodes.document) -> None:
    """Make links of the names in code."""
    names = public_names()
    in_index = app.env.docname == INDEX
    for literal in unlinked_code(tree):
        text = literal.astext().removesuffix("()")
        target = f"mingolotss.{text}" if in_index else text
        if target in names:
            link = addnodes.pending_xref(
                "", refdomain="py", reftype="obj", reftarget=target, refexplicit=True
            )
            wrap(literal, link)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("builder-inited", _write_pages)
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", _complete, priority=400)  # numpydoc has 500
    app.connect("doctree-read", _link_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
