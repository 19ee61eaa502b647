"""What the tests share: where the project's data are, and tiny builds."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from mingolotss.image import kernel_library

ROOT = Path(__file__).parents[1]
# The tests import a million objects that stay. Looking for garbage among them takes a quarter of
# the time of the imports, and some of the time of each test.
gc.disable()
# Every module is imported for its doctests; this one needs Selenium.
collect_ignore = [] if find_spec("selenium") else ["browsing.py"]
with suppress(ImportError):  # the environment of LSDB and Hyrax is without it
    import hypothesis

    # How long an example takes depends on what else the machine does; no test asserts a time. CI
    # takes the same examples each time, so that a change is refused only for what it does itself.
    hypothesis.settings.register_profile(
        "project", deadline=None, derandomize=os.environ.get("CI") == "true"
    )
    hypothesis.settings.load_profile("project")


def pytest_collection_finish() -> None:
    """Look for garbage from here on, among what the tests make."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder of data that does not belong in the repository."""
    place = Path(os.environ.get("MINGOLOTSS_SHARED", ROOT.parent / "shared"))
    if not (place / "golden").is_dir():
        pytest.skip("needs the project's data in ../shared, which is not here")
    return place


@pytest.fixture
def use_library() -> Iterator[Callable[[Path], None]]:
    """Give a function that has the compiled kernel loaded from another file, for one test."""
    with pytest.MonkeyPatch.context() as patch:

        def replace(library: Path) -> None:
            patch.setattr(kernel_library, "LIBRARY", library)
            kernel_library._load.cache_clear()

        yield replace
    kernel_library._load.cache_clear()
