"""A build knows its inputs: it is built again from any place, and never from others in silence."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

import mingolotss
import small_archive
from builds import contents
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.layout import BuildFolder
from mingolotss.errors import DatasetError, InputError
from mingolotss.io.parquet import read_open_table, read_schema, read_table, write_table
from mingolotss.pipeline import recorded_images
from mingolotss.pipeline.recorded_images import differing_images, whole_key
from mingolotss.qa.compare import compare
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.cutout_cache import CutoutCache
from mingolotss.qa.status import status
from mingolotss.qa.verify import verify
from mingolotss.sky.wcs import simple_header
from misbehave import running
from skies import write_fits

pytestmark = pytest.mark.slow  # together they take long

N, SHAPE, RA, DEC = 4, (90, 100), 180.0, 50.0
RECIPE = """\
name = "small"
[catalogue]
name = "id"
ra = "ra"
dec = "dec"
[classes]
from = "none"
[images]
size_arcmin = 0.4
[noise]
method = "sigma-clipped"
[stamp]
pixels = 16
kind = "uint8"
[[steps]]
do = "zero-nan"
[[steps]]
do = "minmax"
"""
KINDS = ("mosaics", "folder")


def write_inputs(folder: Path, seed: int = 1) -> Path:
    """Write ``small.toml``, ``catalogue.csv``, and in ``images`` a mosaic and cutouts."""
    images = folder / "images"
    images.mkdir(parents=True)
    (folder / "small.toml").write_text(RECIPE)
    ra = RA + np.linspace(-0.005, 0.005, N)
    table = Table({"id": [f"J{i}" for i in range(N)], "ra": ra, "dec": np.full(N, DEC)})
    table.write(folder / "catalogue.csv")
    rng = np.random.default_rng(seed)
    cards = simple_header(RA, DEC, shape=SHAPE, scale_arcsec=1.5)
    write_fits(images / "P1-mosaic.fits", rng.normal(0, 1, SHAPE), cards)
    for name, position in zip(table["id"], ra, strict=True):
        cards = simple_header(float(position), DEC, shape=(16, 16), scale_arcsec=1.5)
        write_fits(images / f"{name}_P1-mosaic.fits", rng.normal(0, 1, (16, 16)), cards)
    return folder


def build_small(out: Path | str, kind: str = "mosaics", **arguments: object) -> None:
    """Build with words that mean something else in another working directory."""
    given = {"catalogue": "catalogue.csv", "service": f"{kind}:images", **arguments}
    mingolotss.build("small.toml", out=out, **given)


def check_equal(out: Path | str, original: dict[str, str]) -> None:
    """Build with nothing but the folder: all files are the same, and everything still works."""
    built = mingolotss.build(out=out)
    assert (built.written, built.rejected) == (N, 0)
    now = contents(Path(out))
    assert {n: d for n, d in now.items() if not n.startswith("ledger")} == {
        n: d for n, d in original.items() if not n.startswith("ledger")
    }
    assert verify(out).problems == []
    assert status(out).changes == []
    view = BuildView.read(out)
    cutout = CutoutCache(view).get(view.source(0), view.candidate_rows(0)[0].candidate)
    assert np.isfinite(cutout.image).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["plain", "with space", "Zwölf Äpfel", "q'uote [1]"])
@pytest.mark.parametrize("inputs", ["inside", "moved along", "left"])
def test_a_build_that_was_moved_is_built_again(tmp_path, monkeypatch, kind, name, inputs):
    """With its inputs in it, beside it or left behind; from three working directories."""
    project = write_inputs(tmp_path / "project")
    monkeypatch.chdir(project)
    out = project if inputs == "inside" else project / "out"
    build_small(out, kind)
    shutil.copytree(out, tmp_path / "original")
    original = contents(out)
    target = tmp_path / "else" / name
    target.parent.mkdir()
    monkeypatch.chdir("/")
    if inputs == "left":
        out.rename(target)
        moved = target
    else:
        project.rename(target)
        moved = target if inputs == "inside" else target / "out"
    check_equal(moved, original)
    monkeypatch.chdir(moved)
    check_equal(".", original)
    monkeypatch.chdir(target.parent)
    check_equal(os.path.relpath(moved), original)
    assert mingolotss.build(moved / "recipe.toml").written == N
    assert compare(moved, tmp_path / "original").same
    words = (BuildFolder(moved).inputs).read_text()
    assert (str(tmp_path) in words) == (inputs != "inside")


@pytest.mark.parametrize("link", ["build", "images", "catalogue"])
def test_links_are_followed_and_kept(tmp_path, monkeypatch, link):
    """A link to the build, to the folder of the images or to the catalogue."""
    project, real = write_inputs(tmp_path / "project"), tmp_path / "disk 2"
    real.mkdir()
    names = {"build": "out", "images": "images", "catalogue": "catalogue.csv"}
    path = project / names[link]
    if link == "build":
        (real / "out").mkdir()
    else:
        path.rename(real / path.name)
    path.symlink_to(real / path.name)
    monkeypatch.chdir(project)
    build_small("out")
    original = contents(project / "out")
    monkeypatch.chdir("/")
    check_equal(project / "out", original)
    project.rename(tmp_path / "moved")
    check_equal(tmp_path / "moved" / "out", original)
    check_equal((tmp_path / "moved" / "out").resolve(), original)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_images_at_another_place_give_equal_products(tmp_path, monkeypatch, kind):
    """Whatever words were used, and also where sources are rejected with a reason."""
    first = write_inputs(tmp_path / "first")
    damaged = first / "images" / ("P1-mosaic.fits" if kind == "mosaics" else "J1_P1-mosaic.fits")
    damaged.write_bytes(damaged.read_bytes()[:-2880])
    if kind == "mosaics":
        shutil.copy(first / "images" / "J2_P1-mosaic.fits", first / "images" / "P2-mosaic.fits")
    second = tmp_path / "the second"
    shutil.copytree(first, second)
    for folder in (first, second):
        monkeypatch.chdir(folder)
        build_small(tmp_path / f"out {folder.name}", kind)
    build_small(
        tmp_path / "absolute", catalogue=first / "catalogue.csv", service=f"{kind}:{first}/images"
    )
    outs = [tmp_path / name for name in ("out first", "out the second", "absolute")]
    products = [
        {name: digest for name, digest in contents(out).items() if not name.startswith("ledger")}
        for out in outs
    ]
    assert products[0] == products[1] == products[2]
    assert str(tmp_path).encode() not in b"".join(
        path.read_bytes() for path in outs[0].rglob("*")
        if path.is_file() and path.name != "inputs.toml"
    )  # fmt: skip
    compare(outs[0], outs[1])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_words_elsewhere_never_replace_a_build(tmp_path, monkeypatch, kind):
    """Other images are an error that names both folders; the same images only a line."""
    one, two = write_inputs(tmp_path / "one", 1), write_inputs(tmp_path / "two", 2)
    shutil.copytree(one, tmp_path / "three")
    out = tmp_path / "out"
    monkeypatch.chdir(one)
    build_small(out, kind)
    before = contents(out)
    monkeypatch.chdir(two)
    with pytest.raises(InputError) as caught:
        build_small(out, kind)
    assert str(one / "images") in str(caught.value)
    assert str(two / "images") in str(caught.value)
    assert "P1-mosaic.fits" in str(caught.value)
    assert "--fresh" in str(caught.value)
    assert contents(out) == before
    monkeypatch.chdir(tmp_path / "three")
    given = {"catalogue": "catalogue.csv", "service": f"{kind}:images"}
    built = mingolotss.build("small.toml", out=out, **given)
    (message,) = built.messages
    assert str(tmp_path / "three" / "images") in message
    assert str(one / "images") in message
    check_equal(out, before)
    monkeypatch.chdir(two)
    build_small(out, kind, fresh=True)
    assert contents(out) != before
    check_equal(out, contents(out))


def test_another_catalogue_under_the_same_name_is_refused(tmp_path, monkeypatch):
    """The content of the catalogue counts: a renamed copy is the same, an edited one is not."""
    folder, out = write_inputs(tmp_path / "a"), tmp_path / "out"
    monkeypatch.chdir(folder)
    build_small(out)
    before = contents(out)
    shutil.copy("catalogue.csv", "renamed.csv")
    build_small(out, catalogue="renamed.csv")
    assert contents(out) == before
    text = Path("catalogue.csv").read_text()
    Path("catalogue.csv").write_text(text.replace("J0", "J9"))
    with pytest.raises(InputError, match=r"catalogue 'catalogue.csv' \(SHA-256 .*not 'catalogue"):
        build_small(out)
    assert contents(out) == before
    assert mingolotss.build(out=out).written == N  # the recorded one has its content
    with pytest.raises(InputError, match="4 rows of the catalogue, not 2 rows"):
        build_small(out, catalogue="renamed.csv", limit=2)


def test_the_copy_with_the_recorded_content_is_used(tmp_path, monkeypatch):
    """Beside the build lie other inputs of the same names: those of the original place are used."""
    one, two = write_inputs(tmp_path / "one", 1), write_inputs(tmp_path / "two", 2)
    (two / "catalogue.csv").write_text((two / "catalogue.csv").read_text().replace("J0", "J9"))
    monkeypatch.chdir(one)
    build_small("out")
    original = contents(one / "out")
    (one / "out").rename(two / "out")
    check_equal(two / "out", original)
    shutil.rmtree(one)
    with pytest.raises(InputError, match=r"its catalogue catalogue.csv is not at .*one/catalogue"):
        mingolotss.build(out=two / "out")
    assert contents(two / "out") == original


@pytest.mark.parametrize("missing", ["images", "catalogue.csv"])
def test_an_input_that_is_gone_is_asked_for(tmp_path, monkeypatch, missing):
    """One line names the places where it was looked for and the option that gives it."""
    folder = write_inputs(tmp_path / "a")
    monkeypatch.chdir(folder)
    build_small("out")
    (folder / missing).rename(tmp_path / "away")
    option = "--service mosaics:DIR" if missing == "images" else "--catalogue FILE"
    with pytest.raises(InputError) as caught:
        mingolotss.build(out="out")
    assert str(folder / missing) in str(caught.value)
    assert option in str(caught.value)
    (change, *_) = status("out").changes
    assert str(folder / missing) in change.text
    given = {"service": f"mosaics:{tmp_path}/away", "catalogue": tmp_path / "away"}
    name = "service" if missing == "images" else "catalogue"
    before = contents(folder / "out")
    if name == "catalogue":
        (tmp_path / "away").rename(tmp_path / "away.csv")
        given[name] = tmp_path / "away.csv"
    mingolotss.build(out="out", **{name: given[name]})
    check_equal("out", before)


def test_what_no_file_can_record_is_asked_for(tmp_path):
    """A catalogue and a service that were objects, and an address with a password."""
    folder = write_inputs(tmp_path / "a")
    recipe = folder / "small.toml"
    service = mingolotss.open_service(f"mosaics:{folder}/images")
    catalogue = Catalogue.from_columns(["A"], [RA], [DEC])
    out = tmp_path / "objects"
    mingolotss.build(recipe, catalogue=folder / "catalogue.csv", service=service, out=out)
    assert 'service = "mosaics"' in (out / "recipe.toml").read_text()
    with pytest.raises(InputError, match=r"service was an object in Python .* give service="):
        mingolotss.build(out=out)
    assert mingolotss.build(out=out, service=service).written == N
    mingolotss.build(recipe, catalogue=catalogue, service=service, out=tmp_path / "b")
    with pytest.raises(InputError, match="catalogue was a table in Python"):
        mingolotss.build(out=tmp_path / "b", service=service)
    (out / "inputs.toml").write_text(
        '[images]\ngiven = true\nservice = "sia:https://x.org/siap"\nhas_credentials = true\n'
        f'[catalogue]\nabsolute = "{folder}/catalogue.csv"\ngiven = true\n'
    )
    with pytest.raises(InputError, match=r"user and a password, .*USER:PASSWORD@HOST"):
        mingolotss.build(out=out)
    (out / "inputs.toml").write_text("[images]\nservice = 3\n")
    with pytest.raises(DatasetError, match=r"inputs.toml: damaged"):
        mingolotss.build(out=out)


def test_a_recipe_of_the_same_name_takes_the_given_inputs_from_the_record(tmp_path, monkeypatch):
    """After a change of the recipe, only --fresh is needed; another recipe takes nothing."""
    folder = write_inputs(tmp_path / "a")
    monkeypatch.chdir(folder)
    build_small("out")
    Path("small.toml").write_text(RECIPE.replace("0.4", "0.5").replace("16", "18"))
    expected = ["has other settings now (images.size_arcmin = 0.5; stamp.pixels = 18)"]
    assert [
        line in change.text for line, change in zip(expected, status("out").changes, strict=True)
    ]
    assert mingolotss.build(out="out").written == N  # by its own settings
    with pytest.raises(InputError, match=r"images.size_arcmin = 0.4, not 0.5; stamp.pixels"):
        mingolotss.build("small.toml", out="out")
    assert mingolotss.build("small.toml", out="out", fresh=True).written == N
    assert status("out").changes == []
    with pytest.raises(InputError, match=r"noise.sigma = 3.0, not 5.0"):
        mingolotss.build(out="out", settings={"noise.sigma": 5.0})
    Path("other.toml").write_text(RECIPE.replace('"small"', '"other"'))
    with pytest.raises(InputError, match="names no service"):
        mingolotss.build("other.toml", out="out", catalogue="catalogue.csv")


def test_status_names_what_is_newer_than_the_products(tmp_path, monkeypatch):
    """Decisions, recipe, images by their content, and files that were added."""
    folder = write_inputs(tmp_path / "a")
    monkeypatch.chdir(folder)
    build_small("out", "folder")
    assert status("out").changes == []
    header = "source,field,verdict,by,date,note\n"
    Path("out/decisions.csv").write_text(f"{header}J1,P1,reject,me,,\n")
    (change,) = status("out").changes
    assert change.text == "decisions.csv: it has 1 decision; the products follow others (0)"
    assert mingolotss.build(out="out").rejected == 1
    assert status("out").changes == []
    Path("out/decisions.csv").write_text(f"{header}\nJ1,P1,reject,me,,\n")  # only the form
    assert status("out").changes == []
    image = folder / "images" / "J2_P1-mosaic.fits"
    os.utime(image)  # newer by its date, but the same
    assert status("out").changes == []
    raw = bytearray(image.read_bytes())
    raw[2880] ^= 1
    times = image.stat().st_atime_ns, image.stat().st_mtime_ns
    image.write_bytes(raw)
    os.utime(image, ns=times)
    shutil.copy(image, folder / "images" / "J7_P1-mosaic.fits")
    changed, added = status("out").changes
    assert "1 were changed or are missing (J2_P1-mosaic.fits)" in changed.text
    assert "6 FITS files now, 5 then" in added.text
    mingolotss.build(out="out")
    assert status("out").changes == []
    text = Path("out/recipe.toml").read_text()
    Path("out/recipe.toml").write_text(text.replace("size_arcmin = 0.4", "size_arcmin = 0.5"))
    (change,) = status("out").changes
    assert change.text == "recipe.toml: it was changed since the products were made"


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_of_candidates_is_read_only_if_it_has_checksums(tmp_path, monkeypatch, kind):
    """Not for images of which a mosaic's pieces were read; and of earlier versions, always."""
    folder = write_inputs(tmp_path / "a")
    monkeypatch.chdir(folder)
    build_small("out", kind)
    (part,) = BuildFolder(Path("out")).parts()
    (image, *_) = sorted(Path("images").glob("P1*" if kind == "mosaics" else "J2*"))
    metadata = read_schema(part).metadata
    assert metadata[whole_key("").encode()] == (b"0" if kind == "mosaics" else b"4")
    read = []

    def noted(file, path, names):
        read.append(path)
        return read_open_table(file, path, names)

    monkeypatch.setattr(recorded_images, "read_open_table", noted)
    assert differing_images([part], Path("images")) == []
    image.write_bytes(image.read_bytes()[:-1] + b"1")
    assert differing_images([part], Path("images")) == [image.name]
    assert bool(read) == (kind == "folder")
    old = {key: value for key, value in metadata.items() if key != whole_key("").encode()}
    write_table(part, read_table(part).replace_schema_metadata(old))
    assert differing_images([part], Path("images")) == [image.name]
    assert read


