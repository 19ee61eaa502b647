"""A dataset to volunteers and back: the subject set, and judgements from classifications."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import mingolotss
from builds import run
from mingolotss.candidates.decisions import DecisionLog
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.records import read_records
from mingolotss.errors import DatasetError, DecisionError, InputError
from mingolotss.pipeline.judged_labels import judge_labels
from named_builds import HOSTILE, HOSTILE_CLASSES, build_named
from skies import random_sky
from zooniverse_exports import classification, write_export


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small build with the classes of MingoLoTSS."""
    folder = tmp_path_factory.mktemp("zooniverse")
    sky, out = random_sky(folder / "images", 14, 3, ("float32",)), folder / "demo"
    mingolotss.build("mingolotss", out=out, catalogue=sky.catalogue, service=sky.folder)
    return out


@pytest.fixture
def build(demo: Path) -> Iterator[Path]:
    """Return the build without decisions."""
    (demo / "decisions.csv").unlink(missing_ok=True)
    yield demo
    (demo / "decisions.csv").unlink(missing_ok=True)


def _files_that_the_uploader_finds(manifest: Path) -> list[list[str]]:
    """Return the cells that `panoptes subject-set upload-subjects` takes for files, row by row.

    Version 1.2 takes each cell for a file whose path from the folder of the manifest exists.
    """
    with manifest.open(newline="") as stream:
        rows = list(csv.reader(stream, skipinitialspace=True))[1:]
    return [[cell for cell in row if (manifest.parent / cell).exists()] for row in rows]


def test_the_subject_set_has_every_image_and_no_other_file(demo: Path, tmp_path: Path) -> None:
    written = mingolotss.zooniverse_export(demo, tmp_path / "set")
    records = read_records(demo)
    assert written.subjects == written.images == len(records)
    files = _files_that_the_uploader_finds(written.manifest)
    assert all(len(row) == 1 for row in files)
    assert sorted(itertools.chain(*files)) == sorted(
        path.name for path in written.folder.iterdir() if path.suffix == ".png"
    )
    with written.manifest.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["#source"] for row in rows] == list(records.texts("source"))
    assert all(all(row.values()) for row in rows)  # an empty cell would be the folder
    classes = set(records.classes)
    assert not classes & {value for row in rows for value in row.values()}
    visible = [name for name in rows[0] if not name.startswith("#")]
    assert visible == ["image"]
    assert not any(source in row["image"] for row in rows for source in [row["#source"]])


def test_an_image_is_the_stamp_with_north_up(demo: Path, tmp_path: Path) -> None:
    records = read_records(demo)
    stamp = records.images()[0]
    side = stamp.shape[0]
    written = mingolotss.zooniverse_export(demo, tmp_path / "set", size=side)
    with Image.open(written.folder / "stamp-000001.png") as image:
        assert np.array_equal(np.asarray(image), stamp[::-1])
    large = mingolotss.zooniverse_export(demo, tmp_path / "large", size=4 * side, kind="jpeg")
    with Image.open(large.folder / "stamp-000001.jpg") as image:
        assert image.size == (4 * side, 4 * side)
        reduced = np.asarray(image.resize((side, side), Image.Resampling.BOX), float)
        assert np.corrcoef(reduced.ravel(), stamp[::-1].ravel())[0, 1] > 0.97


