"""Every sentence of a card is true: of a demo, a survey, and all that a build can be."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import label_sentences  # noqa: F401 - registers its sentences
import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table
from card_grammar import check_card
from test_descriptions import STATED

from mask_sky import build_masked, write_masked_sky
from mingolotss.candidates.decisions import Decision, DecisionLog
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.provenance import (
    read_provenance,
    write_provenance,
)
from mingolotss.dataset.recipe_file import read_package_versions
from mingolotss.demonstration import demo
from mingolotss.errors import MingoError
from mingolotss.pipeline.run import build
from mingolotss.publish.describe import write_description
from mingolotss.publish.export import export
from mingolotss.publish.summary import read_summary
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.model import Recipe
from named_builds import make_recipe, write_mosaic
from readers_build import make_build, write_sky
from several_surveys import build_surveys
from tagged_builds import build_fractions, build_tags, build_votes

pytestmark = pytest.mark.slow  # together they take long


def change(changes: dict[str, object], base: str = "mingolotss") -> Recipe:
    return load_recipe(base).changed(changes)


def simulated(root):
    return demo(root / "demo", sources=40).out


def many(root):
    """More images than those of which all overlapping pairs are counted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mingolotss.publish.summary.MAX_COUNTED", 10)
        return demo(root / "demo", sources=40).out


def unlabelled(root):
    """No classes, no sizes, no rms maps."""
    sky = write_mosaic(root / "mosaics" / "F+1-mosaic.fits", 9)
    catalogue = Catalogue.from_columns([f"s{n}" for n in range(9)], sky.ra.deg, sky.dec.deg)
    recipe = make_recipe(classes={"from": "none"})
    return build(
        recipe, out=root / "out", catalogue=catalogue, service=f"mosaics:{root / 'mosaics'}"
    ).out


def estimated(root):
    """A quarter of the sources has no rms map; headers differ in beam, unit and telescope."""
    catalogue, images = write_sky(root, count=40)
    for index, path in enumerate(sorted(images.glob("*-mosaic.fits"))):
        with fits.open(path, mode="update") as hdus:
            header = hdus[0].header
            if index % 3:
                header["BMAJ"] = header["BMIN"] = (6 if index % 3 == 1 else 9) / 3600
                header["TELESCOP"] = "LOFAR"
                header["RESTFRQ"] = 1.4365e8
            else:
                del header["BUNIT"]
        if index % 4 == 0:
            path.with_name(path.name.replace("-mosaic", "-mosaic-rms")).unlink()
    recipe = change({"noise.otherwise": "sigma-clipped", "formats": ["parquet", "csv"]})
    return build(recipe, out=root / "out", catalogue=catalogue, service=f"folder:{images}").out


def rejections(root):
    """Some files are damaged, some are absent, and one mosaic has no pixel that is finite."""
    catalogue, images = write_sky(root, count=30)
    paths = sorted(images.glob("*-mosaic.fits"))
    paths[0].write_bytes(b"SIMPLE")
    paths[1].unlink()
    data, header = fits.getdata(paths[2], header=True)
    fits.writeto(paths[2], np.full_like(data, np.nan), header, overwrite=True)
    return build(
        "mingolotss", out=root / "out", catalogue=catalogue, service=f"folder:{images}"
    ).out


def nothing_written(root):
    catalogue, images = write_sky(root, count=12)
    for path in images.glob("*-mosaic.fits"):
        path.write_bytes(b"")
    return build(
        "mingolotss", out=root / "out", catalogue=catalogue, service=f"folder:{images}"
    ).out


def renamed(root):
    """A recipe that extends the published one, cut to the first rows."""
    path = root / "mine.toml"
    path.write_text('extends = "mingolotss"\nname = "mine"\n[noise]\nsigma = 4.0\n')
    catalogue, images = write_sky(root, count=24)
    return build(path, out=root / "out", catalogue=catalogue, service=str(images), limit=13).out


def selected(root):
    """Rows are left out by a condition, and one class is dropped."""
    recipe = change({"catalogue.where": "LM_dec_size < 60", "classes.drop": ["FRII"]})
    return make_build(root, recipe)


def stated(root):
    return make_build(root, change(STATED))


def in_words(root):
    """The terms of FIRST, and images in Jy/beam without any step."""
    licence = load_recipe("mirabest").licence
    return make_build(root, change({
        "licence": licence, "stamp.kind": "float32", "steps": [], "formats": ["parquet"],
        "recentre.enabled": False,
    }))  # fmt: skip


