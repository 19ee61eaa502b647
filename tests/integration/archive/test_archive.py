"""Whole builds against the real archive server, through every way into it.

`make test-archive` runs these; they need DaCHS, nginx and Chromium
(tests/integration/dachs/install.sh).
"""

import collections
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from builds import command
from mingolotss.dataset.manifest import read_manifest
from mingolotss.io.parquet import read_table
from mingolotss.pipeline.plan import plan
from mingolotss.pipeline.run import build
from mingolotss.recipe.load import load_recipe

pytestmark = pytest.mark.archive


@pytest.fixture(scope="session")
def through_sia(server, sky, tmp_path_factory):
    """The undisturbed build that the others are compared with."""
    out = tmp_path_factory.mktemp("sia") / "build"
    build(out=out, catalogue=sky / "catalogue.fits", service=f"sia:{server.url}/cutout/siap.xml")
    return out


def manifest(out: Path) -> dict[str, dict[str, object]]:
    return {row["source"]: row for row in read_manifest(out).to_pylist()}


def same(one: dict[str, object], two: dict[str, object], *names: str) -> bool:
    return all(one[name] == two[name] or one[name] != one[name] for name in names)


def grids(out: Path) -> dict[tuple[str, str], tuple[object, ...]]:
    """Shape of every candidate's cutout, and where its middle pixel is."""
    rows = read_table(out / "candidates.parquet").to_pylist()
    names = ("ny", "nx", "separation_arcsec", "percent_nan")
    return {(row["source"], row["field"]): tuple(row[name] for name in names) for row in rows}


def test_the_archive_offers_overlapping_fields_and_every_case(through_sia):
    """300 sources in three fields: some in two or three, all cases but one-candidate decided."""
    found = manifest(through_sia)
    assert len(found) == 300
    cases = collections.Counter(row["case"] for row in found.values())
    assert {0, 1, 2, 3} <= set(cases)
    assert max(row["candidates"] for row in found.values()) == 3
    assert {row["field"] for row in found.values() if row["field"]} == {
        "P179+50", "P180+50", "P180+51",
    }  # fmt: skip


@pytest.mark.parametrize("way", ["form", "mosaics"])
def test_every_way_in_gives_the_same_dataset(way, server, sky, through_sia, tmp_path, browser):
    """SIA, the web form in a real browser, and the mosaics themselves: equal to the pixel."""
    services = {
        "form": f"lotss-dr1-form:{server.url}/cutout/form",
        "mosaics": f"lotss-dr1-mosaics:{sky}",
    }
    build(out=tmp_path / "b", catalogue=sky / "catalogue.fits", service=services[way])
    one, two = manifest(through_sia), manifest(tmp_path / "b")
    names = ("status", "stage", "field", "case", "separation_arcsec", "percent_nan",
             "recentred", "blank", "pixels_sha256")  # fmt: skip
    assert all(same(one[source], two[source], *names) for source in one)
    assert grids(through_sia) == grids(tmp_path / "b")


def test_square_cutouts_agree_wherever_the_grids_do(sky, through_sia, tmp_path):
    """The service `mosaics` cuts 240 x 240 about the source, the archive a rectangle of RA, Dec.

    Where the grids of all of a source's candidates are equal, everything is equal. Elsewhere the
    middle pixel is up to a pixel off and the edge is cut elsewhere (and padded), which turns the
    choice between fields that are as near as that, or as empty.
    """
    build(out=tmp_path / "b", catalogue=sky / "catalogue.fits", service=f"mosaics:{sky}")
    one, two = manifest(through_sia), manifest(tmp_path / "b")
    first, second = grids(through_sia), grids(tmp_path / "b")
    equal = {s for s in one if all(first[k] == second[k] for k in first if k[0] == s)}
    chosen = [s for s in one if same(one[s], two[s], "status", "field", "case")]
    pixels = [s for s in chosen if one[s]["pixels_sha256"] == two[s]["pixels_sha256"]]
    print(
        f"of 300 sources: {len(equal)} on equal grids; {len(chosen)} with the same field and"
        f" case, {len(pixels)} with equal pixels"
    )
    assert equal <= set(pixels)
    assert all(one[s]["candidates"] > 1 for s in one if s not in chosen)
    assert len(chosen) >= 270


def test_sia2_and_soda_find_the_same_fields(server, sky, through_sia, tmp_path):
    """The server's site-wide SIA 2 with DataLink and SODA, and SODA alone with named images."""
    head = server.url.removesuffix("/hetdex/lotss-dr1-img")
    service = f"sia2:{head}/__system__/siap2/sitewide/siap2.xml"
    limit = 40
    build(out=tmp_path / "a", catalogue=sky / "catalogue.fits", service=service, limit=limit)
    ids = "&".join(
        f"ID=ivo://x-local/~?hetdex/data/{name}{kind}.fits"
        for name in ("P179_50", "P180_50", "P180_51")
        for kind in ("-mosaic", "-mosaic-rms")
    )
    soda = f"soda:{server.url}/dl/dlget?{ids}"
    build(out=tmp_path / "b", catalogue=sky / "catalogue.fits", service=soda, limit=limit)
    one, two, three = manifest(through_sia), manifest(tmp_path / "a"), manifest(tmp_path / "b")
    assert len(two) == len(three) == limit
    for source, row in two.items():
        assert row["candidates"] == one[source]["candidates"]
        assert same(row, three[source], "status", "field", "pixels_sha256")


