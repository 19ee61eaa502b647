"""The folder of an export appears whole, and a killed or failed export leaves nothing."""

from __future__ import annotations

import errno

import pytest

from mingolotss.errors import InputError
from mingolotss.io.lock import file_lock, lock_path
from mingolotss.publish.staging import staged_export


def test_a_folder_appears_at_the_end(tmp_path):
    """And its stage and its lock are gone."""
    with staged_export(tmp_path / "a" / "out", fresh=False) as stage:
        (stage / "x").write_text("x")
        assert not (tmp_path / "a" / "out").exists()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["out"]


def test_stages_of_killed_exports_are_removed(tmp_path):
    """Those of this folder, and no others."""
    for name in (
        ".part-77-out",
        ".part-78-out",
        ".part-77-outer",
        ".part-x-out",
        ".part-77-my-out",
    ):
        (tmp_path / name / "data").mkdir(parents=True)
    (tmp_path / ".part-79-out").write_text("a file")
    with staged_export(tmp_path / "out", fresh=False):
        pass
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"out", ".part-77-outer", ".part-x-out", ".part-77-my-out", ".part-79-out"}


def test_two_exports_to_one_folder(tmp_path):
    """The second is refused, and the stage of the first stays."""
    (tmp_path / ".part-77-out").mkdir()
    with (
        file_lock(lock_path(tmp_path / "out")),
        pytest.raises(InputError, match="another export is writing there"),
        staged_export(tmp_path / "out", fresh=False),
    ):
        pytest.fail("the folder is locked")
    assert (tmp_path / ".part-77-out").is_dir()


def write_half(out, error):
    """Write a file of an export, then fail."""
    with staged_export(out, fresh=False) as stage:
        (stage / "half").write_text("x")
        raise error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EFBIG, errno.EIO, None])
def test_what_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path, number):
    """Errors of the system, and those of libraries, which may have no number."""
    error = OSError("10 requested and 3 written") if number is None else OSError(number, "x")
    with pytest.raises(InputError, match=r"^write "):
        write_half(tmp_path / "a" / "out", error)
    assert not list(tmp_path.iterdir())
