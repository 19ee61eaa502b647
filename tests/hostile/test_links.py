"""Links in a build of somebody else: a report writes nothing through them."""

from __future__ import annotations

import pytest

from mingolotss.errors import DatasetError
from mingolotss.qa.report.page import report
from named_builds import build_named


@pytest.mark.parametrize("target", ["elsewhere", "nothing", "../elsewhere"])
def test_figures_in_another_folder(target, tmp_path):
    out = build_named(tmp_path / "a", ["A", "B"])
    (out / "elsewhere").mkdir()
    (out.parent / "elsewhere").mkdir()
    (out / "figures").symlink_to(target)
    with pytest.raises(DatasetError, match="figures is a link"):
        report(out)
    assert not list((out / "elsewhere").iterdir())
    assert not list((out.parent / "elsewhere").iterdir())
    assert not (out / "nothing").exists()


@pytest.mark.slow
def test_a_page_that_is_a_link_is_replaced(tmp_path):
    out = build_named(tmp_path / "a", ["A", "B"])
    other = tmp_path / "other.html"
    other.write_text("mine")
    (out / "report.html").symlink_to(other)
    report(out)
    assert other.read_text() == "mine"
    assert not (out / "report.html").is_symlink()
