"""``report.html``: one self-contained page about a finished build, and its figures.

The page needs nothing but itself: pictures, styles and drawings are in it, there is no script.
The same build gives the same page. What is not here: the drawing of figures (`figures`) and of
cutouts (`cutout_view`), and the template (``templates/report.html``), in which everything that
comes from a catalogue is escaped.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mingolotss import __version__
from mingolotss.errors import ImageError, ServiceError
from mingolotss.io.files import sha256_file, write_bytes
from mingolotss.io.parquet import read_table
from mingolotss.io.png import decode
from mingolotss.model import Ints
from mingolotss.qa.report import cutout_view, figures
from mingolotss.qa.report.build_view import REASONS, Contents
from mingolotss.qa.report.cutout_cache import Cutouts
from mingolotss.qa.report.formatting import breakable, number
from mingolotss.qa.report.montage import montage
from mingolotss.qa.report.stamp_store import Stamps, coloured
from mingolotss.qa.status import CASES

__all__ = ["write_report"]

_PER_CLASS = 24  # stamps in a class's montage
_MOST_PICTURES = 200  # of one kind; further ones are listed without
_MOST_ROWS = 2000  # of one table; further ones are counted
_WIDEST = 320  # pixels of a cutout's picture on a side


def write_report(
    build: Path | str,
    *,
    decisions: Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Write ``report.html`` and ``figures/`` of a finished build; return the page's path.

    Parameters
    ----------
    build : Path
        A build folder.
    decisions : Path, optional
        Instead of the folder's ``decisions.csv``.
    progress : callable, optional
        Called with a line about what is going on.

    Raises
    ------
    DatasetError
        There is no finished build in it, or it is damaged.
    InputError
        The page cannot be written.
    """
    say = progress or (lambda _: None)
    contents = Contents.read(build, decisions=decisions)
    stamps = Stamps(contents.folder, len(contents.manifest), contents.recipe.stamp.pixels)
    say("drawing figures")
    drawn = dict(_figures(contents))
    say("choosing stamps")
    page = _Page(contents, stamps)
    _write_montages(page)
    html = _environment().get_template("report.html").render(page.values(), figures=drawn)
    path = contents.folder / "report.html"
    write_bytes(path, html.encode())
    return path


def _figures(contents: Contents) -> Iterator[tuple[str, dict[str, Any]]]:
    """Draw every figure, write it, and give it as the page wants it."""
    folder = contents.folder / "figures"
    for name, caption in figures.captions():
        figure = figures.draw(name, contents)
        if figure is None:
            continue
        text = figures.svg(figure)
        write_bytes(folder / f"{name}.svg", text.encode())
        write_bytes(folder / f"{name}.png", figures.png(figure))
        yield name, {"svg": Markup(figures.themed(text, name)), "caption": caption}  # noqa: S704


def _write_montages(page: _Page) -> None:
    """Write the montage of every class as one PNG."""
    side = page.contents.recipe.stamp.pixels
    for label, (name, rows) in enumerate(page.montage_rows):
        if not rows:
            continue
        images = np.stack([decode(page.png[row], f"the stamp of row {row}") for row in rows[:8]])
        if images.shape[1:] != (side, side):
            continue
        picture = montage(images, [0] * len(images), [name], per_class=8)
        path = page.contents.folder / "figures" / f"montage-{label}.png"
        write_bytes(path, _as_png(picture))


def _as_png(picture: Any) -> bytes:
    import io

    data = io.BytesIO()
    picture.save(data, "PNG", compress_level=4)
    return data.getvalue()


