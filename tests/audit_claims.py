"""The answers of the audit in a report, compared with what astropy, scipy and Pillow say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import numpy as np
from astropy.coordinates import SkyCoord
from PIL import Image
from scipy import stats

from report_facts import Facts, number

N = r"(\d[\d,]*)"
LEVEL = 0.001


def is_audited(facts: Facts) -> bool:
    return (facts.folder / "audit.json").exists()


def check_audit(rows: list[dict[str, str]], facts: Facts) -> None:
    """Every check is in the table, with the findings that its sentences state."""
    assert [row["check"] for row in rows] == [*ANSWERS]
    for row in rows:
        assert ANSWERS[row["check"]](facts, row["result"]) == number(row["findings"]), row


def audit_total(facts: Facts, count: str) -> bool:
    total = len(missing_classes(facts))
    low, high = facts.pairs_across(1), facts.pairs_across(facts.diagonal)
    return low <= number(count) - total <= high


def separation_of(first: dict, second: dict) -> float:
    """The distance between two sources, arcsec; their stamps can be a little nearer or farther."""
    one, other = (SkyCoord(row["ra"], row["dec"], unit="deg") for row in (first, second))
    return float(one.separation(other).arcsec)


def is_found_pair(
    facts: Facts, arcsec: str, one: str, one_in: str, other: str, other_in: str
) -> bool:
    """A pair under the table shares pixels and is in two splits; its sources are so far apart."""

    def inside(row: dict) -> str:
        return ", ".join(part for part in (row["class"], row["split"]) if part)

    return any(
        first["split"] != second["split"]
        and {(one, one_in), (other, other_in)}
        == {(first["source"], inside(first)), (second["source"], inside(second))}
        and arcsec == f"{separation_of(first, second):,.1f}"
        for _, first, second in facts.pairs(facts.diagonal)
    )


def shared_pixels(facts: Facts, text: str) -> int:
    [count] = re.fullmatch(
        rf"(?:{N}|no) pairs? of stamps shares? pixels across splits", text
    ).groups()
    found = number(count) if count else 0
    assert facts.pairs_across(1) <= found <= facts.pairs_across(facts.diagonal)
    return found


def positions(facts: Facts, text: str) -> int:
    [limit] = re.fullmatch(r"no position has two names \(closer than ([\d.]+)″\)", text).groups()
    beams = [row["beam_major_arcsec"] or 0 for row in facts.written]
    scales = [2 * row["pixel_scale_arcsec"] for row in facts.written]
    assert limit == f"{max(*beams, *scales):.3g}"
    assert not [pair for pair in facts.pairs(1) if pair[0] < float(limit)]
    return 0


def labels(facts: Facts, text: str) -> int:
    assert text == "no source has two labels"
    return positions(facts, "no position has two names (closer than 6″)")


def pixels(facts: Facts) -> list[np.ndarray]:
    return [
        np.asarray(Image.open(facts.folder / "png" / row["image_file"])) for row in facts.written
    ]


def identical_images(facts: Facts, text: str) -> int:
    pattern = rf"no two images are equal in every pixel(?: {N} images? (?:is|are) blank and w.+)?"
    [blank] = re.fullmatch(pattern, text).groups()
    images = pixels(facts)
    assert sum(np.ptp(image) == 0 for image in images) == (number(blank) if blank else 0)
    seen = Counter(image.tobytes() for image in images if np.ptp(image))
    assert max(seen.values()) == 1
    return 0


def twins(facts: Facts, text: str) -> int:
    """No image is a turned or mirrored one of another, and overlaps are counted as such."""
    pattern = (
        r"no two images are the same up to a turn, a mirror or noise"
        rf"(?: {N} images? shows? too little above the noise to be compared)?"
        rf"(?: {N} pairs? of stamps that overlap on the sky (?:is|are) not counted)?"
    )
    faint, overlapping = re.fullmatch(pattern, text).groups()
    assert number(faint or "0") < len(facts.written)
    assert number(overlapping or "0") <= len(facts.pairs(facts.diagonal))
    seen: Counter[bytes] = Counter()
    for image in pixels(facts):
        if np.ptp(image):
            turned = [np.rot90(one, k).tobytes() for one in (image, image.T) for k in range(4)]
            seen[min(turned)] += 1
    assert max(seen.values()) == 1
    return 0


def splits(facts: Facts) -> list[str]:
    return sorted({row["split"] for row in facts.written if row["split"]}, reverse=True)


def missing_classes(facts: Facts) -> list[str]:
    present = {row["class"] for row in facts.written}
    lines = [f"no image of {name}" for name in facts.classes if name not in present]
    for split in splits(facts):
        inside = {row["class"] for row in facts.written if row["split"] == split}
        absent = [name for name in facts.classes if name in present - inside]
        lines += [f"no image of {name} in {split}" for name in absent]
    return lines


def classes(facts: Facts, text: str) -> int:
    lines = missing_classes(facts)
    whole = sum(" in " not in line for line in lines)
    part = len({line.partition(" in ")[0] for line in lines if " in " in line})
    counts = [(whole, "the dataset"), (part, "a split")]
    sentence = " and ".join(
        f"{count} {'class is' if count == 1 else 'classes are'} missing from {where}"
        for count, where in counts
        if count
    )
    assert text == " ".join([sentence or "no class is missing from a split", *lines])
    return len(lines)


def balance(facts: Facts, text: str) -> int:
    pattern = r"no significant difference of (.+) between splits(?: (.+) not known or too few.*)?"
    tested = re.fullmatch(pattern, text)[1]
    for column, word in (("flux_mjy", "flux"), ("size_arcsec", "size")):
        if word in tested:
            test, train = (
                [row[column] for row in facts.written if row["split"] == split and row[column] > 0]
                for split in ("test", "train")
            )
            assert stats.ks_2samp(test, train).pvalue > LEVEL / 3
    return 0


def fields(facts: Facts, text: str) -> int:
    """The fields of each split; a difference that is stated is significant."""
    of = {
        split: Counter(r["field"] for r in facts.written if r["split"] == split)
        for split in splits(facts)
    }
    names = {row["field"] for row in facts.written}
    expected = f"the images are of {len(names)} field{'s' * (len(names) != 1)}"
    for split, counts in of.items():
        others = set().union(*(one for name, one in of.items() if name != split))
        if only := len(counts.keys() - others):
            expected += (
                f" {only} {'field has' if only == 1 else 'fields have'} images in {split} only"
            )
    rest = text.removeprefix(expected)
    assert rest != text or text == expected
    if rest:
        p = float(
            re.fullmatch(
                r" test and train are distributed differently over the fields "
                r"\(chi-squared test, p = (\S+)\)",
                rest,
            )[1]
        )
        table = np.array([[of[split][name] for split in ("test", "train")] for name in names])
        assert stats.chi2_contingency(table, correction=False).pvalue < 10 * LEVEL
        assert p < LEVEL
    return 0


ANSWERS: dict[str, Callable[[Facts, str], int]] = {
    "shared pixels": shared_pixels, "positions": positions, "labels": labels,
    "identical images": identical_images, "twins": twins, "classes": classes, "balance": balance,
    "fields": fields,
}  # fmt: skip