@pytest.mark.slow
def test_chosen_sources_in_their_order(demo: Path, tmp_path: Path) -> None:
    names = list(read_records(demo).texts("source"))[3:0:-1]
    queue = tmp_path / "queue.csv"
    queue.write_text("disagreement,source\n" + "".join(f"1,{name}\n" for name in names))
    done = run("zooniverse", "export", demo, tmp_path / "set", "--sources", queue)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "set/manifest.csv").open(newline="") as stream:
        assert [row["#source"] for row in csv.DictReader(stream)] == names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 10}, "give a size from 150 to 4000"),
        ({"size": 5000}, "give a size from 150 to 4000"),
        ({"kind": "gif"}, "the kind 'gif' is not png or jpeg"),
        ({"sources": ["absent", "other"]}, "no image of 'absent' and of 1 more sources"),
        ({"sources": []}, "no source is named"),
    ],
)
def test_what_cannot_be_written_is_one_line(
    demo: Path, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        mingolotss.zooniverse_export(demo, tmp_path / "set", **options)
    assert not (tmp_path / "set").exists()


def test_a_folder_with_files_is_not_written_to(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        mingolotss.zooniverse_export(demo, tmp_path)
    with pytest.raises(DatasetError):
        mingolotss.zooniverse_export(tmp_path, tmp_path / "set")


def test_classifications_become_soft_labels(build: Path, tmp_path: Path) -> None:
    """Ten volunteers on two sources: the next build has their fractions."""
    first, second = read_records(build).texts("source")[:2]
    answers = ["FRI"] * 6 + ["frii"] * 3 + ["![x](y.png) **Small**"]
    rows = [
        classification(number, f"not-logged-in-{number}", first, {"T0": answer})
        for number, answer in enumerate(answers)
    ]
    rows += [classification(20 + i, f"user {i}", second, {"T0": "Odd"}) for i in range(2)]
    path = write_export(tmp_path / "export.csv", rows)
    with pytest.raises(InputError, match=r"no class of the build: 'Odd' \(2\); give each --answer"):
        mingolotss.zooniverse_import(path, build)
    assert not (build / "decisions.csv").exists()
    result = mingolotss.zooniverse_import(path, build, answers={"Odd": ""})
    assert (result.added, result.known, result.repeated) == (12, 0, 0)
    decisions = DecisionLog(build / "decisions.csv").rows()
    assert decisions[-1].classes == ()
    assert decisions[0].note == "Zooniverse classification 0, workflow 10, task T0"
    assert decisions[0].date == "2026-01-02T10:00:00Z"
    before = (build / "decisions.csv").read_bytes()
    again = mingolotss.zooniverse_import(path, build, answers={"Odd": ""})
    assert (again.added, again.known) == (0, 12)
    assert (build / "decisions.csv").read_bytes() == before

    out = tmp_path / "soft"
    mingolotss.build(
        build / "recipe.toml", out=out, decisions=build / "decisions.csv",
        settings={"judgements.rule": "fractions", "judgements.reviewers": 2},
    )  # fmt: skip
    table = pq.read_table(out / "manifest.parquet")
    classes = mingolotss.status(out).provenance.classes
    votes = dict(zip(table["source"].to_pylist(), table["votes"].to_pylist(), strict=True))
    expected = {"FRI": 0.6, "FRII": 0.3, "Small": 0.1}
    assert votes[first] == [expected.get(name, 0) for name in classes]
    assert votes[second] == [0] * len(classes)


def test_of_several_classifications_of_one_person_one_counts(build: Path, tmp_path: Path) -> None:
    source = read_records(build).texts("source")[0]
    days = [f"2026-01-0{day} 10:00:00 UTC" for day in (3, 2, 4)]
    rows = [
        classification(number, "ann", source, {"T0": answer}, created=day)
        for number, (answer, day) in enumerate(zip(["FRI", "FRII", "Small"], days, strict=True))
    ]
    path = write_export(tmp_path / "export.csv", rows[:2])
    result = mingolotss.zooniverse_import(path, build)
    assert (result.added, result.repeated) == (1, 1)
    assert DecisionLog(build / "decisions.csv").rows()[0].classes == ("FRII",)  # the first in time
    later = write_export(tmp_path / "later.csv", rows)
    assert mingolotss.zooniverse_import(later, build).added == 0
    assert mingolotss.zooniverse_import(later, build, duplicates="last").added == 1
    assert DecisionLog(build / "decisions.csv").rows()[-1].classes == ("Small",)
    with pytest.raises(InputError, match="duplicates = 'best' is not first or last"):
        mingolotss.zooniverse_import(later, build, duplicates="best")


def test_what_was_undone_is_not_added_again(build: Path, tmp_path: Path) -> None:
    source = read_records(build).texts("source")[0]
    path = write_export(tmp_path / "export.csv", [classification(1, "ann", source, {"T0": "FRI"})])
    mingolotss.zooniverse_import(path, build)
    DecisionLog(build / "decisions.csv").undo("ann", "2026-02-01")
    assert mingolotss.zooniverse_import(path, build).added == 0


def test_several_answers_where_a_source_has_one_class(build: Path, tmp_path: Path) -> None:
    source = read_records(build).texts("source")[0]
    rows = [classification(1, "ann", source, {"T0": ["FRI", "FRII"]})]
    path = write_export(tmp_path / "export.csv", rows)
    with pytest.raises(DecisionError, match="ann gives it 2 classes"):
        mingolotss.zooniverse_import(path, build)
    result = mingolotss.zooniverse_import(path, build, ignore=["FRII"])
    assert result.added == 1
    assert DecisionLog(build / "decisions.csv").rows()[0].classes == ("FRI",)


@pytest.mark.slow
def test_the_command_says_what_does_not_count(build: Path, tmp_path: Path) -> None:
    source = read_records(build).texts("source")[0]
    rows = [
        classification(1, "ann", source, {"T0": "FR 1"}),
        classification(2, "bob", source, {"T0": "not sure"}),
        classification(3, "cem", source, {"T0": None}),
        classification(4, "cem", "elsewhere", {"T0": "FRI"}),
        classification(5, "ann", source, {"T0": "FR 1"}),
    ]
    path = write_export(tmp_path / "export.csv", rows)
    options = ("--answer", "FR 1=FRI", "--ignore", "not sure", "--workflow", "10", "--task", "T0")
    done = run("zooniverse", "import", path, "--into", build, *options)
    assert done.returncode == 0, done.stderr
    assert "4 classifications by 3 people on 2 sources: 1 judgements added" in done.stdout
    for words in (
        "1 are a repeated classification", "1 have no answer", "1 have an answer that is ignored",
        "1 are of sources that the build does not have",
    ):  # fmt: skip
        assert words in done.stdout
    assert run("agreement", build).returncode == 0
    wrong = run("zooniverse", "import", path, "--into", build, "--answer", "FR 1=FR9")
    assert wrong.returncode == 2
    assert "'FR9', which is no class of the build" in wrong.stderr
    assert wrong.stderr.count("\n") == 1


def test_sources_and_classes_of_any_name_come_back(tmp_path: Path) -> None:
    """All names but those that begin or end with white space, which decisions cannot have."""
    out = build_named(tmp_path, HOSTILE, HOSTILE_CLASSES)
    written = mingolotss.zooniverse_export(out, tmp_path / "set", size=32)
    with written.manifest.open(newline="", encoding="utf-8") as stream:
        subjects = [row["#source"] for row in csv.DictReader(stream)]
    assert len(subjects) == len(HOSTILE)
    answers = {f"answer {label}": name for label, name in enumerate(HOSTILE_CLASSES)}
    given = {name: f"answer {row % len(HOSTILE_CLASSES)}" for row, name in enumerate(subjects)}
    rows = [
        classification(row, "ann", name, {"T0": given[name]}) for row, name in enumerate(subjects)
    ]
    path = write_export(tmp_path / "export.csv", rows)
    answers = {text: name for text, name in answers.items() if name}
    result = mingolotss.zooniverse_import(path, out, answers={**answers, "answer 2": ""})
    names = [name for name in HOSTILE if name == name.strip()]
    judged = {row.source: row.classes for row in DecisionLog(out / "decisions.csv").rows()}
    assert sorted(judged) == sorted(names)
    assert result.added == len(names)
    for name, subject in zip(HOSTILE, subjects, strict=True):
        if name in judged:
            text = given[subject]
            assert judged[name] == ((answers[text],) if text in answers else ())

    recipe = mingolotss.status(out).provenance.recipe.changed({"judgements.rule": "last"})
    zeros = [0.0] * len(HOSTILE)
    catalogue = Catalogue.from_columns(HOSTILE, zeros, zeros, classes=HOSTILE_CLASSES)
    rows_in_force = DecisionLog(out / "decisions.csv").standing()
    labelled = judge_labels(catalogue, recipe, rows_in_force).catalogue
    for name, label in zip(labelled.names, labelled.labels.tolist(), strict=True):
        assert judged.get(name, ()) == ((HOSTILE_CLASSES[label],) if label >= 0 else ())
    assert mingolotss.agreement(out).people == {"ann": len(names)}


def test_an_export_of_other_sources_is_one_line(build: Path, tmp_path: Path) -> None:
    path = write_export(tmp_path / "export.csv", [classification(1, "a", "Z", {"T0": "FRI"})])
    with pytest.raises(InputError, match=r"has none of the sources of the subjects, .* not 'Z'"):
        mingolotss.zooniverse_import(path, build)
    with pytest.raises(DatasetError, match="there is no build in it"):
        mingolotss.zooniverse_import(path, tmp_path)