class _Page:
    """What the template shows."""

    def __init__(self, contents: Contents, stamps: Stamps) -> None:
        self.contents = contents
        self.montage_rows = _montage_rows(contents)
        flags = contents.flags
        self.listed = {
            name: np.flatnonzero(flags[name] & (contents.written | (name == "rejected")))
            for name, _ in REASONS
        }
        wanted = {row for _, rows in self.montage_rows for row in rows}
        for name, rows in self.listed.items():
            wanted.update(rows[:_MOST_PICTURES].tolist() if name != "neighbours" else ())
        wanted.update(contents.pairs.rows[contents.pairs.inside][:_MOST_PICTURES].ravel().tolist())
        self.edges = _edges(contents)
        for placed in self.edges.values():
            wanted.update(placed)
        self.png = dict(stamps.many(sorted(wanted)))

    def values(self) -> dict[str, Any]:
        """Return everything that the template names."""
        contents = self.contents
        n, written = len(contents.manifest), int(contents.written.sum())
        return {
            "title": contents.recipe.title or contents.recipe.name,
            "recipe": contents.recipe,
            "settings": contents.settings,
            "version": __version__,
            "packages": contents.packages,
            "checksums": _checksums(contents),
            "n": n,
            "written": written,
            "rejected": n - written,
            "wanting": int(contents.wanting.sum()),
            "stamp_arcsec": contents.stamp_arcsec,
            "reasons": [(name, text, int(contents.flags[name].sum())) for name, text in REASONS],
            "classes": self._classes(),
            "cases": self._cases(),
            "decided": self._decided(),
            "questions": [d for d in contents.standing() if d.verdict == "label"],
            "listed": {name: self._rows(rows) for name, rows in self.listed.items()},
            "counts": {name: len(rows) for name, rows in self.listed.items()},
            "recentred": self._recentred(),
            "pairs": self._pairs(),
            "pairs_in_all": len(contents.pairs.arcsec),
            "pairs_inside": int(contents.pairs.inside.sum()),
            "edges": self._edges(),
            "stamp": self._stamp,
            "most_pictures": _MOST_PICTURES,
            "most_rows": _MOST_ROWS,
        }

    def _stamp(self, row: int) -> str:
        """Return the address of a stamp's picture, "" if there is none in the page."""
        data = self.png.get(row)
        return "" if data is None else _address("png", coloured(data))

    def _rows(self, rows: Ints) -> list[dict[str, Any]]:
        return self.contents.records(rows[:_MOST_ROWS])

    def _classes(self) -> list[dict[str, Any]]:
        contents = self.contents
        table = {row.label: row for row in contents.recipe.classes.table}
        found = []
        for label, (name, rows) in enumerate(self.montage_rows):
            mine = contents.labels == (label if contents.settings.classes else -1)
            found.append(
                {
                    "label": label,
                    "name": name,
                    "note": table[label].note if label in table else "",
                    "published": table[label].published if label in table else "",
                    "listed": int(mine.sum()),
                    "written": int((mine & contents.written).sum()),
                    "shown": contents.records(rows),
                }
            )
        return found

    def _cases(self) -> list[dict[str, Any]]:
        case = self.contents.numbers("case")
        found = []
        for which, text in CASES.items():
            rows = np.flatnonzero(self.contents.written & (case == which))
            names = self.contents.manifest["source"].take(rows[:_MOST_ROWS]).to_pylist()
            found.append(
                {
                    "number": which,
                    "text": text,
                    "count": len(rows),
                    "names": names if which else (),
                }
            )
        return found

    def _decided(self) -> list[dict[str, Any]]:
        """Return the decisions, each with whether the build already follows it."""
        contents = self.contents
        last = {d.source: d for d in contents.standing() if d.verdict in {"accept", "reject"}}
        rows = [contents.row_of[name] for name in last if name in contents.row_of]
        return [
            {"decision": last[record["source"]], "record": record, "built": _built(last, record)}
            for record in contents.records(rows[:_MOST_ROWS])
        ]

    def _recentred(self) -> list[dict[str, Any]]:
        """Return before and after of every recentred source; the pictures are drawn in threads."""
        rows = self.listed["recentred"][:_MOST_PICTURES].tolist()
        cutouts = Cutouts(self.contents)
        with ThreadPoolExecutor(2) as pool:
            drawn = list(pool.map(lambda row: self._before(cutouts, row), rows))
        records = self.contents.records(rows)
        return [
            {"record": record, "before": before}
            for record, before in zip(records, drawn, strict=True)
        ]

    def _before(self, cutouts: Cutouts, row: int) -> dict[str, Any]:
        contents, source = self.contents, self.contents.source(row)
        field = contents.record(row)["field"]
        offer = next((o for o in contents.offers(row) if o.candidate.field == field), None)
        if offer is None:
            return {"missing": "candidates.parquet does not name its image"}
        try:
            cutout = cutouts.get(source, offer.candidate)
            drawn = cutout_view.overlay(cutout, source, contents.recipe, contour=False)
        except (ImageError, ServiceError) as error:
            return {"missing": str(error)}
        step = max(1, math.ceil(max(cutout.image.shape) / _WIDEST))
        noise = cutout_view.noise_level(cutout, contents.recipe)
        shown, low, high = cutout_view.stretch(cutout.image[::step, ::step], "asinh", noise)
        picture = _address("webp", cutout_view.colour_webp(shown))
        return {"picture": picture, "overlay": drawn, "low": low, "high": high}

    def _pairs(self) -> list[dict[str, Any]]:
        pairs = self.contents.pairs
        rows = pairs.rows[pairs.inside][:_MOST_PICTURES]
        one, two = self.contents.records(rows[:, 0]), self.contents.records(rows[:, 1])
        return [
            {"one": a, "two": b, "arcsec": arcsec}
            for a, b, arcsec in zip(one, two, pairs.arcsec[pairs.inside].tolist(), strict=False)
        ]

    def _edges(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "records": self.contents.records(rows)}
            for name, rows in self.edges.items()
        ]