def test_the_decisions_that_were_given_are_followed_again(tmp_path, monkeypatch):
    """They are recorded with the other inputs, and a build in another folder takes a copy."""
    folder = write_inputs(tmp_path / "a")
    monkeypatch.chdir(folder)
    decided = "source,field,verdict,by,date,note\nJ1,P1,reject,me,,\n"
    Path("mine.csv").write_text(decided)
    build_small("out", decisions="mine.csv")
    monkeypatch.chdir("/")
    out = folder / "out"
    assert mingolotss.build(out=out).rejected == 1
    assert BuildView.read(out).decisions == folder / "mine.csv"
    assert mingolotss.build(out / "recipe.toml", out=tmp_path / "again").rejected == 1
    (folder / "mine.csv").unlink()
    with pytest.raises(InputError, match=r"decisions that it follows are not at .*mine.csv"):
        mingolotss.build(out=out)
    with pytest.raises(InputError, match="there is no such file"):
        mingolotss.build(out=out, decisions="none.csv")
    monkeypatch.chdir(folder)
    build_small("own")
    Path("own/decisions.csv").write_text(decided)
    assert mingolotss.build(out="own").rejected == 1
    assert mingolotss.build("own/recipe.toml", out="copy").rejected == 1
    assert Path("copy/decisions.csv").read_text() == decided


