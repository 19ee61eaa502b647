"""The judgements of people become labels: of a catalogue in memory, and of builds."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import mingolotss
from mingolotss.candidates.decisions import Decision, DecisionLog
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.layout import BuildFolder
from mingolotss.errors import DecisionError, RecipeError
from mingolotss.pipeline import build_plan
from mingolotss.pipeline.judged_labels import judge_labels
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.model import Recipe
from skies import Sky, random_sky

CLASSES = ("FRI", "FR; II", "a + b")


def _judge(
    source: str, by: str, *names: str, verdict: str = "classify", note: str = ""
) -> Decision:
    return Decision(source, "", verdict, by, "2026-01-02", note, names)


def _recipe(source: str = "flags", **judgements: object) -> Recipe:
    table = [
        {"label": label, "name": name, "flags": [column]}
        for label, (name, column) in enumerate(zip(CLASSES, "xyz", strict=True))
    ]
    classes = {"from": source, "columns": ["x", "y", "z"], "table": table}
    settings: dict[str, object] = {"classes": classes} | {
        f"judgements.{key}": value for key, value in judgements.items()
    }
    return load_recipe("lotss").changed(settings)


def _catalogue(labels: Sequence[int], vectors: LabelVectors | None = None) -> Catalogue:
    names = [chr(ord("A") + row) for row in range(len(labels))]
    angles = np.arange(len(labels))
    return Catalogue.from_columns(
        names, angles, angles, labels=labels, classes=CLASSES, vectors=vectors
    )


# A: two of three; B: a tie; C: nobody; D: one person, who says that it is none of the classes
ROWS = [
    _judge("A", "ann", "FRI"), _judge("A", "bob", "FR; II"), _judge("B", "ann", "FRI"),
    _judge("B", "bob", "a + b"), _judge("A", "cem", "FR; II", verdict="confirm"),
    _judge("D", "ann"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "labels", "origins"),
    [
        ({"rule": "majority"}, [1, 0, 2, -1],
         ["people: majority, 2 of 3", "catalogue", "catalogue", "people: majority, 1 of 1"]),
        ({"rule": "majority", "ties": "unlabelled"}, [1, -1, 2, -1],
         ["people: majority, 2 of 3", "people: no result (majority), 1 of 2", "catalogue",
          "people: majority, 1 of 1"]),
        ({"rule": "majority", "reviewers": 3}, [1, 0, 2, 2],
         ["people: majority, 2 of 3", "catalogue", "catalogue", "catalogue"]),
        ({"rule": "unanimous"}, [0, 0, 2, -1],
         ["catalogue", "catalogue", "catalogue", "people: unanimous, 1 of 1"]),
        ({"rule": "unanimous", "ties": "unlabelled", "reviewers": 2}, [-1, -1, 2, 2],
         ["people: no result (unanimous), 2 of 3", "people: no result (unanimous), 1 of 2",
          "catalogue", "catalogue"]),
        ({"rule": "last"}, [1, 2, 2, -1],
         ["people: last, 2 of 3", "people: last, 1 of 2", "catalogue", "people: last, 1 of 1"]),
    ],
)  # fmt: skip
def test_single_classes(settings: dict[str, object], labels: list[int], origins: list[str]) -> None:
    catalogue, notices = judge_labels(_catalogue([0, 0, 2, 2]), _recipe(**settings), ROWS)
    assert catalogue.labels.tolist() == labels
    assert catalogue.label_from == origins
    assert notices == ()
    assert catalogue.take(np.array([2, 0])).label_from == [origins[2], origins[0]]


def test_without_a_rule_nothing_changes() -> None:
    before = _catalogue([0, 0, 2, 2])
    wrong = [_judge("A", "ann", "no such class")]
    assert judge_labels(before, _recipe(), wrong) == (before, ())


def test_fractions_are_soft_labels_of_all_sources() -> None:
    """A label of the catalogue has the fraction 1, by an unknown number of people."""
    recipe = _recipe(rule="fractions")
    assert recipe.label_kind == "votes"
    catalogue = judge_labels(_catalogue([0, 0, 2, 2, -1]), recipe, ROWS).catalogue
    assert catalogue.vectors is not None
    expected = [[1 / 3, 2 / 3, 0], [0.5, 0, 0.5], [0, 0, 1], [0, 0, 0], [np.nan] * 3]
    np.testing.assert_array_equal(catalogue.vectors.values, expected)
    np.testing.assert_array_equal(catalogue.vectors.totals, [3, 2, np.nan, 1, np.nan])
    assert catalogue.labels.tolist() == [1, -1, 2, -1, -1]
    assert catalogue.label_from is not None
    assert catalogue.label_from[:3] == ["people: fractions, 3", "people: fractions, 2", "catalogue"]


def test_none_of_the_classes_is_an_answer_that_can_have_the_most_votes() -> None:
    """Two of four say that A has none: no single class; one of three for B: its class has two."""
    rows = [
        _judge("A", "ann", "FRI"), _judge("A", "bob", "a + b"), _judge("A", "cem"),
        _judge("A", "dan"), _judge("B", "ann", "FRI"), _judge("B", "bob", "FRI"),
        _judge("B", "cem"),
    ]  # fmt: skip
    before = _catalogue([1, 1])
    after = judge_labels(before, _recipe(rule="fractions"), rows).catalogue
    assert after.labels.tolist() == [-1, 0]
    recipe = _recipe(rule="fractions").changed({"classes.least_fraction": 0.7})
    assert judge_labels(before, recipe, rows).catalogue.labels.tolist() == [-1, -1]
    with pytest.raises(RecipeError, match=r"least_fraction needs votes: .* 'fractions'"):
        _recipe().changed({"classes.least_fraction": 0.7})


def test_tags() -> None:
    rows = [
        _judge("A", "ann", "FRI", "a + b"), _judge("A", "bob", "FRI"), _judge("A", "cem", "a + b"),
        _judge("B", "ann", "FRI"), _judge("B", "bob"), _judge("C", "ann", verdict="confirm"),
    ]  # fmt: skip
    tags = LabelVectors.of_tags([[0, 1, 0], [1, 1, 1], [0, 0, 0], [-1, -1, -1]])
    before = _catalogue([-1] * 4, tags)
    after = judge_labels(before, _recipe("tags", rule="majority"), rows).catalogue
    assert after.vectors is not None
    expected = [[1, 0, 1], [1, 1, 1], [0, 0, 0], [-1, -1, -1]]
    assert after.vectors.values.tolist() == expected
    assert after.vectors.values.dtype == np.int8
    assert after.label_from == [
        "people: majority, 2 of 3", "catalogue", "people: majority, 1 of 1", "catalogue"
    ]  # fmt: skip
    recipe = _recipe("tags", rule="majority", ties="unlabelled")
    after = judge_labels(before, recipe, rows).catalogue
    assert after.vectors is not None
    assert after.vectors.values[1].tolist() == [-1] * 3
    after = judge_labels(before, _recipe("tags", rule="fractions"), rows).catalogue
    assert after.vectors is not None
    expected = [[2 / 3, 0, 2 / 3], [0.5, 0, 0], [0, 0, 0], [np.nan] * 3]
    np.testing.assert_array_equal(after.vectors.values, expected)
    assert before.vectors is not None
    assert before.vectors.values[0].tolist() == [0, 1, 0]  # the given catalogue stays


def test_votes_of_a_catalogue_are_replaced_by_those_of_people() -> None:
    votes = LabelVectors.of_votes([[0.5, 0.5, 0], [0, 0.25, 0.75]], [8, 4])
    before = _catalogue([-1, 2], votes)
    rows = [_judge("A", "ann", "FRI"), _judge("A", "bob", "FRI")]
    for rule in ("majority", "fractions", "unanimous", "last"):
        after = judge_labels(before, _recipe("votes", rule=rule), rows).catalogue
        assert after.vectors is not None
        assert after.vectors.values.tolist() == [[1, 0, 0], [0, 0.25, 0.75]]
        assert after.vectors.totals.tolist() == [2, 4]
        assert after.labels.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            _judge("A", "ann", "FR II"),
            r"to A: ann gives it the class 'FR II', .* did you mean 'FR;",
        ),
        (_judge("A", "", "x"), "to A: a row without a name gives it the class 'x'"),
        (_judge("A", "ann", "FRI", "a + b"), "to A: ann gives it 2 classes .* has one class"),
    ],
)
def test_a_judgement_that_cannot_count_is_one_line(row: Decision, message: str) -> None:
    with pytest.raises(DecisionError, match=message) as error:
        judge_labels(_catalogue([0]), _recipe(rule="last"), [row])
    assert "\n" not in str(error.value)


def test_sources_of_another_catalogue_are_a_notice() -> None:
    rows = [*ROWS, *(_judge(f"Z{number}", "ann", "no class of this one") for number in range(5))]
    _, notices = judge_labels(_catalogue([0] * 4), _recipe(rule="last"), rows)
    (notice,) = notices
    assert notice.startswith("decisions.csv: judgements on 5 sources that the catalogue does not")


@pytest.mark.parametrize(
    ("note", "label"),
    [
        ("is a + b", 2),
        ("is FR; II: sure", 1),
        ("is a", None),
        ("", None),
        ("is a + b of ours", None),
    ],
)
def test_a_confirmation_of_an_earlier_version_names_its_class_in_the_note(
    note: str, label: int | None
) -> None:
    """It has no classes; one whose note names none does not count, and a line says so."""
    rows = [_judge("A", "ann", verdict="confirm", note=note)]
    catalogue, notices = judge_labels(_catalogue([0]), _recipe(rule="last"), rows)
    assert catalogue.labels.tolist() == [0 if label is None else label]
    assert len(notices) == (label is None)


def test_a_merged_class_has_the_judgements_on_the_old_ones() -> None:
    recipe = _recipe(rule="majority").changed(
        {"classes.merge": {"odd": ["FR; II", "a + b"]}, "classes.drop": ["FRI"]}
    )
    catalogue = Catalogue.from_columns(["A"], [1], [1], labels=[-1], classes=recipe.class_names)
    after = judge_labels(
        catalogue, recipe, [_judge("A", "ann", "FR; II"), _judge("A", "bob", "a + b")]
    ).catalogue
    assert after.labels.tolist() == [0]
    assert after.label_from == ["people: majority, 2 of 2"]
    with pytest.raises(DecisionError, match=r"'FRI', which classes\.drop of the recipe leaves out"):
        judge_labels(catalogue, recipe, [_judge("A", "ann", "FRI")])


def test_people_need_classes() -> None:
    with pytest.raises(RecipeError, match="people need classes to choose from"):
        load_recipe("lotss").changed({"judgements.rule": "majority"})


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Sky:
    """Return a folder of twelve sources."""
    return random_sky(tmp_path_factory.mktemp("sky") / "images", 12, 3, ("float32",))


def _build_tags(sky: Sky, out: Path) -> pq.Table:
    """Build a sky in which the tags of the sources alternate."""
    catalogue = out.with_suffix(".csv")
    with catalogue.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["Source_Name", "RA", "DEC", "x", "y", "z"])
        for row, (name, ra, dec) in enumerate(zip(sky.names, sky.ra, sky.dec, strict=True)):
            writer.writerow([name, ra, dec, 1 - row % 2, row % 2, 0])
    recipe = _recipe("tags").changed({"formats": ["parquet", "csv"]})
    mingolotss.build(recipe, out=out, catalogue=catalogue, service=sky.folder)
    return pq.read_table(out / "manifest.parquet")


def _build(
    sky: Sky, out: Path, *, source: str = "column", rows: int = 12, **judgements: object
) -> pq.Table:
    """Build a sky in which the classes of the sources alternate."""
    catalogue = out.with_suffix(".csv")
    with catalogue.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["Source_Name", "RA", "DEC", "kind"])
        columns = zip(sky.names[:rows], sky.ra, sky.dec, strict=False)
        for row, (name, ra, dec) in enumerate(columns):
            writer.writerow([name, ra, dec, CLASSES[row % 2]])
    table = [{"label": label, "name": name} for label, name in enumerate(CLASSES)]
    settings = {
        "classes.from": source,
        "classes.column": "kind",
        "classes.table": table,
        "formats": ["parquet", "csv", "batches"],
    } | {f"judgements.{key}": value for key, value in judgements.items()}
    mingolotss.build("lotss", out=out, catalogue=catalogue, service=sky.folder, settings=settings)
    return pq.read_table(out / "manifest.parquet")


@pytest.mark.slow
def test_the_next_build_has_the_labels_and_only_their_parts_are_made_again(
    tmp_path: Path, sky: Sky, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The splits stay, and stamps and manifest have the labels of the people."""
    monkeypatch.setattr(build_plan, "_MIN_PART_SOURCES", 4)
    out = tmp_path / "out"
    before = _build(sky, out)
    assert "label_from" not in before.column_names
    log = DecisionLog(out / "decisions.csv")
    names = before["source"].to_pylist()
    log.add(_judge(names[0], "ann", "a + b"))
    assert not mingolotss.status(out).changes  # without a rule nothing follows the judgement
    table = _build(sky, out, rule="majority")
    assert table["label_from"].to_pylist() == ["people: majority, 1 of 1", *["catalogue"] * 11]
    assert table["label"].to_pylist() == [2, *before["label"].to_pylist()[1:]]
    assert table["split"] == before["split"]
    assert table["pixels_sha256"] == before["pixels_sha256"]
    times = {path: path.stat().st_mtime_ns for path in BuildFolder(out).parts()}
    assert len(times) > 1

    log.add(_judge(names[0], "bob", "a + b"))
    log.add(_judge(names[1], "bob", "FRI"))
    (change,) = mingolotss.status(out).changes
    assert change.text == "decisions.csv: it has 3 decisions; the products follow others (1)"
    mingolotss.build(out=out)
    assert not mingolotss.status(out).changes
    again = pq.read_table(out / "manifest.parquet")
    assert again["label_from"].to_pylist()[:3] == [
        "people: majority, 2 of 2", "people: majority, 1 of 1", "catalogue"
    ]  # fmt: skip
    assert again["label"].to_pylist() == [2, 0, *before["label"].to_pylist()[2:]]
    changed = {path for path, time in times.items() if path.stat().st_mtime_ns != time}
    judged = {path for path in times if {*names[:2]} & {*pq.read_table(path)["source"].to_pylist()}}
    assert changed == judged
    assert len(judged) < len(times)
    assert mingolotss.verify(out).good


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["majority", "fractions"])
def test_compare_names_the_changed_labels_and_where_they_come_from(
    tmp_path: Path, sky: Sky, rule: str
) -> None:
    """As settings, decisions and labels, and not as other values of the catalogue."""
    first, second = tmp_path / "first", tmp_path / "second"
    table = _build(sky, first, rule=rule)
    _build(sky, second, rule=rule)
    names = table["source"].to_pylist()
    log = DecisionLog(second / "decisions.csv")
    log.add(_judge(names[2], "ann", "a + b"))
    log.add(_judge(names[6], "ann", "FRI"))  # as the catalogue says
    _build(sky, second, rule=rule)
    comparison = mingolotss.compare(first, second)
    origin = "people: fractions, 1" if rule == "fractions" else "people: majority, 1 of 1"
    causes = dict(comparison.causes())
    assert causes["decisions that differ"] == [
        f"{names[2]}, label: catalogue and {origin}", f"{names[6]}, label: catalogue and {origin}"
    ]  # fmt: skip
    assert causes["catalogue values that differ"] == []
    assert not comparison.same
    if rule == "majority":
        assert comparison.labels == [f"{names[2]}: FRI (catalogue) and a + b ({origin})"]
        log.undo("ann", "2026-01-03")
        log.undo("ann", "2026-01-03")
        _build(sky, second, rule=rule)
        assert mingolotss.compare(first, second).same
    else:
        assert comparison.labels == [
            f"{names[2]}: FRI 1 (catalogue) and a + b 1 of 1 votes ({origin})",
            f"{names[6]}: FRI 1 (catalogue) and FRI 1 of 1 votes ({origin})",
        ]


