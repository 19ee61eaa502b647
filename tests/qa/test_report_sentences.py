# ruff: noqa: E501, RUF001 - sentences and signs stand here as the page has them
"""Every sentence, number and table of the report is checked against manifest and candidates.

A sentence that no check here knows fails the test, so that nothing new is stated without one.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from audit_claims import audit_total, check_audit, is_audited, is_found_pair
from label_claims import LABEL_CLAIMS, LABEL_TABLES, ORIGINS, check_origins, is_label_caption
from mask_claims import check_masks
from mask_sky import build_masked, write_masked_sky
from mingolotss.candidates.decisions import Decision, DecisionLog
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.demonstration import demo
from mingolotss.pipeline.run import build
from mingolotss.qa.audit.document import write_build_audit
from mingolotss.qa.audit.run import audit
from mingolotss.qa.report.page import report
from mingolotss.recipe.load import load_recipe
from missing_labels import classes_of, phrase_of_missing
from named_builds import make_recipe, write_mosaic
from page_text import Block, Element, blocks_of, parse_page, table_rows
from readers_build import write_sky
from report_facts import Facts, decimals, number
from review_data import make_build, names
from several_surveys import build_surveys
from tagged_builds import build_fractions, build_tags, build_votes

pytestmark = pytest.mark.slow  # together they take long

SHARED = Path(os.environ.get("MINGOLOTSS_SHARED", Path(__file__).parents[3] / "shared"))
N = r"(\d[\d,]*)"
MOST_PICTURES, MOST_ROWS = 24, 200


class Reader:
    """Reads the text of one report and checks it against the facts."""

    def __init__(self, page: Element, facts: Facts) -> None:
        self.page, self.facts = page, facts
        self.read: Counter[str] = Counter()

    def check(self) -> None:
        blocks = blocks_of(self.page)
        assert [block.kind for block in blocks].count("h1") == 1
        for block in blocks:
            if block.kind == "table":
                TABLES[block.text](table_rows(self.page, block.text), self.facts)
            else:
                self.check_text(block)
        self.check_terms()
        self.check_figures()
        for image in self.page.all("img"):
            name = re.sub("^[^ ]+ of ", "", image.attributes["alt"])
            assert self.facts.by_name[name]["status"] == "written"

    def check_figures(self) -> None:
        """Look for the number of each class and case beside its bar."""
        facts = self.facts
        bars = {
            "Sources of each class, in the catalogue and with a stamp.": [
                f"{a:,}" if a == b else f"{a:,} of {b:,}"
                for a, b in (class_members(facts, name) for name in facts.classes)
            ],
            "Sources with each tag, in the catalogue and with a stamp. A source with several tags is "
            "counted for each.": [
                f"{a:,}" if a == b else f"{a:,} of {b:,}"
                for a, b in (class_members(facts, name) for name in facts.classes)
            ],
            "Sources with a stamp, by the rule that chose their field.": [
                f"{sum(row['case'] == case for row in facts.written):,}" for case in range(5)
            ],
        }
        for figure in self.page.all("figure"):
            for drawing in figure.all("div"):
                texts = Counter(text.text() for text in drawing.all("text"))
                expected = Counter(bars.get(drawing.attributes["aria-label"], ()))
                assert expected <= texts

    def check_text(self, block: Block) -> None:
        """Check the sentences of a block one after another."""
        rest = block.text
        while rest:
            for place, pattern, check in CLAIMS:
                end = "$" if place == FIGURE else r"(?:\s+|$)"  # a text in a figure is read whole
                match = re.match(pattern + end, rest)
                if match and re.fullmatch(place, f"{block.section}/{block.kind}"):
                    result = check(self.facts, *match.groups())
                    assert result, f"untrue: {match[0]!r} in {block}"
                    self.read[pattern] += 1
                    rest = rest[match.end() :]
                    break
            else:
                raise AssertionError(f"no check knows this sentence: {rest!r} in {block}")

    def check_terms(self) -> None:
        """Check the lists of numbers and facts: each term with its description."""
        for listing in self.page.all("dl"):
            for row in listing.all("div"):
                term, text = row.all("dt")[0].text(), row.all("dd")[0].text()
                check = TERMS.get(term, check_file)
                assert check(self.facts, text, term), f"untrue: {term}: {text}"


# --- numbers and facts in lists -------------------------------------------------------------------


def is_number(count: Callable[[Facts], int]) -> Callable[[Facts, str, str], bool]:
    return lambda facts, text, _: number(text) == count(facts)


def decided(facts: Facts) -> int:
    of_fields = {"accept", "reject", "undo"}
    last = {row["source"]: row["verdict"] for row in facts.decisions if row["verdict"] in of_fields}
    return sum(verdict != "undo" and name in facts.by_name for name, verdict in last.items())


def check_recipe(facts: Facts, text: str, _: str) -> bool:
    name, digest = text.split(" ")
    return name == facts.recipe["name"] and bool(re.fullmatch("[0-9a-f]{64}", digest))


def check_catalogue(facts: Facts, text: str, _: str) -> bool:
    limit = " (the first rows only, --limit)" if facts.build["limit"] else ""
    file, digest = facts.build["catalogue"] or "not a file", facts.build["catalogue_sha256"]
    return text == f"{file}, {len(facts.rows):,} rows{limit} {digest}".rstrip()


def check_images(facts: Facts, text: str, _: str) -> bool:
    service, _, size = text.partition("; ")
    chosen = [row for row in facts.candidates if row["verdict"] == "chosen"]
    nx, ny, scale = (
        np.median([row[name] for row in chosen]) for name in ("nx", "ny", "pixel_scale_arcsec")
    )
    arcmin = [f"{side * scale / 60:.1f}" for side in (nx, ny)]
    expected = f"cutouts of {nx:.0f} by {ny:.0f} pixels, {arcmin[0]} by {arcmin[1]} arcmin (median)"
    return service == facts.build["service"] and size == expected


def check_beam(facts: Facts, text: str, _: str) -> bool:
    """Every beam is named with its number of images, and a mixture is called one."""
    if common := facts.recipe.get("beam", {}).get("common"):
        text, _, ending = text.partition(" All images were brought to one beam (FWHM), ")
        convolved = sum(f"{row['beam_major_arcsec']:g} arcsec" != common for row in facts.written)
        assert ending == (
            f"{common}: {convolved} images were convolved to it. noise_jy and peak_jy are those "
            "after the convolution."
        )
        assert {f"{row['stamp_beam_major_arcsec']:g} arcsec" for row in facts.written} == {common}
    beams = facts.beams()
    unknown = beams.pop(None, 0)
    if not beams:
        return text == "The headers of the images do not give the beam."
    stated = Counter()
    for major, minor, count in re.findall(
        rf"([\d.]+)(?: by ([\d.]+))? arcsec in {N} images?", text
    ):
        stated[float(major), float(minor or major)] = number(count)
    known = (
        f"The images mix {len(beams)} beams (FWHM): " if len(beams) > 1 else "The beam (FWHM) is "
    )
    images = "1 image" if unknown == 1 else f"{unknown:,} images"
    ending = f". It is not known for {images}." if unknown else "."
    middle = text.removeprefix(known).removesuffix(ending)
    is_whole = text == known + middle + ending and middle.count(" arcsec in ") == len(stated)
    return is_whole and stated == beams


def check_noise(facts: Facts, text: str, _: str) -> bool:
    """Each method, in whose name there may be commas, with its number of images."""
    stated = re.findall(rf"(?:^|, )(.+?) for {N} images?(?=$|, )", text)
    return {name: number(count) for name, count in stated} == facts.noise()


def check_stamp(facts: Facts, text: str, _: str) -> bool:
    side, width, kind = facts.side, facts.width_arcsec, facts.recipe["stamp"]["kind"]
    return text == f"{side} × {side} pixels, {width:.0f} arcsec on a side (median), {kind}"


def check_steps(facts: Facts, text: str, _: str) -> bool:
    groups: dict[str, list[str]] = {}
    for name in facts.channels or [""]:
        steps = [
            " ".join([step["do"], *(f"{key}={step[key]}" for key in step if key != "do")])
            for step in facts.steps_of(name)
        ]
        groups.setdefault(", ".join(steps) or "none", []).append(name)
    if len(groups) == 1:
        return text == next(iter(groups))
    return text == "; ".join(f"{', '.join(names)}: {steps}" for steps, names in groups.items())


def check_grid(facts: Facts, text: str, _: str) -> bool:
    """Of resampled stamps: the counts, the ranges and the columns that are named."""
    stamp, rows = facts.recipe["stamp"], facts.written
    expected = [
        f"{len(rows)} images were resampled to pixels of {spread(rows, 'pixel_scale_arcsec')} arcsec "
        "by the adaptive method of DeForest (2004). The position of the source in the catalogue is "
        "the middle of a resampled image. Its neighbouring pixels share pixels of the original "
        "image, so their noise is correlated; noise_jy is the noise of the resampled pixels. "
        "Averages over pixels also widen the beam: its major axis in the images is "
        f"{spread(rows, 'stamp_beam_major_arcsec')} arcsec, as stamp_beam_major_arcsec gives it.",
        f"The side of an image on the sky is {stamp['size']}: "
        f"{np.median([row['stamp_size_arcsec'] for row in rows]):.3g} arcsec (median; "
        f"{spread(rows, 'stamp_size_arcsec')}); stamp_size_arcsec gives it for each image, and "
        "pixel_scale_arcsec the size of its pixels.",
        f"{len(rows)} images are turned so that the position angle in the column {stamp['rotate']} is "
        "up; rotation_deg gives it, from north to east.",
    ]
    assert {row["resampling"] for row in rows} == {"adaptive"}
    for row in rows:
        side = row["stamp_size_arcsec"]
        assert side == pytest.approx(row["pixel_scale_arcsec"] * facts.side)
        assert side == pytest.approx(2.5 * row["LAS"])
        assert row["rotation_deg"] % 360 == pytest.approx(row["PA"] % 360)
    return text == " ".join(expected)


def spread(rows: list[dict], column: str) -> str:
    values = [row[column] for row in rows]
    return f"{min(values):.3g} to {max(values):.3g}"


def check_mask_terms(facts: Facts, text: str, _: str) -> bool:
    check_masks(text, facts.written, facts.recipe["mask"])
    return True


def check_origin_terms(facts: Facts, text: str, _: str) -> bool:
    check_origins(facts.written, *re.fullmatch(ORIGINS, text).groups())
    return True


def check_versions(facts: Facts, text: str, _: str) -> bool:
    return text == ", ".join(f"{name} {one}" for name, one in facts.build["packages"].items())


def check_file(facts: Facts, text: str, name: str) -> bool:
    """A file of the build and its checksum."""
    return text == facts.sha256(name) == facts.checksums[name]


TERMS = {
    "sources": is_number(lambda facts: len(facts.rows)),
    "stamps written": is_number(lambda facts: len(facts.written)),
    "rejected": is_number(lambda facts: len(facts.rejected)),
    "to inspect": is_number(lambda facts: facts.to_inspect),
    "decided by a person": is_number(decided),
    "Recipe": check_recipe, "Catalogue": check_catalogue, "Images": check_images,
    "Beam": check_beam, "Noise": check_noise, "Stamp": check_stamp, "Steps": check_steps,
    "Versions": check_versions, "Grid": check_grid, "Masks": check_mask_terms,
    "Labels": check_origin_terms,
}  # fmt: skip


# --- tables ---------------------------------------------------------------------------------------

REASONS = {
    "undecided": "no rule chooses between the fields, and nobody has decided",
    "recentred": "cutout truncated or off centre; the stamp is centred on the source",
    "exceeds stamp": "larger than the stamp",
    "blank": "no pixel of the stamp is finite and not 0",
    "incomplete": "more than 10 % of the stamp have no data",
    "neighbours": "another source is in its stamp",
    "rejected": "no stamp",
}


def check_channels(rows: list[dict[str, str]], facts: Facts) -> None:
    """Each channel with its images and what was measured on them, counted again."""
    rules = {
        "reject": "the source is rejected",
        "nan": "the plane is NaN",
        "zero": "the plane is 0",
    }
    assert [row["channel"].removesuffix(" reference") for row in rows] == [*facts.channels]
    assert [row["channel"].endswith(" reference") for row in rows] == [
        name == facts.reference for name in facts.channels
    ]
    for row in rows:
        name = row["channel"].removesuffix(" reference")
        planes = facts.planes[name]
        shown = [one for one in planes if one["status"] != "missing"]
        for status in ("native", "resampled", "missing"):
            assert number(row[status]) == sum(one["status"] == status for one in planes)
        assert {row["survey"]} == {one["survey"] or "not known" for one in shown}
        frequencies = {one["frequency_mhz"] for one in shown} - {None}
        [frequency] = [one for one in frequencies if np.isfinite(one)] or [0]
        words = f"{frequency / 1000:g} GHz" if frequency >= 1000 else f"{frequency:g} MHz"
        assert row["frequency"] == (words if frequency else "not known")
        for column, prefix in (("beam of the images", ""), ("beam of the planes", "stamp_")):
            if column in row:
                beams = {one[f"{prefix}beam_major_arcsec"] for one in shown} - {None}
                known = {round(beam, 1) for beam in beams if np.isfinite(beam)}
                expected = {float(one) for one in re.findall(r"([\d.]+) arcsec", row[column])}
                assert expected == known
        rule = "reject" if name == facts.reference else facts.channels[name]["missing"]
        assert row["without an image"] == rules[rule]
        for column, key in (("noise (median)", "noise_jy"), ("peak (median)", "peak_jy")):
            median = np.median([one[key] for one in shown])
            unit = "mJy/beam" if shown[0]["unit"] else "(unit not known)"
            assert row[column] == f"{median * (1000 if shown[0]['unit'] else 1):.3g} {unit}"


def check_reasons(rows: list[dict[str, str]], facts: Facts) -> None:
    assert {row["reason"]: row["meaning"] for row in rows} == REASONS
    for row in rows:
        flag, text = row["reason"].replace(" ", "_"), row["sources"]
        if flag == "rejected":
            assert number(text) == len(facts.rejected)
        elif flag == "neighbours":
            assert number(text) == len(facts.crowded)
        elif text == "not known (no size is known)":
            assert flag == "exceeds_stamp"
            assert facts.sized == []
            assert facts.written
        elif text == "0 (no source has several images)":
            assert flag == "undecided"
            assert facts.flagged("undecided") == []
            assert all(row["case"] == 0 for row in facts.written)
        elif text == "0 (the recipe does not recentre)":
            assert flag == "recentred"
            assert facts.recipe["recentre"]["enabled"] is False
            assert facts.flagged("recentred") == []
        elif match := re.fullmatch(rf"{N} of the {N} whose size is known", text):
            assert flag == "exceeds_stamp"
            assert [number(part) for part in match.groups()] == [
                len(facts.flagged(flag)), len(facts.sized),
            ]  # fmt: skip
            assert len(facts.sized) < len(facts.written)
        else:
            assert number(text) == len(facts.flagged(flag))
            assert flag != "exceeds_stamp" or len(facts.sized) == len(facts.written)


def position(row: dict) -> str:
    return f"{row['ra']:,.4f}°, {row['dec']:+.4f}°"


def with_class(facts: Facts, row: dict) -> dict[str, str]:
    return {"class": row["class"] or ""} if facts.classes else {}


def check_undecided(rows: list[dict[str, str]], facts: Facts) -> None:
    assert rows == [
        {
            "stamp": "", "source": " ".join(row["source"].split()), **with_class(facts, row),
            "field used": row["field"], "fields": str(row["candidates"]),
            "separation (arcsec)": decimals(row["separation_arcsec"], 2),
            "NaN (%)": decimals(row["percent_nan"], 1),
        }
        for row in facts.flagged("undecided")[:MOST_PICTURES]
    ]  # fmt: skip


def check_blank(rows: list[dict[str, str]], facts: Facts) -> None:
    assert rows == [
        {
            "source": row["source"], **with_class(facts, row), "field": row["field"],
            "position (ICRS)": position(row), "flux (mJy)": decimals(row["flux_mjy"], 2),
            "peak (mJy/beam)": decimals(row["peak_jy"] * 1000, 3),
            "noise (mJy/beam)": decimals(row["noise_jy"] * 1000, 3),
        }
        for row in facts.flagged("blank")[:MOST_PICTURES]
    ]  # fmt: skip


def check_decisions(rows: list[dict[str, str]], facts: Facts) -> None:
    by_source = {row["source"]: row for row in facts.decisions if row["verdict"] != "label"}
    for row in rows:
        decision, record = by_source[row["source"]], facts.by_name[row["source"]]
        for column, key in (("verdict", "verdict"), ("field", "field"), ("by", "by"),
                            ("when", "date"), ("note", "note")):  # fmt: skip
            assert row[column] == decision[key]
        followed = (
            record["stage"] == "choose"
            if row["verdict"] == "reject"
            else (record["field"], record["decided_by"]) == (row["field"], row["by"])
        )
        assert row["in this build"] == ("yes" if followed else "not yet: build again")
    assert len(rows) == decided(facts)


def check_questions(rows: list[dict[str, str]], facts: Facts) -> None:
    questions = [row for row in facts.decisions if row["verdict"] == "label"]
    assert rows == [
        {"source": one["source"], "note": one["note"], "by": one["by"], "when": one["date"]}
        for one in questions
    ]


def check_neighbours(rows: list[dict[str, str]], facts: Facts) -> None:
    expected = [
        {
            "separation (arcsec)": f"{arcsec:,.1f}",
            "source": first["source"], "split": first["split"] or "",
            "source 2": second["source"], "split 2": second["split"] or "",
        }
        for arcsec, first, second in facts.inside[:MOST_ROWS]
    ]  # fmt: skip
    assert rows == expected


def check_rejection_reasons(rows: list[dict[str, str]], facts: Facts) -> None:
    """Each reason with words in capitals in the place of names stands for so many rows."""
    total = 0
    for row in rows:
        pattern = re.sub(r"\b(NAME|FILE|FIELD|N)\b", ".+", re.escape(row["reason"]))
        matching = [
            one for one in facts.rejected
            if one["stage"] == row["stage"] and re.fullmatch(pattern, one["reason"])
        ]  # fmt: skip
        assert number(row["sources"]) == len(matching), row
        total += len(matching)
    assert total == len(facts.rejected)


def check_rejected(rows: list[dict[str, str]], facts: Facts) -> None:
    assert rows == [
        {
            "source": " ".join(row["source"].split()), **with_class(facts, row),
            "position (ICRS)": position(row), "stage": row["stage"],
            "reason": " ".join(row["reason"].split()),
        }
        for row in facts.rejected[:MOST_ROWS]
    ]  # fmt: skip


def check_edge_cases(rows: list[dict[str, str]], facts: Facts) -> None:
    for row in rows:
        record = facts.by_name[row["source"]]
        if record["status"] == "rejected":
            expected = f"rejected in stage {record['stage']}: {record['reason']}"
        else:
            flags = "".join(
                f", {flag.replace('_', ' ')}"
                for flag in ("recentred", "blank", "undecided", "exceeds_stamp", "incomplete")
                if record[flag]
            )  # fmt: skip
            expected = (
                f"case {record['case']}, field {record['field']}, separation "
                f"{record['separation_arcsec']:.1f} arcsec, {record['percent_nan']:.1f} % NaN{flags}"
            )
        assert row["result"] == expected


def check_splits(rows: list[dict[str, str]], facts: Facts) -> None:
    """Each class has its number of stamps in each split, and their share of those in a split."""
    counts = Counter(
        (name, row["split"]) for row in facts.written for name in classes_of(facts.classes, [row])
    )
    for row in rows:
        name = row.get("class") or row.get("tag") or row["stamps"]
        cells = {
            split: cell for split, cell in row.items() if split not in ("class", "tag", "stamps")
        }
        own = "no label" if name == "all" else name
        total = sum(counts[own, split] for split in cells)
        for split, cell in cells.items():
            count, *share = cell.split(" ", 1)
            assert number(count) == counts.pop((own, split), 0)
            assert share == ([f"{100 * number(count) / total:.1f} %"] if total else [])
    assert {split for _, split in counts} <= {None}


def check_left_out(rows: list[dict[str, str]], facts: Facts) -> None:
    counts = Counter(facts.reasons_without_split[row["source"]] for row in facts.in_no_split)
    assert {row["reason"]: number(row["stamps"]) for row in rows} == counts


def missing_classes(facts: Facts, split: str, names: str | None) -> bool:
    inside = [row for row in facts.written if row["split"] == split]
    if names is None:
        return not facts.classes and not inside
    missing = classes_of(facts.classes, facts.written) - classes_of(facts.classes, inside)
    return names == phrase_of_missing(facts.classes, missing, facts.rows[0]) != ""


def replaced_plan(facts: Facts, plan: str, reason: str) -> bool:
    split = facts.build["split"]
    return plan == facts.recipe["split"]["plan"] != split["plan"] and reason == split["change"]


TABLES = {
    "Stamps in each split": check_splits, "Stamps in no split": check_left_out,
    "Sources to inspect": check_reasons, "Undecided sources": check_undecided,
    "Blank stamps": check_blank, "Decisions": check_decisions,
    "Questioned labels": check_questions, "Neighbours": check_neighbours,
    "Reasons of rejections": check_rejection_reasons, "Rejected sources": check_rejected,
    "Simulated edge cases": check_edge_cases, "Audit": check_audit, "Channels": check_channels,
    **LABEL_TABLES,
}  # fmt: skip


# --- sentences ------------------------------------------------------------------------------------


def always(*_: object) -> bool:
    """For headings, and for sentences about the page and the program and not about the build."""
    return True


def is_title(facts: Facts, text: str, suffix: str = "") -> bool:
    title = facts.recipe["title"] or facts.recipe["name"]
    return text == title + (" (simulated sky)" if facts.build["simulated"] else "")


def is_description(facts: Facts, text: str) -> bool:
    own = " ".join(facts.recipe["description"].split())
    default = f"Images of radio sources, processed by the recipe {facts.recipe['name']}."
    return not facts.build["simulated"] and text == (own or default)


def is_simulated(facts: Facts, recipe: str) -> bool:
    return facts.build["simulated"] and recipe == facts.recipe["name"]


def other_service(facts: Facts, named: str, used: str) -> bool:
    services = facts.recipe["images"]["service"], facts.build["service"]
    return [one.partition(":")[0] for one in services] == [named, used] and named != used


def class_members(facts: Facts, name: str) -> tuple[int, int]:
    rows = [row for row in facts.rows if not facts.classes or name in facts.classes_of(row)]
    return sum(row["status"] == "written" for row in rows), len(rows)


class Current:
    """The class whose heading was read last."""

    name = ""


def is_class_heading(facts: Facts, label: str | None, name: str) -> bool:
    Current.name = facts.classes[int(label)] if label is not None else name
    if label is None and facts.classes:
        return any(facts.classes_of(row) == {name} for row in facts.rows)
    return (" ".join(Current.name.split()) == name) if facts.classes else name == "all sources"


def class_counts(facts: Facts, written: str, listed: str | None, _: str) -> bool:
    return class_members(facts, Current.name) == (number(written), number(listed or written))


def class_setting(facts: Facts, key: str, text: str) -> bool:
    label = facts.classes.index(Current.name)
    return facts.recipe["classes"]["table"][label][key] == text


def shown_of_class(facts: Facts, shown: str, by_size: str | None) -> bool:
    written, _ = class_members(facts, Current.name)
    return number(shown) < written and (by_size is not None) == bool(facts.sized)


def is_caption(facts: Facts, name: str, size: str | None, kind: str | None = None) -> bool:
    row = facts.by_name[name]
    expected = decimals(row["size_arcsec"], 0) if np.isfinite(row["size_arcsec"]) else None
    if "tags" in row or "votes" in row:
        return size == expected and is_label_caption(facts, row, kind)
    return size == expected and kind in (None, row["class"])


def stamp_note(facts: Facts, beam: str | None) -> bool:
    return (beam is not None) == any(one is not None for one in facts.beams())


def case_count(facts: Facts, case: str, _: str, count: str, noun: str) -> bool:
    rows = [row for row in facts.written if row["case"] == int(case)]
    return number(count) == len(rows) and noun == ("source" if len(rows) == 1 else "sources")


def are_names(facts: Facts, text: str) -> bool:
    return all(name in facts.by_name for name in text.split(", "))


def exceeding(facts: Facts, count: str, of: str, verb: str, width: str) -> bool:
    larger = [
        row for row in facts.sized if row["size_arcsec"] > facts.side * row["pixel_scale_arcsec"]
    ]
    assert larger == facts.flagged("exceeds_stamp")
    return (number(count), number(of), verb, width) == (
        len(larger), len(facts.sized), "is" if len(larger) == 1 else "are",
        f"{facts.width_arcsec:.0f}",
    )  # fmt: skip


def pair_counts(facts: Facts, total: str, width: str, apart: str) -> bool:
    return (
        len(facts.pairs(1)) <= number(total) <= len(facts.pairs(facts.diagonal))
        and facts.pairs_across(1) <= number(apart) <= facts.pairs_across(facts.diagonal)
        and width == f"{facts.width_arcsec:.0f}"
    )


def is_pair(facts: Facts, arcsec: str, one: str, one_in: str, other: str, other_in: str) -> bool:
    def inside(row: dict) -> str:
        return ", ".join(part for part in (row["class"], row["split"] or "no split") if part)

    return any(
        (f"{true:,.1f}", first["source"], inside(first), second["source"], inside(second))
        == (arcsec, one, one_in, other, other_in)
        for true, first, second in facts.inside
    )


def is_recentred(facts: Facts, text: str) -> bool:
    """The line below a recentred stamp, by all of its numbers."""
    return any(
        text == ", ".join(
            part for part in (
                row["class"], f"field {row['field']}" if row["field"] else None,
                f"separation {row['separation_arcsec']:,.1f} arcsec",
                f"{row['percent_nan']:,.1f} % NaN",
                f"decided by {row['decided_by']}" if row["decided_by"] else None,
            ) if part
        )
        for row in facts.flagged("recentred")
    )  # fmt: skip


def rejected_counts(facts: Facts, rejected: str, total: str, verb: str) -> bool:
    assert verb == ("has" if len(facts.rejected) == 1 else "have")
    return (number(rejected), number(total)) == (len(facts.rejected), len(facts.rows))


def rejected_file(facts: Facts, count: str) -> bool:
    with (facts.folder / "rejected.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert ("class" in rows[0]) == bool(facts.classes)
    assert [int(row["row"]) for row in rows] == [row["row"] for row in facts.rejected]
    assert [row["stage"] for row in rows] == [row["stage"] for row in facts.rejected]
    return number(count) == len(rows)


def sky_counts(facts: Facts, written: str, rejected: str) -> bool:
    return (number(written), number(rejected)) == (len(facts.written), len(facts.rejected))


def percent_nan(facts: Facts, complete: str) -> bool:
    return number(complete) == sum(row["percent_nan"] == 0 for row in facts.written)


def incomplete(facts: Facts, percent: str, count: str) -> bool:
    missing = [row for row in facts.written if row["percent_nan"] > number(percent)]
    return missing == facts.flagged("incomplete") and number(count) == len(missing)


def flux_counts(facts: Facts, count: str) -> bool:
    known = [
        row for row in facts.written
        if row["flux_mjy"] > 0 and math.isfinite(row["beam_major_arcsec"] or math.nan)
    ]  # fmt: skip
    return 0 < number(count) <= len(known)


def flux_ratio(facts: Facts, ratio: str) -> bool:
    """The median ratio, from the PNG files and the columns of the scaling."""
    ratios = []
    for row in facts.written:
        if not math.isfinite(row["beam_major_arcsec"] or math.nan):
            continue
        pixels = np.asarray(Image.open(facts.folder / "png" / row["image_file"]), float)
        grey = np.where((pixels > 0) & (pixels < 255), pixels + 0.5, pixels) / 255
        factor = 1e-3 if row["unit"] == "mJy/beam" else 1
        jy = (row["scale_min"] + grey * (row["scale_max"] - row["scale_min"])) * factor
        scale, major = row["pixel_scale_arcsec"], row["beam_major_arcsec"]
        y, x = np.indices(pixels.shape) - facts.side // 2
        size = row["size_arcsec"] if math.isfinite(row["size_arcsec"]) else 0
        radius = size / 2 + 1.5 * major + (0 if row["recentred"] else row["separation_arcsec"])
        area = math.pi * major * row["beam_minor_arcsec"] / (4 * math.log(2)) / scale**2
        total = jy[np.hypot(x, y) * scale <= radius].sum() / area * 1000
        if total > 0:
            ratios.append(total / row["flux_mjy"])
    return f"{np.median(ratios):.2f}" == ratio


def clip_level(facts: Facts, sigma: str) -> bool:
    return any(
        step["do"] == "clip" and float(step.get("sigma", 3)) == float(sigma)
        for step in facts.recipe["steps"]
    )


def size_line(facts: Facts, width: str, larger: str) -> bool:
    counts = len(facts.flagged("exceeds_stamp"))
    return (width, number(larger)) == (f"{facts.width_arcsec:.0f}", counts)


def missing_cutout(facts: Facts, _: str) -> bool:
    return bool(facts.flagged("recentred"))


SEES = r"[^/]*"  # any section
FIGURE = r"(sky|classes|choice|measurements)/figure [A-Z].*"
CLAIMS: list[tuple[str, str, Callable[..., object]]] = [
    *LABEL_CLAIMS,
    # above the sections
    (r"/title", r"(.+): build report", is_title),
    (r"/p.kicker", "Build report", always),
    (r"/h1", r"(.+)", is_title),
    (r"/p.lead", r"Images of a simulated radio sky, processed by the recipe (\S+)\. Nothing in them "
     r"was observed\.", is_simulated),
    (r"/p.lead", rf"The catalogue has {N} rows?\.", lambda facts, n: number(n) == len(facts.rows)),
    (r"/p.lead", r"(.+?)(?= The catalogue has)", is_description),
    (r"/p.lead", r"The recipe is for the images of the service (\S+); those of this build are from "
     r"(\S+)\.", other_service),
    (r"/p.lead", rf"This build was limited to the first {N} rows? of the catalogue\.",
     lambda facts, n: number(n) == facts.build["limit"]),
    (r"/(a|legend|label|li)", r"Skip to the contents|Colours|auto|light|dark", always),
    (r"/a", r"(Sources to inspect|Provenance|Sky|Choice of field|Measurements|Recentred|Larger than "
     r"the stamp|Blank|Incomplete|Neighbours|Rejected)", always),
    (r"/a", r"Channels", lambda facts: bool(facts.channels)),
    (r"/a", r"Classes", lambda facts: bool(facts.classes)),
    (r"/a", r"Stamps", lambda facts: not facts.classes),
    (r"/a", r"Splits", lambda facts: bool(facts.written)),
    (r"/a|audit/h2", r"Audit", is_audited),
    (r"/a", r"Decisions", lambda facts: bool(facts.decisions)),
    (r"/a", r"Simulated edge cases", lambda facts: facts.build["simulated"]),
    # terms and their descriptions are read by check_terms
    (rf"{SEES}/(dt|dd)", r".+", always),
    # headings
    (rf"{SEES}/h2", r"(Sources to inspect|Provenance|Channels|Sky|Splits|Choice of field|Measurements|Decisions|"
     r"Recentred|Larger than the stamp|Blank|Incomplete|Neighbours that share pixels|Rejected)", always),
    (r"classes/h2", r"Classes", lambda facts: bool(facts.classes)),
    (r"classes/h2", r"Stamps", lambda facts: not facts.classes),
    (r"edges/h2", r"Simulated edge cases", lambda facts: facts.build["simulated"]),
    (r"choice/h3", r"Undecided", always),
    (r"decided/h3", r"Questioned labels", always),
    (r"recentred/h3", r"(.+)", lambda facts, name: name in
     {" ".join(row["source"].split()) for row in facts.flagged("recentred")}),
    (r"classes/h3", r"(?:(\d+) )?(.+)", is_class_heading),
    # inspect
    (r"inspect/p.note", r"To inspect them one by one, run mingolotss review DIR\. After that, mingolotss "
     r"build --out DIR follows the decisions made there; it needs nothing else\.", always),
    # provenance
    (r"provenance/p.note", r"Cite: (.+)\.",
     lambda facts, text: not facts.build["simulated"]
     and text == "; ".join(facts.recipe["citation"])),
    (r"provenance/p.note", r"The licence is not known\.",
     lambda facts: facts.build["simulated"] or facts.recipe["licence"] in {"", "not known"}),
    (r"provenance/p.note", r"Licence: (.+)",
     lambda facts, text: text == " ".join(facts.recipe["licence"].split())),
    # sky
    (r"sky/figcaption", rf"Positions of {N} sources with a stamp and of {N} rejected ones\.",
     sky_counts),
    # classes
    (r"classes/figcaption", r"Sources of each class, in the catalogue and with a stamp\.",
     lambda facts: bool(facts.classes)),
    (r"classes/p.meta", rf"{N}(?: of {N})? (sources? ha(?:s|ve)) a stamp\.", class_counts),
    (r"classes/p.meta", r"Appearance: ([^.]+)\.", lambda f, text: class_setting(f, "note", text)),
    (r"classes/p.meta", r"The published dataset calls this class “([^”]+)”\.",
     lambda facts, text: class_setting(facts, "published", text)),
    (r"classes/p.meta", rf"{N} are shown(, from the smallest to the largest)?\.", shown_of_class),
    (r"classes/p.empty", r"No stamp( of this class| with this tag)?\.",
     lambda facts, _: class_members(facts, Current.name)[0] == 0),
    (r"(classes|channels|exceeds_stamp)/figcaption.spans", r"(\S+)(?: \|(?: ?([\d,]+)″)?(?: ?(\S.*))?)?",
     is_caption),
    (r"classes/p.note", r"The first row of the FITS image is at the bottom of each stamp, so north is "
     r"up and east is left in images with the usual orientation\.", always),
    (r"classes/p.note", r"The bar at the lower left has the length that is written above it, in arcsec(, and the "
     r"ellipse at the lower right is the beam \(FWHM\))?\.", stamp_note),
    (r"classes/p.note", r"Where north is not up or east is not left, N and E at the upper right show them\.",
     lambda facts: bool(facts.turned)),
    (r"classes/p.note", r"Colours show the brightness of each stamp to the power 0\.6, so that faint "
     r"tails are visible\.", always),
    (r"classes/p.note", r"The files in png/ are grey, with FITS row 0 at the top\.",
     lambda facts: (facts.folder / "png").is_dir()),
    (r"classes/p.note", r"The number under a stamp is the angular size in the catalogue\.",
     lambda facts: bool(facts.sized)),
    (r"classes/p.note toggle", r"Outlines of masks: the green line is around the pixels of the source, the "
     r"broken white one around those of other sources\.", lambda facts: "mask_sha256" in facts.rows[0]),
    # splits
    (r"splits/p", r"The plan is (\S+)\.", lambda facts, plan: plan == facts.build["split"]["plan"]),
    (r"splits/p", r"The recipe asks for (\S+); (.+)\.", replaced_plan),
    (r"splits/p.warning", r"The split (\S+) has no image(?: (.+?))?\.",
     missing_classes),
    (r"splits/p.warning", r"Splits share pixels: a network that was trained on one of them has seen "
     r"parts of images of another\.", lambda facts: facts.pairs_across(facts.diagonal) > 0),
    (r"splits/p", rf"{N} stamps? (?:is|are) in no split, no batch and no export\.",
     lambda facts, count: number(count) == len(facts.in_no_split) > 0),
    (r"splits/p", r"The file splits\.csv names each source\.",
     lambda facts: {row["source"] for row in facts.in_no_split} <= facts.reasons_without_split.keys()),
    # channels
    (r"channels/p", r"Each stamp has (\d+) channels?, in this order: (.+?)\.",
     lambda facts, n, names: names.split(", ") == [*facts.channels] and int(n) == len(facts.channels)),
    (r"channels/p", r"All have the grid of (\S+), the reference\.",
     lambda facts, name: name == facts.reference),
    (r"channels/p.note", r"The columns native, resampled and missing count stamps\. A native plane "
     r"consists of whole pixels of its image; a resampled one was computed from them, and its noise "
     r"is that of the resampled pixels\. Beams are FWHM\.", lambda facts: bool(facts.planes)),
    (r"channels/p.note", r"In the pictures called colours, (\S+) is red, (\S+) green and (\S+) blue\.",
     lambda facts, *names: [*names] == [*facts.channels]),
    (r"channels/p.note", r"Where this page shows one picture of a stamp, it is the channel (\S+)\.",
     lambda facts, name: name == facts.reference),
    (r"channels/p.note", r"The file channels\.parquet has a row for each stamp and channel\.",
     lambda facts: all(len(rows) == len(facts.written) for rows in facts.planes.values())),
    (r"channels/h3", r"Stamps without an image in a channel", lambda facts: facts.without_channel > 0),
    (r"channels/p.meta", rf"{N} stamps? ha(?:s|ve) a channel without an image\.",
     lambda facts, n: number(n) == facts.without_channel),
    (rf"{SEES}/(span|i|b)", r"(low|high|optical|colours)",
     lambda facts, name: name in {*facts.channels, "colours"}),
    (rf"{SEES}/span", r"no image", lambda facts: facts.without_channel > 0),
    # choice
    (r"choice/p", r"Where several survey fields cover a source, these rules choose one\. A decision in "
     r"decisions\.csv takes precedence over them\.", always),
    (r"choice/figcaption", r"Sources with a stamp, by the rule that chose their field\.", always),
    (r"choice/summary", rf"Case ([1-4]), ([^:]+(?:: [^:]+)?): {N} (sources?)", case_count),
    (r"(choice|recentred|exceeds_stamp|blank)/p.names", r"(.+)", are_names),
    (r"choice/p", r"No rule chooses between these fields\. The nearest one is used until somebody "
     r"decides\.", lambda facts: bool(facts.flagged("undecided"))),
    (r"choice/p.empty", r"None: every field was chosen by a rule or by a person\.",
     lambda facts: not facts.flagged("undecided")),
    # measurements
    (r"measurements/figcaption", r"Separation between the centre of each chosen cutout and its "
     r"source\.", always),
    (r"measurements/figcaption", rf"Percentage of each stamp that was never observed; 0 for {N} of "
     r"them\.", percent_nan),
    (r"measurements/figcaption", r"Angular sizes in the catalogue, of sources with a stamp, compared "
     r"with the stamp\.", lambda facts: bool(facts.sized)),
    (r"measurements/figcaption", r"Brightest pixel of each stamp relative to the noise\.", always),
    (r"measurements/p.note", r"No stamp has pixels that were never observed\.",
     lambda facts: all(row["percent_nan"] == 0 for row in facts.written)),
    (r"measurements/p.note", r"The catalogue gives no angular sizes\.", lambda f: not f.sized),
    (r"measurements/p.note", r"The catalogue gives no flux densities\.",
     lambda facts: not any(np.isfinite(row["flux_mjy"]) for row in facts.written)),
    (r"measurements/p.note", r"The brightness of the stamps cannot be compared with the flux densities "
     r"of the catalogue: no stamp has both a known beam and a known scaling\.",
     lambda facts: not any(math.isfinite(row["beam_major_arcsec"] or math.nan) for row in facts.written)),
    (r"measurements/figcaption", rf"Flux densities of {N} sources, measured in their stamps and in the "
     r"catalogue; they are equal on the dashed line\.", flux_counts),
    (r"measurements/figcaption", r"The median ratio is ([\d.]+)\.", flux_ratio),
    (r"measurements/figcaption", r"What the recipe clips is missing in a stamp, and neighbours are "
     r"added\.", always),
    (r"measurements/figcaption", rf"{N} sources? ha(?:s|ve) no brightness there\.",
     lambda facts, n: 0 < number(n) < len(facts.written)),
    # decisions
    (r"decided/p", r"They do not change the catalogue\.", always),
    # recentred
    (r"recentred/p", rf"These cutouts are truncated by the edge of the image, or their middle is more "
     rf"than {N} arcsec from the source\.",
     lambda facts, n: float(number(n)) == facts.recipe["recentre"]["separation_arcsec"]),
    (r"recentred/p", r"Left: the cutout as it was read, with the outline of the stamp and the "
     r"catalogue position; hatched areas are outside the cutout or were not observed\. Right: the "
     r"stamp\.", always),
    (r"recentred/p.missing", r"The cutout is not available\. (.+)", missing_cutout),
    (r"recentred/p.meta", r"(.+)", is_recentred),
    (r"recentred/p.empty", r"None: the recipe does not recentre\.",
     lambda facts: not facts.recipe["recentre"]["enabled"]),
    (r"recentred/p.empty", r"None\.", lambda facts: not facts.flagged("recentred")),
    (r"recentred/figure cutout of .+", r'\d+(″|"|\')', always),
    # larger than the stamp
    (r"exceeds_stamp/p", rf"According to the catalogue, {N} of {N} sources with a stamp and a known "
     rf"size (is|are) larger than the stamp \({N} arcsec, median\), so the stamp shows only a part\.",
     exceeding),
    (r"exceeds_stamp/p.empty", r"Not known: the catalogue gives no angular sizes\.",
     lambda facts: facts.written and not facts.sized),
    (r"exceeds_stamp/p.empty", r"None\.",
     lambda facts: facts.sized and not facts.flagged("exceeds_stamp")),
    # blank
    (r"blank/p", r"No pixel of these stamps is finite and not 0\.", lambda f: f.flagged("blank")),
    (r"blank/p.empty", r"None\.", lambda facts: not facts.flagged("blank")),
    # incomplete
    (r"incomplete/p", rf"More than {N} % of the pixels of {N} stamps? have no data\.", incomplete),
    (r"incomplete/p", r"The number under a stamp is this percentage\.", always),
    (r"incomplete/figcaption.spans", r"(\S+) \| (\d+) %",
     lambda facts, name, n: decimals(facts.by_name[name]["percent_nan"], 0) == n),
    (r"incomplete/summary", rf"All incomplete stamps: {N}",
     lambda facts, n: number(n) == len(facts.flagged("incomplete"))),
    (r"incomplete/p.empty", r"None\.", lambda facts: not facts.flagged("incomplete")),
    # neighbours
    (r"neighbours/p", rf"{N} pairs? of stamps shares? pixels, of stamps {N} arcsec wide \(median\); "
     rf"{N} of them (?:is|are) in different splits\.", pair_counts),
    (r"neighbours/p", rf"In {N} pairs?, closer than half the width, a source is in the stamp of the "
     r"other\.", lambda facts, n: number(n) == len(facts.inside)),
    (r"neighbours/p", r"Grouped splits keep such sources together\.", always),
    (r"neighbours/p.meta", r"([\d,.]+) arcsec: (\S+) \((.+?)\) and (\S+) \((.+?)\)", is_pair),
    (r"neighbours/summary", rf"The nearest pairs as a table: {N}",
     lambda facts, n: number(n) == min(len(facts.inside), MOST_ROWS)),
    (r"neighbours/p.empty", r"No two stamps share pixels\.", lambda f: not f.pairs(1)),
    # audit
    (r"audit/p", r"mingolotss audit looked for what could make results with this dataset wrong\.",
     is_audited),
    (r"audit/p", rf"{N} things? (?:was|were) found\.", audit_total),
    (r"audit/p.meta", r"shared pixels, ([\d,.]+) arcsec: (\S+) \((.+?)\) and (\S+) \((.+?)\)",
     is_found_pair),
    (r"audit/p.note", r"The file audit\.json has everything that was found\.", is_audited),
    (r"audit/p.note", r"To look at these sources one by one, run mingolotss audit DIR --review\.",
     is_audited),
    # rejected
    (r"rejected/p", rf"{N} of {N} sources (has|have) no stamp\.", rejected_counts),
    (r"rejected/p", r"The reasons, without the names of sources and files:", always),
    (r"rejected/summary", rf"All rejected sources: {N}",
     lambda facts, n: number(n) == len(facts.rejected)),
    (r"rejected/p.note", rf"The file rejected\.csv beside this page has all {N} of them\.",
     rejected_file),
    (r"rejected/p.empty", r"None: every source has a stamp\.", lambda facts: not facts.rejected),
    # edge cases
    (r"edges/p", r"The simulated sky places these sources where the choice of the field or the cutout "
     r"is difficult\. The table shows the result for each of them\.",
     lambda facts: facts.build["simulated"]),
    # the foot
    (r"/p", r"Written by mingolotss (\S+) from manifest\.parquet, candidates\.parquet(, audit\.json)? and the "
     r"stamps in this folder\. The same build always gives the same page\.",
     lambda facts, version, audit: version == facts.build["packages"]["mingolotss"]
     and (audit is not None) == is_audited(facts)),
    # in stamps: the scale bar and the mark of a blank stamp
    (rf"/symbol|/text|/g|{SEES}/text", r"\d+(\.\d+)?″", always),
    (r"/symbol|/text|/g", r"[NE]", lambda facts: bool(facts.turned)),
    (rf"{SEES}/b", r"blank", lambda facts: bool(facts.flagged("blank"))),
    (rf"{SEES}/span", r"no stamp", lambda facts: bool(facts.rejected)),
    # texts in figures; check_figures looks for the counts
    (FIGURE, r"[−-]?[\d,.]+°?", always),
    (FIGURE, rf"{N} of {N}", lambda facts, a, b: (number(a), number(b)) in
     {class_members(facts, name) for name in facts.classes}),
    (FIGURE, r"(sources|in the catalogue|with a stamp|sources with a stamp)", always),
    (FIGURE, r"(right ascension|declination|right ascension and declination) \(deg, ICRS\)", always),
    (FIGURE, r"separation of the cutout's middle pixel from the source \(arcsec\)", always),
    (FIGURE, r"pixels of the stamp never observed, NaN \(percent\)", always),
    (FIGURE, r"in the (catalogue|stamp) \(mJy\)", always),
    (FIGURE, r"angular size in the catalogue \(arcsec\)", always),
    (FIGURE, r"brightest pixel of the stamp over its median noise \(dimensionless\)", always),
    (FIGURE, rf"dots: {N} with a stamp", lambda facts, n: number(n) == len(facts.written)),
    (FIGURE, rf"crosses: {N} rejected", lambda facts, n: number(n) == len(facts.rejected)),
    (FIGURE, rf"{N} stamps? without any NaN (?:is|are) not drawn", percent_nan),
    (FIGURE, r"recentred above ([\d.]+) arcsec",
     lambda facts, n: float(n) == facts.recipe["recentre"]["separation_arcsec"]),
    (FIGURE, rf"stamp, {N} arcsec: {N} larger", size_line),
    (FIGURE, r"clipped up to ([\d.]+) times the noise", clip_level),
    (FIGURE, r"[0-4]: [a-z ,:]+", always),
    (FIGURE, r"(.+)", lambda facts, name: name in {" ".join(one.split()) for one in facts.classes}),
    # names of the files of figures
    (rf"{SEES}/figcaption", r"figures/[\w-]+\.png, \.svg", always),
]  # fmt: skip


# --- the builds -----------------------------------------------------------------------------------


def build_unlabelled(folder: Path) -> Path:
    """Stamps without labels, sizes and flux densities, one source outside the mosaic."""
    sky = write_mosaic(folder / "mosaics" / "F+1-mosaic.fits", 12)
    ra, dec = np.append(sky.ra.deg, 10.0), np.append(sky.dec.deg, -10.0)
    catalogue = Catalogue.from_columns([f"s{row}" for row in range(13)], ra, dec)
    recipe = make_recipe(classes={"from": "none"}, **{"stamp.pixels": 16})
    service = f"mosaics:{folder / 'mosaics'}"
    return build(recipe, out=folder / "build", catalogue=catalogue, service=service).out


def build_rejections(folder: Path) -> Path:
    """Every reason to inspect a source, hostile names, decisions and a questioned label."""
    out = make_build(folder)
    log = DecisionLog(out / "decisions.csv")
    log.add(Decision(names()[0], "P2", "accept", "Ann <b>", "2026-01-02T03:04:05Z", "cleaner"))
    log.add(Decision(names()[1], "", "label", "Bob", "2026-01-03", "looks like FRII"))
    return out


def build_mixed(folder: Path) -> Path:
    """Images of two beams and without one, some without an rms map and some without a unit."""
    catalogue, images = write_sky(folder, count=24)
    for index, path in enumerate(sorted(images.glob("*-mosaic.fits"))):
        with fits.open(path, mode="update") as hdus:
            header = hdus[0].header
            header["BUNIT"] = "mJy/beam" if index % 2 else "Jy/beam"
            if index % 3:
                header["BMAJ"], header["BMIN"], header["BPA"] = index % 3 * 6 / 3600, 6 / 3600, 30
        if index % 4 == 0:
            path.with_name(path.name.replace("-mosaic", "-mosaic-rms")).unlink()
    recipe = load_recipe("mingolotss").changed({"noise.otherwise": "sigma-clipped"})
    return build(recipe, out=folder / "out", catalogue=catalogue, service=f"folder:{images}").out


def build_turned(folder: Path) -> Path:
    """A mosaic whose y axis points 30 degrees from north."""
    sky = write_mosaic(folder / "mosaics" / "F+1-mosaic.fits", 12)
    with fits.open(folder / "mosaics" / "F+1-mosaic.fits", mode="update") as hdus:
        header = hdus[0].header
        turn = np.radians(30)
        header["PC1_1"] = header["PC2_2"] = np.cos(turn)
        header["PC1_2"], header["PC2_1"] = -np.sin(turn), np.sin(turn)
    catalogue = Catalogue.from_columns([f"s{row}" for row in range(12)], sky.ra.deg, sky.dec.deg)
    recipe = make_recipe(classes={"from": "none"}, **{"stamp.pixels": 16})
    service = f"mosaics:{folder / 'mosaics'}"
    return build(recipe, out=folder / "build", catalogue=catalogue, service=service).out


def build_channels(folder: Path) -> Path:
    """Three channels: native, resampled, and one without some of the images and with own steps."""
    return build_surveys(folder, ("low", "high", "optical"))


def build_one_beam(folder: Path) -> Path:
    """Two channels that were convolved to one beam, in Jy/beam."""
    pytest.importorskip("radio_beam", reason="needs the extra beams")
    stamp, beam = {"kind": "float32"}, {"common": "9 arcsec"}
    return build_surveys(folder, ("low", "high"), stamp=stamp, steps=[], beam=beam)


def build_sized(folder: Path) -> Path:
    """Resampled stamps, each with its own size and orientation."""
    return build_surveys(folder, stamp={"size": "2.5 * LAS", "rotate": "PA"})


def build_judged(folder: Path) -> Path:
    """Three people judged a source, and two of them another one, on which they disagree."""
    catalogue, images = write_sky(folder, count=16)
    changes = {"judgements.rule": "majority", "judgements.ties": "unlabelled"}
    recipe = load_recipe("mingolotss").changed(changes)
    options = {"out": folder / "out", "catalogue": catalogue, "service": f"folder:{images}"}
    build(recipe, **options)
    first, second = [row["source"] for row in Facts(folder / "out").rows[3:5]]
    log = DecisionLog(folder / "out" / "decisions.csv")
    judgements = [(first, "A", "FRI"), (first, "B", "FRI"), (first, "C", "FRI"),
                  (second, "A", "FRI"), (second, "B", "FRII")]  # fmt: skip
    for source, by, name in judgements:
        log.add(Decision(source, "", "classify", by, "2026-11-26", "", (name,)))
    return build(recipe, **options).out


def build_masks(folder: Path) -> Path:
    """Masks from components; one source has none, and another one no image."""
    build_masked(write_masked_sky(folder), folder / "build")
    return folder / "build"


def build_demo(folder: Path) -> Path:
    return demo(folder / "demo", sources=60).out


def build_audited(folder: Path) -> Path:
    """A simulated sky with its audit."""
    out = demo(folder / "demo", sources=120).out
    write_build_audit(out, audit(out))
    return out


def build_listed(folder: Path) -> Path:
    """The splits of a list, which leaves sources out and lacks a class in a split."""
    sky = write_mosaic(folder / "mosaics" / "F+1-mosaic.fits", 12)
    labels = [row % 3 for row in range(12)]
    catalogue = Catalogue.from_columns(
        [f"s{row}" for row in range(12)], sky.ra.deg, sky.dec.deg, labels=labels,
        classes=("A", "B b", "C"),
    )  # fmt: skip
    splits = ["test" if row in (0, 1) else "train" for row in range(9)]
    lines = [f"s{row},{split}," for row, split in enumerate(splits)] + ["s9,,a bad image"]
    (folder / "list.csv").write_text("\n".join(["name,split,reason", *lines]))
    recipe = make_recipe(**{"split.plan": f"file:{folder / 'list.csv'}"})
    service = f"mosaics:{folder / 'mosaics'}"
    return build(recipe, out=folder / "build", catalogue=catalogue, service=service).out


def build_real(folder: Path) -> Path:
    """The real piece of LoTSS DR1: 27 sources without labels, crowded, at the edge of the image."""
    data = SHARED / "data" / "lotss-dr1"
    if not data.is_dir():
        pytest.skip(f"{data} is absent: the project's data folder, or set MINGOLOTSS_SHARED")
    catalogue = data / "P205+55-sources.fits"
    service = f"mosaics:{data}"
    return build("lotss", out=folder / "out", catalogue=catalogue, service=service).out


BUILDS = {
    "unlabelled": build_unlabelled, "rejections": build_rejections, "mixed": build_mixed,
    "turned": build_turned, "channels": build_channels, "one beam": build_one_beam,
    "sized": build_sized,
    "tags": build_tags, "unknown tags": lambda folder: build_tags(folder, "unlabelled"),
    "votes": build_votes, "fractions": build_fractions,
    "masks": build_masks, "judged": build_judged, "demo": build_demo, "audited": build_audited, "listed": build_listed, "real": build_real,
}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of the builds that a test has asked for, by name."""
    return {"": tmp_path_factory.mktemp("sentences")}