@pytest.mark.parametrize("kind", KINDS)
def test_a_build_of_an_earlier_version_goes_on(tmp_path, monkeypatch, kind):
    """Without a record of its inputs; what cannot be found is asked for once."""
    folder = write_inputs(tmp_path / "a")
    monkeypatch.chdir(folder)
    build_small("out", kind)
    original = contents(folder / "out")
    Path("out/inputs.toml").unlink()
    recipe = Path("out/recipe.toml")
    new = recipe.read_text()
    old = re.sub(rf'service = "{kind}"', f'service = "{kind}:images"', new, count=1)
    assert old != new
    recipe.write_text(old)
    assert status("out").changes == []
    assert verify("out").problems == ["recipe.toml: checksum differs"] or verify("out").problems
    assert mingolotss.build(out="out").written == N  # the catalogue lies beside the build
    assert BuildFolder(Path("out")).inputs.exists()
    recipe.write_text(new)
    check_equal("out", original)
    Path("out/inputs.toml").unlink()
    Path("catalogue.csv").rename(tmp_path / "c.csv")
    with pytest.raises(InputError, match=r"an earlier version .* give --catalogue FILE once"):
        mingolotss.build(out="out")
    monkeypatch.chdir(tmp_path)
    (folder / recipe).write_text(old)
    with pytest.raises(InputError, match=r"there is no such folder"):
        mingolotss.build(out=folder / "out", catalogue=tmp_path / "c.csv")


