"""The audit of a build as the report shows it: each answer, and some of the pairs in pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mingolotss.qa.audit.result import KINDS, Audit, Check, Pair
from mingolotss.qa.report.build_view import BuildView

__all__ = ["AuditPair", "audit_rows", "audit_values", "pictured_pairs"]

_OWN = "A"
_PER_CHECK = 6  # pairs in pictures


@dataclass(frozen=True, slots=True)
class AuditPair:
    """A pair that the page shows.

    Attributes
    ----------
    title : str
        Of the check.
    pair : Pair
    rows : tuple of int or None
        The rows of both sources; None for one of another dataset.
    """

    title: str
    pair: Pair
    rows: tuple[int | None, int | None]


def audit_values(build: BuildView) -> dict[str, object]:
    """Return the values that the template names."""
    audit = build.audit.audit
    return {
        "is_audited": audit is not None,
        "is_audit_outdated": build.audit.is_outdated,
        "audit": audit,
        "audit_checks": [] if audit is None else [*_answers(audit)],
        "audit_pairs": [*pictured_pairs(build)],
    }


def pictured_pairs(build: BuildView) -> Iterator[AuditPair]:
    """Give the pairs of each check that the page shows in pictures, the closest ones."""
    audit = build.audit.audit
    if audit is None:
        return
    for check in audit.checks:
        if not check.findings or _OWN not in check.datasets:
            continue
        for pair in check.pairs[:_PER_CHECK]:
            first, second = (
                build.find(one.name) if one.dataset == _OWN else None
                for one in (pair.first, pair.second)
            )
            yield AuditPair(_title(audit, check), pair, (first, second))


def audit_rows(build: BuildView) -> set[int]:
    """Return the rows whose stamps the section shows."""
    rows = (row for one in pictured_pairs(build) for row in one.rows)
    return {row for row in rows if row is not None}


def _answers(audit: Audit) -> Iterator[dict[str, object]]:
    """Give the checks that concern the build."""
    for check in audit.checks:
        if _OWN in check.datasets:
            yield {"title": _title(audit, check), "check": check}


def _title(audit: Audit, check: Check) -> str:
    """Return the title of a check, with the name of the other dataset if there is one."""
    others = [one.name for one in audit.datasets if one.letter in check.datasets[1:]]
    return f"{KINDS[check.kind]}, with {others[0]}" if others else KINDS[check.kind]
