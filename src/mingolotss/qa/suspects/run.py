"""``suspects()``: which labels look wrong.

Labels are compared with the predictions of a baseline that has not seen their sources, or with the
probabilities of a model of the user's own, and ranked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mingolotss.candidates.decisions import join_classes
from mingolotss.catalogue.label_vectors import LabelKind
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.masks import decode_masks
from mingolotss.dataset.splits import SplitSources
from mingolotss.dataset.stamp_files import stamp_files
from mingolotss.dataset.stamps import StampFile
from mingolotss.errors import InputError
from mingolotss.io.optional import import_optional
from mingolotss.model import Bools, Floats, Ints
from mingolotss.pipeline.progress import BuildProgress, no_progress
from mingolotss.qa.audit.images import blocks
from mingolotss.qa.audit.result import listed, plural
from mingolotss.qa.audit.samples import AuditSamples, AuditSettings, read_samples
from mingolotss.qa.suspects.baseline import TREES, predict_out_of_fold
from mingolotss.qa.suspects.folds import make_folds
from mingolotss.qa.suspects.probabilities import read_probabilities
from mingolotss.qa.suspects.ranking import Ranking, rank_classes, rank_tags, rank_votes
from mingolotss.qa.suspects.result import SUSPECT_COLUMNS, Suspects
from mingolotss.qa.suspects.shape_features import describe_shapes

__all__ = ["suspects"]

_MAX_NAMED = 5  # sources or classes in a sentence


def suspects(
    dataset: Path | str,
    *,
    probabilities: Path | str | None = None,
    folds: int = 5,
    seed: int = 0,
    out: Path | str | None = None,
    progress: BuildProgress | None = None,
) -> Suspects:
    """Rank the labels of a dataset by how wrong they look.

    A baseline of the shapes of the stamps predicts the sources of each fold from those of the
    others, and cleanlab compares its probabilities with the labels. Sources that share pixels, or
    have one name or the same image, are never on both sides. The queue says which labels to look at
    first, and not which are wrong.

    Parameters
    ----------
    dataset : path
        A build, an export, or a folder of batches: everything that ``load`` reads, with classes,
        tags or votes.
    probabilities : path, optional
        A table (CSV, Parquet...) with the column ``source`` and one column for each class, by its
        name, to use in the place of the baseline. It should hold predictions of models that were
        not trained with the same source.
    folds : int
        Number of folds of the baseline.
    seed : int
        Seed of the folds and of the baseline. The same seed gives the same queue.
    out : path, optional
        Where the queue is written, as CSV; by default ``suspects.csv`` in a build, where
        ``review`` finds it, and nowhere for another dataset.
    progress : callable, optional
        Called with the number of images or folds that are done, the number of all, and a word.

    Returns
    -------
    Suspects
        The ranked labels, and what was measured, in sentences.

    Raises
    ------
    DatasetError
        It is no dataset, or is damaged.
    InputError
        Fewer than two folds, a negative seed, a dataset without labels, with one class only or with
        fewer labelled sources than folds; a table of probabilities that does not fit; or cleanlab
        or scikit-learn is not installed.

    References
    ----------
    Northcutt et al. 2021, JAIR 70, 1373.

    Examples
    --------
    >>> import mingolotss
    >>> result = mingolotss.suspects("demo", folds=2, out="suspects.csv")
    >>> result.table.column_names[:3]
    ['rank', 'source', 'row']
    """
    path = Path(dataset).expanduser()
    action = f"suspects {path}"
    if folds < 2 or seed < 0:
        raise InputError(f"{action}: folds={folds}, seed={seed}; needs folds >= 2 and seed >= 0")
    import_optional("cleanlab", action, extra="suspects")
    samples = read_samples(path, AuditSettings(command="suspects"))
    labels = _Labels.of(samples)
    _check_labels(labels, samples.classes.names, action)
    notify = progress or no_progress
    if probabilities is None:
        predictions = _baseline(samples, labels, folds, seed, action, notify)
    else:
        predictions = _of_table(samples, labels, Path(probabilities).expanduser(), action)
    result = _compare(samples, labels, predictions)
    written = _place(path, samples, out)
    if written is not None:
        result.write(written)
    return replace(result, written=written)


@dataclass(frozen=True, slots=True)
class _Labels:
    """What the sources are said to be.

    Attributes
    ----------
    kind : {"classes", "tags", "votes"}
    targets : float64 array, shape (n, classes)
        1 for the class or each tag of a source, or its fractions of votes; 0 without a label.
    single : int64 array, shape (n,)
        The class, -1 where there is no single one.
    labelled : bool array, shape (n,)
    """

    kind: LabelKind
    targets: Floats
    single: Ints
    labelled: Bools

    @classmethod
    def of(cls, samples: AuditSamples) -> _Labels:
        vectors, single = samples.vectors, samples.labels
        if vectors is not None:
            labelled = vectors.is_labelled
            targets = np.where(labelled[:, None], vectors.values, 0).astype(float)
            return cls(vectors.kind, targets, single, labelled)
        targets = np.zeros((len(single), len(samples.classes.names)))
        labelled = single >= 0
        targets[labelled, single[labelled]] = 1
        return cls("classes", targets, single, labelled)

    def take(self, rows: Ints) -> _Labels:
        """Return the labels of some sources."""
        return _Labels(self.kind, self.targets[rows], self.single[rows], self.labelled[rows])


@dataclass(frozen=True, slots=True)
class _Predictions:
    """The probabilities of the sources that have some.

    Attributes
    ----------
    rows : int64 array, shape (k,)
        Their indices among all sources.
    probabilities : float64 array, shape (k, classes)
    fold : int64 array, shape (k,)
        -1 for those of a table.
    method : str
    sentence : str
        How they were made.
    notices : tuple of str
        What limits them.
    """

    rows: Ints
    probabilities: Floats
    fold: Ints
    method: str
    sentence: str
    notices: tuple[str, ...]


def _check_labels(labels: _Labels, classes: Sequence[str], action: str) -> None:
    """Refuse labels of which none can be told from another."""
    count = int(labels.labelled.sum())
    if not count:
        raise InputError(
            f"{action}: none of its {plural(len(labels.single), 'source')} has a label; there is "
            "nothing to compare"
        )
    targets = labels.targets[labels.labelled]
    if (targets == targets[0]).all():
        names = [classes[index] for index in np.flatnonzero(targets[0]).tolist()]
        label = listed([repr(name) for name in names], _MAX_NAMED) or "no tag"
        raise InputError(
            f"{action}: all of its {plural(count, 'label')} are equal, {label}; labels of at least "
            "two classes can be compared"
        )


def _baseline(
    samples: AuditSamples,
    labels: _Labels,
    folds: int,
    seed: int,
    action: str,
    notify: BuildProgress,
) -> _Predictions:
    """Predict the labelled sources out of fold."""
    import_optional("sklearn", action, extra="suspects")
    features, digests = _describe(samples, notify)
    visible = features.any(axis=1)
    rows = np.flatnonzero(labels.labelled & visible)
    if len(rows) < folds:
        raise InputError(
            f"{action}: {plural(len(rows), 'labelled source')} with anything above the noise "
            f"cannot be divided into {folds} folds; give fewer folds"
        )
    used = labels.take(rows)
    divided = make_folds(
        _split_sources(samples).take(rows),
        count=folds,
        seed=seed,
        copies=[_codes(samples.names)[rows], _codes(digests)[rows]],
    )
    predicted = predict_out_of_fold(
        features[rows],
        used.targets,
        divided,
        seed=seed,
        action=action,
        notify=lambda done: notify(done, folds, "predicting"),
    )
    if labels.kind != "tags":
        predicted /= predicted.sum(axis=1, keepdims=True)
    sentence = (
        f"the baseline, {TREES} extremely randomised trees on the shapes of the sources, predicted "
        f"those of each of {folds} folds from the others; sources that share pixels are in one "
        "fold, or not used to predict each other"
    )
    notices = _rare_classes(used, samples.classes.names, folds)
    if placeless := int(np.count_nonzero(~np.asarray(samples.positions.known)[rows])):
        notices.append(
            f"{plural(placeless, 'source')} without a position: whether their stamps share pixels "
            "is not known"
        )
    if blank := [samples.names[row] for row in np.flatnonzero(labels.labelled & ~visible).tolist()]:
        notices.append(
            f"{plural(len(blank), 'source')} with nothing above the noise in the stamp: not "
            f"ranked: {listed(blank, _MAX_NAMED)}"
        )
    method = f"baseline: {folds} folds, seed {seed}"
    return _Predictions(rows, predicted, divided.number, method, sentence, tuple(notices))


def _describe(
    samples: AuditSamples, notify: BuildProgress
) -> tuple[npt.NDArray[np.float32], list[bytes]]:
    """Return the shapes of all sources, and a checksum of each image."""
    encoded, parts, digests = _encoded_masks(samples.path), [], []
    for indices, images in blocks(samples.images):
        of_block = slice(int(indices[0]), int(indices[-1]) + 1)
        masks = None
        if encoded:
            names = [f"the mask of {name} in {samples.path}" for name in samples.names[of_block]]
            masks = decode_masks(encoded[of_block], names)
        parts.append(describe_shapes(images, masks))
        digests += [hashlib.sha256(image.tobytes()).digest() for image in images]
        notify(int(indices[-1]) + 1, len(samples), "reading images")
    width = max(part.shape[1] for part in parts)  # 0 where all images of a block are blank
    parts = [part if part.shape[1] else np.zeros((len(part), width), np.float32) for part in parts]
    return np.concatenate(parts), digests


def _encoded_masks(path: Path) -> list[bytes]:
    """Return the masks of a build or an export, in the order of its images; none without."""
    encoded: list[bytes] = []
    for file in stamp_files(path):
        with StampFile(file) as stamps:
            if stamps.has_masks:
                encoded += stamps.encoded_masks().to_pylist()
    return encoded


def _split_sources(samples: AuditSamples) -> SplitSources:
    stamps = samples.regions
    return SplitSources(
        names=samples.names,
        labels=samples.labels,
        ra=stamps.ra,
        dec=stamps.dec,
        extent_arcsec=stamps.extent_arcsec,
        shape=stamps.shape,
        angle_deg=stamps.angle_deg,
        classes=samples.classes.names,
        vectors=samples.vectors,
    )


def _codes(values: Sequence[object]) -> Ints:
    """Number equal values."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], np.int64)