def _edges(contents: Contents) -> dict[str, list[int]]:
    """Return what a simulated sky put where choosing is hard: rows of each kind of case."""
    path = contents.folder / "sky" / "truth.parquet"
    if not path.exists():
        return {}
    truth = read_table(path, ["source", "edge_case"]).to_pylist()
    found: dict[str, list[int]] = {}
    for one in truth:
        row = contents.row_of.get(one["source"])
        if one["edge_case"] and row is not None:
            found.setdefault(one["edge_case"], []).append(row)
    return {name: sorted(rows) for name, rows in sorted(found.items())}


def _montage_rows(contents: Contents) -> list[tuple[str, list[int]]]:
    """Return, for each class, the rows to show: from the smallest to the largest, evenly."""
    names: Sequence[str] = contents.settings.classes or ("all sources",)
    size = contents.numbers("size_arcsec")
    found = []
    for label, name in enumerate(names):
        wanted = label if contents.settings.classes else -1
        rows = np.flatnonzero(contents.written & (contents.labels == wanted))
        rows = rows[np.argsort(size[rows], kind="stable")]
        places = np.linspace(0, len(rows) - 1, min(_PER_CLASS, len(rows)))
        found.append((name, rows[places.round().astype(int)].tolist() if len(rows) else []))
    return found


def _built(last: dict[str, Any], record: dict[str, Any]) -> bool:
    decision = last[record["source"]]
    if decision.verdict == "reject":
        return bool(record["stage"] == "choose")
    same = record["field"] == decision.field
    return bool(same and record["decided_by"] == (decision.by or "decisions.csv"))


def _checksums(contents: Contents) -> list[tuple[str, str]]:
    """Return (SHA-256, file) of the products that stand for the build."""
    path = contents.folder / "checksums.sha256"
    if not path.exists():
        return [(sha256_file(contents.folder / "manifest.parquet"), "manifest.parquet")]
    lines = (line.split("  ", 1) for line in path.read_text(encoding="utf-8").splitlines())
    found = [(one[0], one[1]) for one in lines if len(one) == 2]
    return [(digest, name) for digest, name in found if "/" not in name]


def _address(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("mingolotss.qa.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["num"] = number
    found.filters["count"] = lambda value: f"{value:,}"
    found.filters["breakable"] = breakable
    return found
