"""The page of labels without a browser: what it writes, what each reviewer sees, what it hides."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from astropy.table import Table

from label_data import CLASSES, build_labels, label_names, make_label_build
from mingolotss.candidates.decisions import Decision, DecisionLog, judgements_in_force
from mingolotss.errors import InputError
from mingolotss.qa.review.filters import Filter

pytest.importorskip("uvicorn", reason="needs the extra web")

from mingolotss.qa.review.server import review
from mingolotss.qa.review.state import Store
from review_visitor import Form, Response, Visitor, serve

NAMES = label_names(4)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("labels")
    tags = [[1, 1, 0], [0, 0, 0], [-1, -1, -1], [0, 0, 1]]
    votes = [[3, 1, 0], [2, 2, 0], [0, 0, 0], [0, 1, 9]]
    return {
        "classes": make_label_build(folder / "classes", "classes"),
        "tags": make_label_build(folder / "tags", "tags", given=tags[:2] + tags[3:] + tags[:1]),
        "votes": make_label_build(folder / "votes", "votes", given=votes),
    }


@pytest.fixture
def copies(built: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """Builds that a test may decide about."""
    return {
        kind: shutil.copytree(out.parent, tmp_path / kind) / "out" for kind, out in built.items()
    }


@pytest.fixture
def visitor(copies: dict[str, Path]) -> Iterator[Visitor]:
    with serve(copies["classes"]) as visitor:
        yield visitor


@pytest.fixture(scope="module")
def reader(built: dict[str, Path]) -> Iterator[Visitor]:
    """A visitor whom the tests share that write nothing."""
    with serve(built["classes"]) as visitor:
        yield visitor
    assert not (built["classes"] / "decisions.csv").exists()


def _hidden(page: str) -> list[tuple[str, str]]:
    """Return the hidden fields of the form of a page."""
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
    return [(name, unescape(value)) for name, value in fields]


def judge(visitor: Visitor, number: int, *fields: tuple[str, str], query: str = "") -> Response:
    """Send the form of the page of a label, with what was chosen."""
    page = visitor.ask(f"/label/{number}{query}").text
    form: Form = [*_hidden(page), *fields]
    return visitor.ask(f"/label/{number}/judge{query}", form)


def last(out: Path) -> Decision:
    """Return the last row of the decisions."""
    return DecisionLog(out / "decisions.csv").rows()[-1]


def add(out: Path, by: str, source: str, *classes: str, note: str = "") -> None:
    """Write a judgement as another program would."""
    row = Decision(source, "", "classify", by, "2026-01-01T00:00:00Z", note, classes)
    DecisionLog(out / "decisions.csv").add(row)


# What is written


def test_a_class_is_stored_and_the_next_source_without_own_judgement_follows(
    visitor: Visitor,
) -> None:
    response = judge(visitor, 0, ("class", "1"), ("note", "a tail"))
    assert (response.status, response.headers["location"]) == (
        303,
        "/label/1?why=all&notice=judged",
    )
    assert visitor.rows() == [
        Decision(NAMES[0], "", "classify", "ann", "2026-01-02T03:04:05Z", "a tail", (CLASSES[1],))
    ]
    page = unescape(visitor.ask("/label/1?why=all&notice=judged").text)
    assert f"Stored. Your last judgement: {NAMES[0]}: {CLASSES[1]}" in page
    assert "1 of 4 judged by you" in page
    assert visitor.ask("/labels").headers["location"] == "/label/1?why=all"


def test_none_of_the_classes_and_a_confirmed_label(visitor: Visitor) -> None:
    judge(visitor, 0, ("verdict", "none"))
    assert (last(visitor.out).verdict, last(visitor.out).classes) == ("classify", ())
    judge(visitor, 1, ("verdict", "confirm"), ("note", "clear"))
    row = last(visitor.out)
    assert (row.verdict, row.classes) == ("confirm", (CLASSES[1],))
    assert row.note == f"is {CLASSES[1]}: clear"


@pytest.mark.parametrize("chosen", [(), (0,), (1, 2), (0, 1, 2)])
def test_tags_are_stored_together(copies: dict[str, Path], chosen: tuple[int, ...]) -> None:
    with serve(copies["tags"]) as visitor:
        fields = [("class", str(label)) for label in reversed(chosen)]
        assert judge(visitor, 3, *fields, ("verdict", "classify")).status == 303
        assert last(visitor.out).classes == tuple(CLASSES[label] for label in chosen)
        page = visitor.ask("/label/3").text
        assert page.count(" checked>") == len(chosen)


def test_given_tags_are_confirmed_as_names(copies: dict[str, Path]) -> None:
    """Also on the page of the images, and also where the source has no tag."""
    with serve(copies["tags"]) as visitor:
        judge(visitor, 0, ("verdict", "confirm"))
        assert last(visitor.out).classes == CLASSES[:2]
        judge(visitor, 1, ("verdict", "confirm"))
        assert (last(visitor.out).verdict, last(visitor.out).classes) == ("confirm", ())
        label = Store(visitor.out).snapshot().build.record(3)["class"]
        visitor.ask("/source/3/decide", {"verdict": "confirm", "label": label or ""})
        assert (last(visitor.out).source, last(visitor.out).classes) == (NAMES[3], CLASSES[:2])


def test_votes_are_judged_as_one_class(copies: dict[str, Path]) -> None:
    """The fractions are shown; a source whose votes have no majority has no label to confirm."""
    with serve(copies["votes"]) as visitor:
        page = unescape(visitor.ask("/label/0").text)
        assert "75 % of votes" in page
        assert "Confirm FRI" in page
        assert 'value="confirm"' not in visitor.ask("/label/1").text
        assert judge(visitor, 1, ("verdict", "confirm"), ("given", "")).status == 409
        assert judge(visitor, 1, ("class", "2")).status == 303
        assert last(visitor.out).classes == (CLASSES[2],)


@pytest.mark.parametrize(("fields", "status"), [
    ([("class", "9")], 400), ([("class", "-1")], 400), ([("class", "FRI")], 400), ([], 400),
    ([("class", "0"), ("class", "1")], 400), ([("verdict", "accept")], 400),
    ([("class", "0"), ("classes", "0123456789abcdef")], 409),
    ([("verdict", "confirm"), ("given", "0123456789abcdef")], 409),
    ([("class", "0"), ("etag", "0123456789abcdef")], 409),
    ([("class", "0"), ("by", "  ")], 400), ([("class", "0")] * 2001, 400),
])  # fmt: skip
def test_a_form_that_is_none_of_this_page_writes_nothing(
    reader: Visitor, fields: list[tuple[str, str]], status: int
) -> None:
    response = judge(reader, 0, *fields)
    assert response.status == status
    assert reader.rows() == []


def test_undo_goes_back_to_the_label(visitor: Visitor) -> None:
    judge(visitor, 2, ("class", "0"))
    response = visitor.ask("/undo?why=all", {"back": "labels"})
    assert response.headers["location"] == "/label/2?why=all&notice=undo"
    assert DecisionLog(visitor.out / "decisions.csv").standing() == []


def test_a_stale_page_of_the_same_person_writes_nothing(visitor: Visitor) -> None:
    """Two windows of one person conflict; two people do not, since each has a judgement."""
    page = _hidden(visitor.ask("/label/0").text)
    assert judge(visitor, 0, ("class", "1")).status == 303
    stale = visitor.ask("/label/0/judge", [*page, ("class", "2")])
    assert stale.status == 409
    assert "ann has decided about J00" in stale.text
    other = visitor.ask("/label/0/judge", [*page, ("class", "2"), ("by", "bob")])
    assert other.status == 303
    people = judgements_in_force(visitor.rows())[NAMES[0]]
    assert {by: row.classes for by, row in people.items()} == {
        "ann": (CLASSES[1],), "bob": (CLASSES[2],),
    }  # fmt: skip


def test_a_dataset_of_other_classes_refuses_an_old_page(copies: dict[str, Path]) -> None:
    """A build can change under an open page: label 1 is then another class."""
    with serve(copies["classes"]) as visitor:
        form = [*_hidden(visitor.ask("/label/0").text), ("class", "1")]
        recipe = visitor.out / "recipe.toml"
        recipe.write_text(recipe.read_text().replace("Core + double", "Core"))
        manifest = visitor.out / "manifest.parquet"
        manifest.touch()
        assert visitor.ask("/label/0/judge", form).status == 409
        assert visitor.rows() == []


def test_the_end_of_a_queue_says_so(visitor: Visitor) -> None:
    for number in range(4):
        response = judge(visitor, number, ("class", "0"))
    assert response.headers["location"] == "/labels?why=all"
    page = visitor.ask("/labels").text
    assert "You have judged every source" in page
    assert "4 of 4 judged by you" in page


@pytest.mark.slow
def test_sources_without_a_stamp_are_only_judged_in_a_queue(tmp_path: Path) -> None:
    out = make_label_build(tmp_path, "classes")
    shutil.rmtree(out)
    (tmp_path / f"{NAMES[0]}.fits").unlink()
    build_labels(tmp_path)
    file = write_queue(out, "mine.csv", f"source\n{NAMES[0]}\n")
    with serve(out, file=file) as visitor:
        assert visitor.ask("/labels").headers["location"] == "/label/1?why=all"
        assert "0 of 3 judged by you" in visitor.ask("/label/1").text
        assert visitor.ask("/labels?why=queue").headers["location"] == "/label/0?why=queue"
        assert "has no stamp in the dataset" in visitor.ask("/label/0?why=queue").text
    with serve(out, blind=True) as visitor:
        assert "0 of 3 judged by you" in visitor.ask("/label/0").text


# Who sees what


@pytest.mark.slow
def test_each_reviewer_has_a_progress_and_sees_the_judgements_of_others(
    copies: dict[str, Path],
) -> None:
    out = copies["classes"]
    add(out, "bob", NAMES[0], CLASSES[2], note="two cores")
    add(out, "bob", NAMES[1])
    with serve(out) as visitor:
        page = unescape(visitor.ask("/label/0").text)
        assert "0 of 4 judged by you" in page
        assert f"<b>bob</b>: {CLASSES[2]} – two cores" in page  # noqa: RUF001
        assert "In the dataset: <b>FRI</b>" in page
        assert "<b>bob</b>: none of the classes" in visitor.ask("/label/1").text
        judge(visitor, 0, ("class", "0"))
        assert visitor.ask("/labels").headers["location"] == "/label/1?why=all"
    with serve(out, by="bob") as visitor:
        assert visitor.ask("/labels").headers["location"] == "/label/2?why=all"
        page = unescape(visitor.ask("/label/0").text)
        assert "2 of 4 judged by you" in page
        assert f"<b>you</b>: {CLASSES[2]} – two cores" in page  # noqa: RUF001
        assert "<b>ann</b>: FRI" in page


def test_many_volunteers_are_counted(copies: dict[str, Path]) -> None:
    """As of the Zooniverse: their names would hide the class."""
    for number in range(9):
        add(copies["classes"], f"volunteer {number}", NAMES[0], CLASSES[number % 2])
    with serve(copies["classes"]) as visitor:
        page = visitor.ask("/label/0").text
        assert '<span class="tag">5 people</span>' in page
        assert '<span class="tag">4 people</span>' in page
        assert "<summary>9 judgements of others</summary>" in page
        assert page.count("<b>volunteer ") == 9


SECRETS = (*(f"SECRET{label}" for label in range(3)), "bobby", "a secret note")


@pytest.fixture(scope="module")
def secret_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue sorted by class, judged by another person, with a queue that tells the labels."""
    given = [[1, 0, 0]] * 6 + [[0, 1, 0]] * 6
    out = make_label_build(tmp_path_factory.mktemp("s"), "classes", count=12, given=given)
    for row, name in enumerate(label_names(12)):
        add(out, "bobby", name, CLASSES[row % 3], note="a secret note")
    lines = [f"{name},FRI,SECRET1,0.25" for name in label_names(12)[:3]]
    (out / "queue.csv").write_text("\n".join(["source,class,suggested_class,p", *lines]))
    return out


