"""Conditions on the columns of a catalogue, such as ``z_best < 0.5 and Class in ('FRI', 'FRII')``.

A condition is parsed here and computed column by column; no text is ever run as code. It has

- columns by their names, in double quotes or backquotes if a name is more than letters, digits and
  ``_ . -`` or is a word of the language: ``"D-D"``, ```in```;
- numbers, text in single quotes (``''`` is a quote in it), ``true`` and ``false``;
- ``= == != <> < <= > >=``, ``in (...)``, ``not in (...)``, ``is null``, ``is not null``;
- ``not``, ``and``, ``or`` and parentheses; a column of flags is a condition itself.

A value is null where the file says so, where text is empty, and where a number is NaN. As in SQL, a
comparison with null is neither true nor false, and neither is ``not`` of it; ``is null`` finds such
rows. A row is selected if the condition is true.

>>> condition = parse_condition("z < 0.5 and not (type in ('QSO', 'star'))")
>>> condition.columns
('z', 'type')
>>> selected, unknown = condition.select(
...     {"z": pa.array([0.1, 0.2, None]), "type": pa.array(["QSO", "AGN", "AGN"])})
>>> selected.tolist(), unknown
([False, True, False], 1)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.errors import CatalogueError
from mingolotss.model import Bools

__all__ = ["Condition", "parse_condition"]

_MAX_LETTERS, _MAX_DEPTH = 10_000, 50
_MAX_DIGITS = 18  # of a whole number, which then fits into 64 bits
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<text>'(?:[^']|'')*')
      | (?P<column>"[^"]+"|`[^`]+`)
      | (?P<word>[^\W\d][\w.]*(?:-[\w.]+)*)
      | (?P<sign><=|>=|!=|<>|==|[=<>(),-])
    )""",
    re.VERBOSE,
)
_WORDS = {"and", "or", "not", "in", "is", "null", "true", "false"}
_COMPARE: dict[str, Callable[[pa.Array, pa.Array], pa.Array]] = {
    "=": pc.equal, "==": pc.equal, "!=": pc.not_equal, "<>": pc.not_equal,
    "<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal,
}  # fmt: skip
_Columns = Mapping[str, pa.Array]
_Literal = int | float | str | bool


class _Node(Protocol):
    def of(self, columns: _Columns) -> pa.Array:
        """Return the value of each row."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed condition.

    Attributes
    ----------
    text : str
    columns : tuple of str
        The columns that it names, in their order.
    """

    text: str
    columns: tuple[str, ...]
    _root: _Node

    def select(self, columns: Mapping[str, pa.Array]) -> tuple[Bools, int]:
        """Return which rows are selected.

        Parameters
        ----------
        columns : mapping of str to pyarrow.Array, shape (n,)
            At least those that the condition names.

        Returns
        -------
        selected : bool array, shape (n,)
        unknown : int
            The number of rows for which it is neither true nor false, as a value is null.

        Raises
        ------
        CatalogueError
            Values are compared that cannot be, such as numbers with text.
        """
        try:
            truth = _flags(self._root.of(columns), "the condition")
        except CatalogueError as error:
            raise CatalogueError(f"select by catalogue.where = {self.text!r}: {error}") from error
        selected: Bools = truth.fill_null(False).to_numpy(zero_copy_only=False)
        return selected.astype(bool), truth.null_count


def parse_condition(text: str) -> Condition:
    """Parse a condition.

    Raises
    ------
    CatalogueError
        It is not written in this language; the message has the place.
    """
    if len(text) > _MAX_LETTERS:
        raise CatalogueError(f"a condition of {len(text)} letters; at most {_MAX_LETTERS}")
    parser = _Parser(text)
    root = parser.disjunction(0)
    parser.end()
    if not parser.columns:
        raise CatalogueError(f"the condition {text!r} names no column")
    return Condition(text, tuple(dict.fromkeys(parser.columns)), root)


@dataclass(frozen=True, slots=True)
class _Column:
    name: str

    def of(self, columns: _Columns) -> pa.Array:
        values = columns[self.name]
        if pa.types.is_floating(values.type):
            return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
        if pa.types.is_temporal(values.type):
            return values.cast(pa.string())
        return values


@dataclass(frozen=True, slots=True)
class _Constant:
    value: _Literal

    def of(self, columns: _Columns) -> pa.Array:
        return pa.repeat(self.value, len(next(iter(columns.values()))))


@dataclass(frozen=True, slots=True)
class _Comparison:
    sign: str
    left: _Column | _Constant
    right: _Column | _Constant

    def of(self, columns: _Columns) -> pa.Array:
        left, right = self.left.of(columns), self.right.of(columns)
        kinds = _kind(left), _kind(right)
        if kinds[0] != kinds[1]:
            shown = (f"{_shown(self.left)} ({kinds[0]})", f"{_shown(self.right)} ({kinds[1]})")
            raise CatalogueError(f"{shown[0]} is compared with {shown[1]}")
        if kinds[0] == "numbers" and left.type != right.type:
            # Whole numbers stay exact; with any other type both become floats.
            whole = pa.types.is_integer(left.type) and pa.types.is_integer(right.type)
            try:
                common = pa.int64() if whole else pa.float64()
                left, right = left.cast(common), right.cast(common)
            except pa.ArrowInvalid:  # over 2**63
                left, right = (v.cast(pa.float64(), safe=False) for v in (left, right))
        return _COMPARE[self.sign](left, right)


@dataclass(frozen=True, slots=True)
class _IsNull:
    column: _Column

    def of(self, columns: _Columns) -> pa.Array:
        return pc.is_null(self.column.of(columns))


