"""CSV as programs and spreadsheets write it."""

from __future__ import annotations

import gzip

import pytest

from mingolotss.catalogue.reading import ColumnNames, read_catalogue
from mingolotss.errors import CatalogueError

COLUMNS = ColumnNames("id", "ra", "dec")
ECSV = (
    "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# - {name: id, datatype: string}\n"
    "# - {name: ra, unit: rad, datatype: float64}\n# - {name: dec, datatype: float64}\n"
    "# schema: astropy-2.0\nid,ra,dec\n007,0,2\n"
)
SAME = {
    "plain": "id,ra,dec\nA,1.5,2\nB,3,-4\n",
    "no end of the last line": "id,ra,dec\nA,1.5,2\nB,3,-4",
    "semicolons": "id;ra;dec\nA;1.5;2\nB;3;-4\n",
    "tabs": "id\tra\tdec\nA\t1.5\t2\nB\t3\t-4\n",
    "bars": "id|ra|dec\nA|1.5|2\nB|3|-4\n",
    "another delimiter in a value": 'id;ra;dec;"a,b"\nA;1.5;2;"c,d"\nB;3;-4;","\n',
    "byte order mark": "\ufeffid,ra,dec\nA,1.5,2\nB,3,-4\n",
    "byte order mark and quotes": '\ufeff"id","ra","dec"\n"A","1.5","2"\n"B","3","-4"\n',
    "CRLF": "id,ra,dec\r\nA,1.5,2\r\nB,3,-4\r\n",
    "CR": "id,ra,dec\rA,1.5,2\rB,3,-4\r",
    "empty lines": "\n\nid,ra,dec\n\nA,1.5,2\n\nB,3,-4\n\n\n",
    "comments": "# one\n#two, with a comma\nid,ra,dec\nA,1.5,2\n# three\nB,3,-4\n# the, end\n",
    "commented header": "# a table\n# id,ra,dec\nA,1.5,2\nB,3,-4\n",
    "header with a mark": "#id;ra;dec\nA;1.5;2\nB;3;-4\n",
    "delimiters at the end": "id,ra,dec,,\nA,1.5,2,,\nB,3,-4,,\n",
    "delimiters at the end of rows": "id,ra,dec\nA,1.5,2,\nB,3,-4,\n",
    "a delimiter at the end of the header": "id,ra,dec,\nA,1.5,2\nB,3,-4\n",
    "an index without a name": ",id,ra,dec\n0,A,1.5,2\n1,B,3,-4\n",
    "names that repeat": "x,id,x,ra,dec,,\n1,A,2,1.5,2,3,4\n1,B,2,3,-4,3,4\n",
    "blanks": ' id , ra,dec\n A ,1.5, 2\n"B",3 ,-4\n',
    "blanks before quotes": '"id", "ra", "dec"\n"A", "1.5", "2"\n"B", "3", "-4"\n',
    "Latin-1 elsewhere": "id,ra,dec,note\nA,1.5,2,x\nB,3,-4,caf\xe9\n".encode("latin1"),
    "signs and exponents": "id,ra,dec\nA,+15e-1,2.\nB,3D0,-.4E1\n",
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("is_gzipped", [False, True])
def test_every_way_to_write_a_table(tmp_path, name, is_gzipped):
    """Two sources are the same, however the file is written."""
    content = SAME[name] if isinstance(SAME[name], bytes) else SAME[name].encode()
    path = tmp_path / ("A.CSV.GZ" if is_gzipped else "A.CSV")
    path.write_bytes(gzip.compress(content) if is_gzipped else content)
    found = read_catalogue(path, COLUMNS)
    assert (found.names, found.ra.tolist(), found.dec.tolist()) == (
        ["A", "B"], [1.5, 3.0], [2.0, -4.0],
    )  # fmt: skip


REFUSED = {
    "id,ra,dec\nA,1,2\nB,3\n": "line 3 has 2 values where the header has 3 columns: 'B,3'",
    "# x\n\nid,ra,dec\nA,1,2\nB,3,4,5\nC,1,2\n": "line 5 has 4 values",
    "id,ra,dec\nAB,1,2\nB,1,2\nB,1\nB,1,2,3\n": "line 4 has 2 values",
    'id,ra,dec\nA,1,2\n"B\nC",1\n': "a row of several lines has 2 values",
    "id,ra,dec\r\nA,1,2\r\nB b,3,4,\r\n": "line 3 has 4 values",
    "id,ra,dec\nA,1,234.5,2\n": "line 2 has 4 values",
    'id,ra,dec\nA,"1,234.5",2\n': "column 'ra' holds '1,234.5' in row 1, which is no number",
    "id;ra;dec\nA;1;2\nB;3,5;4\n": "column 'ra' holds '3,5' in row 2",
    "id,ra,dec,ra\nA,1,2,3\n": "columns 2 and 4 are both called 'ra'",
    "id,ra,id,dec,id\nA,1,2,3,4\n": "columns 1 and 3 and 5 are both called 'id'",
    "id,ra,dec\nA,1,2\n,,\n": "a source has no name: row 2",
    "id,ra,dec\nA,1,2\nB,,3\n": "row 2 (B)",
    "id,ra,dec\n": "it has no rows",
    "id,ra,dec": "it has no rows",
    "": "it is empty",
    "\n\n": "no column 'id', 'ra', 'dec'; it has no columns",
    "# a comment\n": "it has no columns",
    "name,ra,dec\nA,1,2\n": "no column 'id'; it has name, ra, dec",
    "id,ra,dec\nA,1,2\nA,1,3\nB,3,4\n": "'A' in the rows 1, 2",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_wrong_is_one_line(tmp_path, text):
    """The message names the line or the row, and the value."""
    (tmp_path / "a.csv").write_bytes(text.encode())
    with pytest.raises(CatalogueError) as caught:
        read_catalogue(tmp_path / "a.csv", COLUMNS)
    assert REFUSED[text] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("id,ra,dec\nA,1,2\ncaf\xe9,3,4\n".encode("latin1"), "line 3 is not UTF-8"),
        (b"id,ra,dec\r\n\xff\xfe,1,2\r\n", "line 2 is not UTF-8"),
        (b"id,ra,dec\nA,1,2\nB,3,4,\xea\n", "line 3 has 4 values where the header has 3"),
        ("id,ra,dec\nA,1,2\n".encode("utf-16"), "it is UTF-16"),
        ("id,ra,dec\nA,1,2\n".encode("utf-16-be").join([b"\xfe\xff", b""]), "it is UTF-16"),
    ],
)
def test_other_encodings_are_refused(tmp_path, content, word):
    """A name in another encoding would be another name."""
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(CatalogueError, match=word):
        read_catalogue(tmp_path / "a.csv", COLUMNS)