def test_compare_names_the_changed_tags(tmp_path: Path, sky: Sky) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    table = _build_tags(sky, first)
    names = table["source"].to_pylist()
    _build_tags(sky, second)
    log = DecisionLog(second / "decisions.csv")
    log.add(_judge(names[1], "ann", "FRI", "a + b"))
    log.add(_judge(names[2], "ann"))
    mingolotss.build(out=second, settings={"judgements.rule": "unanimous"})
    table = pq.read_table(second / "manifest.parquet")
    assert table["tags"].to_pylist() == [[0], [0, 2], [], *[[row % 2] for row in range(3, 12)]]
    comparison = mingolotss.compare(first, second)
    origin = "(people: unanimous, 1 of 1)"
    assert comparison.labels == [
        f"{names[1]}: FR; II (catalogue) and FRI + a + b {origin}",
        f"{names[2]}: FRI (catalogue) and no tag {origin}",
    ]
    assert dict(comparison.causes())["catalogue values that differ"] == []


def test_a_catalogue_with_more_rows_keeps_splits_and_labels_of_people(
    tmp_path: Path, sky: Sky
) -> None:
    """The labels of the rows before are compared with the catalogue where they are of it."""
    out = tmp_path / "out"
    table = _build(sky, out, rule="majority", rows=9)
    names = table["source"].to_pylist()
    DecisionLog(out / "decisions.csv").add(_judge(names[0], "ann", "a + b"))
    mingolotss.build(out=out)
    DecisionLog(out / "decisions.csv").add(_judge(names[3], "ann", "a + b"))
    after = _build(sky, out, rule="majority")
    assert len(after) == 12
    assert after["label"].to_pylist() == [2, 1, 0, 2, *(row % 2 for row in range(4, 12))]
    assert after["split"].to_pylist()[:9] == table["split"].to_pylist()


