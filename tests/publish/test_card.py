"""What a build and an export say of themselves, and the commands that make and compare them."""

from __future__ import annotations

import json
import re
import shutil
import warnings

import pytest

from builds import run
from mingolotss.pipeline.run import build
from mingolotss.qa.verify import verify
from readers_build import make_build, write_sky


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return make_build(tmp_path_factory.mktemp("sky"))


def test_a_build_has_a_card_and_croissant(built):
    """Both are there, listed in the checksums, and the Croissant names the stamps."""
    listed = (built / "checksums.sha256").read_text()
    assert "  README.md\n" in listed
    assert "  croissant.json\n" in listed
    described = json.loads((built / "croissant.json").read_text())
    assert "stamps/part-00000.parquet" in [file["@id"] for file in described["distribution"]]
    assert {part["name"] for part in described["recordSet"]} == {"records", "images", "splits"}
    text = (built / "README.md").read_text()
    assert "59 images of 150 x 150 pixels, uint8, at 1.5 arcsec" in text
    assert "has 60 rows, one for each source. 1 source has no image" in text
    assert "simulated" not in text


def test_a_dataset_without_images_has_a_card_without_their_scale(tmp_path):
    """No record has a pixel scale: nothing is computed from none, and no warning is raised."""
    catalogue, images = write_sky(tmp_path, count=12)
    for path in images.glob("*-mosaic.fits"):
        path.write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        built = build("mingolotss", out=tmp_path / "out", catalogue=catalogue,
                      service=f"folder:{images}")  # fmt: skip
    assert built.written == 0
    text = (tmp_path / "out" / "README.md").read_text()
    assert "0 images of 150 x 150 pixels, uint8. Row 0 is the first row of the FITS image" in text
    assert "nan arc" not in text


def test_a_persons_own_readme_is_left_alone(tmp_path):
    """A build in a folder that has one writes the rest and keeps it, with --fresh too."""
    catalogue, images = write_sky(tmp_path, count=12)
    out = tmp_path / "out"
    out.mkdir()
    (out / "README.md").write_text("mine")
    for fresh in (False, True):
        options = {"catalogue": catalogue, "service": f"folder:{images}", "fresh": fresh}
        build("mingolotss", out=out, **options)
        assert (out / "README.md").read_text() == "mine"
        assert verify(out).problems == []


@pytest.mark.slow
def test_a_simulated_dataset_says_so(tmp_path):
    """In the title and in bold, and it does not claim to be the published one."""
    assert run("demo", "--out", tmp_path / "demo", "--sources", 30).returncode in (0, 1)
    text = (tmp_path / "demo/README.md").read_text()
    assert "# MingoLoTSS (simulated sky)" in text
    assert "**The images are of a simulated sky" in text
    assert "Pixel for pixel the published dataset" not in text
    described = json.loads((tmp_path / "demo/croissant.json").read_text())
    assert "simulated" in described["description"]
    assert described["name"] == "mingolotss-simulated"
    done = run("export", tmp_path / "demo", "--format", "parquet", "--out", tmp_path / "out")
    assert "simulated images as parquet" in done.stdout
    assert "# MingoLoTSS (simulated sky)" in (tmp_path / "out/README.md").read_text()
    for name in ("LICENSE", "CITATION.cff", ".zenodo.json", "croissant.json", "README.md"):
        for folder in ("demo", "out"):
            text = (tmp_path / folder / name).read_text()
            assert "imulated" in text
            assert "5,805" not in text
            assert "LoTSS DR1" not in text
            assert "Mingo et al." not in text
    status = run("status", tmp_path / "demo").stdout
    assert "MingoLoTSS (simulated sky), finished" in status
    page = (tmp_path / "demo/report.html").read_text()
    assert "<h1>MingoLoTSS (simulated sky)</h1>" in page
    assert "Images of a simulated radio sky" in page
    assert "5,805" not in page
    assert "LoTSS DR1" not in page
    assert "The licence is not known." in page


@pytest.mark.slow
def test_export_verify_compare_on_the_command_line(built, tmp_path):
    """Each prints what it did and has its exit code."""
    out = tmp_path / "out"
    options = ("--format", "batches", "--split", "stratified:seed=2", "--out", out, "--archive")
    done = run("export", built, *options)
    assert done.returncode == 0, done.stderr
    assert re.search(r"59 images as batches \(train \d+, test \d+\)", done.stdout)
    assert re.search(r"out\.tar\.gz: sha256 [0-9a-f]{64}", done.stdout)
    for place in (out, tmp_path / "out.tar.gz"):
        checked = run("verify", place)
        assert (checked.returncode, "59 images checked, all good" in checked.stdout) == (0, True)
    compared = run("compare", built, out)
    assert compared.returncode == 1
    assert "59 sources in both, 59 with identical images" in compared.stdout
    assert "splits that differ: " in compared.stdout
    assert run("compare", out, tmp_path / "out").stdout.endswith("nothing differs\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "classes"),
    [
        (("--binary",), ["FRI", "FRII"]),
        (("--merge", "bent=1,2", "--merge", "b=FRII"), ["bent", "b"]),
    ],
)
def test_merged_classes_on_the_command_line(built, tmp_path, arguments, classes):
    """The recipe's two classes, or the user's own."""
    done = run("export", built, "--format", "png", "--out", tmp_path / "out", *arguments)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out/classes.json").read_text()) == classes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (
            ("export", "BUILD", "--format", "tfrecord", "--out", "OUT"),
            "called 'tfrecord'",
        ),
        (("export", "BUILD", "--format", "png", "--out", "BUILD"), "something is there"),
        (("export", "BUILD", "--format", "png", "--out", "OUT", "--merge", "x"), "NAME=CLASS"),
        (("export", "OUT", "--format", "png", "--out", "OUT2"), "no recipe.toml"),
        (("compare", "BUILD", "OUT"), "there is nothing there"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(built, tmp_path, arguments, found):
    """What was attempted, on what, what was found."""
    places = {"BUILD": built, "OUT": tmp_path / "o", "OUT2": tmp_path / "p"}
    done = run(*(places.get(word, word) for word in arguments))
    assert done.returncode == 2
    assert found in done.stderr
    assert done.stderr.count("\n") == 1


def test_verify_finds_a_changed_card(built, tmp_path):
    """The card and the Croissant are part of what is checked."""
    copy = tmp_path / "copy"
    shutil.copytree(built, copy)
    (copy / "croissant.json").write_text("{}")
    assert "croissant.json: its checksum" in "\n".join(verify(copy).problems)
