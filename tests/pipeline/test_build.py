"""The whole job: the same bytes every time, resume, decisions, and every row accounted for."""

from __future__ import annotations

import multiprocessing
import pickle
import tarfile
import time

import numpy as np
import pytest

from builds import contents
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import DecisionError, InputError
from mingolotss.io.files import TEMPORARY_PREFIX
from mingolotss.io.parquet import read_table
from mingolotss.loaders.arrays import load
from mingolotss.pipeline.executors import local as executors
from mingolotss.pipeline.plan import plan
from mingolotss.pipeline.run import build, run
from mingolotss.qa.verify import verify
from mingolotss.recipe.load import load_recipe
from named_builds import build_named
from skies import random_sky


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return random_sky(tmp_path_factory.mktemp("sky") / "in", 150, seed=5, kinds=("float32",))


@pytest.fixture(scope="module")
def built(sky, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "out"
    return build("mingolotss", out=out, catalogue=sky.catalogue, service=f"folder:{sky.folder}")


def again(sky, out, **options):
    return build(
        "mingolotss", out=out, catalogue=sky.catalogue, service=f"folder:{sky.folder}", **options
    )


def test_every_row_is_a_record_or_a_rejection(sky, built):
    """Written + rejected = rows, in the catalogue's order."""
    manifest = read_manifest(built.out)
    assert manifest["row"].to_pylist() == list(range(150))
    assert manifest["source"].to_pylist() == sky.names
    assert built.written + built.rejected == built.sources == 150
    assert built.written == len(list((built.out / "png").iterdir()))
    for row in manifest.to_pylist():
        assert (row["reason"] is None) == (row["status"] == "written")


def test_candidates_have_verdicts(sky, built):
    """One row per source and field, with its checksum and what became of it."""
    table = read_table(built.out / "candidates.parquet").to_pylist()
    assert len(table) == sum(len(files) for files in sky.files)
    chosen = [row for row in table if row["verdict"] == "chosen"]
    assert len(chosen) == built.written
    assert all(len(row["image_sha256"]) == 64 for row in chosen)


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_mappers_give_the_same_bytes(sky, built, tmp_path, pool):
    """Threads and processes write what a plain `map` writes."""
    with getattr(executors, pool)(2) as mapper:
        again(sky, tmp_path / "out", mapper=mapper)
    assert contents(tmp_path / "out") == contents(built.out)


def test_a_finished_build_is_left_alone(sky, built):
    """Running again changes no file, not even its date."""
    before = {path: path.stat().st_mtime_ns for path in built.out.rglob("*") if path.is_file()}
    made = again(sky, built.out)
    after = {path: path.stat().st_mtime_ns for path in built.out.rglob("*") if path.is_file()}
    assert (before, made.written) == (after, built.written)


def test_resume_after_a_failure(sky, built, tmp_path):
    """Parts that were made before a stop are kept, leftovers go, and the end is the same."""
    out, made = tmp_path / "out", []

    def failing(function, tasks):
        for number, task in enumerate(tasks):
            if number == 2:
                raise KeyboardInterrupt
            made.append(task.index)
            yield function(task)

    with pytest.raises(KeyboardInterrupt):
        again(sky, out, mapper=failing)
    (out / "png" / f"{TEMPORARY_PREFIX}1-x.png").write_bytes(b"half")
    stamps = {path.name: path.stat().st_mtime_ns for path in (out / "stamps").iterdir()}
    assert len(stamps) == len(made) == 2
    again(sky, out)
    for name, date in stamps.items():
        assert (out / "stamps" / name).stat().st_mtime_ns == date
    assert contents(out) == contents(built.out)


def test_a_changed_image_is_read_again(sky, tmp_path):
    """A part is older than an image that it was made from: it is made again."""
    out = tmp_path / "out"
    again(sky, out, limit=20)
    row = next(r for r in read_table(out / "candidates.parquet").to_pylist() if r["verdict"])
    path = sky.folder / row["image"]
    raw = path.read_bytes()
    try:
        path.write_bytes(raw[:100])
        again(sky, out, limit=20)
        verdicts = {
            r["image"]: r["verdict"] for r in read_table(out / "candidates.parquet").to_pylist()
        }
        assert "without the end of a FITS header" in verdicts[path.name]
    finally:
        path.write_bytes(raw)


def test_decisions_decide(sky, tmp_path):
    """A person's word takes a field or drops a source; who said so is in the manifest."""
    out = tmp_path / "out"
    again(sky, out)
    rows = read_table(out / "candidates.parquet").to_pylist()
    loser = next(r for r in rows if r["verdict"] == "not chosen")
    dropped = next(r for r in rows if r["verdict"] == "chosen" and r["source"] != loser["source"])
    (out / "decisions.csv").write_text(
        "source,field,verdict,by,date,note\n"
        f"{loser['source']},{loser['field']},accept,Ada,2026-01-02,looks better\n"
        f"{dropped['source']},,reject,Ada,2026-01-02,an artefact\n"
    )
    again(sky, out)
    by_name = {row["source"]: row for row in read_manifest(out).to_pylist()}
    assert by_name[loser["source"]]["field"] == loser["field"]
    assert by_name[loser["source"]]["decided_by"] == "Ada"
    assert by_name[dropped["source"]]["reason"] == "rejected by Ada: an artefact"
    left = {path.name for path in (out / "png").iterdir()}
    expected = {row["image_file"] for row in by_name.values() if row["status"] == "written"}
    assert left == expected


def test_a_decision_on_a_field_that_is_not_there(sky, tmp_path):
    """The line names the source, the field and what is on offer."""
    decisions = tmp_path / "d.csv"
    name = next(n for n, files in zip(sky.names, sky.files, strict=True) if files)
    decisions.write_text(f"source,field,verdict,by,date,note\n{name},P999,accept,me,,\n")
    with pytest.raises(DecisionError, match=r"P999.*on offer"):
        again(sky, tmp_path / "out", decisions=decisions)


def test_another_build_in_the_folder(sky, built):
    """Another recipe, limit or service in the same folder is refused, and nothing is lost."""
    before = contents(built.out)
    for options in ({"limit": 3}, {"recipe": "mingolotss-wide"}):
        with pytest.raises(InputError, match=r"it holds a build with .*--fresh"):
            plan(
                **({"recipe": "mingolotss"} | options), out=built.out, catalogue=sky.catalogue,
                service=f"folder:{sky.folder}",
            )  # fmt: skip
    assert contents(built.out) == before


def test_fresh_starts_over(sky, tmp_path):
    """--fresh replaces another build, and keeps decisions."""
    out = tmp_path / "out"
    again(sky, out, limit=30)
    (out / "decisions.csv").write_text("source,field,verdict,by,date,note\n")
    made = again(sky, out, limit=20, fresh=True)
    assert made.sources == 20
    assert (out / "decisions.csv").exists()


def test_fresh_removes_a_recipes_own_names(sky, tmp_path):
    """Batches under another name go too, and so does a report of what is gone."""
    recipe = load_recipe("mingolotss").changed(
        {"batches.folder": "mine-py", "batches.archive": "mine.tar.gz"}
    )
    options = {"out": tmp_path, "catalogue": sky.catalogue, "service": f"folder:{sky.folder}"}
    build(recipe, **options, limit=9)
    (tmp_path / "report.html").write_text("old")
    assert (tmp_path / "mine.tar.gz").exists()
    build("mingolotss", **options, limit=9, fresh=True)
    left = {path.name for path in tmp_path.iterdir()}
    assert not left & {"mine-py", "mine.tar.gz", "report.html"}


def test_two_builds_at_once(sky, tmp_path):
    """A second build in the same folder is refused while the first one runs."""
    planned = plan(
        "mingolotss", out=tmp_path, catalogue=sky.catalogue, service=f"folder:{sky.folder}"
    )

    def nosy(function, tasks):
        with pytest.raises(InputError, match="another build is running"):
            run(planned)
        return map(function, tasks)

    run(planned, nosy)


@pytest.mark.slow
def run_slowly(planned, ready):
    """Run a build that stops in the middle until the process is killed."""

    def wait(function, tasks):
        ready.touch()
        time.sleep(60)
        return map(function, tasks)

    run(planned, wait)


@pytest.mark.slow
def test_a_build_in_another_process_and_its_death(sky, built, tmp_path):
    """A second build is refused while a process builds; once that is killed, nothing is left."""
    out, ready = tmp_path / "out", tmp_path / "ready"
    planned = plan("mingolotss", out=out, catalogue=sky.catalogue, service=f"folder:{sky.folder}")
    process = multiprocessing.get_context("spawn").Process(target=run_slowly, args=(planned, ready))
    process.start()
    deadline = time.monotonic() + 30
    while not ready.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(InputError, match="another build is running"):
        run(planned)
    process.kill()
    process.join(10)
    (out / ".decisions.csv.lock").touch()  # of a review page that was killed
    run(planned)
    assert contents(out) == contents(built.out)


def test_a_bug_stops_the_build(sky, tmp_path, monkeypatch):
    """Only errors of images and services become rejections; anything else is a bug."""
    monkeypatch.setattr("mingolotss.pipeline.measure.percent_nan", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        again(sky, tmp_path / "out")


def test_the_original_loads_the_batches(built):
    """What the original's loader does with a batch works, and gives the manifest's images."""
    folder = built.out / "mingo-batches-py"
    data, labels = [], []
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        with (folder / name).open("rb") as stream:
            entry = pickle.load(stream, encoding="latin1")
        data.append(entry["data"])
        labels.extend(entry["labels"])
        assert len(entry["fieldnames"]) == len(entry["src_ids"]) == len(entry["filenames"])
        assert entry["data"].dtype == np.uint8
    images = np.vstack(data).reshape(-1, 1, 150, 150)
    written = [r for r in read_manifest(built.out).to_pylist() if r["status"] == "written"]
    assert len(images) == len(written)
    assert labels == [row["label"] for row in written]
    with (folder / "batches.meta").open("rb") as stream:
        assert pickle.load(stream)["label_names"][:3] == ["FRI", "FRI NAT", "FRI WAT"]
    with tarfile.open(built.out / "mingo-batches-python.tar.gz") as archive:
        assert {m.mtime for m in archive.getmembers()} == {0}
        assert "mingo-batches-py/test_batch" in archive.getnames()


def test_batches_follow_the_catalogue(built):
    """Five batches in the published proportion, the rest for testing, rejected rows left out."""
    rows = read_manifest(built.out).to_pylist()
    per = 150 * 1000 // 5805
    for row in rows:
        if row["status"] == "written":
            index = min(row["row"] // per, 5)
            assert row["batch"] == ("test_batch" if index == 5 else f"data_batch_{index + 1}")
            assert row["split"] == ("test" if index == 5 else "train")


def test_formats(sky, tmp_path):
    """Only what was asked for is written."""
    recipe = load_recipe("mingolotss").changed({"formats": ["parquet"]})
    build(
        recipe, out=tmp_path / "out", catalogue=sky.catalogue, service=f"folder:{sky.folder}",
        limit=20,
    )  # fmt: skip
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert not names & {"png", "mingo-batches-py", "MingoML.csv", "mingo-batches-python.tar.gz"}
    assert (tmp_path / "out" / "stamps" / "part-00000.parquet").exists()


def test_float32_stamps(sky, tmp_path):
    """A recipe can keep Jy/beam: float32 pixels in the Parquet, no PNG."""
    recipe = load_recipe("mingolotss").changed(
        {
            "formats": ["parquet"],
            "stamp.kind": "float32",
            "steps": [{"do": "zero-nan"}, {"do": "mask", "radius": 75.0}],
        }
    )
    build(recipe, out=tmp_path, catalogue=sky.catalogue, service=f"folder:{sky.folder}", limit=20)
    table = read_table(tmp_path / "stamps" / "part-00000.parquet")
    pixels = np.frombuffer(table["pixels"][0].as_py(), "<f4").reshape(150, 150)
    inside = np.hypot(*(np.mgrid[:150, :150] - 75)) <= 75
    assert np.all(pixels[~inside] == 0)
    assert 0 < pixels.max() <= table["peak_jy"][0].as_py()


def test_hostile_names_stay_inside(tmp_path):
    """A source named like a path or a tag becomes one plain file name in the build's folder."""
    from mingolotss.io.file_names import safe_name
    from skies import random_cutout, write_fits

    rng = np.random.default_rng(3)
    folder = tmp_path / "in"
    folder.mkdir()
    names = ["../../escaped", "<script>alert(1)</script>", "plain name", "C:\\x\x00y"]
    for name in names:
        image, rms, header = random_cutout(rng, 200.0, 50.0)
        write_fits(folder / f"{safe_name(name)}_P1-mosaic.fits", image, header)
        write_fits(folder / f"{safe_name(name)}_P1-mosaic-rms.fits", rms, header)
    catalogue = Catalogue.from_columns(
        names, [200.0] * 4, [50.0] * 4, labels=[0] * 4, classes=["A"]
    )
    made = build(
        "mingolotss",
        out=tmp_path / "a" / "b" / "out",
        catalogue=catalogue,
        service=f"folder:{folder}",
    )
    assert made.written == 4
    everything = {p for p in tmp_path.rglob("*") if p.is_file() and "in" not in p.parts}
    assert all(p.is_relative_to(tmp_path / "a" / "b" / "out") for p in everything)
    assert len(list((made.out / "png").iterdir())) == 4


def test_sources_without_a_class_are_written(tmp_path):
    """Beside labelled sources they have no label and no class, and the dataset is whole."""
    labels = [0, -1, 1, 0, -1, 1]
    out = build_named(tmp_path, list("abcdef"), ("A", "B"), labels)
    manifest = read_manifest(out).to_pydict()
    assert manifest["label"] == [0, None, 1, 0, None, 1]
    assert manifest["class"] == ["A", None, "B", "A", None, "B"]
    assert load(out, "all").labels.tolist() == labels
    assert verify(out).good
