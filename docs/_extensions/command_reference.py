"""A page for each command of the program, and links to these pages from all others.

The pages are written to ``docs/generated/commands`` when a build of the site begins. Arguments and
options are those of the program; the examples are the commands that the other pages show.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from code_links import unlinked_code, wrap
from docutils import nodes
from sphinx import addnodes

from mingolotss.cli.commands import app as program
from mingolotss.cli.options import EXPORTS
from mingolotss.formats import FORMATS

if TYPE_CHECKING:
    from sphinx.application import Sphinx

NAME = "mingolotss"
MOST_EXAMPLES = 5
SHOWN = re.compile(r"^\$ (mingolotss .*?)(?: +#.*)?$", re.MULTILINE)
TITLE = re.compile(r"^# (.*)$", re.MULTILINE)
LIMITS = re.compile(r"(?:(?P<low>[\d.]+)<=)?x(?:>=(?P<least>[\d.]+))?(?:<=(?P<high>[\d.]+))?")
TYPE = re.compile(r" <\w+>")  # newer versions of typer add it to arguments
NOTES = re.compile(r"(?:\s*\[[^\[\]]*\])+$")  # [default: 5; x>=1], [required]


@cache
def commands() -> dict[str, Any]:
    """Return every command by what is typed after the name of the program."""
    return dict(_commands(typer.main.get_command(program), ""))


def _commands(group: Any, before: str) -> Iterator[tuple[str, Any]]:
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def named_in(words: Sequence[str]) -> str | None:
    """Return the command that words begin with, which may be two of them."""
    return next((n for n in (" ".join(words[:2]), " ".join(words[:1])) if n in commands()), None)


def examples(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """Return, for each command, the lines in which pages show it, with the name of the page."""
    lines: dict[str, list[tuple[str, str]]] = {name: [] for name in commands()}
    for page in sorted(folder.rglob("*.md")):
        if not {"_build", "generated"} & set(page.relative_to(folder).parts):
            text = page.read_text()
            for line in SHOWN.findall(text):
                name = named_in(line.split()[1:])
                if name is not None:
                    document = page.relative_to(folder).with_suffix("").as_posix()
                    lines[name].append((line, document))
    return lines


def _text(text: str) -> str:
    """Return a text of the program in reStructuredText: `code` becomes ``code``."""
    return re.sub(r"`([^`]+)`", r"``\1``", text.replace(EXPORTS, ", ".join(FORMATS)))


def _parameter(parameter: Any, context: Any) -> list[str]:
    """Return an argument or an option as the help of its command describes it."""
    names, text = parameter.get_help_record(context)
    notes = NOTES.search(text)
    words = [] if notes is None else re.split(r"\]\s*\[|;\s+", notes[0].strip().strip("[]"))
    body = " ".join([_text(NOTES.sub("", text)), *(_text(_sentence(one)) for one in words)])
    return [f".. option:: {TYPE.sub('', names).strip(' *')}", "", f"   {body.strip()}", ""]


def _sentence(note: str) -> str:
    """Return a note of the help as a sentence: `x>=1`, `0<=x<=1`, `required` or `default: 5`."""
    limits = LIMITS.fullmatch(note)
    if limits is None:
        return f"{note[0].upper()}{note[1:]}."
    parts = (
        [f"at least {limits['low'] or limits['least']}"] if limits["low"] or limits["least"] else []
    )
    parts += [f"at most {limits['high']}"] if limits["high"] else []
    return f"{' and '.join(parts).capitalize()}."


def page(name: str, command: Any, shown: list[tuple[str, str]]) -> str:
    """Return the page of a command in reStructuredText."""
    title = f"{NAME} {name}"
    lines = [title, "=" * len(title), "", f".. program:: {title}", ""]
    paragraphs = (command.help or "").split("\n\n")
    lines += [line for text in paragraphs for line in (_text(" ".join(text.split())), "")]
    context = command.make_context(title, [], resilient_parsing=True)
    usage = re.sub(r"[{}]", "", " ".join(command.get_usage(context).split()))
    lines += [".. code-block:: text", "", f"   {usage.removeprefix('Usage: ')}", ""]
    for heading, kind in (("Arguments", "argument"), ("Options", "option")):
        parameters = [one for one in command.params if one.param_type_name == kind]
        if parameters:
            lines += [heading, "-" * len(heading), ""]
            lines += [line for one in parameters for line in _parameter(one, context)]
    lines += ["Examples", "--------", ""]
    documents = []
    for line, document in _few(shown):
        lines += [".. code-block:: console", "", f"   $ {line}", ""]
        documents.append(document)
    lines += [f"From {', '.join(f':doc:`/{one}`' for one in dict.fromkeys(documents))}.", ""]
    lines += ["Exit codes", "----------", "", "See :doc:`/reference/commands`.", ""]
    return "\n".join(lines)


def _few(shown: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return some examples: the shortest of each page, and then others, the shortest first."""
    by_length = sorted(shown, key=lambda one: (len(one[0]), one))
    first = {document: line for line, document in reversed(by_length)}
    lines = {line: document for document, line in reversed(first.items())}
    lines |= {line: document for line, document in by_length if line not in lines}
    return sorted(list(lines.items())[:MOST_EXAMPLES], key=lambda one: len(one[0]))


def _write_pages(app: Sphinx) -> None:
    folder = Path(app.srcdir, "generated", "commands")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shown = examples(Path(app.srcdir))
    for name, command in commands().items():
        (folder / f"{name.replace(' ', '-')}.rst").write_text(page(name, command, shown[name]))


def _link_commands(app: Sphinx, tree: nodes.document) -> None:
    """Make links of the commands in code, `mingolotss build` with or without arguments."""
    for literal in unlinked_code(tree):
        words = literal.astext().split()
        if words[:1] != [NAME]:
            continue
        name = named_in(words[1:])
        if name is not None:
            link = addnodes.pending_xref(
                "", refdomain="std", reftype="doc", refexplicit=True, refdoc=app.env.docname,
                reftarget=f"/generated/commands/{name.replace(' ', '-')}",
            )  # fmt: skip
            wrap(literal, link)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("builder-inited", _write_pages)
    app.connect("doctree-read", _link_commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
