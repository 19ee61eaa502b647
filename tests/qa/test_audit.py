"""The audit finds each planted fault, and nothing in a dataset without faults."""

from __future__ import annotations

import json
import os
import re
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

import mingolotss
from audit_data import SCALE, SIDE, Planted
from builds import run
from mingolotss.dataset.provenance import read_provenance
from mingolotss.demonstration import demo
from mingolotss.errors import DatasetError, InputError
from mingolotss.pipeline.inputs import write_simulated_sky
from mingolotss.pipeline.run import build
from mingolotss.publish.export import export
from mingolotss.qa.audit.document import parse_audit, read_audit, render_audit
from mingolotss.qa.audit.positions import NO_POSITIONS, PositionTable, find_positions
from mingolotss.qa.audit.result import (
    BALANCE,
    CLASSES,
    FIELDS,
    IDENTICAL,
    LABELS,
    LEAKS,
    NAMES,
    POSITIONS,
    SHARED_PIXELS,
    SHARED_SOURCES,
    TWINS,
)
from mingolotss.qa.audit.run import audit
from mingolotss.qa.audit.terminal import audit_lines, closing_lines
from mingolotss.qa.verify import verify
from mingolotss.recipe.load import load_recipe

pytestmark = pytest.mark.slow  # together they take long


def audit_columns(*paths, **arguments):
    """Audit datasets without their images."""
    return audit(*paths, images=False, **arguments)


def pair_names(check):
    return [(pair.first.name, pair.second.name) for pair in check.pairs]


@pytest.fixture(scope="module")
def small_demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit") / "demo"
    demo(folder, sources=60)
    return folder


@pytest.mark.parametrize("kind", ["write_parquet", "write_batches"])
def test_a_dataset_without_faults_has_no_finding(kind, tmp_path):
    result = audit(getattr(Planted(), kind)(tmp_path / "d"))
    assert result.good, [*audit_lines(result)]
    assert bool(result.unchecked) == (kind == "write_batches")


def test_stamps_that_share_pixels_across_splits_are_found(tmp_path):
    """Two stamps of 30 arcsec share pixels if they are closer; only other splits count."""
    data = Planted()
    data.move(2, to=0, north_arcsec=0.9 * SIDE * SCALE)  # test and train
    data.move(4, to=8, north_arcsec=0.9 * SIDE * SCALE)  # both in train
    data.move(6, to=12, north_arcsec=1.5 * SIDE * SCALE)  # test and train, apart
    check = audit_columns(data.write_parquet(tmp_path / "d")).check(SHARED_PIXELS)
    assert check.findings == 1
    assert pair_names(check) == [("S1-0", "S1-2")]
    assert check.counts == {"train, test": 1}
    assert check.pairs[0].separation_arcsec == pytest.approx(27.0, abs=0.01)
    assert [member.split for member in check.pairs[0][:2]] == ["train", "test"]
    assert check.sentence == "1 pair of stamps shares pixels across splits"


@pytest.mark.parametrize(("north", "limit", "found"), [(2.9, 0, 1), (3.1, 0, 0), (3.1, 4.0, 1)])
def test_one_position_under_two_names(north, limit, found, tmp_path):
    """Closer than two pixels, 3 arcsec, is one position, or than what a person says."""
    data = Planted()
    data.move(5, to=1, north_arcsec=north)
    check = audit_columns(data.write_parquet(tmp_path / "d"), limit_arcsec=limit).check(POSITIONS)
    assert check.findings == found
    assert pair_names(check) == [("S1-1", "S1-5")][:found]


def test_labels_of_one_position_and_of_equal_images(tmp_path):
    data = Planted()
    data.move(4, to=1, north_arcsec=1.0)  # FRI and FRII
    data.move(5, to=7, north_arcsec=1.0)  # both FRII
    data.images[10] = data.images[13]  # FRI and FRII
    result = audit(data.write_parquet(tmp_path / "d"))
    assert result.check(LABELS).findings == 2
    assert set(pair_names(result.check(LABELS))) == {("S1-1", "S1-4"), ("S1-10", "S1-13")}
    assert pair_names(result.check(IDENTICAL)) == [("S1-10", "S1-13")]


