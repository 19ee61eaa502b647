"""`status` and `classes` count every tag of a source, and say why a source is in no class."""

from __future__ import annotations

from collections import Counter

import pyarrow.parquet as pq
import pytest

from builds import run
from mingolotss.qa.status import status
from mingolotss.recipe.classes import classes
from tagged_builds import TAGS, build_tags, build_votes


@pytest.fixture(scope="module")
def tagged(tmp_path_factory):
    return build_tags(tmp_path_factory.mktemp("tags"))


@pytest.fixture(scope="module")
def voted(tmp_path_factory):
    return build_votes(tmp_path_factory.mktemp("votes"))


def written(out):
    rows = pq.read_table(out / "manifest.parquet").to_pylist()
    return [row for row in rows if row["status"] == "written"]


def test_a_source_is_counted_for_each_of_its_tags(tagged):
    counts = Counter(TAGS[label] for row in written(tagged) for label in row["tags"])
    result = status(tagged)
    assert result.kind == "tags"
    assert result.classes == {name: counts[name] for name in TAGS}
    assert result.without_class == {"no tag": sum(row["tags"] == [] for row in written(tagged))}
    assert sum(counts.values()) > result.written
    table = result._summary().table
    assert table.header[1] == "tag"
    assert [row[2] for row in table.rows] == [
        *result.classes.values(),
        *result.without_class.values(),
    ]


def test_every_source_of_votes_is_counted_once(voted):
    rows = written(voted)
    result = status(voted)
    assert result.classes == {
        name: sum(row["label"] == label for row in rows) for label, name in enumerate("ABC")
    }
    none = sum(row["votes"] is None for row in rows)
    single = sum(result.classes.values())
    assert result.without_class == {
        "no single class": len(rows) - none - single, "no votes": none,
    }  # fmt: skip
    assert min(none, single, len(rows) - none - single) > 0


@pytest.mark.parametrize("kind", ["tags", "votes"])
def test_the_classes_of_a_catalogue_are_counted(kind, tagged, voted):
    out = tagged if kind == "tags" else voted
    rows = pq.read_table(out / "manifest.parquet").to_pylist()
    counted = {
        row.name: row.count for row in classes(out / "recipe.toml", out.parent / "catalogue.fits")
    }
    if kind == "votes":
        assert sum(counted.values()) == len(rows)
        assert list(counted) == [*"ABC", "no single class", "no votes"]
    else:
        tags = Counter(TAGS[label] for row in rows for label in row["tags"])
        none = sum(row["tags"] == [] for row in rows)
        assert counted == {name: tags[name] for name in TAGS} | {"no tag": none}


@pytest.mark.slow
def test_the_terminal_shows_the_most_frequent_combinations(tagged):
    done = run("classes", tagged / "recipe.toml", "--catalogue", tagged.parent / "catalogue.fits")
    assert done.returncode == 0, done.stderr
    rows = pq.read_table(tagged / "manifest.parquet").to_pylist()
    combinations = Counter(tuple(row["tags"]) for row in rows)
    [(most, count)] = combinations.most_common(1)
    assert f"{' + '.join(TAGS[label] for label in most)} " in done.stdout
    assert f"{len(combinations)} combinations" in done.stdout
    line = next(one for one in done.stdout.splitlines() if one.startswith("most frequent"))
    first = done.stdout.splitlines()[done.stdout.splitlines().index(line) + 1]
    assert first.split()[-1] == str(count)
    shown = run("status", tagged).stdout
    assert "no tag" in shown
    assert any(line.split()[:2] == ["tag", "written"] for line in shown.splitlines())