@pytest.mark.slow
@pytest.mark.parametrize("queue", ["all", "queue"])
def test_a_blind_page_tells_neither_labels_nor_judgements(secret_build: Path, queue: str) -> None:
    """Two builds whose labels and judgements differ in everything give the same pages."""
    pages = {}
    for kind in ("as it is", "reversed"):
        out = secret_build.parent / f"{queue}-{kind}"
        shutil.copytree(secret_build, out)
        if kind == "reversed":
            (out / "decisions.csv").unlink()
            _swap_labels(out)
        with serve(out, queue=queue, file=out / "queue.csv", blind=True) as visitor:
            paths = ["/labels", *(f"/label/{n}" for n in range(12)), "/find?name=J", "/",
                     "/nowhere", "/label/3?class=1&state=unchecked&split=test&why=undecided",
                     "/labels?class=0", "/find?name=J03"]  # fmt: skip
            answers = [visitor.ask(path) for path in paths]
            pages[kind] = [
                (one.status, one.headers.get("location"), _without_build(one.text, out))
                for one in answers
            ]
            text = "".join(one.text for one in answers)
            assert not [secret for secret in SECRETS if secret in text]
            assert "In the dataset" not in text
            assert 'name="verdict" value="confirm"' not in text
            for path in ("/queue", "/gallery", "/source/0", "/grey/0.png"):
                assert visitor.ask(path).status == 404
            assert visitor.ask("/source/0/decide", {"verdict": "reject"}).status == 404
            assert judge(visitor, 0, ("verdict", "confirm"), ("given", "")).status == 400
    assert pages["as it is"] == pages["reversed"]


