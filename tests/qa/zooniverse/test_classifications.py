"""Exports of classifications, in the form in which the Zooniverse writes them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from mingolotss.errors import InputError
from mingolotss.qa.zooniverse.classifications import (
    TaskChoice,
    answer_text,
    read_classifications,
)
from zooniverse_exports import HEADER, classification, write_export


def test_questions_with_one_answer(tmp_path: Path) -> None:
    path = write_export(tmp_path / "export.csv", [
        classification(7, "ann", "A", {"T0": "FRI"}, created="2026-01-03 10:00:00 UTC"),
        classification(5, "not-logged-in-ab12", "A", {"T0": "FRII"}),
        classification(6, "", "B", {"T0": None}),
        classification(9, "", "B", {"T0": "FRI"}, created="2026-01-04 10:00:00 UTC"),
    ])  # fmt: skip
    export = read_classifications(path, TaskChoice())
    assert [(one.number, one.user, one.source, one.answers) for one in export.classifications] == [
        (5, "not-logged-in-ab12", "A", ("FRII",)),
        (7, "ann", "A", ("FRI",)),
        (9, "not-logged-in-9f86d081", "B", ("FRI",)),
    ]
    assert export.classifications[0].date == "2026-01-02T10:00:00Z"
    assert export.unanswered == 1


def test_questions_with_several_answers(tmp_path: Path) -> None:
    path = write_export(tmp_path / "export.csv", [
        classification(1, "ann", "A", {"T0": ["bent", "core", "bent"]}),
        classification(2, "bob", "A", {"T0": []}),
    ])  # fmt: skip
    export = read_classifications(path, TaskChoice())
    assert [one.answers for one in export.classifications] == [("bent", "core"), ()]


def test_a_combined_task_and_an_answer_that_was_changed(tmp_path: Path) -> None:
    """The tasks of a combination are inside its value; of two answers the last one counts."""
    combined = {"task": "T9", "value": [
        {"task": "T0", "task_label": "What?", "value": "FRI"}, {"task": "T1", "value": [{"x": 1}]},
    ]}  # fmt: skip
    changed = [{"task": "T0", "value": "FRI"}, {"task": "T0", "value": "FRII"}]
    path = write_export(tmp_path / "export.csv", [
        classification(1, "ann", "A", [combined]), classification(2, "bob", "A", changed),
    ])  # fmt: skip
    export = read_classifications(path, TaskChoice())
    assert [one.answers for one in export.classifications] == [("FRI",), ("FRII",)]


def test_workflow_task_and_version_are_chosen(tmp_path: Path) -> None:
    path = write_export(tmp_path / "export.csv", [
        classification(1, "ann", "A", {"T0": "FRI", "T1": "yes"}, version="16.5"),
        classification(2, "bob", "A", {"T0": "FRII", "T1": "no"}, version="15.2"),
        classification(3, "cem", "A", {"T0": "FRII"}, workflow=11, name="Other"),
        classification(4, "cem", "A", {"T2": [{"pathX": [1.5] * 40_000}]}),
    ])  # fmt: skip
    with pytest.raises(InputError, match=r"several workflows; give --workflow .* 11 \(Other, 1 cl"):
        read_classifications(path, TaskChoice())
    with pytest.raises(InputError, match=r"several tasks; .* T0 \(What\? Look closely, 2 class"):
        read_classifications(path, TaskChoice(workflow="10"))
    with pytest.raises(InputError, match="there is no task 'T7'; give --task"):
        read_classifications(path, TaskChoice(workflow="10", task="T7"))
    with pytest.raises(InputError, match="the task T2 is no question"):
        read_classifications(path, TaskChoice(workflow="10", task="T2"))
    with pytest.raises(InputError, match="no classification of the version '99'"):
        read_classifications(path, TaskChoice(workflow="10", version="99"))
    by_name = read_classifications(path, TaskChoice(workflow="Other"))
    assert [one.user for one in by_name.classifications] == ["cem"]
    for version in ("16", "16.5"):
        chosen = read_classifications(path, TaskChoice("10", "T0", version))
        assert [one.user for one in chosen.classifications] == ["ann"]


@pytest.mark.parametrize("key", ["#source", "source", "!source", "//source"])
def test_a_mark_that_hides_the_metadata_may_have_changed(tmp_path: Path, key: str) -> None:
    path = write_export(
        tmp_path / "export.csv", [classification(1, "ann", "A", {"T0": "FRI"}, key=key)]
    )
    assert read_classifications(path, TaskChoice()).classifications[0].source == "A"


def test_numbers_as_names_of_sources(tmp_path: Path) -> None:
    """Panoptes keeps a manifest's texts, and other programs write numbers."""
    path = write_export(tmp_path / "export.csv", [classification(1, "ann", 17, {"T0": "FRI"})])
    assert read_classifications(path, TaskChoice()).classifications[0].source == "17"


