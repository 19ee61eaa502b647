"""Outlines of masks in the report and on the review page, where the dataset has masks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="needs the extra web")

from mask_sky import COUNT, WITHOUT_COMPONENT, WITHOUT_IMAGE, build_masked, write_masked_sky
from mingolotss.dataset.records import read_records
from mingolotss.qa.report.mask_outlines import outlines_of
from mingolotss.qa.report.page import report
from review_visitor import serve


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masked")
    build_masked(write_masked_sky(folder), folder / "build", formats=("parquet",))
    return folder / "build"


@pytest.fixture(scope="module")
def paths(built: Path) -> dict[int, str]:
    """Return the outline of each source in its mask, by row of the catalogue."""
    records = read_records(built)
    masks = records.masks()
    assert masks is not None
    rows = records.table["row"].to_pylist()
    return {row: outlines_of(mask).own for row, mask in zip(rows, masks, strict=True)}


@pytest.mark.slow
def test_the_report_draws_the_mask_of_every_stamp(built: Path, paths: dict[int, str]) -> None:
    """With a box to hide them; a stamp without such pixels has no line."""
    page = report(built).read_text()
    assert page.count('id="outlines"') == 1
    drawn = set(re.findall(r'<path d="(M[^"]*z)"/></svg>', page))
    assert drawn == {path for path in paths.values() if path}
    assert paths[WITHOUT_COMPONENT] == ""


@pytest.mark.parametrize("address", ["/source/{}", "/label/{}"])
def test_the_review_page_draws_the_mask_of_its_source(
    built: Path, paths: dict[int, str], address: str
) -> None:
    """Over the pictures of the image and of the stamp, with a key to hide it."""
    with serve(built) as visitor:
        page = visitor.ask(address.format(3)).text
        assert page.count(f'class="of-source" d="{paths[3]}"') >= 4
        assert page.count('data-do="masks" data-key="m"') == 1
        without = visitor.ask(address.format(WITHOUT_COMPONENT)).text
        assert 'class="of-source"' not in without
        rejected = visitor.ask(address.format(WITHOUT_IMAGE)).text
        assert 'data-do="masks"' not in rejected
    assert len(paths) + 1 == COUNT