def _swap_labels(out: Path) -> None:
    """Give each source of a build another class than it has."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = out / "manifest.parquet"
    table = pq.read_table(path)
    labels = pc.subtract(pa.scalar(1), table["label"].cast(pa.int64())).cast(table["label"].type)
    names = pa.array([CLASSES[label] for label in labels.to_pylist()], table["class"].type)
    for name, column in (("label", labels), ("class", names)):
        index = table.column_names.index(name)
        table = table.set_column(index, table.schema.field(name), column)
    pq.write_table(table, path)


def _without_build(page: str, out: Path) -> str:
    """Return a page without what tells one copy of a build from another: time and path."""
    return re.sub(r"v=[0-9a-f-]+", "v=", page.replace(str(out), "OUT"))


def test_blind_reviewers_get_an_order_that_is_not_that_of_the_catalogue(secret_build: Path) -> None:
    """The same for everybody; the numbers in the addresses follow it, and not the catalogue."""
    snapshot = Store(secret_build, blind=True).snapshot()
    rows = snapshot.rows(Filter("all")).tolist()
    assert sorted(rows) == list(range(12))
    assert rows != sorted(rows)
    assert rows != sorted(rows, reverse=True)
    assert rows == Store(secret_build, blind=True).snapshot().rows(Filter("all")).tolist()
    with serve(secret_build, blind=True, by="cleo") as visitor:
        assert visitor.ask("/labels").headers["location"] == "/label/0?why=all"
        assert f"<h1>{label_names(12)[rows[0]]}</h1>" in visitor.ask("/label/0").text


def test_a_blind_reviewer_sees_and_undoes_own_judgements(copies: dict[str, Path]) -> None:
    out = copies["classes"]
    add(out, "bob", NAMES[3], CLASSES[0])
    with serve(out, blind=True) as visitor:
        assert judge(visitor, 0, ("class", "2"), ("note", "mine")).headers["location"] == (
            "/label/1?why=all&notice=judged"
        )
        page = unescape(visitor.ask("/label/0").text)
        assert f"<b>you</b>: {CLASSES[2]} – mine" in page  # noqa: RUF001
        assert "1 of 4 judged by you" in page
        assert visitor.ask("/undo", {}).headers["location"] == "/label/0?why=all&notice=undo"
        assert [row.by for row in DecisionLog(out / "decisions.csv").standing()] == ["bob"]


def test_a_name_of_another_server_does_not_replace_that_of_the_command(
    copies: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Browsers share cookies between ports: the name typed for one server stays with it."""
    made: list[dict[str, object]] = []

    def stop(*_: object, **settings: object) -> None:
        made.append(settings)
        raise InputError("stopped")

    monkeypatch.setattr("mingolotss.qa.review.app.create_app", stop)
    for by in ("ann", "bob", ""):
        with pytest.raises(InputError, match="stopped"):
            review(copies["classes"], port=0, by=by, notify=lambda _: None)
    cookies = [str(one["name_cookie"]) for one in made]
    assert len(set(cookies)) == 3
    assert cookies[2] == "mingolotss-reviewer"