def _rare_classes(labels: _Labels, classes: Sequence[str], folds: int) -> list[str]:
    """Name the classes with fewer sources than folds, of which some folds can have none."""
    counts = (labels.targets > 0).sum(axis=0)
    rare = [
        f"{classes[index]!r} ({counts[index]})" for index in np.flatnonzero(counts < folds).tolist()
        if counts[index]
    ]  # fmt: skip
    if not rare:
        return []
    noun = "tag" if labels.kind == "tags" else "class"
    text = (
        f"fewer sources than the {folds} folds in {noun} {listed(rare, _MAX_NAMED)}: too few to "
        "learn from, so that they come early in the queue"
    )
    return [text]


def _of_table(samples: AuditSamples, labels: _Labels, path: Path, action: str) -> _Predictions:
    """Take the probabilities of a table."""
    classes = samples.classes.names
    table = read_probabilities(path, classes, labels.kind, action)
    places = np.array([table.row_of.get(name, -1) for name in samples.names], np.int64)
    rows = np.flatnonzero(labels.labelled & (places >= 0))
    missing = [
        samples.names[row] for row in np.flatnonzero(labels.labelled & (places < 0)).tolist()
    ]
    if not len(rows):
        raise InputError(
            f"{action} --probabilities {path}: it has none of the {len(missing):,} labelled "
            f"sources; they are called {listed(missing)}"
        )
    sentence = (
        f"the probabilities of {path.name} were used; if they are of a model that was trained with "
        "these labels, it may have learnt the wrong ones too"
    )
    notices = []
    if missing:
        notices.append(
            f"{plural(len(missing), 'source')} not in {path.name}, and not ranked: "
            f"{listed(missing, _MAX_NAMED)}"
        )
    no_fold = np.full(len(rows), -1)
    values = table.values[places[rows]]
    return _Predictions(rows, values, no_fold, f"table {path.name}", sentence, tuple(notices))