def decided(root):
    """Two fields for each source, and a person who chose among them."""
    catalogue, images = write_sky(root, count=16)
    for path in sorted(images.glob("*")):
        shutil.copyfile(path, path.with_name(path.name.replace("_P", "_Q")))
    out = root / "out"
    options = {"out": out, "catalogue": catalogue, "service": f"folder:{images}"}
    build("mingolotss", **options)
    decision = Decision("ILTJ000003.5+50", "Q000", "accept", "Ada L.", "2026-11-26", "")
    DecisionLog(out / "decisions.csv").add(decision)
    return build("mingolotss", **options).out


def merged(root):
    built = make_build(root)
    groups = {"FRI NAT": [1], "FRI WAT": [2], "rest": [0, 3, 4]}
    return export(
        built, "parquet", root / "merged", merge=groups, split="k-fold:folds=3,seed=1"
    ).out


def continued(root):
    """A build whose catalogue has got more rows, and whose classes are not in each split."""
    catalogue, images = write_sky(root, count=24)
    table = Table.read(catalogue)
    table[:16].write(catalogue, overwrite=True)
    recipe = change({"split.plan": "stratified:train=0.7,test=0.3"})
    options = {"out": root / "out", "catalogue": catalogue, "service": f"folder:{images}"}
    build(recipe, **options)
    table.write(catalogue, overwrite=True)
    return build(recipe, **options).out


def add_column(path):
    """Add a column of splits to the catalogue of the tests; some sources have none."""
    table = Table.read(path)
    folds = ["train", "test", "", "train", "val", "train"]
    table["set"] = [folds[row % len(folds)] for row in range(len(table))]
    table.write(path, overwrite=True)


def by_column(root):
    catalogue, images = write_sky(root, count=24)
    add_column(catalogue)
    recipe = change({"catalogue.keep": ["set"]})
    built = build(recipe, out=root / "out", catalogue=catalogue, service=f"folder:{images}").out
    return export(built, "parquet", root / "by column", split="column:set").out


def by_list(root):
    built = make_build(root)
    names = pq.read_table(built / "manifest.parquet")["source"].to_pylist()
    splits = ["test" if row % 5 == 0 else "train" for row in range(len(names) - 3)]
    lines = [f"{name},{split}\n" for name, split in zip(names, splits, strict=False)]
    (root / "list.csv").write_text("name,split\n" + "".join(lines))
    return export(built, "png", root / "by list", split=f"file:{root / 'list.csv'}").out


def like_another(root):
    """A third of the sources is new."""
    catalogue, images = write_sky(root, count=40)
    options = {"catalogue": catalogue, "service": f"folder:{images}"}
    first = build("mingolotss", out=root / "first", limit=26, **options).out
    export(first, "webdataset", root / "earlier", split="stratified:train=0.7,test=0.3,seed=5")
    later = build("mingolotss", out=root / "later", **options).out
    return export(later, "parquet", root / "like it", split=f"like:{root / 'earlier'}").out


def several_channels(root):
    """Three channels; one is native, one resampled, and one lacks some images and has own steps."""
    return build_surveys(root, ("low", "high", "optical"))


def one_beam(root):
    """Two channels in Jy/beam with one beam."""
    pytest.importorskip("radio_beam", reason="needs the extra beams")
    stamp = {"kind": "float32"}
    common = {"common": "9 arcsec"}
    return build_surveys(root, ("low", "high"), stamp=stamp, steps=[], beam=common)


def sized_and_turned(root):
    """Resampled stamps of which each has its own size and orientation."""
    return build_surveys(root, stamp={"size": "2.5 * LAS", "rotate": "PA"})


def stated_surveys(root):
    """Two channels whose services state what their images are."""
    built = build_surveys(root, ("low", "high"), stamp={"kind": "float32"})
    surveys = {
        "FIRST": {"frequency": "1400 MHz", "unit": "Jy/beam", "terms of use": "scholarly use only",
                  "stated by": "the header of every image", "to cite": "Becker 1995, ApJ 450, 559"},
        "NVSS": {"pixels": "15 arcsec", "unit": "Jy/beam", "terms of use": "ask the survey"},
    }  # fmt: skip
    provenance = replace(read_provenance(built), surveys=surveys)
    write_provenance(built, provenance, read_package_versions(built))
    write_description(read_summary(built))
    return built


def export_of_channels(root):
    built = build_surveys(root, ("low", "optical"), stamp={"kind": "float32"})
    return export(built, "parquet", root / "out").out


def tagged(root):
    return build_tags(root)


def unknown_tags(root):
    return build_tags(root, "unlabelled")


def voted(root):
    return build_votes(root)


def fractions_of_votes(root):
    return build_fractions(root)


