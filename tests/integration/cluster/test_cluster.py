"""A real Dask cluster and a real S3 server, on this machine."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from pathlib import Path

import pytest

from builds import contents
from channel_skies import channel_sky
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.records import read_stored_records
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.errors import InputError, ServiceUnavailableError
from mingolotss.formats.hats import writer
from mingolotss.io.files import locate
from mingolotss.pipeline.exporting import export
from mingolotss.pipeline.part import make_part
from mingolotss.pipeline.plan import plan
from mingolotss.pipeline.run import build, run
from mingolotss.qa.verify import verify
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.model import parse_recipe
from mingolotss.service.base import open_service
from object_store import object_store
from skies import random_sky
from stored_parts import collection_header, write_parts

pytest.importorskip("distributed", reason="needs pip install 'mingolotss[dask]'")

from distributed import Client, LocalCluster

from mingolotss.pipeline.executors.dask import cluster, dask_mapper
from mingolotss.pipeline.executors.local import threads


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """A folder of cutouts, enough for four parts."""
    return random_sky(tmp_path_factory.mktemp("cluster") / "in", 200, 5)


def make(sky, out, **options):
    return build("mingolotss", catalogue=sky.catalogue, service=f"folder:{sky.folder}", out=out,
                 **options)  # fmt: skip


@pytest.fixture(scope="module")
def built(sky, tmp_path_factory):
    return make(sky, tmp_path_factory.mktemp("plain") / "out")


@pytest.fixture(scope="module")
def two():
    """Two workers, each a process of its own."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as workers,
        Client(workers) as client,
    ):
        yield client


@pytest.mark.slow
def test_a_cluster_gives_the_same_bytes(sky, built, two, tmp_path):
    """Every file that two workers write equals what one process writes."""
    make(sky, tmp_path / "out", mapper=dask_mapper(two))
    assert contents(tmp_path / "out") == contents(built.out)


@pytest.mark.slow
def test_a_cluster_writes_partitions_in_many_tasks(two, tmp_path, monkeypatch):
    """Each worker reads images of the parts: every file is as from one process."""
    pytest.importorskip("hats.io")
    monkeypatch.setattr(writer, "_BLOCK_BYTES", 500_000)
    write_parts(tmp_path / "stamps", StampShape())
    records = read_stored_records(tmp_path / "stamps")
    writer.write_hats(records, tmp_path / "plain", collection_header())
    mapper = dask_mapper(two)
    writer.write_hats(records, tmp_path / "dask", collection_header(), mapper=mapper)
    assert contents(tmp_path / "dask") == contents(tmp_path / "plain")


@pytest.mark.slow
def test_a_cluster_makes_channels(two, tmp_path):
    """Each worker reads the images of all channels: every file is as from one process."""
    sky = channel_sky(tmp_path / "sky", per_field=80)
    channels = [
        {
            "name": name,
            "missing": rule,
            "images": {"size_arcmin": 2.5, "service": sky.service(name)},
        }
        for name, rule in (("six", "reject"), ("coarse", "reject"), ("shifted", "zero"))
    ]
    recipe = parse_recipe(
        {"name": "channels", "classes": {"source": "none"}, "stamp": {"pixels": 64},
         "formats": ["png", "parquet"], "channels": channels}, "a test",
    )  # fmt: skip
    for name, options in (("one", {}), ("two", {"mapper": dask_mapper(two)})):
        build(recipe, out=tmp_path / name, catalogue=sky.catalogue, **options)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def slow(task):
    """Leave a note of who makes which part, and take a while."""
    with (task.out.parent / "log").open("a") as log:
        log.write(f"{task.index} {os.getpid()}\n")
    time.sleep(1.0)
    return make_part(task)