def test_a_build_that_fails_to_begin_loses_nothing_by_fresh(tmp_path, monkeypatch):
    """The old products stay until the new plan is whole."""
    folder = write_inputs(tmp_path / "a")
    monkeypatch.chdir(folder)
    build_small("out")
    before = contents(Path("out"))
    Path("out/decisions.csv").write_text("source,field,verdict\nJ1,P9,accept\n")
    with pytest.raises(InputError, match="there is no image of field 'P9'"):
        mingolotss.build(out="out", fresh=True)
    Path("out/decisions.csv").unlink()
    assert contents(Path("out")) == before


def test_a_build_of_downloads_is_built_again_without_the_archive(tmp_path, monkeypatch):
    """The address of the service is recorded, and what was downloaded moves with the build."""
    out, moved = tmp_path / "out", tmp_path / "moved"
    table = Table({"id": small_archive.NAMES, "ra": small_archive.RA, "dec": small_archive.DEC})
    table.write(tmp_path / "catalogue.csv")
    (tmp_path / "small.toml").write_text(RECIPE.replace("0.4", "3.0"))
    monkeypatch.chdir(tmp_path)
    with running(small_archive.script()) as server:
        built = mingolotss.build(
            "small.toml", catalogue="catalogue.csv", service=f"sia:{server.url}/siap", out=out
        )
        requests = sum(server.asked.values())
    original = contents(out)
    out.rename(moved)
    monkeypatch.chdir("/")
    again = mingolotss.build(out=moved)
    assert (again.written, again.rejected) == (built.written, built.rejected)
    assert built.written == len(small_archive.NAMES)
    assert contents(moved) == original
    assert verify(moved).problems == []
    assert requests > built.written


def test_a_password_is_asked_for_and_never_recorded(tmp_path):
    """The address without it is in the record, and one line says what to give."""
    folder = write_inputs(tmp_path / "a")
    with running(small_archive.script()) as server:
        address = f"sia:{server.url.replace('://', '://me:secret@')}/siap"
        table = Table({"id": small_archive.NAMES, "ra": small_archive.RA, "dec": small_archive.DEC})
        table.write(tmp_path / "catalogue.csv")
        given = {"catalogue": tmp_path / "catalogue.csv", "service": address}
        mingolotss.plan(folder / "small.toml", out=tmp_path / "out", **given)
        files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        assert not any(b"secret" in path.read_bytes() for path in files)
        with pytest.raises(InputError, match="user and a password, which are not recorded") as one:
            mingolotss.plan(out=tmp_path / "out")
        assert f"--service sia:{server.url}/siap" in str(one.value)
        assert mingolotss.plan(out=tmp_path / "out", service=address).covered == 3
