"""Decisions: read, added to, taken back; two who write at once lose nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mingolotss.candidates.decisions import (
    COLUMNS,
    Decision,
    DecisionLog,
    join_classes,
    judgements_in_force,
    parse_rows,
    read_decisions,
    split_classes,
    standing,
)
from mingolotss.errors import DecisionError, InputError

A = Decision("A", "P1", "accept", "ann", "2026-01-02", "clean")
B = Decision("A", "P2", "accept", "bob", "2026-01-03", "")


def _add(path: Path, name: str, count: int) -> None:
    for index in range(count):
        DecisionLog(path).add(Decision(f"{name}-{index}", "P1", "accept", name, "2026-01-02"))


def test_a_missing_file_holds_no_decision(tmp_path: Path) -> None:
    assert read_decisions(tmp_path / "decisions.csv") == {}


def test_rows_come_back_as_they_went_in(tmp_path: Path) -> None:
    odd = Decision('A "quoted", <b>', "P1+5", "accept", "Zoë", "2026-01-02", 'a, "b"; <script>')
    log = DecisionLog(tmp_path / "decisions.csv")
    log.add(odd)
    log.add(A)
    assert log.rows() == [odd, A]
    assert (tmp_path / "decisions.csv").read_text().splitlines()[0] == ",".join(COLUMNS)


def test_a_note_stays_on_one_line(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions.csv")
    log.add(Decision("A", "P1", "accept", "ann", "2026-01-02", "two\nlines\r\tand\0more"))
    assert log.rows()[0].note == "two lines and more"
    assert len(log.path.read_text().splitlines()) == 2


@pytest.mark.parametrize("name", [" A", "A ", "A\t"])
def test_a_row_that_would_be_one_on_another_source_is_refused(tmp_path: Path, name: str) -> None:
    """Spreadsheets add spaces, so they are ignored; a name that has one would become another."""
    log = DecisionLog(tmp_path / "decisions.csv")
    log.add(A)
    with pytest.raises(DecisionError, match="would be one on 'A'"):
        log.add(Decision(name, "P1", "reject", "ann", "2026-01-02"))
    assert log.rows() == [A]


def test_the_last_word_counts(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions.csv")
    log.add(A)
    log.add(B)
    log.add(Decision("A", "", "label", "ann", "2026-01-04", "looks like FRII"))
    assert read_decisions(log.path) == {"A": B}


def test_undo_takes_back_the_last_row_of_the_same_person_only(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions.csv")
    log.add(A)
    log.add(B)
    assert log.undo("ann", "2026-01-05") == A
    assert log.standing() == [B]
    assert log.undo("bob", "2026-01-05") == B
    assert read_decisions(log.path) == {}
    assert [row.verdict for row in log.rows()] == ["accept", "accept", "undo", "undo"]


def test_undo_with_nothing_left_says_so(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions.csv")
    log.add(A)
    with pytest.raises(DecisionError, match="no decision of bob is left to undo"):
        log.undo("bob", "2026-01-05")
    with pytest.raises(DecisionError, match="no decision of ann on B is left"):
        log.undo("ann", "2026-01-05", "B")
    assert log.rows() == [A]


def test_an_undo_without_its_decision_names_the_line() -> None:
    text = ["source,field,verdict,by,date,note\n", "A,,undo,ann,2026-01-02,\n"]
    rows = parse_rows(text)
    with pytest.raises(DecisionError, match="line 2 undoes a decision of ann on A"):
        standing(rows)


def test_a_file_of_a_persons_own_keeps_its_columns_and_gains_the_missing(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    path.write_text("verdict,source,comment,field\nreject,Z,mine,")  # no newline at the end
    DecisionLog(path).add(A)
    assert path.read_text().splitlines() == [
        "verdict,source,comment,field,by,date,note,classes",
        "reject,Z,mine,",
        "accept,A,,P1,ann,2026-01-02,clean,",
    ]
    assert read_decisions(path)["Z"] == Decision("Z", "", "reject")


def test_a_damaged_file_is_not_added_to(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    path.write_text("source,field,verdict\nA,P1,maybe\n")
    with pytest.raises(DecisionError, match=r"line 2 .*'maybe'"):
        DecisionLog(path).add(A)
    assert path.read_text() == "source,field,verdict\nA,P1,maybe\n"


def test_a_check_under_the_lock_keeps_a_row_out(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions.csv")
    log.add(A)

    def refuse(rows: list[Decision]) -> None:
        assert rows == [A]
        raise DecisionError("changed meanwhile")

    with pytest.raises(DecisionError, match="changed meanwhile"):
        log.add(B, refuse)
    assert log.rows() == [A]


def test_a_link_is_followed_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    link = tmp_path / "decisions.csv"
    link.symlink_to(tmp_path / "repository" / "mine.csv")
    DecisionLog(link).add(A)
    assert link.is_symlink()
    assert DecisionLog(tmp_path / "repository" / "mine.csv").rows() == [A]


@pytest.mark.slow
def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    start = multiprocessing.get_context("spawn")
    names = ["ann", "bob", "cem"]
    people = [start.Process(target=_add, args=(path, name, 40)) for name in names]
    for one in people:
        one.start()
    for one in people:
        one.join(60)
    rows = DecisionLog(path).rows()
    assert sorted(row.source for row in rows) == sorted(
        f"{n}-{i}" for n in names for i in range(40)
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["decisions.csv"]  # and no lock file


def test_a_killed_writer_leaves_whole_rows(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    writer = multiprocessing.get_context("spawn").Process(target=_add, args=(path, "ann", 10**6))
    writer.start()
    deadline = time.monotonic() + 30
    while (not path.exists() or path.stat().st_size < 4000) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join(10)
    rows = DecisionLog(path).rows()
    assert len(rows) > 20
    assert [row.source for row in rows] == [f"ann-{i}" for i in range(len(rows))]
    DecisionLog(path).add(A)  # and nobody is locked out
    assert not list(tmp_path.glob("*.lock"))


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    """The lock cannot be taken there, and the error says so."""
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"write .*decisions\.csv: .*choose another"):
        DecisionLog(tmp_path / "file" / "decisions.csv").add(A)


def test_rows_of_commas_are_skipped_and_lines_counted_as_in_the_file() -> None:
    """A spreadsheet's empty rows are no decisions; a message names the line an editor shows."""
    lines = ["source,field,verdict,by,date,note\n", ",,,,,\n", "\n", "A,P1,accept,ann,,\n"]
    assert parse_rows(lines) == [Decision("A", "P1", "accept", "ann")]
    with pytest.raises(DecisionError, match="line 5 "):
        parse_rows([*lines, "B,P1,maybe,ann,,\n"])
    with pytest.raises(DecisionError, match="line 5 names no source"):
        parse_rows([*lines, ",P1,accept,ann,,\n"])