@pytest.mark.slow
def test_exports_say_where_labels_come_from(tmp_path: Path, sky: Sky) -> None:
    """Also the formats whose files have one source each."""
    out = tmp_path / "out"
    names = _build(sky, out)["source"].to_pylist()
    DecisionLog(out / "decisions.csv").add(_judge(names[2], "ann", "a + b"))
    table = _build(sky, out, rule="last")
    written = table.filter(pc.equal(table["status"], "written"))
    expected = dict(
        zip(written["source"].to_pylist(), written["label_from"].to_pylist(), strict=True)
    )
    assert expected[names[2]] == "people: last, 1 of 1"
    for kind in ("parquet", "fits", "webdataset"):
        mingolotss.export(out, kind, tmp_path / kind)
        rows = pq.read_table(tmp_path / kind / "manifest.parquet")
        assert (
            dict(zip(rows["source"].to_pylist(), rows["label_from"].to_pylist(), strict=True))
            == expected
        )
        assert mingolotss.verify(tmp_path / kind).good
        assert mingolotss.compare(out, tmp_path / kind).labels == []


def test_people_label_a_catalogue_without_labels(tmp_path: Path, sky: Sky) -> None:
    """A table of classes is enough, and the first build has no labels."""
    out = tmp_path / "out"
    table = _build(sky, out, rule="majority", source="none")
    assert table["label"].null_count == 12
    assert mingolotss.status(out).provenance.classes == CLASSES
    log = DecisionLog(out / "decisions.csv")
    for name, label in zip(table["source"].to_pylist()[:6], [0, 1, 2] * 2, strict=True):
        log.add(_judge(name, "ann", CLASSES[label]))
    mingolotss.build(out=out)
    table = pq.read_table(out / "manifest.parquet")
    assert table["label"].to_pylist() == [0, 1, 2, 0, 1, 2, *[None] * 6]
    assert mingolotss.load(out).classes == CLASSES


def test_a_rule_without_judgements_says_that_all_labels_are_of_the_catalogue(
    tmp_path: Path, sky: Sky
) -> None:
    table = _build(sky, tmp_path / "out", rule="fractions")
    assert table["label_from"].to_pylist() == ["catalogue"] * 12
    assert table["votes"].to_pylist() == [
        [float(label == row % 2) for label in range(3)] for row in range(12)
    ]
    assert table["votes_total"].null_count == 12
