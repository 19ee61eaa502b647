"""Nothing of a build is deleted or replaced while another process works in its folder."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from builds import contents
from mingolotss.errors import InputError
from mingolotss.io.lock import file_lock, lock_path
from mingolotss.pipeline.build_lock import build_lock
from mingolotss.pipeline.plan import plan
from mingolotss.pipeline.run import build
from named_builds import build_named, make_recipe


@pytest.fixture
def built(tmp_path):
    return build_named(tmp_path, ["A", "B", "C"])


def hold(out: Path, held, end) -> None:
    with build_lock(out):
        held.set()
        end.wait(60)


@pytest.fixture
def busy(built):
    """Give a build in which another process works."""
    context = multiprocessing.get_context("spawn")
    held, end = context.Event(), context.Event()
    process = context.Process(target=hold, args=(built, held, end))
    process.start()
    assert held.wait(60)
    yield built
    end.set()
    process.join(60)


@pytest.mark.slow
@pytest.mark.parametrize("command", [plan, build])
@pytest.mark.parametrize("fresh", [True, False])
def test_a_running_build_keeps_its_files(busy, command, fresh):
    """`fresh` deletes nothing before the folder is locked."""
    before = contents(busy)
    with pytest.raises(InputError, match="another build is running there"):
        command(
            make_recipe(),
            out=busy,
            catalogue=busy.parent / "catalogue.csv",
            service=f"mosaics:{busy.parent / 'mosaics'}",
            fresh=fresh,
        )
    assert contents(busy) == before


def test_the_lock_is_held_from_the_plan_to_the_end(built, monkeypatch):
    """No other build can begin between the plan of a build and its parts."""
    from mingolotss.pipeline import run as module

    def run_while_locked(build_plan, *_):
        with pytest.raises(BlockingIOError), file_lock(lock_path(built / "build"), wait=False):
            pass
        return build_plan

    monkeypatch.setattr(module, "_run_locked", run_while_locked)
    catalogue = plan_arguments(built)
    build(make_recipe(), out=built, **catalogue)
    with file_lock(lock_path(built / "build"), wait=False):
        pass


def plan_arguments(built: Path) -> dict[str, object]:
    from mingolotss.catalogue.catalogue import Catalogue
    from named_builds import write_mosaic

    sky = write_mosaic(built.parent / "other" / "F+1-mosaic.fits", 3)
    names, labels = ["A", "B", "C"], [0, 0, 0]
    catalogue = Catalogue.from_columns(
        names, sky.ra.deg, sky.dec.deg, labels=labels, classes=("A",)
    )
    return {"catalogue": catalogue, "service": f"mosaics:{built.parent / 'mosaics'}"}


def test_a_plan_that_fails_leaves_no_folder(tmp_path):
    """The folder of the lock, and those around it, are removed if they stay empty."""
    with pytest.raises(InputError):
        plan(
            "mingolotss",
            out=tmp_path / "a" / "b",
            catalogue=tmp_path / "none.csv",
            service="folder:x",
        )
    assert not list(tmp_path.iterdir())
    (tmp_path / "c").mkdir()
    with build_lock(tmp_path / "c"):
        pass
    assert (tmp_path / "c").is_dir()
