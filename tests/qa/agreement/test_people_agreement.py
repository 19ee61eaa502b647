"""The agreement of people, against scikit-learn and tables that were computed by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import mingolotss
from builds import run
from mingolotss.candidates.decisions import Decision, DecisionLog
from mingolotss.catalogue.agreement import fleiss_kappa
from mingolotss.dataset.judged_classes import JudgedClasses
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import DatasetError, DecisionError
from mingolotss.qa.agreement.document import judgement_words, render_agreement
from mingolotss.qa.agreement.measure import MOST_COMPARED, measure_agreement
from mingolotss.qa.agreement.result import NONE, Agreement
from mingolotss.qa.agreement.terminal import agreement_lines
from mingolotss.recipe.load import load_recipe
from skies import random_sky

CLASSES = ("FRI", "FRII", "odd; name")


def _row(source: str, by: str, *names: str) -> Decision:
    return Decision(source, "", "classify", by, "2026-01-02", "", names)


def _measure(rows: list[Decision], n: int = 40, *, tags: bool = False) -> Agreement:
    recipe = load_recipe("lotss")
    if tags:
        recipe = recipe.changed({"classes.from": "tags", "classes.columns": list(CLASSES)})
    names = [f"S{row}" for row in range(n)]
    return measure_agreement(Path("out"), names, JudgedClasses(recipe, CLASSES), rows)


def _answers(rng: np.random.Generator, people: int, n: int) -> np.ndarray:
    """Return answers of people who agree more often than by chance; 3 is none of the classes."""
    truth = rng.integers(0, 3, n)
    return np.where(rng.random((people, n)) < 0.6, truth, rng.integers(0, 4, (people, n)))


def test_cohen_and_fleiss_of_three_people() -> None:
    """Each pair has the kappa of scikit-learn on the sources that both have judged."""
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(7)
    answers = _answers(rng, 3, 40)
    has_judged = rng.random((3, 40)) < 0.8
    has_judged[0] = True
    rows = [
        _row(f"S{column}", by, *CLASSES[answers[row, column] : answers[row, column] + 1])
        for row, by in enumerate(["ann", "bob", "cem"])
        for column in range(40)
        if has_judged[row, column]
    ]
    result = _measure(rows)
    assert list(result.people) == sorted(result.people, key=lambda by: -result.people[by])
    for pair in result.pairs:
        first, second = (["ann", "bob", "cem"].index(by) for by in (pair.first, pair.second))
        common = has_judged[first] & has_judged[second]
        expected = metrics.cohen_kappa_score(answers[first, common], answers[second, common])
        assert pair.sources == common.sum()
        assert pair.agreeing == (answers[first] == answers[second])[common].sum()
        assert pair.kappa.value == pytest.approx(expected, abs=1e-12)
    people = has_judged.sum(axis=0)
    for group in result.groups:
        chosen = people == group.people
        counts = np.stack([((answers == a) & has_judged).sum(axis=0) for a in range(4)], axis=1)
        assert group.sources == chosen.sum()
        assert group.kappa.value == pytest.approx(fleiss_kappa(counts[chosen]))
    assert sum(group.sources for group in result.groups) == result.shared == (people > 1).sum()
    total = sum((answers[a] == answers[b])[has_judged[a] & has_judged[b]].sum()
                for a, b in [(0, 1), (0, 2), (1, 2)])  # fmt: skip
    assert sum(result.matrix[i][i] for i in range(4)) == 2 * total
    assert result.answers[-1] == NONE


def test_tags_have_one_kappa_each_and_their_mean() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    sets = rng.random((2, 30, 3)) < 0.5
    sets[1] = np.where(rng.random((30, 3)) < 0.7, sets[0], sets[1])
    sets[:, :, 2] = False  # nobody gives the last tag: its kappa is undefined
    rows = [
        _row(f"S{column}", by, *(CLASSES[tag] for tag in np.flatnonzero(sets[row, column])))
        for row, by in enumerate(["ann", "bob"])
        for column in range(30)
    ]
    result = _measure(rows, tags=True)
    (pair,) = result.pairs
    expected = [metrics.cohen_kappa_score(sets[0, :, tag], sets[1, :, tag]) for tag in (0, 1)]
    assert pair.kappa.tags is not None
    assert pair.kappa.tags["odd; name"] is None
    assert [pair.kappa.tags[name] for name in CLASSES[:2]] == pytest.approx(expected)
    assert pair.kappa.value == pytest.approx(np.mean(expected))
    assert pair.agreeing == (sets[0] == sets[1]).all(axis=1).sum()
    differing = {one.first: one.pairs for one in result.confusions}
    assert [differing.get(name, 0) for name in CLASSES] == (sets[0] != sets[1]).sum(axis=0).tolist()
    assert any("undefined" in line for line in agreement_lines(result))


def test_sources_are_in_the_order_of_their_disagreement() -> None:
    """Of pairs of people that differ: S2 3 of 3, S0 4 of 6, S1 2 of 3; S3 none, S4 one person."""
    rows = [
        _row("S0", "a", "FRI"), _row("S0", "b", "FRI"), _row("S0", "c", "FRII"),
        _row("S0", "d", "FRII"), _row("S1", "a", "FRI"), _row("S1", "b", "FRI"),
        _row("S1", "c", "odd; name"),
        _row("S2", "a", "FRI"), _row("S2", "b", "FRII"), _row("S2", "c"),
        _row("S3", "a", "FRI"), _row("S3", "b", "FRI"), _row("S4", "a", "FRI"),
    ]  # fmt: skip
    result = _measure(rows)
    assert result.names() == ["S2", "S0", "S1"]
    values = [one.disagreement for one in result.disagreements]
    assert values == pytest.approx([1, 4 / 6, 2 / 3])
    assert judgement_words(result.disagreements[0]) == f"FRI: a | FRII: b | {NONE}: c"
    assert judgement_words(result.disagreements[2]) == 'FRI: a, b | "odd; name": c'
    assert (result.sources, result.shared) == (5, 4)
    frequent = result.confusions[0]
    assert (frequent.first, frequent.second, frequent.pairs) == ("FRI", "FRII", 5)


def test_tags_disagree_by_the_jaccard_distance() -> None:
    """S0: {FRI} and {FRI, FRII}, 1/2; S1: {} and {FRI}, 1; S2: two empty sets, which agree."""
    rows = [
        _row("S0", "a", "FRI"), _row("S0", "b", "FRI", "FRII"), _row("S1", "a"),
        _row("S1", "b", "FRI"), _row("S2", "a"), _row("S2", "b"),
    ]  # fmt: skip
    result = _measure(rows, tags=True)
    assert [(one.source, one.disagreement) for one in result.disagreements] == [
        ("S1", 1), ("S0", 0.5)
    ]  # fmt: skip


def test_undefined_values_have_their_reason() -> None:
    same = [_row(f"S{row}", by, "FRI") for row in range(4) for by in ("ann", "bob")]
    result = _measure(same)
    assert result.pairs[0].kappa.value is None
    text = "\n".join(agreement_lines(result))
    assert "undefined: all people give all sources the same answer" in text
    assert "people agree on all 4 sources" in text
    assert "nan" not in text.lower()
    assert json.loads(render_agreement(result))["alpha"]["value"] is None


@pytest.mark.parametrize("rows", [[], [_row("S0", "ann", "FRI"), _row("S1", "bob", "FRI")]])
def test_no_source_with_two_judgements_is_said(rows: list[Decision]) -> None:
    result = _measure(rows)
    assert result.alpha.reason == "no source has two judgements"
    assert list(agreement_lines(result))[-1].startswith("no source has two judgements")
    assert "Agreement on 0 sources" in repr(result)


def test_thousands_of_volunteers_are_compared_by_the_most_active() -> None:
    rng = np.random.default_rng(1)
    rows = [
        _row(f"S{row}", f"volunteer {rng.integers(0, 3000)}", CLASSES[rng.integers(0, 3)])
        for row in range(200)
        for _ in range(30)
    ]
    result = _measure(rows, 200)
    assert len(result.people) > 1000
    assert result.compared == MOST_COMPARED
    assert len(result.pairs) <= MOST_COMPARED * (MOST_COMPARED - 1) / 2
    assert result.alpha.value == pytest.approx(0, abs=0.05)


def test_what_does_not_count_is_said() -> None:
    rows = [_row("Z", "ann", "no class"), Decision("S0", "", "confirm", "ann", note="sure")]
    result = _measure(rows)
    assert result.notices == (
        "judgements on 1 source that this build does not have do not count",
        "1 confirmation without a class in the column classes does not count",
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small build with the classes of MingoLoTSS."""
    folder = tmp_path_factory.mktemp("agreement")
    sky, out = random_sky(folder / "images", 14, 3, ("float32",)), folder / "demo"
    mingolotss.build("mingolotss", out=out, catalogue=sky.catalogue, service=sky.folder)
    return out