def test_turned_and_mirrored_copies_are_twins(tmp_path):
    """They are found with the turn, and count as images of one source."""
    data = Planted()
    data.images[5] = np.rot90(data.images[2])  # FRII and FRI
    data.images[9] = np.fliplr(data.images[7])
    result = audit(data.write_parquet(tmp_path / "d"))
    twins = result.check(TWINS)
    assert {(pair.first.name, pair.second.name): pair.note for pair in twins.pairs} == {
        ("S1-2", "S1-5"): "turned by 270°", ("S1-7", "S1-9"): "mirrored",
    }  # fmt: skip
    assert twins.findings == 2
    assert result.check(IDENTICAL).findings == 0
    assert pair_names(result.check(LABELS)) == [("S1-2", "S1-5")]


def test_twins_of_two_datasets_are_sources_of_both(tmp_path):
    """A turned copy under another name and position leaks from one dataset into the other."""
    first, second = Planted(seed=1), Planted(seed=2)
    second.images[4] = np.rot90(first.images[2])  # test of A in train of B
    result = audit(first.write_parquet(tmp_path / "a"), second.write_parquet(tmp_path / "b"))
    assert pair_names(result.check(TWINS, "A", "B")) == [("S1-2", "S2-4")]
    assert pair_names(result.check(LEAKS, "A", "B")) == [("S1-2", "S2-4")]
    assert result.check(SHARED_SOURCES, "A", "B").lines == ("1 pair by image",)


def test_blank_images_are_no_copies(tmp_path):
    data = Planted()
    data.images[3] = data.images[4] = 0
    data.images[5] = 17
    check = audit(data.write_parquet(tmp_path / "d")).check(IDENTICAL)
    assert check.findings == 0
    assert check.lines == ("3 images are blank and were not compared",)


def test_classes_that_are_missing(tmp_path):
    data = Planted(classes=("FRI", "FRII", "Hybrid", "Nothing"))
    data["label"][0] = 2  # in train only
    data["label"][:] = [min(label, 2) for label in data["label"]]
    check = audit_columns(data.write_parquet(tmp_path / "d")).check(CLASSES)
    assert check.lines == ("no image of Hybrid in test",)
    batches = audit_columns(data.write_batches(tmp_path / "b")).check(CLASSES)
    assert batches.lines == ("no image of Nothing", "no image of Hybrid in test")
    assert (
        batches.sentence
        == "1 class is missing from the dataset and 1 class is missing from a split"
    )


def test_brighter_and_larger_sources_are_said_with_their_medians(tmp_path):
    data = Planted(n=400)
    is_test = np.array(data["split"]) == "test"
    data.columns["flux_mjy"] = np.where(is_test, 3.0, 1.0) * np.array(data["flux_mjy"])
    check = audit_columns(data.write_parquet(tmp_path / "d")).check(BALANCE)
    assert check.findings == 1
    flux = data.columns["flux_mjy"]
    medians = f"{np.median(flux[is_test]):.3g} and {np.median(flux[~is_test]):.3g} mJy"
    assert re.fullmatch(
        rf"test has brighter sources than train \(median {medians}; Kolmogorov-Smirnov test, "
        r"p = \de-\d+\)",
        check.lines[0],
    )


def test_a_split_of_another_spread_is_not_called_brighter(tmp_path):
    """The distributions differ, the medians do not: nothing is said about brighter or fainter."""
    data = Planted(n=1000)
    rng = np.random.default_rng(3)
    is_test = np.array(data["split"]) == "test"
    data.columns["flux_mjy"] = np.exp(rng.normal(2, np.where(is_test, 0.2, 1.5)))
    check = audit_columns(data.write_parquet(tmp_path / "d")).check(BALANCE)
    assert len(check.lines) == 1
    assert check.lines[0].startswith("the flux densities of test and train are distributed diff")


def test_random_splits_differ_in_nothing(tmp_path):
    """Of 30 random splits none is called different; each is tested three times."""
    data = Planted(n=300)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        data.columns["split"] = rng.choice(
            ["train", "val", "test"], 300, p=[0.7, 0.1, 0.2]
        ).tolist()
        data.columns["label"] = rng.choice([0, 1], 300, p=[0.8, 0.2]).tolist()
        shutil.rmtree(tmp_path / "d", ignore_errors=True)
        check = audit(data.write_parquet(tmp_path / "d"), images=False).check(BALANCE)
        assert check.findings == 0, (seed, check.lines)


def test_other_shares_of_classes_name_the_class(tmp_path):
    data = Planted(n=400)
    rng = np.random.default_rng(0)
    is_test = np.array(data["split"]) == "test"
    data.columns["label"] = (rng.random(400) < np.where(is_test, 0.6, 0.2)).astype(int).tolist()
    check = audit(data.write_parquet(tmp_path / "d"), images=False).check(BALANCE)
    labels = np.array(data["label"])
    shares = [100 * labels[is_test].mean(), 100 * labels[~is_test].mean()]
    assert check.lines[0].startswith(
        f"the classes of test and train differ: FRII is {shares[0]:.3g} % and {shares[1]:.3g} % "
    )


