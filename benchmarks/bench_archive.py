"""How fast builds fetch from a real DaCHS: against a bare loop, and through the web form.

    python benchmarks/bench_archive.py [SOURCES] [--form N]

Needs tests/integration/dachs/install.sh. The bare loop asks for the same addresses over the same
number of connections, reads the answers and throws them away: no parsing, no checks, no files, no
retry. The two take turns, so that both meet the same server. The original program's pace through
the form is 2 s of sleep a source, before anything else it does.
"""

import argparse
import queue
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import urllib3

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tests" / "integration" / "dachs"), str(HERE / "src")]

import dachs_server  # noqa: E402

from mingolotss.catalogue.catalogue import Catalogue  # noqa: E402
from mingolotss.io.http import Limits  # noqa: E402
from mingolotss.pipeline.plan import plan  # noqa: E402
from mingolotss.pipeline.run import fetch  # noqa: E402
from mingolotss.recipe.load import load_recipe  # noqa: E402
from mingolotss.service.base import open_service  # noqa: E402
from mingolotss.simulate import SkyModel, write_sky  # noqa: E402

SKY = SkyModel(sources=300, sources_per_field=100, ra=180.0, dec=50.0, field_px=2000)
CONNECTIONS = Limits().connections
Rows = list[tuple[str, ...]]


def places(count: int, seed: int) -> Catalogue:
    """Random places within 0.3 deg of the middle of the sky."""
    rng = np.random.default_rng(seed)
    ra = SKY.ra + rng.uniform(-0.3, 0.3, count) / np.cos(np.radians(SKY.dec))
    dec = SKY.dec + rng.uniform(-0.3, 0.3, count)
    return Catalogue.from_columns([f"S{seed}-{i}" for i in range(count)], ra, dec)


def bare(urls: list[str]) -> float:
    """Fetch addresses in a bare concurrent loop; return the seconds it took."""
    pool = urllib3.PoolManager(maxsize=CONNECTIONS)
    left: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    for url in [*urls, *([None] * CONNECTIONS)]:
        left.put(url)

    def work() -> None:
        while (url := left.get()) is not None:
            assert pool.request("GET", url).data

    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def ours(service: str, sources: Catalogue, out: Path) -> tuple[float, float, list[str]]:
    """Plan and fetch; return the seconds of each, and the addresses that were asked for."""
    began = time.perf_counter()
    planned = plan(load_recipe("mingolotss"), out=out, catalogue=sources, service=service)
    middle = time.perf_counter()
    failures = fetch(planned).service.failures
    assert not failures
    assert not planned.search_errors
    searches = [planned.service.query(sources.source(i), 0.1) for i in range(len(sources))]
    cutouts = [url for w in planned.requests() for url in (w.candidate.image, w.candidate.rms)]
    return middle - began, time.perf_counter() - middle, [*searches, *cutouts]


def against_a_bare_loop(url: str, count: int, work: Path) -> Rows:
    """Take turns with a bare loop over the same addresses, in four rounds."""
    rounds, spent, loop, asked = 4, 0.0, 0.0, 0
    for index in range(rounds):
        sources = places(count // rounds, index)
        search_s, fetch_s, urls = ours(f"sia:{url}/cutout/siap.xml", sources, work / f"r{index}")
        spent, asked = spent + search_s + fetch_s, asked + len(urls)
        loop += bare(urls)
    return [
        ("sia", f"{count}", f"{asked}", f"{spent:.1f}", f"{asked / spent:.1f}"),
        ("bare loop", f"{count}", f"{asked}", f"{loop:.1f}", f"{asked / loop:.1f}"),
        ("sia / bare loop", "", "", "", f"{loop / spent:.1%}"),
    ]


def through_the_form(url: str, count: int) -> Rows:
    """Search through the web form in a browser, which is what the original waits for."""
    service = open_service(f"lotss-dr1-form:{url}/cutout/form")
    sources = places(count + 1, 99)
    service.search_source(sources.source(count), 0.1)  # starts the browser
    began = time.perf_counter()
    for row in range(count):
        service.search_source(sources.source(row), 0.1)
    spent = time.perf_counter() - began
    service.close()
    return [
        ("form, searches", f"{count}", f"{count}", f"{spent:.1f}", f"{count / spent:.1f}"),
        ("original's sleep", f"{count}", "", f"{2 * count:.1f}", "0.5"),
        ("form / original", "", "", "", f"{2 * count / spent:.1f} x"),
    ]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", type=int, nargs="?", default=1000)
    parser.add_argument("--form", type=int, default=100)
    given = parser.parse_args()
    if absent := dachs_server.missing():
        sys.exit(absent)
    with tempfile.TemporaryDirectory(prefix="mingolotss-bench-") as name:
        work = Path(name)
        work.chmod(0o755)
        sky = write_sky(SKY, work / "sky")
        mosaics = sorted(sky.glob("P*.fits"))
        with dachs_server.archive(work / "dachs", mosaics) as server:
            bare([f"{server.url}/cutout/siap.xml?POS=180,50&SIZE=0.1"] * 20)  # warm
            rows = against_a_bare_loop(server.url, given.sources, work)
            rows += through_the_form(server.url, given.form) if given.form else []
    print(f"{CONNECTIONS} connections")
    for row in [("what", "sources", "answers", "seconds", "per second"), *rows]:
        print("".join(f"{cell:<18}" for cell in row).rstrip())


if __name__ == "__main__":
    main()