def test_subjects_without_the_name_of_a_source(tmp_path: Path) -> None:
    rows = [classification(1, "ann", "A", {"T0": "FRI"}, key="objectId")]
    path = write_export(tmp_path / "export.csv", rows)
    with pytest.raises(InputError, match="no subject has the metadata '#source'"):
        read_classifications(path, TaskChoice())
    export = read_classifications(path, TaskChoice(source_key="objectId"))
    assert export.classifications[0].source == "A"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("FR I", "FR I"), ("  **FR  I**\n", "FR I"), ("![a](b.png)FR I", "FR I"),
        ("![a](b.png)\n\n### FR I", "FR I"), ("_FR I_ `x`", "FR I x"),
    ],
)  # fmt: skip
def test_answers_lose_their_markdown(text: str, shown: str) -> None:
    assert answer_text(text) == shown


def _damaged(changes: Mapping[str, str]) -> list[str]:
    row = dict(zip(HEADER, classification(1, "ann", "A", {"T0": "FRI"}), strict=True))
    return [{**row, **changes}[name] for name in HEADER]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotations": "[{"}, "line 3: annotations is no JSON"),
        ({"annotations": "[" * 200_000}, r"annotations is no JSON \(nested too deep"),
        ({"annotations": '{"T0": 1}'}, "annotations is JSON of another form"),
        ({"annotations": "[7]"}, "an annotation names no task"),
        ({"annotations": json.dumps([{"task": "T0", "value": ["x"] * 2000}])}, "T0 is no question"),
        (
            {"annotations": json.dumps([{"task": "T0", "value": "![" * 100_000}])},
            "T0 is no question",
        ),
        ({"subject_data": ""}, "subject_data is no JSON"),
        ({"subject_data": "{}"}, "subject_data has 0 subjects"),
        ({"subject_data": '{"1": {}, "2": {}}'}, "subject_data has 2 subjects"),
        ({"subject_data": '{"1": 7}'}, "subject_data has 1 subjects"),
        ({"classification_id": "x"}, "classification_id = 'x' is no number"),
        ({"classification_id": "1" * 500}, "is no number"),
        ({"created_at": "yesterday"}, "created_at = 'yesterday' is no date and time"),
        ({"user_name": "x" * 1000}, "user_name has 1000 letters"),
        ({"annotations": f"[{'9' * 5000}]"}, "annotations is no JSON"),
    ],
)
def test_a_damaged_row_is_one_line(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    rows: list[Sequence[str]] = [classification(1, "ann", "A", {"T0": "FRI"}), _damaged(changes)]
    path = write_export(tmp_path / "export.csv", rows)
    with pytest.raises(InputError, match=message) as error:
        read_classifications(path, TaskChoice())
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has no column classification_id"),
        (b"a,b\n1,2\n", "it has no column classification_id, user_name"),
        (b"\xff\xfe\x00", "no text in UTF-8"),
        (",".join(HEADER).encode() + b"\n", "it has no classification"),
        (",".join(HEADER).encode() + b'\n"1,2\n', "is no CSV"),
    ],
)
def test_what_is_no_export_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "export.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_classifications(path, TaskChoice())
    with pytest.raises(InputError, match="No such file"):
        read_classifications(tmp_path / "absent.csv", TaskChoice())
    with pytest.raises(InputError):
        read_classifications(tmp_path, TaskChoice())
    assert csv.field_size_limit() == 131_072  # as before