def test_fields_are_described_and_are_no_finding(tmp_path):
    """Splits by regions have other fields by intention."""
    data = Planted(n=100)
    data.columns["field"] = [f"{split}-{i % 2}" for i, split in enumerate(data["split"])]
    check = audit(data.write_parquet(tmp_path / "d"), images=False).check(FIELDS)
    assert check.findings == 0
    assert check.sentence == "the images are of 4 fields"
    assert check.lines[:2] == (
        "2 fields have images in train only", "2 fields have images in test only",
    )  # fmt: skip


def test_between_two_datasets(tmp_path):
    """Shared sources by position, by name and by image; their splits and their labels."""
    first, second = Planted(seed=1), Planted(seed=2)
    for own, other in ((0, 1), (2, 4), (3, 9)):  # by position
        second["ra"][other], second["dec"][other] = first["ra"][own], first["dec"][own]
    second["source"][6] = first["source"][6]  # by name, at another position
    second.images[8] = first.images[8]
    result = audit(first.write_parquet(tmp_path / "a"), second.write_parquet(tmp_path / "b"))
    shared = result.check(SHARED_SOURCES, "A", "B")
    assert set(pair_names(shared)) == {
        ("S1-0", "S2-1"), ("S1-2", "S2-4"), ("S1-3", "S2-9"), ("S1-6", "S1-6"), ("S1-8", "S2-8"),
    }  # fmt: skip
    assert shared.findings == 0
    assert shared.lines == ("3 pairs by position", "1 pair by name", "1 pair by image")
    assert shared.counts == {
        "train of A, train of B": 2, "test of A, train of B": 2, "test of A, test of B": 1,
    }  # fmt: skip
    leaks = result.check(LEAKS, "A", "B")
    assert set(pair_names(leaks)) == {("S1-2", "S2-4"), ("S1-3", "S2-9")}
    assert leaks.lines == ("2 images in test of A show sources in train of B",)
    labels = result.check(LABELS, "A", "B")  # 0 and 1 are FRI and FRII
    assert pair_names(labels) == [("S1-0", "S2-1")]
    assert pair_names(result.check(NAMES, "A", "B")) == [("S1-6", "S1-6")]


def test_labels_of_other_class_tables_are_compared_by_their_groups(tmp_path):
    """FRI WAT of MingoLoTSS is FR I of FR-DEEP; a source that is neither cannot be compared."""
    table = mingolotss.load_recipe("mingolotss").class_names
    first, second = Planted(classes=table), Planted(classes=("FR I", "FR II"))
    first["label"][:4] = [2, 4, 4, 7]  # FRI WAT, FRII, FRII, Indeterminate
    second["label"][:4] = [0, 1, 0, 1]
    first["label"][4:] = second["label"][4:] = [None] * 36
    paths = first.write_parquet(tmp_path / "a"), second.write_parquet(tmp_path / "b")
    check = audit(*paths, images=False).check(LABELS, "A", "B")
    assert pair_names(check) == [("S1-2", "S1-2")]
    assert check.lines == ("the classes of 1 pair cannot be compared",)


def test_published_batches_have_positions_from_a_table_or_from_names(tmp_path):
    data = Planted()
    folder = data.write_batches(tmp_path / "b")
    assert (
        audit(folder).check(POSITIONS).sentence
        == "not checked: no position is known (give --positions FILE)"
    )
    data.move(5, to=2, north_arcsec=2.0)
    rows = zip(data["source"], data["ra"], data["dec"], strict=True)
    table = tmp_path / "positions.csv"
    table.write_text(
        "name,ra,dec\n" + "".join(f"{name}.png,{ra},{dec}\n" for name, ra, dec in rows)
    )
    result = audit_columns(folder, positions=table, pixel_arcsec=SCALE)
    assert pair_names(result.check(POSITIONS)) == [("S1-5", "S1-2")]
    assert result.check(SHARED_PIXELS).findings == 1
    assert result.datasets[0].positions == "positions.csv"


EXPORTS = ("batches", "zarr", "webdataset", "png", "parquet")


