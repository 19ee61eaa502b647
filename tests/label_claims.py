# ruff: noqa: E501 - sentences stand here as the page has them
"""The sentences and tables of the report about tags and votes, checked against the manifest.

The counts are made here by loops over the rows, without code of the program.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from itertools import permutations

from report_facts import Facts, number

N = r"(\d[\d,]*)"
MOST_COMBINATIONS = 15


def tag_sets(facts: Facts) -> list[frozenset[str]]:
    """The tags of each source with a stamp whose tags are known."""
    rows = [row["tags"] for row in facts.written if row["tags"] is not None]
    return [frozenset(facts.classes[label] for label in tags) for tags in rows]


def voted(facts: Facts) -> list[dict]:
    """The rows of the sources with a stamp and votes."""
    return [row for row in facts.written if row["votes"] is not None]


def is_tagged(facts: Facts, *_: str) -> bool:
    return "tags" in facts.rows[0]


def is_voted(facts: Facts, *_: str) -> bool:
    return "votes" in facts.rows[0]


def tag_number(facts: Facts, total: str) -> bool:
    return is_tagged(facts) and number(total) == len(facts.classes)


def tags_known(facts: Facts, labelled: str, mean: str, several: str, without: str) -> bool:
    sets = tag_sets(facts)
    assert mean == f"{sum(map(len, sets)) / len(sets):.2f}"
    counts = len(sets), sum(len(tags) > 1 for tags in sets), sum(not tags for tags in sets)
    return (number(labelled), number(several), number(without)) == counts


def tags_unknown(facts: Facts, count: str) -> bool:
    return number(count) == sum(row["tags"] is None for row in facts.written) > 0


def combinations(facts: Facts, total: str) -> bool:
    return number(total) == len(set(tag_sets(facts)))


def shown_combinations(facts: Facts, count: str) -> bool:
    return number(count) == MOST_COMBINATIONS < len(set(tag_sets(facts)))


def check_tags(rows: list[dict[str, str]], facts: Facts) -> None:
    sets = tag_sets(facts)
    both = Counter(pair for tags in sets for pair in permutations(tags, 2))
    assert [row["tag"] for row in rows] == [
        f"{label} {name}" for label, name in enumerate(facts.classes)
    ]
    for row, name in zip(rows, facts.classes, strict=True):
        count = sum(name in tags for tags in sets)
        assert number(row["stamps"]) == count
        assert row["share"] == f"{100 * count / len(sets):.1f} %"
        assert number(row["no other tag"]) == sets.count(frozenset({name}))
        others = {two: n for (one, two), n in both.items() if one == name}
        if not others:
            assert row["most often with"] == ""
        else:
            other, stated = re.fullmatch(rf"(.+) \({N}\)", row["most often with"]).groups()
            assert number(stated) == others[other] == max(others.values())


def check_pairs(rows: list[dict[str, str]], facts: Facts) -> None:
    sets = tag_sets(facts)
    assert [row["tag"] for row in rows] == facts.classes
    for row in rows:
        for other in facts.classes:
            assert number(row[other]) == sum({row["tag"], other} <= tags for tags in sets)


def check_combinations(rows: list[dict[str, str]], facts: Facts) -> None:
    sets = tag_sets(facts)
    counts = Counter(sets)
    texts = {
        " + ".join(name for name in facts.classes if name in tags) or "no tag": count
        for tags, count in counts.items()
    }
    for row in rows:
        assert number(row["stamps"]) == texts[row["tags"]]
        assert row["share"] == f"{100 * texts[row['tags']] / len(sets):.1f} %"
    stated = [number(row["stamps"]) for row in rows]
    assert stated == sorted(counts.values(), reverse=True)[:MOST_COMBINATIONS]
    assert len({row["tags"] for row in rows}) == len(rows)


def vote_number(facts: Facts, total: str, least: str | None) -> bool:
    limit = facts.recipe["classes"].get("least_fraction", 0)
    return number(total) == len(facts.classes) and float(least or 0) == limit


def without_class(facts: Facts, without: str, total: str) -> bool:
    own = sum(row["label"] is None for row in facts.written)
    return (number(without), number(total)) == (own, len(facts.written))


def check_without_class(rows: list[dict[str, str]], facts: Facts) -> None:
    """Every source without a single class has one of the reasons."""
    least = facts.recipe["classes"].get("least_fraction", 0)
    reasons: Counter[str] = Counter()
    for row in facts.written:
        votes = row["votes"]
        if votes is None:
            reasons["no votes"] += 1
        elif votes.count(max(votes)) > 1:
            reasons["several classes have the most votes"] += 1
        elif max(votes) < least:
            reasons[f"the largest fraction is less than {least:g}"] += 1
    assert {row["reason"]: number(row["stamps"]) for row in rows} == reasons


def numbers_of_votes(
    facts: Facts, known: str, low: str, high: str | None, median: str | None
) -> bool:
    totals = [row["votes_total"] for row in voted(facts) if row["votes_total"] is not None]
    assert [number(low), number(high or low)] == [min(totals), max(totals)]
    return number(known) == len(totals) and (median or low) == f"{statistics.median(totals):.0f}"


def no_numbers_of_votes(facts: Facts) -> bool:
    return all(row["votes_total"] is None for row in voted(facts))


def check_votes(rows: list[dict[str, str]], facts: Facts) -> None:
    assert [row["class"] for row in rows] == [
        f"{label} {name}" for label, name in enumerate(facts.classes)
    ]
    for label, row in enumerate(rows):
        assert number(row["most votes for it"]) == sum(
            one["label"] == label for one in facts.written
        )
        mean = statistics.fmean(one["votes"][label] for one in voted(facts))
        assert row["mean fraction"] == f"{mean:.3f}"


def is_label_caption(facts: Facts, row: dict, text: str | None) -> bool:
    """What stands below a stamp: all tags, or the largest fractions of the votes."""
    if is_tagged(facts):
        names = [facts.classes[label] for label in row["tags"] or ()]
        return text == ("no label" if row["tags"] is None else " + ".join(names) or "no tag")
    if row["votes"] is None:
        return text == "no votes"
    largest = sorted((vote for vote in row["votes"] if vote > 0), reverse=True)[:3]
    stated = re.findall(r"(?:^|, )(.+?) (\d\.\d\d)(?=$|, )", text or "")
    assert [f"{vote:.2f}" for vote in largest] == [fraction for _, fraction in stated]
    return all(
        f"{row['votes'][facts.classes.index(name)]:.2f}" == fraction for name, fraction in stated
    )


ORIGINS = (
    rf"The labels of {N} images? come from the catalogue(?:, and those of {N} from people by the rule "
    r"([^\n]+?))?\.(?: (?:(\d+) to )?(\d+) (?:person|people) judged each of the images that people "
    rf"judged\.)?(?: {N} images? (?:has|have) no label, because the judgements have no result by the "
    r"rule\.)? The column `?label_from`? of the manifest has the origin of each label\."
)


def check_origins(
    written: list[dict],
    own: str,
    people: str | None,
    rules: str | None,
    fewest: str | None,
    most: str | None,
    without: str | None,
) -> None:
    """Compare the sentences about people with the column of the manifest."""
    texts = Counter(row["label_from"] for row in written)
    assert number(own) == texts.pop("catalogue", 0)
    pattern = r"people: (no result \()?([a-z]+)\)?, (?:\d+ of )?(\d+)"
    parts = [re.fullmatch(pattern, text) for text in texts]
    by_people = [match for match in parts if not match[1]]
    assert number(people or "0") == sum(texts[match[0]] for match in by_people)
    assert {*(rules or "").replace("`", "").split(" and ")} - {""} == {one[2] for one in by_people}
    numbers = {int(match[3]) for match in parts}
    limits = (str(min(numbers)), str(max(numbers))) if numbers else (None, None)
    assert (fewest or most, most) == limits
    assert number(without or "0") == sum(texts[match[0]] for match in parts if match[1])


LABEL_TABLES = {
    "Sources with each tag": check_tags, "Pairs of tags": check_pairs,
    "Combinations of tags": check_combinations, "Votes for each class": check_votes,
    "Sources without a single class": check_without_class,
}  # fmt: skip
_FIGURE = r"classes/figure [A-Z].*"
LABEL_CLAIMS = [
    (r"/a|classes/h2", r"Tags", is_tagged),
    (r"classes/p", rf"A source can have any number of the {N} tags, and it is shown here under each of them\.", tag_number),
    (r"classes/p", rf"{N} sources? with a stamp ha(?:s|ve) ([\d.]+) tags on average: {N} ha(?:s|ve) several tags, "
     rf"and {N} ha(?:s|ve) none\.", tags_known),
    (r"classes/p", rf"The tags of {N} sources? with a stamp are not known\.", tags_unknown),
    (r"classes/h3", r"Sources with each tag|Pairs of tags|Combinations of tags", is_tagged),
    (r"classes/summary", r"Pairs of tags as a table", is_tagged),
    (r"classes/p", rf"{N} (?:different combinations occur|combination occurs)\.", combinations),
    (r"classes/p", rf"The {N} most frequent:", shown_combinations),
    (r"classes/figcaption", r"Sources with each tag, in the catalogue and with a stamp\. A source with several tags is "
     r"counted for each\.", is_tagged),
    (r"classes/figcaption", r"Sources with a stamp, by the number of their tags\.", is_tagged),
    (r"classes/figcaption", r"Sources with a stamp that have the tag of the row and the tag of the column; on the "
     r"diagonal, all that have the tag\. An empty cell is 0\. The stronger its colour, the larger the share of the "
     r"sources with the tag of the row that also have the tag of the column\.", is_tagged),
    (r"classes/p", rf"Each source has a fraction of its votes for each of the {N} classes\. Its single class is the one "
     r"with the most votes(?:, unless that is less than ([\d.]+) of them)?\.", vote_number),
    (r"classes/p", rf"{N} of {N} sources? with a stamp ha(?:s|ve) no single class, for these reasons:", without_class),
    (r"classes/p", rf"All {N} sources with a stamp have one\.",
     lambda facts, n: all(row["label"] is not None for row in facts.written) and number(n) == len(facts.written)),
    (r"classes/p", rf"The number of votes is known for {N} sources? with a stamp: {N}(?: to {N}, the median is {N})?\.",
     numbers_of_votes),
    (r"classes/p", r"The number of votes is not known\.", no_numbers_of_votes),
    (r"classes/figcaption", r"Sources with the most votes for each class, in the catalogue and with a stamp\.", is_voted),
    (r"classes/figcaption", r"Largest fraction of the votes of each source with a stamp\.", is_voted),
    (r"classes/figcaption", r"Number of votes for each source with a stamp\.", is_voted),
    (_FIGURE, r"no tag|\d+ tags?", is_tagged),
    (_FIGURE, r"(?:largest fraction of the votes of a source|votes for a source)", is_voted),
    (_FIGURE, r"no single class below ([\d.]+)",
     lambda facts, least: float(least) == facts.recipe["classes"]["least_fraction"]),
]  # fmt: skip