def _compare(samples: AuditSamples, labels: _Labels, predictions: _Predictions) -> Suspects:
    """Rank the sources with probabilities, and say how good these are."""
    used, answers = labels.take(predictions.rows), predictions.probabilities
    if labels.kind == "classes":
        ranking = rank_classes(used.single, answers)
    elif labels.kind == "tags":
        ranking = rank_tags(used.targets.astype(np.int8), answers)
    else:
        ranking = rank_votes(used.targets, answers, used.single)
    accuracy = _agreement(used, answers)
    usual = used.targets.mean(axis=0)
    majority = _agreement(used, np.broadcast_to(usual, answers.shape))
    sentences = [
        predictions.sentence,
        _measured(used, samples.classes.names, accuracy, majority),
    ]
    if labels.kind != "votes":
        sentences.append(
            f"cleanlab counts {plural(int(ranking.is_issue.sum()), 'label')} as probably wrong; "
            f"the queue of {len(ranking.order):,} says which to look at first, not which are wrong"
        )
    unlabelled = int((~labels.labelled).sum())
    notices = [*predictions.notices]
    if unlabelled:
        notices.append(f"{plural(unlabelled, 'source')} without a label: not ranked")
    return Suspects(
        samples.path,
        labels.kind,
        _table(samples, used, predictions, ranking),
        tuple(sentences),
        tuple(notices),
        accuracy,
        majority,
    )