@pytest.mark.parametrize("kind", EXPORTS)
def test_every_format_gives_the_answers_of_the_build(kind, small_demo, tmp_path):
    """Positions, splits, labels and images are the same in a build and in each export of it."""
    mingolotss.export(small_demo, kind, tmp_path / "export")
    both = audit(small_demo, tmp_path / "export")
    of_build, of_export = both.datasets
    assert of_export.kind == "export"
    assert of_export.rows == of_build.rows
    checks = [[one for one in both.checks if one.datasets == (letter,)] for letter in "AB"]
    for one, other in zip(*checks, strict=True):
        assert (one.sentence, one.lines, one.counts) == (other.sentence, other.lines, other.counts)
        assert set(map(frozenset, pair_names(one))) == set(map(frozenset, pair_names(other)))
    shared = both.check(SHARED_SOURCES, "A", "B")
    assert shared.sentence.startswith(f"{both.datasets[0].images} images of ")
    assert both.check(LEAKS, "A", "B").findings == 0
    assert both.check(LABELS, "A", "B").findings == 0


def test_the_audit_counts_the_pairs_that_the_build_records(small_demo):
    """Its stamps are where their images are: one that is off its source shares other pixels."""
    recorded = read_provenance(small_demo).split.pairs_across
    assert recorded >= 1, "no stamp is off its source: choose another sky"
    assert audit_columns(small_demo).check(SHARED_PIXELS).findings == recorded


def test_the_audit_of_squares_counts_the_pairs_that_the_build_records(tmp_path):
    """It takes squares as they are turned, and no circles around them."""
    catalogue, service = write_simulated_sky(tmp_path / "sky", sources=200)
    build(
        "mingolotss", catalogue=catalogue, service=service, out=tmp_path / "out",
        settings={"steps": [{"do": "zero-nan"}, {"do": "minmax"}], "formats": ["parquet"]},
    )  # fmt: skip
    recorded = read_provenance(tmp_path / "out").split.pairs_across
    assert recorded >= 1, "no two squares of different splits overlap: choose another sky"
    assert audit_columns(tmp_path / "out").check(SHARED_PIXELS).findings == recorded
    exported = export(tmp_path / "out", "parquet", tmp_path / "export").out
    assert audit_columns(exported).check(SHARED_PIXELS).findings == recorded


def test_the_audit_of_a_build_is_beside_the_report_and_the_build_stays_whole(small_demo):
    done = run("audit", small_demo)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == f"Everything: {small_demo / 'audit.json'}"
    assert verify(small_demo).good
    state = read_audit(small_demo)
    assert state.audit == audit(small_demo)
    document = json.loads((small_demo / "audit.json").read_text())
    assert document["findings"] == state.audit.findings
    assert [check["kind"] for check in document["checks"]] == [
        one.kind for one in state.audit.checks
    ]


def test_the_audit_of_another_state_of_a_build_is_not_used(small_demo, tmp_path):
    build = shutil.copytree(small_demo, tmp_path / "build")
    run("audit", build, "--no-images")
    text = (build / "audit.json").read_text()
    (build / "audit.json").write_text(text.replace(read_audit(build).audit.datasets[0].digest, "0"))
    assert (read_audit(build).audit, read_audit(build).is_outdated) == (None, True)


def test_exit_codes_and_the_quiet_output_of_a_good_dataset(tmp_path):
    folder = Planted().write_parquet(tmp_path / "d")
    done = run("audit", folder)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "nothing wrong was found"
    assert "shared pixels: no pair of stamps shares pixels across splits" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert not done.stderr
    assert not (folder / "audit.json").exists()
    written = run("audit", folder, "--no-images", "--json", tmp_path / "a.json")
    assert parse_audit((tmp_path / "a.json").read_bytes(), "a.json").good
    assert written.returncode == 0