def judged(root, rule="majority"):
    """Three people agree about a source, and two of them disagree about another."""
    catalogue, images = write_sky(root, count=16)
    recipe = change({"judgements.rule": rule, "judgements.ties": "unlabelled"})
    options = {"out": root / "out", "catalogue": catalogue, "service": f"folder:{images}"}
    build(recipe, **options)
    rows = pq.read_table(root / "out" / "manifest.parquet").to_pylist()
    log = DecisionLog(root / "out" / "decisions.csv")
    for person, first, second in (("A", "FRI", "FRI"), ("B", "FRI", "FRII"), ("C", "FRI", None)):
        for row, name in zip(rows[3:5], (first, second), strict=True):
            if name is not None:
                log.add(Decision(row["source"], "", "classify", person, "2026-11-26", "", (name,)))
    return build(recipe, **options).out


def judged_as_votes(root):
    return judged(root, "fractions")


def masked(root):
    build_masked(write_masked_sky(root), root / "out")
    return root / "out"


def export_of_tags(root):
    return export(build_tags(root), "webdataset", root / "out").out


def export_of_votes(root):
    return export(build_votes(root), "parquet", root / "out").out


BUILDS = (
    tagged, unknown_tags, judged, judged_as_votes, voted, fractions_of_votes, export_of_tags,
    export_of_votes, masked,
    several_channels, stated_surveys, one_beam, sized_and_turned, export_of_channels,
    by_column, by_list, like_another,
    simulated, many, unlabelled, estimated, rejections, nothing_written, renamed, stated, in_words,
    decided, merged, selected, continued,
)  # fmt: skip


@pytest.mark.parametrize("make", BUILDS, ids=lambda make: make.__name__)
def test_every_sentence_of_the_card_is_true(tmp_path, make):
    """Each is known to a check, and what it says is what the tables say."""
    folder = make(Path(tmp_path))
    facts = check_card(folder)
    if facts.written:
        assert {"telescope", "survey", "frequency_mhz", "unit"} == set(facts.seen)


def test_every_sentence_of_the_card_of_the_real_piece_is_true(tmp_path, shared):
    """A piece of a mosaic of LoTSS DR1 without rms map, and the 27 sources in it."""
    folder = shared / "data/lotss-dr1"
    sources = Table.read(folder / "P205+55-sources.fits")
    sources.write(tmp_path / "sources.fits")
    out = build(
        "lotss", out=tmp_path / "out", catalogue=tmp_path / "sources.fits",
        service=f"mosaics:{folder}",
    ).out  # fmt: skip
    facts = check_card(out)
    assert len(facts.rows) == 27
    assert "Noise: sigma-clipped for " in (out / "README.md").read_text()


@pytest.mark.parametrize(
    ("true", "false"),
    [
        ("59 images of", "60 images of"),
        ("1 source has no image", "2 sources have no image"),
        ("(59)", "(58)"),
        ("Noise: rms-map for 59 images", "Noise: rms-map for 60 images"),
        ("The licence is not known", "The licence is CC-BY-4.0"),
        ("nothing about people.", "nothing about people. It is complete."),
        ("## Cite\n\n- ", "## Cite\n\n- A paper.\n- "),
        ("| 0 | FRI | 5 |", "| 0 | FRI | 6 |"),
    ],
)
def test_a_false_sentence_is_found(tmp_path_factory, request, true, false):
    """The check itself is tested: a wrong number, claim or unknown sentence does not pass."""
    built = request.getfixturevalue("built")
    copy = tmp_path_factory.mktemp("copy") / "build"
    shutil.copytree(built, copy)
    card = (copy / "README.md").read_text()
    assert true in card
    (copy / "README.md").write_text(card.replace(true, false, 1))
    with pytest.raises((AssertionError, ValueError, KeyError)):
        check_card(copy)


@pytest.mark.parametrize(
    ("true", "false"),
    [
        ("any number of 5 tags", "any number of 6 tags"),
        (" with 0,", "9 with 0,"),
        ("combinations occur", "combinations may occur"),
        ("| 0 | FRI | ", "| 0 | FRI | 1"),
        ("Tags without an image: none like it", "Tags without an image: FRI"),
        ('target="multi-hot").targets', 'target="index").targets'),
    ],
)
def test_a_false_sentence_about_tags_is_found(tmp_path_factory, tagged_build, true, false):
    copy = tmp_path_factory.mktemp("copy") / "build"
    shutil.copytree(tagged_build, copy)
    card = (copy / "README.md").read_text()
    assert true in card
    (copy / "README.md").write_text(card.replace(true, false, 1))
    with pytest.raises((AssertionError, ValueError, KeyError, MingoError)):
        check_card(copy)


@pytest.fixture(scope="module")
def tagged_build(tmp_path_factory):
    return build_tags(tmp_path_factory.mktemp("tags"))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return make_build(tmp_path_factory.mktemp("sky"))
