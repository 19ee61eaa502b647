"""The splits of one dataset compared: missing classes, and classes, flux, size and fields.

A difference is stated only if it is significant: tests of all splits and quantities together have a
chance of 0.1 % to find one in a random split (Bonferroni). Classes, fields and each tag are
compared by a chi-squared test, in which rare ones are pooled until each expected number is 5
(Cochran 1954, Biometrics 10, 417); flux densities and sizes by the two-sample Kolmogorov-Smirnov
test. "Brighter" and "larger" need the rank-sum test too (Mann and Whitney 1947, Ann. Math. Stat.
18, 50).

>>> table = np.array([[400, 100], [100, 100]])
>>> compare_counts(table) < 1e-9, compare_counts(np.array([[400, 100], [40, 10]]))
(True, 1.0)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from mingolotss.catalogue.label_groups import label_groups
from mingolotss.io.optional import import_optional
from mingolotss.model import Bools, Floats, Ints
from mingolotss.qa.audit.result import (
    BALANCE,
    CLASSES,
    FIELDS,
    Check,
    SplitRow,
    listed,
    plural,
)
from mingolotss.qa.audit.samples import AuditSamples

__all__ = ["check_balance", "check_classes", "check_fields", "compare_counts", "split_rows"]

_LEVEL = 0.001
_LEAST_EXPECTED = 5
_FEWEST = 5  # values of a split that are compared with those of another


def check_classes(samples: AuditSamples, letter: str) -> Check:
    """Find the classes that are missing from a split, or from the dataset."""
    if not samples.classes.names:
        return Check(
            CLASSES, (letter,), 0, "not checked: the dataset has no classes", is_checked=False
        )
    names, counts = samples.classes.names, _class_counts(samples)
    totals = samples.in_class.sum(axis=0)
    absent = [name for label, name in enumerate(names) if not totals[label]]
    in_part = [
        (name, split)
        for column, split in enumerate(samples.splits)
        for label, name in enumerate(names)
        if totals[label] and not counts[label, column]
    ]
    lines = [f"no image of {name}" for name in absent]
    lines += [f"no image of {name} in {split}" for name, split in in_part]
    one, several = ("tag", "tags") if samples.has_tags else ("class", "classes")
    missing = [
        f"{plural(count, f'{one} is', f'{several} are')} missing from {where}"
        for count, where in (
            (len(absent), "the dataset"), (len({name for name, _ in in_part}), "a split"),
        )
        if count
    ]  # fmt: skip
    found = len(lines)
    if found:
        sentence = " and ".join(missing)
    else:
        sentence = f"no {one} is missing" + (" from a split" if samples.splits else "")
    return Check(CLASSES, (letter,), found, sentence, lines=tuple(lines))


def check_balance(samples: AuditSamples, letter: str) -> Check:
    """Compare classes or tags, flux densities and angular sizes of the splits."""
    contrasts = _contrasts(samples)
    if not contrasts:
        reason = "the dataset has fewer than two splits"
        return Check(BALANCE, (letter,), 0, f"not checked: {reason}", is_checked=False)
    tests: list[_Test] = []
    quantities = ("tags" if samples.has_tags else "classes", "flux", "size")
    for contrast in contrasts:
        tests += (_test_tags if samples.has_tags else _test_classes)(samples, contrast)
        tests += _test_numbers(samples.flux_mjy, contrast, _FLUX)
        tests += _test_numbers(samples.size_arcsec, contrast, _SIZE)
    if not tests:
        return Check(
            BALANCE, (letter,), 0,
            f"not checked: {listed(quantities)} have too few values", is_checked=False,
        )  # fmt: skip
    level = _LEVEL / len(tests)
    differences = tuple(test.sentence(level) for test in tests if test.p < level)
    tested = listed([name for name in quantities if any(test.quantity == name for test in tests)])
    untested = [name for name in quantities if not any(test.quantity == name for test in tests)]
    if differences:
        sentence = (
            plural(len(differences), "significant difference") + f" of {tested} between splits"
        )
    else:
        sentence = f"no significant difference of {tested} between splits"
    remarks = (
        (f"{listed(untested)} {_is(untested)} not known or too few to compare",) if untested else ()
    )
    return Check(BALANCE, (letter,), len(differences), sentence, lines=differences + remarks)


def check_fields(samples: AuditSamples, letter: str) -> Check:
    """Compare the fields of the splits. A split by regions has others by intention."""
    contrasts = _contrasts(samples)
    if not samples.fields or not contrasts:
        reason = "the fields are not known" if contrasts else "fewer than two splits"
        return Check(FIELDS, (letter,), 0, f"not checked: {reason}", is_checked=False)
    names, codes = np.unique(np.array(samples.fields, str), return_inverse=True)
    codes = codes.reshape(-1)
    counts = _counts(codes, samples.split, len(names), len(samples.splits))
    lines = []
    alone = (counts > 0).sum(axis=1) == 1
    for column, split in enumerate(samples.splits):
        only = int((alone & (counts[:, column] > 0)).sum())
        if only:
            lines.append(f"{plural(only, 'field has', 'fields have')} images in {split} only")
    level = _LEVEL / len(contrasts)
    for contrast in contrasts:
        p = compare_counts(_two_columns(codes, contrast, len(names)))
        if p < level:
            lines.append(
                f"{contrast.name} and {contrast.reference} are distributed differently over the "
                f"fields (chi-squared test, {_p_text(p)})"
            )
    sentence = f"the images are of {plural(len(names), 'field')}"
    return Check(FIELDS, (letter,), 0, sentence, lines=tuple(lines))


def split_rows(samples: AuditSamples) -> tuple[SplitRow, ...]:
    """Return the table of the splits: images of each class, medians of flux and size, fields."""
    counts = _class_counts(samples)
    rows = [
        SplitRow(name, tuple(float(value) for value in counts[label]))
        for label, name in enumerate(samples.classes.names)
    ]
    in_split = [samples.split == column for column in range(len(samples.splits))]
    groups = label_groups(samples.labels, samples.classes.names, samples.vectors)
    for name, members in ((name, members) for label, name, members in groups if label is None):
        without = tuple(float((inside & members).sum()) for inside in in_split)
        if any(without) and rows:
            rows.append(SplitRow("no class" if samples.vectors is None else name, without))
    for quantity in (_FLUX, _SIZE):
        values = samples.flux_mjy if quantity is _FLUX else samples.size_arcsec
        medians = [_median(values[inside]) for inside in in_split]
        if any(median is not None for median in medians):
            rows.append(SplitRow(f"median {quantity.name}", tuple(medians), quantity.unit))
    if samples.fields:
        fields = np.array(samples.fields, object)
        rows.append(SplitRow("fields", tuple(float(len({*fields[inside]})) for inside in in_split)))
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class _Quantity:
    """A quantity of the sources, and the words for more of it."""

    name: str
    unit: str
    plural: str
    more: str
    less: str


_FLUX = _Quantity("flux", "mJy", "flux densities", "brighter", "fainter")
_SIZE = _Quantity("size", "arcsec", "sizes", "larger", "smaller")


@dataclass(frozen=True, slots=True)
class _Contrast:
    """A split, and what it is compared with: the training split, else all others."""

    name: str
    reference: str
    inside: Bools
    outside: Bools


@dataclass(frozen=True, slots=True)
class _Test:
    """One test of a difference.

    `direction` is 1 where the split has more than its reference, -1 where it has less, and
    `p_direction` the significance of that.
    """

    quantity: str
    p: float
    difference: str
    p_direction: float = 1.0
    directed: str = ""

    def sentence(self, level: float) -> str:
        """Return the difference in words."""
        return self.directed if self.directed and self.p_direction < level else self.difference


def compare_counts(table: Ints) -> float:
    """Return the probability that two columns of counts come from one distribution.

    Parameters
    ----------
    table : int array, shape (kinds, 2)

    Returns
    -------
    float
        1 where the counts are too few to compare.
    """
    pooled = _pool_rare(table)
    if len(pooled) < 2:
        return 1.0
    return float(_stats().chi2_contingency(pooled, correction=False).pvalue)


def _contrasts(samples: AuditSamples) -> list[_Contrast]:
    if len(samples.splits) < 2:
        return []
    names = list(samples.splits)
    if "train" in names:
        train = samples.split == names.index("train")
        return [
            _Contrast(name, "train", samples.split == column, train)
            for column, name in enumerate(names)
            if name != "train"
        ]
    return [
        _Contrast(
            name, "the other splits", samples.split == column,
            (samples.split != column) & (samples.split >= 0),
        )
        for column, name in enumerate(names)
    ]  # fmt: skip


def _test_classes(samples: AuditSamples, contrast: _Contrast) -> Iterator[_Test]:
    labelled = samples.labels >= 0
    table = _two_columns(samples.labels, contrast, len(samples.classes.names), labelled)
    if len(_pool_rare(table)) < 2:
        return
    p = compare_counts(table)
    # The class that differs most is named: that with the largest standardised residual.
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = np.nan_to_num(np.abs(table - expected) / np.sqrt(expected)).max(axis=1)
    label = int(np.argmax(residual))
    shares = 100 * table[label] / table.sum(axis=0)
    yield _Test(
        "classes",
        p,
        f"the classes of {contrast.name} and {contrast.reference} differ: "
        f"{samples.classes.names[label]} is {shares[0]:.3g} % and {shares[1]:.3g} % "
        f"(chi-squared test, {_p_text(p)})",
    )


def _test_tags(samples: AuditSamples, contrast: _Contrast) -> Iterator[_Test]:
    """Compare the share of each tag; each is a test of its own, as tags occur together."""
    labelled, in_class = samples.is_labelled, samples.in_class
    for label, name in enumerate(samples.classes.names):
        table = _two_columns(in_class[:, label].astype(np.int64), contrast, 2, labelled)
        if len(_pool_rare(table)) < 2:
            continue
        p = compare_counts(table)
        shares = 100 * table[1] / table.sum(axis=0)
        yield _Test(
            "tags",
            p,
            f"the tag {name} is given to {shares[0]:.3g} % of {contrast.name} and "
            f"{shares[1]:.3g} % of {contrast.reference} (chi-squared test, {_p_text(p)})",
        )


def _test_numbers(values: Floats, contrast: _Contrast, quantity: _Quantity) -> Iterator[_Test]:
    finite = np.isfinite(values)
    one, other = values[contrast.inside & finite], values[contrast.outside & finite]
    if min(len(one), len(other)) < _FEWEST:
        return
    stats = _stats()
    p = float(stats.ks_2samp(one, other).pvalue)
    medians = float(np.median(one)), float(np.median(other))
    shown = f"median {medians[0]:.3g} and {medians[1]:.3g} {quantity.unit}"
    test = f"Kolmogorov-Smirnov test, {_p_text(p)}"
    word = quantity.more if medians[0] > medians[1] else quantity.less
    yield _Test(
        quantity.name,
        p,
        f"the {quantity.plural} of {contrast.name} and {contrast.reference} are distributed "
        f"differently ({shown}; {test})",
        float(stats.mannwhitneyu(one, other).pvalue),
        ""
        if medians[0] == medians[1]
        else f"{contrast.name} has {word} sources than {contrast.reference} ({shown}; {test})",
    )


def _stats() -> ModuleType:
    return import_optional("scipy.stats", "compare the splits of a dataset", extra="audit")


def _pool_rare(table: Ints) -> Ints:
    """Join rows, the rarest first, until every row is expected to have enough in each column."""
    table = table[table.sum(axis=1) > 0]
    if not len(table) or not table.sum(axis=0).all():
        return np.empty((0, 2), np.int64)
    share = table.sum(axis=0).min() / table.sum()
    rows = table[np.argsort(table.sum(axis=1), kind="stable")]
    while len(rows) > 1 and rows[0].sum() * share < _LEAST_EXPECTED:
        joined = np.concatenate([[rows[0] + rows[1]], rows[2:]])
        rows = joined[np.argsort(joined.sum(axis=1), kind="stable")]
    return np.asarray(rows)


def _two_columns(codes: Ints, contrast: _Contrast, kinds: int, usable: Bools | None = None) -> Ints:
    keep = np.ones(len(codes), bool) if usable is None else usable
    columns = [
        np.bincount(codes[keep & chosen], minlength=kinds)
        for chosen in (contrast.inside, contrast.outside)
    ]
    return np.stack(columns, axis=1)


def _class_counts(samples: AuditSamples) -> Ints:
    in_class, splits = samples.in_class, range(len(samples.splits))
    counts = [in_class[samples.split == column].sum(axis=0) for column in splits]
    return np.array(counts, np.int64).reshape(len(counts), in_class.shape[1]).T


def _counts(codes: Ints, split: Ints, kinds: int, splits: int) -> Ints:
    counts = np.zeros((kinds, splits), np.int64)
    known = (codes >= 0) & (split >= 0)
    np.add.at(counts, (codes[known], split[known]), 1)
    return counts


def _median(values: Floats) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else None


def _p_text(p: float) -> str:
    return f"p = {p:.1g}" if p >= 1e-99 else "p < 1e-99"


def _is(names: Sequence[str]) -> str:
    return "is" if names[0] in {"flux", "size"} and len(names) == 1 else "are"
