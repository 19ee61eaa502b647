"""Forms of the label page as judgements: the classes that a person gives to a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mingolotss.candidates.decisions import Decision
from mingolotss.qa.review.context import Context
from mingolotss.qa.review.labels import classes_digest, given_classes, has_several
from mingolotss.qa.review.responses import http_error

if TYPE_CHECKING:
    from starlette.datastructures import ImmutableMultiDict

    Form = ImmutableMultiDict[str, str]

__all__ = ["MAX_NOTE", "confirmation_note", "judgement_of"]

MAX_NOTE = 500  # characters


def judgement_of(context: Context, form: Form, now: str) -> Decision:
    """Return the judgement in a form, checked.

    Parameters
    ----------
    context : Context
    form : multi-dict of str
        ``class`` is the label of each class, and ``classes`` the digest of their names on the page.
    now : str
        The time.

    Raises
    ------
    HTTPException
        The form is not one of this page, or the classes of the dataset have changed since.
    """
    record, build = context.record, context.snapshot.build
    names = build.provenance.classes
    verdict = form.get("verdict", "classify")
    if form.get("classes") != classes_digest(names):
        raise http_error(409, "the classes of the dataset have changed; load the page again")
    note = form.get("note", "")
    if verdict == "confirm" and not context.snapshot.blind:
        classes = given_classes(build, record)
        if classes is None or form.get("given") != classes_digest(classes):
            raise http_error(
                409, f"the label of {record['source']} has changed; load the page again"
            )
        note = confirmation_note(record["class"] or "none of the classes", note)
    elif verdict == "none":
        verdict, classes = "classify", ()
    elif verdict == "classify":
        classes = _chosen(form, names, several=has_several(build.recipe))
    else:
        raise http_error(400, "the verdict must be classify, none or confirm")
    return Decision(record["source"], "", verdict, context.by, now, note[:MAX_NOTE], classes)


def confirmation_note(label: str, note: str) -> str:
    """Return the note of a confirmed label, which names it for readers of the file."""
    return f"is {label}: {note}" if note.strip() else f"is {label}"


def _chosen(form: Form, names: tuple[str, ...], *, several: bool) -> tuple[str, ...]:
    """Return the names of the chosen classes, in the order of the labels."""
    texts = set(form.getlist("class"))
    labels = {str(label): label for label in range(len(names))}
    if not texts <= labels.keys():
        raise http_error(400, "choose classes of the dataset")
    if not several and len(texts) != 1:
        raise http_error(400, "choose one class, or none of these")
    return tuple(names[label] for label in sorted(labels[text] for text in texts))
