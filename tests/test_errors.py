"""The error tree: one root, pickled whole, as drawn in its docstring."""

from __future__ import annotations

import inspect
import pickle
import re
import traceback

import pytest

from mingolotss import errors
from mingolotss.io.optional import MissingLibraryError

KINDS = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.MingoError)
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_survives_pickling(kind):
    """Workers send errors home with their message, address, HTTP status and path."""
    extra = {}
    if issubclass(kind, errors.ServiceError):
        extra = {"url": "https://x.org/1", "status": 503}
    if issubclass(kind, errors.ImageError):
        extra = {"path": "x.fits"}
    copy = pickle.loads(pickle.dumps(kind("what: found; do this", **extra)))
    assert type(copy) is kind
    assert str(copy) == "what: found; do this"
    assert {name: getattr(copy, name) for name in extra} == extra


def test_the_tree_is_the_one_drawn():
    """Every class is in the docstring's tree, under its parent, and in ``__all__``."""
    drawn = re.findall(r"^( *(?:\|  )*)(?:[|`]- )?(\w+Error)\b", errors.__doc__, re.MULTILINE)
    assert sorted(name for _, name in drawn if name in errors.__all__) != []
    for kind in KINDS:
        assert kind.__name__ in errors.__all__
        assert re.search(rf"\b{kind.__name__}\b", errors.__doc__)
        assert issubclass(kind, errors.MingoError)


def test_only_an_unavailable_service_is_worth_another_try():
    """`retry` says whether asking again may help."""
    assert errors.ServiceUnavailableError("x").retry
    assert not errors.ServiceAnswerError("x").retry
    assert not errors.ServiceError("x").retry


def test_an_error_of_a_worker_process_keeps_its_line():
    """PyTorch raises it again with the traceback as its message; other tracebacks stay."""
    for kind in (errors.DatasetError, errors.ServiceUnavailableError, MissingLibraryError):
        try:
            try:
                {}["x"]
            except KeyError as error:
                raise kind("read a.parquet: damaged (Caught X in it); fetch it again") from error
        except kind as error:
            text = "".join(traceback.format_exception(error))
        wrapped = f"Caught {kind.__name__} in DataLoader worker process 1.\nOriginal {text}"
        expected = "read a.parquet: damaged (Caught X in it); fetch it again"
        assert str(kind(wrapped)) == expected
        assert str(kind(f"see this: {wrapped}")) != expected
