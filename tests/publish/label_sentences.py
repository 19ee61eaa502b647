# ruff: noqa: E501 - sentences stand here as the card has them
"""What a card says about tags, votes, labels of people and masks: the checks of these sentences.

They are registered with `card_grammar` when this module is imported.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter

import numpy as np
from card_grammar import NUMBER, number, sentence

import mingolotss
from label_claims import ORIGINS, check_origins
from mask_claims import check_masks


def tag_lists(facts):
    """The tags of the images whose tags are known."""
    return [row["tags"] for row in facts.written if row["tags"] is not None]


def least_fraction(facts):
    return facts.recipe["classes"].get("least_fraction", 0)


def run_examples(facts, code):
    """Run each line of code on the dataset; return the results."""
    return [
        eval(line.replace("FOLDER", str(facts.folder)), {"mingolotss": mingolotss})  # noqa: S307
        for line in code.splitlines()
    ]


@sentence(
    rf"## Labels\n\nEach image has any number of {NUMBER} tags?\. The column `tags` of the manifest "
    r"has the numbers of its tags, none for an image without any, and `class` has their names, "
    r"joined by `\+`; `label` is null\."
    rf"(?: The tags of {NUMBER} images? (?:is|are) not known: `tags` is null, and the targets are "
    r"-1\.)?"
)
def tag_columns(facts, classes, unknown):
    assert number(classes) == len(facts.classes)
    assert number(unknown or "0") == sum(row["tags"] is None for row in facts.written)
    for row in facts.written:
        assert row["label"] is None
        names = [facts.classes[label] for label in row["tags"] or ()]
        assert row["class"] == (None if row["tags"] is None else " + ".join(names))


@sentence(
    r"```python\n(mingolotss\.load\(\"FOLDER\", target=\"multi-hot\"\)\.targets  # (\d+) times 0 "
    r"or 1 an image\nmingolotss\.MingoLoTSS[^\n]+)\n```"
)
def tag_targets(facts, code, classes):
    """The code runs, and gives the tags of the manifest."""
    assert int(classes) == len(facts.classes)
    expected = {
        row["source"]: [-1.0] * len(facts.classes)
        if row["tags"] is None
        else [float(label in row["tags"]) for label in range(len(facts.classes))]
        for row in facts.written
        if row["split"]
    }
    targets, dataset = run_examples(facts, code)
    assert targets.dtype == np.float32
    assert Counter(map(tuple, targets.tolist())) == Counter(map(tuple, expected.values()))
    first = dataset[0][1].tolist()
    assert first == expected[dataset.sources[0]]


@sentence(
    r"The mean number of tags is ([\d.]+)\. Images by the number of their tags: ([^.]+)\. "
    rf"{NUMBER} combinations? occurs?(?:; the (\d+) most frequent)?:"
)
def tag_counts(facts, mean, numbers, combinations, shown):
    tags = tag_lists(facts)
    assert mean == f"{np.mean(list(map(len, tags))):.2f}"
    counts = Counter(map(len, tags))
    stated = re.findall(rf"{NUMBER} with (\d+)", numbers)
    assert [int(n) for _, n in stated] == list(range(max(counts) + 1))
    assert all(number(count) == counts[int(n)] for count, n in stated)
    sets = Counter(map(tuple, tags))
    assert number(combinations) == len(sets)
    assert (shown is None) == (len(sets) <= 10)


@sentence(r"\| tags \| images \|\n\|---\|---\|\n((?:\|[^\n]*\|\n)+)\n?")
def combinations(facts, lines):
    sets = Counter(map(tuple, tag_lists(facts)))
    texts = {
        " + ".join(facts.classes[label] for label in tags) or "no tag": count
        for tags, count in sets.items()
    }
    rows = [line.strip("| ").rsplit(" | ", 1) for line in lines.replace("\\", "").splitlines()]
    assert all(number(count) == texts[name] for name, count in rows)
    assert [number(count) for _, count in rows] == sorted(sets.values(), reverse=True)[:10]


@sentence(r"## Tags and splits\n\n")
def tags_heading(facts):
    assert "tags" in facts.rows[0]


@sentence(r"An image with several tags is counted for each of them\.")
def counted_for_each(facts):
    assert "tags" in facts.rows[0]


@sentence(r"\| label \| tag \| ([^\n]+) \|\n\|[-|]+\n((?:\|[^\n]*\|\n)+)\n?")
def tag_table(facts, splits, lines):
    names = splits.split(" | ")
    assert set(names) >= {row["split"] for row in facts.written} - {None}
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines.replace("\\", "").splitlines()
    ]
    assert [name for label, name, *_ in rows if label] == facts.classes
    for label, name, *cells in rows:
        members = [
            row for row in facts.written
            if (int(label) in (row["tags"] or ()) if label
                else row["tags"] == [] if name == "no tag" else row["tags"] is None)
        ]  # fmt: skip
        counts = Counter(row["split"] for row in members)
        assert [number(cell) for cell in cells] == [counts[split] for split in names], name
    unnamed = {name for label, name, *_ in rows if not label}
    assert ("no tag" in unnamed) == any(row["tags"] == [] for row in facts.written)
    assert ("no label" in unnamed) == any(row["tags"] is None for row in facts.written)


@sentence(
    rf"## Labels\n\nEach image has a fraction of the votes for each of {NUMBER} class(?:es)?: the "
    r"column `votes` of the manifest, in the order of the labels\. `votes_total` has the number of "
    r"votes\. `label` and `class` are the class with the most votes, and null where several classes "
    r"have the most(?:, and where that fraction is less than ([\d.]+))?\."
)
def vote_columns(facts, classes, least):
    assert number(classes) == len(facts.classes)
    assert float(least or 0) == least_fraction(facts)
    for row in facts.written:
        votes = row["votes"] or [0, 0]
        is_single = votes.count(max(votes)) == 1 and max(votes) >= least_fraction(facts)
        assert row["label"] == (votes.index(max(votes)) if is_single else None)
        assert row["class"] == (facts.classes[row["label"]] if is_single else None)


@sentence(
    r"```python\n(mingolotss\.load\(\"FOLDER\", target=\"soft\"\)\.targets  # (\d+) fractions for an "
    r"image\nmingolotss\.MingoLoTSS[^\n]+\nmingolotss\.load[^\n]+single class, -1 for none)\n```"
)
def vote_targets(facts, code, classes):
    """The code runs, and gives the fractions and the labels of the manifest."""
    assert int(classes) == len(facts.classes)
    rows = {row["source"]: row for row in facts.written if row["split"]}
    targets, dataset, labels = run_examples(facts, code)
    assert targets.dtype == np.float32
    nothing = [np.nan] * len(facts.classes)
    expected = [row["votes"] or nothing for row in rows.values()]
    assert sorted(map(str, np.float32(expected))) == sorted(map(str, targets))
    first = rows[dataset.sources[0]]["votes"] or nothing
    np.testing.assert_array_equal(dataset[0][1].numpy(), np.float32(first))
    assert Counter(labels.tolist()) == Counter(
        -1 if row["label"] is None else row["label"] for row in rows.values()
    )


@sentence(rf"{NUMBER} images? (?:has|have) no single class: ([^\n]+?)\.(?= The number| Mean|\n)")
def without_class(facts, count, reasons):
    least = least_fraction(facts)
    expected = Counter()
    for row in facts.written:
        votes = row["votes"]
        if votes is None:
            expected["there are no votes, `votes` is null and the targets are NaN"] += 1
        elif votes.count(max(votes)) > 1:
            expected["several classes have the most votes"] += 1
        elif max(votes) < least:
            expected[f"the largest fraction is less than {least:g}"] += 1
    stated = re.findall(rf"(?:^|, | and ){NUMBER} because (.+?)(?=, \d| and \d|$)", reasons)
    assert {reason: number(n) for n, reason in stated} == expected
    assert number(count) == sum(row["label"] is None for row in facts.written)


@sentence(r"Every image has a single class\.")
def all_classes(facts):
    assert all(row["label"] is not None for row in facts.written)


@sentence(r"The number of votes is not known\.")
def unknown_votes(facts):
    assert not facts.known("votes_total")


@sentence(
    rf"The number of votes is {NUMBER}(?: to {NUMBER}, the median is {NUMBER})?"
    rf"(?:; it is known for {NUMBER} images?)?\."
)
def votes_of_images(facts, low, high, median, count):
    totals = facts.known("votes_total")
    assert (number(low), number(high or low)) == (min(totals), max(totals))
    assert (median or low) == f"{np.median(totals):,.0f}"
    voted = len(facts.known("votes"))
    assert number(count or str(voted)) == len(totals)
    assert (count is None) == (voted == len(totals))


@sentence(r"Mean fractions: ([^\n]+\d)\.(?=\n)")
def mean_fractions(facts, text):
    votes = np.array(facts.known("votes"))
    names = zip(facts.classes, votes.mean(axis=0), strict=True)
    assert text.replace("\\", "") == ", ".join(f"{name} {mean:.3f}" for name, mean in names)


@sentence(
    r"The tags differ in frequency: report the average precision of each tag and macro-averaged "
    r"scores, not the share of correct tags alone\."
)
def unequal_tags(facts):
    assert len(set(Counter(label for tags in tag_lists(facts) for label in tags).values())) > 1


@sentence(rf"\. {ORIGINS}")
def origins(facts, *groups):
    check_origins(facts.written, *groups)


@sentence(r"## Masks\n\n([^\n]+)\n\n```python\n([^`]+)\n```")
def masks(facts, text, code):
    """The sentences are true, and the code gives the masks that the manifest counts."""
    check_masks(text, facts.written, facts.recipe["mask"])
    arrays, dataset = run_examples(facts, code)
    own = Counter((arrays == 1).sum(axis=(1, 2)).tolist())
    assert own == Counter(row["mask_pixels"] for row in facts.written if row["split"])
    _, mask, _ = dataset[0]
    by_name = {row["source"]: row for row in facts.written}
    first = by_name[dataset.sources[0]]
    assert (np.asarray(mask) == 1).sum() == first["mask_pixels"]


@sentence(r"The masks were made from the file (\S+) \(SHA-256 `([0-9a-f]{64})`\)\.")
def file_of_components(facts, name, digest):
    assert (name, digest) == (facts.build["components"], facts.build["components_sha256"])
    path = facts.folder.parent / name
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