def _cr(text: str) -> str:
    return text.replace("\n", "\r")


HEADER = "source,field,verdict,by,date,note\n"
BY_HAND = {
    "CR": _cr(HEADER + "A,P1,accept,ann,2026,x\n"),
    "CR without an end": _cr(HEADER + "A,P1,accept,ann,2026,x"),
    "CRLF": (HEADER + "A,P1,accept,ann,2026,x\n").replace("\n", "\r\n"),
    "CRLF in the header only": HEADER.replace("\n", "\r\n") + "A,P1,accept,ann,2026,x\n",
    "no end": HEADER + "A,P1,accept,ann,2026,x",
    "blanks": " source , field,verdict ,by, date,note\n A , P1 , accept , ann , 2026 , x \n",
    "blanks before quotes": HEADER + '"A", "P1", "accept", "ann", "2026", "x"\n',
    "a mark": "\ufeff" + HEADER + "A,P1,accept,ann,2026,x\n",
    "few columns": "verdict,source,field,by,date,note\naccept,A,P1,ann,2026,x\n",
    "a note of two lines": HEADER + 'A,P1,accept,ann,2026,"x\n"\n',
    "rows of commas": HEADER + "A,P1,accept,ann,2026,x\n,,,,,\n\n",
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_decision_that_is_confirmed_is_there(tmp_path: Path, name: str) -> None:
    """After a file that a person has edited, with any end of line and blanks anywhere."""
    path = tmp_path / "decisions.csv"
    path.write_bytes(BY_HAND[name].encode())
    log = DecisionLog(path)
    own = Decision("A", "P1", "accept", "ann", "2026", "x")
    assert log.rows() == [own]
    for decision in (B, Decision("C\rD", "", "reject", "bob", "2026", 'a "b", c')):
        log.add(decision)
    assert log.rows() == [own, B, Decision("C\rD", "", "reject", "bob", "2026", 'a "b", c')]
    assert log.undo("bob", "2026").source == "C\rD"
    assert read_decisions(path) == {"A": B}


@pytest.mark.parametrize(
    "row",
    ['A,P1,accept,ann,2026,"x\n', '"A,P1,accept,ann,2026,x\n', 'A,"P1" x,accept,ann,2026,x\n'],
)
def test_a_quote_that_is_not_closed_is_an_error(tmp_path: Path, row: str) -> None:
    """Otherwise it takes all rows after it into one value, and the same decision as the last."""
    path = tmp_path / "decisions.csv"
    path.write_text(HEADER + "B,P1,accept,ann,2026,x\n" + row)
    before = path.read_bytes()
    log = DecisionLog(path)
    for act in (log.rows, lambda: log.add(A), lambda: log.undo("ann", "2026")):
        with pytest.raises(DecisionError, match="the row that begins in line 3 is no CSV"):
            act()
    assert path.read_bytes() == before


@pytest.mark.parametrize("header", ['"source\n",field,verdict', 'source,verdict,"a\nb",field'])
def test_a_header_of_several_lines_is_not_added_to(tmp_path: Path, header: str) -> None:
    path = tmp_path / "decisions.csv"
    path.write_text(header + "\n")
    with pytest.raises(DecisionError):
        DecisionLog(path).add(A)
    assert path.read_text() == header + "\n"


def test_many_undos_at_once_undo_one_decision_each(tmp_path: Path) -> None:
    """Twenty undos of twelve decisions: twelve succeed, eight say that there is nothing left."""
    log = DecisionLog(tmp_path / "decisions.csv")
    for number in range(12):
        log.add(Decision(f"S{number}", "P1", "accept", "ann", "2026"))

    def undo(_: int) -> str:
        try:
            return DecisionLog(log.path).undo("ann", "2026").source
        except DecisionError as error:
            return str(error)

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(undo, range(20)))
    undone = [text for text in results if text.startswith("S")]
    assert sorted(undone) == sorted(f"S{number}" for number in range(12))
    assert sum("is left to undo; nothing was written" in text for text in results) == 8
    assert log.standing() == []