# Queues


def write_queue(out: Path, name: str, text: str) -> Path:
    """Write a queue into a build."""
    (out / name).write_text(text)
    return out / name


@pytest.mark.parametrize("text", [
    "source\nJ02\nJ00\n", "a;source\n1;J02\n2;J00\n3;J02\n",
    '\ufeffsource,x\r\n J02 ,\r\n"J00",\r\n', "source\tp\nJ02\t0.5\n\nJ00\t0.1\n",
])  # fmt: skip
def test_a_queue_of_ones_own_gives_the_order(copies: dict[str, Path], text: str) -> None:
    file = write_queue(copies["classes"], "mine.csv", text)
    with serve(copies["classes"], file=file) as visitor:
        assert visitor.ask("/labels?why=queue").headers["location"] == "/label/2?why=queue"
        page = visitor.ask("/label/2?why=queue").text
        assert "<b>1</b> of 2" in page
        assert "0 of 2 judged by you" in page
        answer = judge(visitor, 2, ("class", "0"), query="?why=queue")
        assert answer.headers["location"] == "/label/0?why=queue&notice=judged"
        answer = judge(visitor, 0, ("class", "0"), query="?why=queue")
        assert answer.headers["location"] == "/labels?why=queue"
        assert "You have judged every source" in visitor.ask("/labels?why=queue").text
        assert "<b>3</b> of 4" in visitor.ask("/label/2").text
        assert "not in this selection" in visitor.ask("/label/1?why=queue").text