def _agreement(labels: _Labels, answers: Floats) -> float:
    """Return how well probabilities agree with the labels, from 0 to 1 (`Suspects.accuracy`)."""
    if labels.kind == "classes":
        return float((answers.argmax(axis=1) == labels.single).mean())
    if labels.kind == "tags":
        return float(((answers > 0.5) == (labels.targets > 0.5)).mean())
    return float(1 - np.abs(answers - labels.targets).sum(axis=1).mean() / 2)


def _measured(labels: _Labels, classes: Sequence[str], accuracy: float, majority: float) -> str:
    """Say how good the probabilities are, beside an answer that does not look at the source."""
    count = f"{len(labels.single):,}"
    if labels.kind == "classes":
        usual = classes[int(labels.targets.sum(axis=0).argmax())]
        return (
            f"the most probable class is that of the label for {accuracy:.1%} of {count} sources; "
            f"always answering {usual!r}, the most frequent class, agrees with {majority:.1%}"
        )
    if labels.kind == "tags":
        return (
            f"{accuracy:.1%} of the tags of {count} sources, present or absent, are predicted as "
            f"they are; the more frequent answer for each tag agrees with {majority:.1%}"
        )
    return (
        f"the predicted fractions of {count} sources agree with the votes to {accuracy:.1%} (1 "
        f"minus the mean total variation distance); the mean fractions of all to {majority:.1%}"
    )


def _table(
    samples: AuditSamples, labels: _Labels, predictions: _Predictions, ranking: Ranking
) -> pa.Table:
    """Return the queue as a table."""
    classes = samples.classes.names
    given = [_given(labels, row) for row in range(len(labels.single))]
    suggested = [
        _suggested(labels.kind, numbers, changed)
        for numbers, changed in zip(given, ranking.changed.tolist(), strict=True)
    ]
    order = ranking.order
    of_sample = predictions.rows[order]
    rows = samples.rows[of_sample]
    folds = predictions.fold[order] + 1
    columns = {
        "rank": np.arange(1, len(order) + 1),
        "source": [samples.names[row] for row in of_sample.tolist()],
        "row": pa.array(rows, mask=rows < 0),
        "score": ranking.score[order],
        "label": [_numbers(given[row]) for row in order.tolist()],
        "class": [_names(given[row], classes) for row in order.tolist()],
        "suggested_label": [_numbers(suggested[row]) for row in order.tolist()],
        "suggested_class": [_names(suggested[row], classes) for row in order.tolist()],
        "probability_given": pa.array(ranking.given[order], from_pandas=True),
        "probability_suggested": ranking.suggested[order],
        "issue": ranking.is_issue[order],
        "fold": pa.array(folds, mask=folds < 1),
        "method": [predictions.method] * len(order),
    }
    return pa.table(columns, schema=SUSPECT_COLUMNS)


def _given(labels: _Labels, row: int) -> list[int] | None:
    """Return the numbers of the classes of a source; None for votes without a single class."""
    if labels.kind == "tags":
        tags: list[int] = np.flatnonzero(labels.targets[row]).tolist()
        return tags
    single = int(labels.single[row])
    return None if single < 0 else [single]


def _suggested(kind: LabelKind, given: list[int] | None, changed: int) -> list[int] | None:
    """Return the numbers of the classes that are suggested; those given where nothing is."""
    if changed < 0:
        return given
    if kind == "tags":
        return sorted(set(given or []) ^ {changed})
    return [changed]


def _numbers(labels: list[int] | None) -> str | None:
    return None if labels is None else "; ".join(map(str, labels))


def _names(labels: list[int] | None, classes: Sequence[str]) -> str | None:
    return None if labels is None else join_classes([classes[label] for label in labels])


def _place(path: Path, samples: AuditSamples, out: Path | str | None) -> Path | None:
    """Return where the queue is written."""
    if out is not None:
        return Path(out).expanduser()
    return BuildFolder(path).suspects if samples.kind == "build" else None
