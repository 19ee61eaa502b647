r"""How the objects of the package show themselves: a few lines of text, or HTML in a notebook.

>>> table = Table(("label", "class", "images"), [(0, "FRI", 1200), (1, "<b>\x1b[1m", 7)])
>>> summary = Summary("Dataset", {"split": "train"}, table)
>>> print(summary)
Dataset
    split: train
    label  class       images
        0  FRI          1,200
        1  <b>\x1b[1m       7
>>> "&lt;b&gt;" in summary.html(), "<b>" in summary.html()
(True, False)
"""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mingolotss.errors import clean_text

__all__ = ["Picture", "Shown", "Summary", "Table", "count_text", "format_counts", "one_line"]

_WIDTH = 100  # letters of a line
_INDENT = " " * 4
_NAME = 60  # letters of a name in a table
_WIDEST = 750  # px of a picture

# JupyterLab, VS Code and Colab have light and dark themes: colours are those of the page.
_STYLE = (
    ".mingolotss{font-size:13px;line-height:1.45}"
    ".mingolotss p{margin:0 0 .5em;font-weight:600}"
    ".mingolotss tr{background:none!important}"
    ".mingolotss table{border-collapse:collapse;margin:0 0 .8em!important;width:auto}"
    ".mingolotss td,.mingolotss th{padding:.15em .9em .15em 0;text-align:left!important;"
    "vertical-align:top;background:none;border:0}"
    ".mingolotss th{font-weight:600;border-bottom:1px solid currentColor}"
    ".mingolotss .n{text-align:right!important;font-variant-numeric:tabular-nums}"
    ".mingolotss .k{opacity:.8}"
    ".mingolotss .s{display:flex;flex-wrap:wrap;gap:10px;max-width:800px}"
    ".mingolotss div{overflow-x:auto}"
    ".mingolotss figure{margin:0;width:150px}"
    ".mingolotss img{width:150px;height:150px;max-width:none;display:block;margin:0}"
    ".mingolotss figcaption{font-size:11px;line-height:1.3;overflow-wrap:anywhere;padding-top:2px;"
    "color:inherit}"
)


def one_line(name: str, length: int) -> str:
    r"""Return a name as one line of at most `length` letters, for figures and tables.

    >>> one_line("two\nlines", 20), one_line("L" * 300, 6), one_line("\x1b[31mred", 20)
    ('two lines', 'LLLLL…', '�[31mred')
    """
    shown = " ".join(name.split())
    shown = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in shown
    )
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"


def count_text(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> count_text(1, "image"), count_text(5805, "image"), count_text(2, "class")
    ('1 image', '5,805 images', '2 classes')
    """
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def format_counts(counts: Mapping[str, int]) -> str:
    """Return counts as one text.

    >>> format_counts({"FRI": 1200, "FRII": 3})
    'FRI 1,200, FRII 3'
    """
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG image with a name and a note below it; `aspect` is its width over its height."""

    png: bytes
    name: str
    note: str = ""
    aspect: float = 1.0


@dataclass(frozen=True, slots=True)
class Table:
    """A small table; numbers are aligned at the right.

    Attributes
    ----------
    header : sequence of str
    rows : sequence of sequence
        Texts and numbers; None is an empty cell.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[object]]

    def is_number(self, column: int) -> bool:
        """Return whether a column has numbers."""
        return any(isinstance(row[column], int | float) for row in self.rows)


@dataclass(frozen=True, slots=True)
class Summary:
    """A title, facts, a table and pictures, of which text shows all but the pictures.

    Attributes
    ----------
    title : str
    facts : mapping of str to str
    table : Table or None
    pictures : sequence of Picture
    """

    title: str
    facts: Mapping[str, str] = field(default_factory=dict)
    table: Table | None = None
    pictures: Sequence[Picture] = ()

    def __repr__(self) -> str:
        lines = [clean_text(self.title)]
        for name, value in self.facts.items():
            text = clean_text(f"{name}: {value}")
            lines += textwrap.wrap(
                text,
                _WIDTH,
                initial_indent=_INDENT,
                subsequent_indent=_INDENT * 2,
                break_long_words=False,
                break_on_hyphens=False,
            )
        return "\n".join(lines + (self._table_lines() if self.table else []))

    __str__ = __repr__

    def _table_lines(self) -> list[str]:
        table = self.table or Table((), ())
        rows = [
            list(map(_cell, table.header)),
            *([_cell(value) for value in row] for row in table.rows),
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(table.header))]
        lines = []
        for row in rows:
            cells = [
                text.rjust(width) if table.is_number(column) else text.ljust(width)
                for column, (text, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append(f"{_INDENT}{'  '.join(cells)}".rstrip())
        return lines

    def html(self) -> str:
        """Return HTML that needs no other file; every name in it is escaped."""
        parts = [f"<style>{_STYLE}</style>", f"<p>{_text(self.title)}</p>"]
        if self.facts:
            rows = (
                f'<tr><td class="k">{_text(name)}</td><td>{_text(value)}</td></tr>'
                for name, value in self.facts.items()
            )
            parts.append(f"<table>{''.join(rows)}</table>")
        if self.table is not None:
            parts.append(_html_table(self.table))
        if self.pictures:
            figures = (
                f'<figure{_size(one)}><img alt=""{_size(one)} src="data:image/png;base64,'
                f'{base64.b64encode(one.png).decode("ascii")}">'
                f'<figcaption>{_text(one_line(one.name, _NAME))}<br><span class="k">'
                f"{_text(one_line(one.note, _NAME))}</span></figcaption></figure>"
                for one in self.pictures
            )
            parts.append(f'<div class="s">{"".join(figures)}</div>')
        return f'<div class="mingolotss">{"".join(parts)}</div>'

    def _repr_html_(self) -> str:
        return self.html()


class Shown:
    """Base class of what shows itself by a `Summary`: ``repr``, and HTML in a notebook."""

    __slots__ = ()

    def _summary(self) -> Summary:
        """Return a summary of this object."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return repr(self._summary())

    def _repr_html_(self) -> str:
        return self._summary().html()


def _size(picture: Picture) -> str:
    """Return the style of a picture that is wider than the others, as those of several channels."""
    if picture.aspect <= 1:
        return ""
    width = min(150 * picture.aspect, _WIDEST)
    return f' style="width:{width:.0f}px;height:auto;max-width:100%"'


def _html_table(table: Table) -> str:
    kinds = [' class="n"' if table.is_number(c) else "" for c in range(len(table.header))]
    header = (
        f"<th{kind}>{_text(name)}</th>" for name, kind in zip(table.header, kinds, strict=True)
    )
    rows = (
        "".join(f"<td{kind}>{_text(_cell(v))}</td>" for v, kind in zip(row, kinds, strict=True))
        for row in table.rows
    )
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    # A table that is wider than its page scrolls, also by the keyboard.
    return f'<div tabindex="0"><table><tr>{"".join(header)}</tr>{body}</table></div>'


def _text(text: str) -> str:
    from html import escape  # with a table of 2,000 characters

    return escape(clean_text(text))


def _cell(value: object) -> str:
    """Return the text of a cell of a table."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    shown = clean_text(str(value))
    return shown if len(shown) <= _NAME else f"{shown[: _NAME - 1]}…"
