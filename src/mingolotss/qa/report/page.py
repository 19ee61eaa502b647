"""``report()``: one page about a finished build, and its figures.

The page is a single file: pictures, styles and drawings are inside, there is no script, and nothing
is loaded. The same build always gives the same page. Not here: the values in the page (`sections`),
the figures (`figures`), and the template, which escapes everything from a catalogue.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from jinja2 import Environment
from markupsafe import Markup
from PIL import Image

from mingolotss.errors import DatasetError
from mingolotss.io.files import is_local, write_bytes
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.report.channel_montage import ChannelStamp, channel_montage
from mingolotss.qa.report.colours import displayed
from mingolotss.qa.report.figures import FIGURES, draw_figure
from mingolotss.qa.report.formatting import with_code
from mingolotss.qa.report.montage import montage
from mingolotss.qa.report.plotting import FIGURE_INCHES, as_png, as_svg, themed_svg
from mingolotss.qa.report.rejected_file import write_rejected
from mingolotss.qa.report.sections import page_values
from mingolotss.qa.report.shown_rows import ClassRows, ShownRows
from mingolotss.qa.report.stamp_marks import compass_of
from mingolotss.qa.report.stamp_pictures import StampPictures
from mingolotss.qa.report.templates import open_templates
from mingolotss.recipe.steps import StampPixels

__all__ = ["report"]

_PER_MONTAGE = 8


def report(
    folder: Path | str,
    *,
    decisions: Path | str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Write an overview of a finished build in pictures: ``report.html`` and ``figures/``.

    The page shows the classes with example stamps, the choice of fields, the measurements, the
    decisions, and the sources that a person should inspect. It is one file that loads nothing else.
    ``figures/`` contains each figure as PNG and SVG, and a montage of each class; ``rejected.csv``
    has all rejected sources, if there are any. All are written into `folder` and replace an earlier
    report.

    Parameters
    ----------
    folder : path
        The folder of a build.
    decisions : path, optional
        A file of decisions to show in place of ``decisions.csv`` in the folder.
    progress : callable, optional
        Called with a line of text at the beginning of each stage.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    DatasetError
        There is no finished build in the folder, or it is damaged.
    DecisionError
        The file of decisions cannot be read.
    InputError
        The page cannot be written.

    Examples
    --------
    >>> import mingolotss
    >>> mingolotss.report("demo").name
    'report.html'
    """
    notify = progress or (lambda _: None)
    build = BuildView.read(folder, decisions=None if decisions is None else Path(decisions))
    figures_folder = build.folder.figures
    if is_local(figures_folder) and figures_folder.is_symlink():  # the build may be anybody's
        raise DatasetError(
            f"report on {build.folder.path}: {figures_folder.name} is a link, and nothing is "
            "written through it; remove it"
        )
    notify("drawing figures")
    figures = _write_figures(build)
    notify("selecting stamps")
    shown = ShownRows.select(build)
    pictures = StampPictures.read(build, shown.with_stamp)
    _write_montages(build, shown.classes)
    notify("writing the page")
    write_rejected(build)
    template = _environment().get_template("page.html")
    html = template.render(page_values(build, shown, pictures), figures=figures)
    write_bytes(build.folder.report, html.encode())
    return build.folder.report


def _write_figures(build: BuildView) -> dict[str, dict[str, object]]:
    """Write every figure; return the drawing and the caption of each for the page.

    Each has its width in inches, so that letters are as large in all of them.
    """
    drawn: dict[str, dict[str, object]] = {}
    for name in FIGURES:
        drawing = draw_figure(name, build)
        if drawing is None or drawing.figure is None:
            for kind in ("svg", "png"):  # of an earlier report
                build.folder.figure(name, kind).unlink(missing_ok=True)
            if drawing is not None:
                drawn[name] = {"svg": "", "caption": drawing.caption, "inches": 0, "wide": False}
            continue
        svg = as_svg(drawing.figure)
        write_bytes(build.folder.figure(name, "svg"), svg.encode())
        write_bytes(build.folder.figure(name, "png"), as_png(drawing.figure))
        markup = Markup(themed_svg(svg, name))  # noqa: S704 - drawn by the program
        width = float(drawing.figure.get_figwidth())
        drawn[name] = {
            "svg": markup, "caption": drawing.caption, "inches": round(width, 2),
            "wide": width > FIGURE_INCHES,
        }  # fmt: skip
    return drawn


def _write_montages(build: BuildView, classes: list[ClassRows]) -> None:
    """Write a montage of each class that has stamps of the recipe's size."""
    side = build.recipe.stamp.pixels
    for index, shown in enumerate(classes):
        rows = shown.rows[:_PER_MONTAGE]
        if not rows:
            continue
        stamps = dict(build.stamps.pixels(rows))
        if missing := [row for row in rows if row not in stamps]:
            raise DatasetError(
                f"report on {build.folder.path}: row {missing[0]} has no stamp; build it again"
            )
        if any(stamps[row].shape[-2:] != (side, side) for row in rows):
            continue
        picture = _montage(build, shown, rows, [stamps[row] for row in rows])
        data = io.BytesIO()
        picture.save(data, "PNG", compress_level=4)
        write_bytes(build.folder.class_montage(index), data.getvalue())


def _montage(
    build: BuildView, shown: ClassRows, rows: list[int], stamps: list[StampPixels]
) -> Image.Image:
    """Draw the stamps of a class: in a row, or with channels a row for each."""
    channels, scales = build.channels, build.numbers("pixel_scale_arcsec")[rows]
    if channels is None:
        images = np.stack([displayed(stamp) for stamp in stamps])
        return montage(
            images, [0] * len(images), [shown.name], per_class=_PER_MONTAGE, pixel_arcsec=scales
        )
    planes = channels.planes_of(rows)
    drawn = []
    for record, stamp, scale in zip(build.records(rows), stamps, scales.tolist(), strict=True):
        missing = {
            index for index, plane in enumerate(planes[record["row"]])
            if plane["status"] == "missing"
        }  # fmt: skip
        compass = compass_of(record)
        # Row 0 is at the bottom, as in the page.
        drawn.append(
            ChannelStamp(record["source"], stamp[:, ::-1], frozenset(missing), scale, compass)
        )
    return channel_montage(drawn, channels.headings)


@cache
def _environment() -> Environment:
    environment = open_templates("mingolotss.qa.report")
    environment.filters["count"] = lambda value: f"{value:,}"
    environment.filters["with_code"] = with_code
    return environment