@pytest.mark.parametrize("kind", ["fits", "votable", "ascii.ecsv", "parquet"])
def test_a_queue_can_be_any_table(copies: dict[str, Path], kind: str) -> None:
    file = copies["classes"] / f"mine.{kind.rsplit('.', maxsplit=1)[-1]}"
    Table({"p": [0.5, 0.1], "source": ["J02", "J00"]}).write(file, format=kind)
    rows = Store(copies["classes"], queue=file).snapshot().rows(Filter("queue"))
    assert rows.tolist() == [2, 0]


def test_suspects_are_shown_with_both_labels_and_their_probabilities(
    copies: dict[str, Path],
) -> None:
    write_queue(
        copies["classes"], "suspects.csv",
        f"source,class,suggested_class,probability_given,probability_suggested\n{NAMES[1]},FRI,FRII,0.031,0.962\n",
    )  # fmt: skip
    with serve(copies["classes"]) as visitor:
        page = unescape(visitor.ask("/label/1?why=suspects").text)
        assert "labelled <b>FRI</b> (3.1 %), suggested <b>FRII</b> (96.2 %)" in page
        assert '<option value="suspects" selected>labels that look wrong' in page
        assert "Looks wrong" not in visitor.ask("/label/1").text
        assert 'value="disagreements"' not in page  # there is no such file


@pytest.mark.parametrize(("options", "message"), [
    ({"queue": "suspects"}, r"suspects\.csv: .*no such file; run `mingolotss suspects .*out`"),
    ({"queue": "disagreements"}, r"disagreements\.csv: .*run `mingolotss agreement .*out`"),
    ({"queue_file": "nowhere.csv"}, r"nowhere\.csv: there is no such file; give another"),
    ({"queue": "suspects", "queue_file": "x.csv"}, "both the queue 'suspects' and the file"),
    ({"queue": "queue"}, "give queue_file, or --queue FILE"),
    ({"queue": "undecided", "blind": True}, "'undecided' shows images and not labels"),
])  # fmt: skip
def test_a_queue_that_is_not_there_is_one_line(
    built: dict[str, Path], options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        review(built["classes"], port=99999, **options)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("text", "message"), [
    ("name,p\nJ00,1\n", "has no column 'source', but name, p"), ("", "review the queue"),
    ("source,source\nJ00,J01\n", "are both called 'source'"),
])  # fmt: skip
def test_a_damaged_queue_is_one_line(copies: dict[str, Path], text: str, message: str) -> None:
    file = write_queue(copies["classes"], "mine.csv", text)
    with pytest.raises(InputError, match=message) as error:
        review(copies["classes"], port=99999, queue_file=file)
    assert "\n" not in str(error.value)
    assert "catalogue" not in str(error.value)


def test_sources_that_a_build_does_not_have_are_named(copies: dict[str, Path]) -> None:
    others = [f"X{number}" for number in range(12)]
    file = write_queue(copies["classes"], "mine.csv", "\n".join(["source", "J01", *others]))
    with serve(copies["classes"], file=file) as visitor:
        page = visitor.ask("/label/1?why=queue").text
        assert "12 sources are in mine.csv but not in the build: X0, X1, X2" in page
        assert "X9 and 2 more" in page
        file.write_text("source\nJ03\nX0\n")
        assert visitor.ask("/labels?why=queue").headers["location"] == "/label/3?why=queue"
        assert (
            "1 source is in mine.csv but not in the build: X0<"
            in visitor.ask("/label/3?why=queue").text
        )


