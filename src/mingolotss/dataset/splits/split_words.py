"""The names of splits as people and other programs write them.

``Train``, ``TRAINING`` and ``valid`` are the splits train and val in this program, and in a list
that people wrote there is now and then a misspelt word, which must not become a split.

>>> words = SplitWords.of(["Train", "test", "validation", "train", ""])
>>> words.splits, words.renamed
(('train', 'test', 'val', 'train', ''), {'Train': 'train', 'validation': 'val'})
>>> SplitWords.of(["train", "test", "trian"])
Traceback (most recent call last):
    ...
mingolotss.errors.InputError: 'trian' is no split: did you mean 'train'?
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.dataset.splits.plan import check_split_names
from mingolotss.errors import InputError

__all__ = ["SplitWords", "column_words"]

_SPELLINGS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_EMPTY = {"", "nan", "none", "null", "n/a", "--", "-"}  # as tables of other programs write it
_SIMILAR = 0.8  # of two words, by difflib: one letter too many or too few
_FEW_SPLITS, _SMALLEST_SPLIT = 20, 4  # sources in a split, on average, if there are many
_LARGEST = 1e15  # below it every whole number is a float


@dataclass(frozen=True, slots=True)
class SplitWords:
    """Words of a column, read as names of splits.

    Attributes
    ----------
    splits : tuple of str
        "" where there is none.
    renamed : mapping of str to str
        The words that are written in another way, with their splits.
    """

    splits: tuple[str, ...]
    renamed: Mapping[str, str]

    @classmethod
    def of(cls, words: Sequence[str]) -> SplitWords:
        """Read words.

        Raises
        ------
        InputError
            A word is misspelt, cannot be the name of a split, or there are too many different ones.
        """
        known: dict[str, str] = {}
        for word in dict.fromkeys(words):
            known[word] = _split_of(word)
        splits = {split for split in known.values() if split}
        if len(splits) > max(_FEW_SPLITS, len(words) // _SMALLEST_SPLIT):
            raise InputError(
                f"{len(splits):,} different values in {len(words):,} rows, for example "
                f"{min(splits)!r}; a column of splits has few names, each of many sources"
            )
        try:
            check_split_names(splits)
        except InputError as error:
            raise InputError(str(error).removeprefix("split: ")) from error
        renamed = {word: split for word, split in known.items() if split not in ("", word.strip())}
        return cls(tuple(known[word] for word in words), renamed)


def column_words(column: pa.ChunkedArray | pa.Array) -> list[str]:
    """Return a column as words: whole numbers without a decimal point, null and NaN as "".

    Raises
    ------
    InputError
        The column holds anything but text and whole numbers.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_floating(kind):
        finite = pc.if_else(pc.is_finite(column), column, pa.scalar(None, kind))
        is_whole = pc.equal(finite, pc.round(finite))
        if not pc.all(pc.and_(is_whole, pc.less(pc.abs(finite), _LARGEST))).as_py():
            raise InputError("it holds numbers with decimals; a split needs a name or a number")
        column = finite.cast(pa.int64())
    elif pa.types.is_boolean(kind):
        raise InputError("it holds true and false; write the names of splits, such as train")
    elif not (pa.types.is_integer(kind) or pa.types.is_null(kind)) and not _is_text(kind):
        raise InputError(f"it holds {kind}; a split needs a name or a whole number")
    return ["" if value is None else str(value) for value in column.to_pylist()]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _split_of(word: str) -> str:
    """Return the split that a word means; "" for none."""
    plain = word.strip()
    folded = plain.casefold()
    if folded in _EMPTY:
        return ""
    if folded in _SPELLINGS:
        return _SPELLINGS[folded]
    if intended := _misspelt(folded, _SPELLINGS):
        raise InputError(f"{word!r} is no split: did you mean {intended!r}?")
    return plain


def _misspelt(word: str, known: Iterable[str]) -> str:
    """Return the word that was probably meant; "" for a word of its own, such as "fold-1"."""
    if not word.isalpha():
        return ""
    for other in known:
        similar = difflib.SequenceMatcher(None, word, other).ratio() >= _SIMILAR
        if len(other) > 3 and (similar or sorted(word) == sorted(other)):
            return other
    return ""