def test_names_with_delimiters_quotes_and_marks(tmp_path):
    """Quoted values keep commas, quotes and ends of lines; a row may begin with #."""
    (tmp_path / "a.csv").write_text('id,ra,dec\n"a,b",1,2\n"c ""d""",1,2\n#12,1,2\n"e\nf",1,2\n')
    assert read_catalogue(tmp_path / "a.csv", COLUMNS).names == ["a,b", 'c "d"', "#12", "e\nf"]


@pytest.mark.parametrize("name", ["cat", "cat.txt", "cat.csv", "cat.dat", "cat.csv.gz"])
def test_ecsv_is_found_by_its_content(tmp_path, name):
    """ECSV is read as such under any name, with its units and its text."""
    content = ECSV.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    found = read_catalogue(tmp_path / name, COLUMNS)
    assert (found.names, found.ra.tolist()) == (["007"], [0.0])
    wrong = content.replace(b"rad", b"Jy")
    (tmp_path / name).write_bytes(gzip.compress(wrong) if name.endswith("gz") else wrong)
    with pytest.raises(CatalogueError, match="'Jy' is no unit of right ascension"):
        read_catalogue(tmp_path / name, COLUMNS)


def test_many_rows_with_quotes_are_read_in_order(tmp_path):
    """A file of several blocks keeps its rows; the line of a ragged row is right far down."""
    lines = [f'"S{i},{i % 7}",{i % 360},{i % 90}' for i in range(120_000)]
    (tmp_path / "a.csv").write_text("id,ra,dec\n" + "\n".join(lines) + "\n")
    found = read_catalogue(tmp_path / "a.csv", COLUMNS)
    assert found.names[119_999] == f"S119999,{119_999 % 7}"
    assert len(found) == 120_000
    for row in (100_000, 50_000, 119_000, 20_000):
        lines[row] += ",1"
    (tmp_path / "a.csv").write_text("id,ra,dec\n" + "\n".join(lines) + "\n")
    with pytest.raises(CatalogueError, match="line 20002 has 4 values"):
        read_catalogue(tmp_path / "a.csv", COLUMNS)