def test_hostile_names_stay_text_on_the_terminal(tmp_path):
    data = Planted()
    data["source"][0] = "\x1b[2J\u202eevil\n" + "L" * 500
    data["field"][0] = "\x07"
    data.move(2, to=0, north_arcsec=1)
    data.columns["split"] = ["\x1b[31mred" if s == "test" else s for s in data["split"]]
    folder = data.write_parquet(tmp_path / "d")
    done = run("audit", folder, "--no-images", "--json", tmp_path / "a.json")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines[:-1])) <= 80  # the last one is the path of the file
    parsed = parse_audit((tmp_path / "a.json").read_bytes(), "a.json")
    assert parsed.check(POSITIONS).pairs[0].first.name == data["source"][0]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("nothing", "there is nothing there"),
        ("file", 'a text ("x")'),
        ("archive", "it is an archive; unpack it (tar -xf), and give its folder"),
        ("address", "it is an address; download the dataset, and give its folder"),
        ("truncated", "not a whole Parquet file of stamps"),
        ("png", "is damaged"),
        ("unfinished", "the build in it is not finished"),
    ],
)
def test_what_cannot_be_audited_is_one_line(damage, message, small_demo, tmp_path):
    place = tmp_path / "d"
    if damage == "file":
        place.write_text("x")
    elif damage == "archive":
        place = tmp_path / "d.tar.gz"
        with tarfile.open(place, "w:gz") as archive:
            archive.add(__file__, "x")
    elif damage == "address":
        place = "https://example.org/d"
    elif damage == "truncated":
        Planted().write_parquet(place)
        path = place / "data" / "all-1.parquet"
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "png":
        Planted().write_parquet(place)
        path = place / "data" / "all-0.parquet"
        data = path.read_bytes()
        start = data.index(b"IDAT", 3000)
        path.write_bytes(data[: start + 8] + b"\0" * 20 + data[start + 28 :])
    elif damage == "unfinished":
        shutil.copytree(small_demo, place)
        (place / "checksums.sha256").unlink()
    with pytest.raises((DatasetError, InputError)) as error:
        audit(place)
    assert message in str(error.value) or damage == "png"
    done = run("audit", place)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "[" * 10000, '{"format": 2}', '{"format": 1}',
     '{"format": 1, "datasets": 1, "checks": []}'],
)  # fmt: skip
def test_a_damaged_audit_is_one_line(text):
    with pytest.raises(DatasetError, match="run `mingolotss audit` again"):
        parse_audit(text.encode(), "audit.json")


def test_an_audit_is_written_in_the_same_bytes(tmp_path):
    folder = Planted().write_parquet(tmp_path / "d")
    assert render_audit(audit_columns(folder)) == render_audit(audit_columns(folder))


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_impossible_numbers_are_refused(value, tmp_path):
    folder = Planted().write_parquet(tmp_path / "d")
    with pytest.raises(InputError, match="give a positive number of arcsec"):
        audit(folder, pixel_arcsec=value)


def test_only_a_build_can_be_reviewed(tmp_path):
    done = run("audit", Planted().write_parquet(tmp_path / "d"), "--review")
    assert done.returncode == 2
    assert "only a build can be reviewed" in done.stderr


def test_lines_and_sentences_have_no_doubtful_plural(tmp_path):
    result = audit_columns(Planted().write_parquet(tmp_path / "d"))
    assert not [line for line in [*audit_lines(result), *closing_lines(result)] if "(s)" in line]


@pytest.fixture
def shared():
    folder = Path(os.environ.get("MINGOLOTSS_SHARED", Path(__file__).parents[3] / "shared"))
    if not (folder / "data/frdeep").is_dir():
        pytest.skip(f"needs {folder}/data/frdeep")
    return folder


@pytest.mark.parametrize("table", ["", "data/frdeep/published.csv"])
def test_ngc_5782_is_found_under_its_two_names_in_frdeep(table, tmp_path, shared):
    """One galaxy of FR-DEEP is in train and, under another name, in test."""
    with tarfile.open(shared / "data/frdeep/FIRST.tar.gz") as archive:
        archive.extractall(tmp_path / "frdeep", filter="data")
    result = audit_columns(tmp_path / "frdeep", positions=shared / table if table else None)
    assert result.datasets[0].positions == (
        "published.csv" if table else "the published list frdeep"
    )
    check = result.check(POSITIONS)
    assert [sorted(pair) for pair in pair_names(check)] == [
        ["NGC 5782_I", "SDSS J145555.27+115141.4_I"]
    ]
    assert check.pairs[0].separation_arcsec == pytest.approx(3.555, abs=0.001)
    assert {member.split for member in check.pairs[0][:2]} == {"train", "test"}


def test_a_table_of_one_row_leaves_other_positions(tmp_path):
    """A table completes what names and lists give, and says how exact its own positions are."""
    path = tmp_path / "one.csv"
    path.write_text("name,ra,dec\nA,14 07,+34 11\n")
    table = PositionTable.read(path)
    assert table.error_arcsec == pytest.approx(
        900 * np.cos(np.radians(34 + 11 / 60))
    )  # 1 min of RA
    names = ("A", "100_123.251+043.797_0.1281_0034.09")
    found = find_positions(NO_POSITIONS, names, (), load_recipe("mirabest"), table)
    assert found.known.all()
    assert found.origin == "one.csv and the names of the images"
    assert found.error_arcsec[0] == table.error_arcsec > found.error_arcsec[1]
