"""``audit.json``: the result of an audit as a file.

In a build it lies beside the report and is in no list of checksums, so that the build stays what it
is. The digest of the manifest in it says which state of the build it is about.

>>> from mingolotss.qa.audit.result import Audit, AuditedDataset, Check
>>> audit = Audit((AuditedDataset("A", "demo", "build", 2, {}),), (Check("labels", ("A",), 0, ""),))
>>> parse_audit(render_audit(audit), "audit.json") == audit
True
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mingolotss.dataset.layout import BuildFolder
from mingolotss.errors import DatasetError, InputError
from mingolotss.io.documents import parse_json
from mingolotss.io.error_text import first_line
from mingolotss.io.files import read_bounded, sha256_file, write_bytes
from mingolotss.io.system_faults import describe_fault
from mingolotss.qa.audit.result import Audit

__all__ = [
    "AuditState",
    "check_reviewable",
    "parse_audit",
    "read_audit",
    "render_audit",
    "write_audit",
    "write_build_audit",
]

_FORMAT = 1


def render_audit(audit: Audit) -> bytes:
    """Return an audit as JSON; the same audit gives the same bytes."""
    content = {"format": _FORMAT, "findings": audit.findings, **asdict(audit)}
    return json.dumps(_plain(content), indent=1, ensure_ascii=True).encode() + b"\n"


def write_audit(path: Path, audit: Audit) -> None:
    """Write an audit, complete or not at all.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    write_bytes(path, render_audit(audit))


def write_build_audit(folder: Path, audit: Audit) -> Path | None:
    """Write an audit beside the report of a build; None if the first dataset is no build.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    if audit.datasets[0].kind != "build":
        return None
    path = BuildFolder(folder.expanduser()).audit
    write_audit(path, audit)
    return path


def check_reviewable(folder: Path) -> None:
    """Refuse to review what is no build, before it is audited.

    Raises
    ------
    InputError
        It is an export or something else.
    """
    if not (BuildFolder(folder).candidates.is_file() and BuildFolder(folder).stamps.is_dir()):
        raise InputError(
            f"audit {folder} --review: only a build can be reviewed, and this is none; leave "
            "--review out"
        )


def parse_audit(data: bytes, origin: str) -> Audit:
    """Read an audit from JSON.

    Parameters
    ----------
    data : bytes
    origin : str
        Where it stands, for messages.

    Raises
    ------
    DatasetError
        It is damaged, or of a later version.
    """
    advice = "run `mingolotss audit` again"
    try:
        content = parse_json(data)
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise DatasetError(f"read {origin}: no audit of this version; {advice}")
        values = {key: content[key] for key in ("datasets", "checks")}
        return _adapter().validate_python(values)
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"read {origin}: damaged ({first_line(error)}); {advice}") from error


@dataclass(frozen=True, slots=True)
class AuditState:
    """The audit of a build, if it has one.

    Attributes
    ----------
    audit : Audit or None
        None if there is none, or if it is of another state of the build.
    is_outdated : bool
        Whether there is one of another state of the build.
    """

    audit: Audit | None
    is_outdated: bool = False


def read_audit(folder: Path) -> AuditState:
    """Read the audit of a build.

    Raises
    ------
    DatasetError
        The file is damaged.
    """
    build = BuildFolder(folder)
    try:
        data = read_bounded(build.audit)
    except (FileNotFoundError, NotADirectoryError):
        return AuditState(None)
    except OSError as error:
        reason = describe_fault(error) or error.strerror or error
        raise DatasetError(f"read {build.audit}: {reason}") from error
    audit = parse_audit(data, str(build.audit))
    is_own = bool(audit.datasets) and audit.datasets[0].digest == sha256_file(build.manifest)
    return AuditState(audit if is_own else None, is_outdated=not is_own)


def _plain(value: Any) -> Any:
    """Return tuples with names as dictionaries, and all else as it is."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {key: _plain(item) for key, item in value._asdict().items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _adapter() -> TypeAdapter[Audit]:
    return TypeAdapter(Audit)