@pytest.mark.slow
def test_a_worker_that_dies_costs_its_parts_only(sky, built, two, tmp_path):
    """One is killed at work: its parts are made by another, no other part twice, bytes as ever."""
    out, log = tmp_path / "out", tmp_path / "log"
    planned = plan("mingolotss", catalogue=sky.catalogue, service=f"folder:{sky.folder}", out=out)
    killed = []

    def murder(function, tasks):
        del function
        for summary in dask_mapper(two)(slow, tasks):
            if not killed:
                held = {}
                for line in log.read_text().splitlines():
                    index, pid = map(int, line.split())
                    held[index] = pid
                there = {int(p.stem[-5:]) for p in (out / "ledger").glob("part-*")}
                at_work = [pid for index, pid in held.items() if index not in there]
                killed.extend(at_work[:1])
                os.kill(killed[0], signal.SIGKILL)
            yield summary

    run(planned, murder)
    starts = [tuple(map(int, line.split())) for line in log.read_text().splitlines()]
    indices = [index for index, _ in starts]
    again = {index for index in indices if indices.count(index) > 1}
    assert again, "the killed worker was idle"
    assert again <= {index for index, pid in starts if pid == killed[0]}
    assert len(indices) == len(planned.partitions) + len(again)
    assert contents(out) == contents(built.out)


class Deadly:
    """A service that reads a folder, and ends the process for one source."""

    def __init__(self, folder, name):
        self.inner, self.name = open_service(f"folder:{folder}"), name

    def __repr__(self):
        return "Deadly"

    def search_all(self, catalogue, size_deg):
        """Return the files of every source."""
        return self.inner.search_all(catalogue, size_deg)

    def cutouts(self, requests, size_deg):
        """Return the cutouts, or end."""
        if any(request.source.name == self.name for request in requests):
            os._exit(5)
        return self.inner.cutouts(requests, size_deg)


@pytest.mark.slow
def test_a_source_that_kills_every_worker_is_rejected(sky, built, tmp_path):
    """The scheduler gives up on its part; it is found, and all others are made."""
    import dask

    before = {row["source"]: row for row in read_manifest(built.out).to_pylist()}
    name = next(source for source, row in before.items() if row["status"] == "written")
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        cluster("local", workers=2) as mapper,
        pytest.warns(UserWarning, match="died on several workers"),
    ):
        build("mingolotss", catalogue=sky.catalogue, service=Deadly(sky.folder, name),
              out=tmp_path / "out", mapper=mapper)  # fmt: skip
    after = {row["source"]: row for row in read_manifest(tmp_path / "out").to_pylist()}
    assert after[name]["status"] == "rejected"
    assert f"make the stamp of {name} from " in after[name]["reason"]
    for source, row in before.items():
        if source != name:
            assert after[source]["pixels_sha256"] == row["pixels_sha256"]


def test_a_part_that_is_there_is_not_made_again(sky, tmp_path, monkeypatch):
    """A worker that died after it wrote its part has done its work: the next finds it."""
    out = tmp_path / "out"
    planned = plan("mingolotss", catalogue=sky.catalogue, service=f"folder:{sky.folder}", out=out)
    first = make_part(planned.task(0))
    monkeypatch.setattr("mingolotss.pipeline.part.fetch_and_measure", lambda *_: 1 / 0)
    assert make_part(planned.task(0)) == first
    with pytest.raises(ZeroDivisionError):
        make_part(planned.task(1))


@pytest.mark.slow
def test_no_scheduler_there():
    """The line says what was asked for and how to start one."""
    with (
        pytest.raises(
            ServiceUnavailableError, match=r"reach the Dask scheduler at tcp://127\.0\.0\.1:9"
        ),
        cluster("tcp://127.0.0.1:9"),
    ):
        pass


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    """A bucket on a real S3 server; workers find it by the environment, as on a cluster."""
    with object_store(tmp_path_factory.mktemp("s3"), "bucket") as server:
        yield f"s3://{server.bucket}"


def remote(out) -> dict[str, str]:
    """Return the checksum of every object of a build in a bucket."""
    root, fs = str(out).removeprefix("s3://"), out.fs
    return {
        path.removeprefix(root).lstrip("/"): hashlib.sha256(fs.cat_file(path)).hexdigest()
        for path in fs.find(root)
        if not path.endswith(
            "/inputs.toml"
        )  # where the inputs are, which `contents` leaves out, too
    }