def test_a_dataset_without_classes_has_no_labels_to_judge(tmp_path: Path) -> None:
    from review_data import make_own_build, write_image

    write_image(tmp_path / "A.fits", 150.0, 50.0, side=60)
    out = make_own_build(tmp_path, ["A"])
    with pytest.raises(InputError, match="its dataset has no classes"):
        review(out, port=99999, queue="labels")
    with serve(out) as visitor:
        assert visitor.ask("/label/0").status == 404
        assert "/labels" not in visitor.ask("/source/0").text


# The next build


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "rule"), [
    ("classes", "last"), ("classes", "fractions"), ("tags", "majority"), ("votes", "majority"),
])  # fmt: skip
def test_judgements_wait_until_a_build_follows_them(tmp_path: Path, kind: str, rule: str) -> None:
    """Also those that are undone after it, and one more person for the same label."""
    more = f'[judgements]\nrule = "{rule}"'
    out = make_label_build(tmp_path, kind, more=more)
    assert Store(out).snapshot().waiting == 0
    add(out, "bob", NAMES[0], CLASSES[1])
    add(out, "bob", NAMES[1], CLASSES[1])
    with serve(out) as visitor:
        page = unescape(visitor.ask("/label/0").text)
        assert "The decisions about 2 sources are not applied yet" in page
        assert "no rule for judgements" not in page
        build_labels(tmp_path)
        assert Store(out).snapshot().waiting == 0
        page = unescape(visitor.ask("/label/0").text)
        assert f"(people: {rule}, 1" in page
        assert "not applied" not in page
    add(out, "ann", NAMES[1], CLASSES[1])
    DecisionLog(out / "decisions.csv").undo("bob", "", NAMES[0])
    assert Store(out).snapshot().waiting == 2
    build_labels(tmp_path)
    assert Store(out).snapshot().waiting == 0


@pytest.mark.slow
def test_the_page_says_what_the_next_build_does_with_judgements(tmp_path: Path) -> None:
    """Nothing without a rule, and nothing either with a judgement that it cannot follow."""
    out = make_label_build(tmp_path / "rule", "classes", more='[judgements]\nrule = "last"')
    add(out, "bob", NAMES[0], "no such class")
    with serve(out) as visitor:
        page = unescape(visitor.ask("/label/0").text)
        assert "The next build stops: " in page
        assert "no such class" in page
        assert "The next build stops" not in visitor.ask("/source/0").text
    with serve(out, blind=True) as visitor:
        assert "The next build stops" not in visitor.ask("/label/0").text
    out = make_label_build(tmp_path / "none", "classes")
    with serve(out) as visitor:
        page = unescape(visitor.ask("/label/0").text)
        assert "no rule for judgements" in page
        assert f"mingolotss build --out {out} --set judgements.rule=majority" in page


@pytest.mark.slow
def test_a_catalogue_without_labels_is_labelled_by_people(tmp_path: Path) -> None:
    out = make_label_build(tmp_path, "none", more='[judgements]\nrule = "last"')
    with serve(out) as visitor:
        page = visitor.ask("/label/0").text
        assert "In the dataset: <b>no label</b>" in page
        assert 'value="confirm"' not in page
        assert judge(visitor, 0, ("class", "1")).status == 303
    build_labels(tmp_path)
    assert Store(out).snapshot().build.labels.tolist() == [1, -1, -1, -1]


# Labels elsewhere on the page


def test_filters_know_tags_and_judgements(copies: dict[str, Path]) -> None:
    out = copies["tags"]
    with serve(out) as visitor:
        snapshot = Store(out).snapshot()
        assert snapshot.rows(Filter("all", label=0)).tolist() == [0, 3]
        assert snapshot.rows(Filter("all", label=7)).tolist() == []
        assert snapshot.rows(Filter("all", state="unchecked")).tolist() == [0, 1, 2, 3]
        judge(visitor, 3, ("class", "2"), ("verdict", "classify"))
        snapshot = Store(out).snapshot()
        assert snapshot.rows(Filter("all", state="unchecked")).tolist() == [0, 1, 2]
        assert snapshot.rows(Filter("all", state="classified")).tolist() == [3]
        assert "ann: Core + double" in unescape(visitor.ask("/gallery").text)
        assert "Core + double" in visitor.ask("/source/3").text.split('id="history"')[1]