@pytest.mark.slow
def test_the_command_writes_the_queue(demo: Path, tmp_path: Path) -> None:
    assert mingolotss.agreement(demo).names() == []
    sources = read_manifest(demo, ["row", "source", "status"])["source"].to_pylist()[:3]
    log = DecisionLog(demo / "decisions.csv")
    for source in sources:
        log.add(_row(source, "ann", "FRI"))
        log.add(_row(source, "bob", "FRI" if source == sources[1] else "FRII"))
    done = run("agreement", demo, "--json", tmp_path / "all.json")
    assert done.returncode == 0, done.stderr
    assert "people disagree on 2 sources, worst first" in done.stdout
    with BuildFolder(demo).disagreements.open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["source"] for row in rows} == {sources[0], sources[2]}
    assert list(rows[0]) == ["source", "disagreement", "people", "judgements"]
    assert json.loads((tmp_path / "all.json").read_bytes())["people"] == {"ann": 3, "bob": 3}

    log.add(_row(sources[0], "ann", "no such class"))
    with pytest.raises(DecisionError, match="ann gives it the class 'no such class'"):
        mingolotss.agreement(demo)
    other = tmp_path / "mine.csv"
    DecisionLog(other).add(_row(sources[0], "cem", "FRI"))
    assert mingolotss.agreement(demo, decisions=other).people == {"cem": 1}


@pytest.mark.slow
def test_what_is_no_build_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no build in it"):
        mingolotss.agreement(tmp_path)
    done = run("agreement", tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