def test_the_real_piece_of_lotss(server, real_piece, tmp_path, browser):
    """27 catalogued sources on a real mosaic, through SIA, the form and the file itself."""
    recipe, found = load_recipe("lotss"), {}
    for name, service in {
        "sia": f"sia:{server.url}/cutout/siap.xml",
        "form": f"lotss-dr1-form:{server.url}/cutout/form",
        "mosaics": f"lotss-dr1-mosaics:{real_piece}",
    }.items():
        build(
            recipe, out=tmp_path / name, catalogue=real_piece / "P205+55-sources.fits",
            service=service,
        )  # fmt: skip
        found[name] = manifest(tmp_path / name)
    names = ("status", "field", "case", "separation_arcsec", "percent_nan", "pixels_sha256")
    for source, row in found["sia"].items():
        assert same(row, found["form"][source], *names)
        assert same(row, found["mosaics"][source], *names)
    written = [row for row in found["sia"].values() if row["status"] == "written"]
    assert len(found["sia"]) == len(written) == 27
    assert {row["field"] for row in written} == {"P205+55"}


def start(out: Path, server, sky: Path) -> subprocess.Popen[bytes]:
    words = ["build", "--out", str(out), "--catalogue", str(sky / "catalogue.fits"),
             "--service", f"sia:{server.url}/cutout/siap.xml"]  # fmt: skip
    return subprocess.Popen(command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def wait_for(out: Path, files: int, running: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while len(list((out / "cutouts").glob("*.fits"))) < files:
        assert running.poll() is None, running.stdout.read().decode()
        assert time.monotonic() < end
        time.sleep(0.02)


def asked(server) -> collections.Counter[str]:
    """What the server's own log says it was asked for."""
    lines = server.access_log.read_text(errors="replace").splitlines()
    return collections.Counter(
        match[1] for line in lines if (match := re.search(r'"GET (\S+)', line))
    )


def test_killed_in_the_middle_and_run_again(server, sky, through_sia, tmp_path):
    """SIGKILL in mid-fetch: only what was on its way is fetched twice, and no bit differs."""
    out, before = tmp_path / "build", asked(server)
    first = start(out, server, sky)
    wait_for(out, 250, first)
    first.send_signal(signal.SIGKILL)
    first.wait()
    here = {path.name for path in (out / "cutouts").glob("*.fits")}
    assert 250 <= len(here) < 694
    assert not (out / "manifest.parquet").exists()
    second = start(out, server, sky)
    said = second.communicate(timeout=300)[0].decode()
    assert second.returncode == 1, said  # four sources are rejected, as they should be
    twice = [url for url, count in (asked(server) - before).items() if count > 1]
    print(f"{len(here)} files before the kill, {len(twice)} addresses asked twice")
    assert len(twice) <= 8  # as many as there are threads
    assert (out / "checksums.sha256").read_bytes() == (
        through_sia / "checksums.sha256"
    ).read_bytes()
    for path in (through_sia / "cutouts").iterdir():
        assert (out / "cutouts" / path.name).read_bytes() == path.read_bytes()


def test_a_server_that_is_away_for_a_while(server, sky, through_sia, tmp_path):
    """Stopped for 20 s in mid-fetch and started again: the build ends complete, without help."""
    out = tmp_path / "build"
    running = start(out, server, sky)
    wait_for(out, 150, running)
    server.stop_server()
    there = len(list((out / "cutouts").glob("*.fits")))
    time.sleep(20)
    assert len(list((out / "cutouts").glob("*.fits"))) <= there + 8
    server.start_server()
    said = running.communicate(timeout=300)[0].decode()
    assert running.returncode == 1, said
    assert (out / "checksums.sha256").read_bytes() == (
        through_sia / "checksums.sha256"
    ).read_bytes()


def test_a_second_run_asks_nothing_and_plan_needs_no_pixels(server, sky, through_sia, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(through_sia, out)
    before = asked(server)
    service = f"sia:{server.url}/cutout/siap.xml"
    planned = plan(out=out, catalogue=sky / "catalogue.fits", service=service)
    assert planned.estimate().requests == 0
    assert planned.field_counts()[1] + planned.field_counts()[2] > 250
    build(out=out, catalogue=sky / "catalogue.fits", service=service)
    assert asked(server) == before


def test_the_server_saw_who_asked(server, through_sia):
    """A User-Agent that names the project."""
    assert "mingolotss/" in server.access_log.read_text(errors="replace")


@pytest.fixture(scope="session")
def browser():
    """Skip where there is no Chromium."""
    if not any(shutil.which(name) for name in ("chromium", "google-chrome", "chrome")):
        pytest.skip("no Chromium: run tests/integration/dachs/install.sh")
    pytest.importorskip("selenium")


def test_without_a_browser_the_line_says_what_to_do(tmp_path, sky, server):
    """An empty PATH has no Chromium in it."""
    words = ["plan", "--out", str(tmp_path / "b"), "--catalogue", str(sky / "catalogue.fits"),
             "--service", f"lotss-dr1-form:{server.url}/cutout/form"]  # fmt: skip
    done = subprocess.run(
        command(*words), env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "apt install chromium chromium-driver" in done.stderr
    assert len(done.stderr.splitlines()) == 1