def reported(folders: dict[str, Path], name: str) -> Path:
    if name not in folders:
        folders[name] = BUILDS[name](folders[""] / name)
        report(folders[name])
    return folders[name]


@pytest.mark.parametrize("name", BUILDS)
def test_every_sentence_is_true(folders: dict[str, Path], name: str) -> None:
    out = reported(folders, name)
    reader = Reader(parse_page((out / "report.html").read_text(encoding="utf-8")), Facts(out))
    reader.check()
    assert sum(reader.read.values()) > 100
    has_compass = any("N and E" in pattern for pattern in reader.read)
    assert has_compass == bool(reader.facts.turned)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('<p class="empty">Not known: the catalogue gives no angular sizes.</p>',
         '<p class="empty">None.</p>'),
        (">12</dd>", ">13</dd>"),
        ("1 of 13 sources", "2 of 13 sources"),
        ("pairs of stamps share pixels", "pairs of stamps share a few pixels"),
        ("<h2>Stamps</h2>", "<h2>Classes</h2>"),
        ("not known (no size is known)", "0"),
        ("</main>", "<p>All sources are galaxies.</p></main>"),
        ("sigma-clipped for 12 images", "rms-map for 12 images"),
        ('no image holds the position</td><td class="r">1<',
         'no image holds the position</td><td class="r">2<'),
    ],
)  # fmt: skip
def test_an_untrue_sentence_is_found(folders: dict[str, Path], old: str, new: str) -> None:
    out = reported(folders, "unlabelled")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert old in page
    with pytest.raises((AssertionError, KeyError)):
        Reader(parse_page(page.replace(old, new, 1)), Facts(out)).check()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("any number of the 5 tags", "any number of the 6 tags"),
        ('<td class="r own" style="--share: 100">', '<td class="r own" style="--share: 100">1'),
        ("different combinations occur", "different combinations may occur"),
        (" tags on average", "1 tags on average"),
        ('<td class="why">FRI</td>', '<td class="why">FRII</td>'),
        ("no other tag", "no other tags"),
    ],
)
def test_an_untrue_number_of_tags_is_found(folders: dict[str, Path], old: str, new: str) -> None:
    out = reported(folders, "tags")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert old in page
    with pytest.raises((AssertionError, KeyError)):
        Reader(parse_page(page.replace(old, new, 1)), Facts(out)).check()


@pytest.mark.parametrize("name", ["unlabelled", "real"])
def test_a_report_without_labels_speaks_of_no_classes(folders: dict[str, Path], name: str) -> None:
    blocks = blocks_of(parse_page((reported(folders, name) / "report.html").read_text()))
    text = " ".join(block.text for block in blocks).replace("without labels", "")
    assert re.findall(r"\b(?:class|label)\w*", text, re.IGNORECASE) == []
