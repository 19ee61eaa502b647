"""Classification exports in the form in which the Zooniverse writes them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

HEADER = (
    "classification_id", "user_name", "user_id", "user_ip", "workflow_id", "workflow_name",
    "workflow_version", "created_at", "gold_standard", "expert", "metadata", "annotations",
    "subject_data", "subject_ids",
)  # fmt: skip


def classification(
    number: int,
    user: str,
    source: str | int,
    answers: Mapping[str, object] | Sequence[object],
    *,
    workflow: int = 10,
    name: str = "Galaxies",
    version: str = "16.55",
    created: str = "2026-01-02 10:00:00 UTC",
    key: str = "#source",
) -> list[str]:
    """Return one row: the answers to tasks, or the list of annotations."""
    annotations = (
        [
            {"task": task, "task_label": "**What?**\n\nLook closely", "value": value}
            for task, value in answers.items()
        ]
        if isinstance(answers, Mapping)
        else answers
    )
    subject = {"retired": None, key: source, "image": "stamp-000001.png", "#ra_deg": "1.5"}
    metadata = {"source": "api", "user_language": "en", "live_project": True}
    return [
        str(number), user, "", "9f86d081", str(workflow), name, version, created, "", "",
        json.dumps(metadata), json.dumps(annotations), json.dumps({"96588114": subject}),
        "96588114",
    ]  # fmt: skip


def write_export(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    """Write an export, and return its path."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADER)
        writer.writerows(rows)
    return path