_ODD_NAMES = [
    ("FRI", "FRII"),
    ("A;B", "C"),
    ('5" jet', "x"),
    ('"', '""', ";"),
    (" outer ", "\ttab", "line\nbreak"),
    ("",),
    ("", "A"),
    ("a + b", "c, d"),
    (),
]


@pytest.mark.parametrize("names", _ODD_NAMES)
def test_class_names_come_back_from_the_file_whatever_their_letters(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    """A name may hold the separator, the quote, or white space: the row has exactly the names."""
    assert split_classes(join_classes(names)) == names
    log = DecisionLog(tmp_path / "decisions.csv")
    row = Decision("A", "", "classify", "ann", "2026-01-02", "", names)
    log.add(row)
    log.add(A)
    assert log.rows() == [row, A]


def test_class_names_of_different_lists_are_different_texts() -> None:
    texts = {join_classes(names) for names in _ODD_NAMES}
    assert len(texts) == len(_ODD_NAMES)


def test_class_names_of_a_person_may_have_blanks_and_a_last_semicolon() -> None:
    assert split_classes(' FRI;FRII ;  "A;B" ;') == ("FRI", "FRII", "A;B")
    assert split_classes(" ; ;") == ()


@pytest.mark.parametrize("text", ['"FRI', 'FRI; "A" B; C', '"A""'])
def test_class_names_with_an_open_quote_are_refused_with_the_line(text: str) -> None:
    quoted = text.replace('"', '""')
    with pytest.raises(DecisionError, match=r"line 2 \(A\): read the class names .* close each"):
        parse_rows(["source,verdict,classes\n", f'A,classify,"{quoted}"\n'])


def test_a_file_of_an_older_version_is_read_and_a_judgement_is_added(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    path.write_text(
        "source,field,verdict,by,date,note\nA,P1,accept,ann,2026-01-02,clean\n"
        "A,,confirm,ann,2026-01-02,is FRI\nB,,label,bob,2026-01-02,looks like FRII\n"
    )
    before = DecisionLog(path).rows()
    assert [row.verdict for row in before] == ["accept", "confirm", "label"]
    row = Decision("B", "", "classify", "bob", "2026-02-01", "", ("FRII", "WAT"))
    DecisionLog(path).add(row)
    assert DecisionLog(path).rows() == [*before, row]
    assert path.read_text().splitlines()[0] == ",".join(COLUMNS)
    assert path.read_text().splitlines()[1:4] == [
        "A,P1,accept,ann,2026-01-02,clean",
        "A,,confirm,ann,2026-01-02,is FRI",
        "B,,label,bob,2026-01-02,looks like FRII",
    ]
    assert read_decisions(path) == {"A": A}


def test_a_judgement_changes_nothing_about_the_image(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions.csv")
    log.add(A)
    log.add(Decision("A", "", "classify", "ann", "2026-01-04", "", ("FRII",)))
    assert read_decisions(log.path) == {"A": A}


def test_a_column_of_a_persons_own_called_classes_is_no_error_in_other_rows() -> None:
    rows = parse_rows(["source,verdict,field,classes\n", 'A,reject,,"my ""own"\n'])
    assert rows == [Decision("A", "", "reject")]


def test_the_judgement_of_a_person_is_their_last_one_in_force(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions.csv")

    def judge(source: str, by: str, *names: str, verdict: str = "classify") -> Decision:
        row = Decision(source, "", verdict, by, "2026-01-02", "", names)
        log.add(row)
        return row

    first = judge("A", "ann", "FRI")
    bob = judge("A", "bob", "FRI", verdict="confirm")
    judge("A", "ann", "FRII")
    log.add(Decision("A", "", "label", "cem", "2026-01-02", "looks like FRII"))
    other = judge("B", "ann")
    log.add(A)
    assert log.undo("ann", "2026-01-03", "A") == A
    log.undo("ann", "2026-01-03", "A")
    judgements = judgements_in_force(log.standing())
    assert judgements == {"A": {"ann": first, "bob": bob}, "B": {"ann": other}}
    again = judge("A", "ann", "FRII")
    assert list(judgements_in_force(log.standing())["A"].items()) == [("bob", bob), ("ann", again)]


@pytest.mark.parametrize("start", [
    "source,verdict,by,field\nA,reject,ann,\n", "\ufeffverdict,source\r\nreject,A\r\n",
    "source,verdict,by\rA,reject,ann\rB,reject,ann\n", '"source",verdict\nA,reject\n',
    'source,verdict,note\nA,reject,"a\nb"\n', "source,verdict\nA,reject", "",
])  # fmt: skip
def test_a_log_that_was_read_before_sees_every_change_of_its_file(
    tmp_path: Path, start: str
) -> None:
    """Rows that others add or change, and errors with their line, as a log that is new."""
    path = tmp_path / "decisions.csv"
    path.write_bytes(start.encode())
    log = DecisionLog(path)

    def check() -> None:
        assert log.rows() == DecisionLog(path).rows()

    check()
    log.add(Decision("C", "", "accept", "cem", "", 'x, "y"'))
    check()
    log.rows().clear()
    DecisionLog(path).add(Decision("D", "", "classify", "dan", classes=("FRI", "a;b")))
    check()
    with path.open("ab") as stream:
        stream.write(b"\n,,,\n")
    check()
    good = path.read_bytes()
    path.write_bytes(good.replace(b"C,", b"E,"))
    check()
    for wrong in (b"F,maybe,maybe\n", b'"F\n', b"\xff\n"):
        path.write_bytes(good + wrong)
        with pytest.raises(DecisionError) as error:
            DecisionLog(path).rows()
        with pytest.raises(DecisionError) as again:
            log.rows()
        assert str(again.value) == str(error.value)
        path.write_bytes(good)
        check()
    path.unlink()
    check()