SCALABLE = load_recipe("mingolotss").changed({"formats": ["csv", "batches", "parquet"]})


def store(sky, out, **options):
    """Build what scales: without a file for every source."""
    service = f"folder:{sky.folder}"
    return build(SCALABLE, catalogue=sky.catalogue, service=service, out=out, **options)


@pytest.fixture(scope="module")
def stored(sky, tmp_path_factory):
    """The same on this machine's disk."""
    return store(sky, tmp_path_factory.mktemp("stored") / "out")


@pytest.mark.slow
def test_a_build_in_an_object_store(sky, stored, bucket):
    """Written straight to S3: the same objects as files here; what is there is left alone."""
    out = locate(f"{bucket}/plain")
    store(sky, f"{bucket}/plain", limit=20)
    with pytest.raises(InputError, match="it holds a build with"):
        store(sky, f"{bucket}/plain")
    made = store(sky, f"{bucket}/plain", fresh=True)
    assert remote(out) == contents(stored.out)
    assert made.written == stored.written
    before = {path: out.fs.info(path)["LastModified"] for path in out.fs.find(str(out))}
    assert store(sky, f"{bucket}/plain").written == stored.written
    assert {path: out.fs.info(path)["LastModified"] for path in before} == before
    assert len(read_manifest(out)) == stored.sources


@pytest.mark.slow
def test_workers_write_to_an_object_store(sky, stored, bucket):
    """Two workers started with the bucket's settings write their parts there themselves."""
    with cluster("local", workers=2) as mapper:
        store(sky, f"{bucket}/two", mapper=mapper)
    assert remote(locate(f"{bucket}/two")) == contents(stored.out)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["parquet", "webdataset", "hats"])
def test_an_export_from_a_bucket_to_a_bucket(sky, stored, bucket, tmp_path, form):
    """Written in the bucket or uploaded: the same objects as files here, and nothing else."""
    pytest.importorskip("hats.io", reason="needs pip install 'mingolotss[hats]'")
    store(sky, f"{bucket}/exported")
    export(f"{bucket}/exported", form, f"{bucket}/{form}")
    export(stored.out, form, tmp_path / "out")
    assert remote(locate(f"{bucket}/{form}")) == contents(tmp_path / "out")
    with pytest.raises(InputError, match=r"^write s3://absent.*bucket does not exist; check the"):
        export(stored.out, form, "s3://absent/out")


@pytest.mark.slow
def test_a_cluster_writes_collections(sky, two, bucket, tmp_path):
    """In a build and in an export, on a disk and in a bucket: the bytes of one process."""
    pytest.importorskip("hats.io", reason="needs pip install 'mingolotss[hats]'")
    service, mapper = f"folder:{sky.folder}", dask_mapper(two)
    changes = {"formats": ["parquet", "hats"], "hats.partition_rows": 20, "hats.flux": True}
    recipe = load_recipe("mingolotss").changed(changes)
    here = build(recipe, catalogue=sky.catalogue, service=service, out=tmp_path / "here").out
    with threads(2) as in_threads:
        build(recipe, catalogue=sky.catalogue, service=service, out=tmp_path / "threads",
              mapper=in_threads)  # fmt: skip
    assert contents(tmp_path / "threads") == contents(here)
    with cluster("local", workers=2) as in_bucket:  # workers that know the bucket
        build(recipe, catalogue=sky.catalogue, service=service, out=f"{bucket}/collection",
              mapper=in_bucket)  # fmt: skip
        assert remote(locate(f"{bucket}/collection")) == contents(here)
        export(here, "hats", f"{bucket}/hats-cluster", mapper=in_bucket)
    export(here, "hats", tmp_path / "hats")
    export(here, "hats", tmp_path / "cluster", mapper=mapper)
    assert contents(tmp_path / "cluster") == contents(tmp_path / "hats")
    assert remote(locate(f"{bucket}/hats-cluster")) == contents(tmp_path / "hats")


def test_the_local_build_verifies(built):
    """What all the others are held to is a good build."""
    assert verify(Path(built.out)).good