@dataclass(frozen=True, slots=True)
class _Not:
    inner: _Node

    def of(self, columns: _Columns) -> pa.Array:
        return pc.invert(_flags(self.inner.of(columns), "after not"))


@dataclass(frozen=True, slots=True)
class _Joined:
    """Several conditions joined by ``and`` or by ``or``."""

    join: Callable[[pa.Array, pa.Array], pa.Array]
    inner: tuple[_Node, ...]

    def of(self, columns: _Columns) -> pa.Array:
        return reduce(self.join, (_flags(node.of(columns), "a condition") for node in self.inner))


class _Parser:
    """Recursive descent; the depth of parentheses and of ``not`` is bounded."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split())
        self._next = 0
        self.columns: list[str] = []

    def disjunction(self, depth: int) -> _Node:
        return self._joined("or", self._conjunction, pc.or_kleene, depth)

    def _conjunction(self, depth: int) -> _Node:
        return self._joined("and", self._negation, pc.and_kleene, depth)

    def _joined(
        self,
        word: str,
        part: Callable[[int], _Node],
        join: Callable[[pa.Array, pa.Array], pa.Array],
        depth: int,
    ) -> _Node:
        parts = [part(depth)]
        while self._accept(word):
            parts.append(part(depth))
        return parts[0] if len(parts) == 1 else _Joined(join, tuple(parts))

    def _negation(self, depth: int) -> _Node:
        if depth > _MAX_DEPTH:
            raise self._error(f"more than {_MAX_DEPTH} parentheses and not in one another")
        if self._accept("not"):
            return _Not(self._negation(depth + 1))
        if self._accept("("):
            inner = self.disjunction(depth + 1)
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> _Node:
        left = self._operand()
        kind, word, _ = self._peek()
        if kind == "sign" and word in _COMPARE:
            self._next += 1
            return _Comparison(word, left, self._operand())
        if self._accept("is"):
            negated = self._accept("not")
            self._expect("null")
            return self._maybe_not(_IsNull(self._column(left)), negated=negated)
        negated = self._accept("not")
        if negated or self._peek()[1] == "in":
            self._expect("in")
            return self._maybe_not(self._list(left), negated=negated)
        return self._column(left)

    def _list(self, left: _Column | _Constant) -> _Node:
        self._expect("(")
        values = [_Comparison("=", left, self._constant())]
        while self._accept(","):
            values.append(_Comparison("=", left, self._constant()))
        self._expect(")")
        return values[0] if len(values) == 1 else _Joined(pc.or_kleene, tuple(values))

    @staticmethod
    def _maybe_not(node: _Node, *, negated: bool) -> _Node:
        return _Not(node) if negated else node

    def _column(self, operand: _Column | _Constant) -> _Column:
        if isinstance(operand, _Column):
            return operand
        raise self._error(f"{_shown(operand)} where a column was expected")

    def _constant(self) -> _Constant:
        operand = self._operand()
        if isinstance(operand, _Constant):
            return operand
        raise self._error(f"the column {operand.name!r} where a value was expected; text stands "
                          "in single quotes")  # fmt: skip

    def _operand(self) -> _Column | _Constant:
        sign = -1 if self._accept("-") else 1
        kind, word, _ = self._peek()
        self._next += 1
        if kind == "number":
            is_whole = word.isdigit() and len(word) <= _MAX_DIGITS
            return _Constant(sign * (int(word) if is_whole else float(word)))
        if sign < 0:
            pass
        elif kind == "text":
            return _Constant(word[1:-1].replace("''", "'"))
        elif kind == "column" or (kind == "word" and word not in _WORDS):
            name = word[1:-1] if kind == "column" else word
            self.columns.append(name)
            return _Column(name)
        elif word in {"true", "false"}:
            return _Constant(word == "true")
        self._next -= 1
        raise self._error("a column or a value was expected")

    def _accept(self, expected: str) -> bool:
        kind, word, _ = self._peek()
        is_there = kind in {"word", "sign"} and word == expected
        self._next += is_there
        return is_there

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise self._error(f"{word!r} was expected")

    def end(self) -> None:
        """Check that nothing follows."""
        if self._peek()[0]:
            raise self._error("and, or, or the end was expected")

    def _peek(self) -> tuple[str, str, int]:
        end = ("", "", len(self._text))
        return self._tokens[self._next] if self._next < len(self._tokens) else end

    def _split(self) -> Iterator[tuple[str, str, int]]:
        """Yield kind, text and place of each word; words of the language in lower case."""
        text, place = self._text.rstrip(), 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None or match.lastgroup is None:
                at = place + len(text[place:]) - len(text[place:].lstrip())
                raise self._error("neither a name nor a value", at)
            word = match[match.lastgroup]
            is_word = match.lastgroup == "word" and word.lower() in _WORDS
            yield match.lastgroup, word.lower() if is_word else word, match.end() - len(word)
            place = match.end()

    def _error(self, message: str, place: int | None = None) -> CatalogueError:
        at = self._peek()[2] if place is None else place
        rest = self._text[at : at + 20]
        where = f"at {rest!r}" if rest.strip() else "at its end"
        return CatalogueError(f"the condition {self._text[:200]!r}: {message} {where}")


def _flags(values: pa.Array, place: str) -> pa.Array:
    if not pa.types.is_boolean(values.type):
        raise CatalogueError(
            f"{place} is a column of {_kind(values)}, where true or false was expected; write "
            "for example COLUMN = 1"
        )
    return values


def _kind(values: pa.Array) -> str:
    kind = values.type
    if pa.types.is_boolean(kind):
        return "flags"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "numbers"
    return "text"


def _shown(operand: _Column | _Constant) -> str:
    return f"column {operand.name!r}" if isinstance(operand, _Column) else repr(operand.value)
