"""Units in the spellings that files have, against astropy; and sexagesimal positions."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import Angle

from mingolotss.catalogue.columns import to_floats
from mingolotss.catalogue.reading import ColumnNames, read_catalogue
from mingolotss.catalogue.table import Column
from mingolotss.catalogue.units import find_unit
from mingolotss.errors import CatalogueError, RecipeError
from mingolotss.recipe.model import parse_recipe

SPELLINGS = {
    u.deg: ["deg", "DEG", "Deg", "degs", "degree", "DEGREES", "Degrees", "[deg]", "(deg)",
            "[ DEG ]", "deg.", "decimal degrees", "°", " deg ", '"deg"'],
    u.arcmin: ["arcmin", "ARCMIN", "arcminutes", "arcminute", "'", "[arcmin]"],
    u.arcsec: ["arcsec", "ARCSEC", "arcseconds", "Arcsecond", '"', "(arcsec)", "asec"],
    u.mas: ["mas", "MAS", "milliarcseconds", "milliarcsec"],
    u.uas: ["uas", "microarcsec", "µas"],
    u.rad: ["rad", "RAD", "RADIANS", "radian", "[rad]"],
    u.mrad: ["mrad"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("spelling", "unit"), [(text, unit) for unit, texts in SPELLINGS.items() for text in texts]
)
def test_spellings_of_angles(spelling, unit):
    """Case, plural, brackets and signs do not matter in a position."""
    assert find_unit(spelling, "ra").scale == unit.to("deg")
    assert find_unit(spelling, "dec").scale == unit.to("deg")


@pytest.mark.parametrize("spelling", ["h", "H", "hr", "hours", "Hour", "[h]", "hms"])
def test_hours_are_an_angle_in_right_ascension_only(spelling):
    """RA in hours becomes degrees; declination and size in hours are refused."""
    assert find_unit(spelling, "ra").scale == u.hourangle.to("deg")
    for quantity in ("dec", "size"):
        with pytest.raises(CatalogueError, match="no unit of"):
            find_unit(spelling, quantity)


@pytest.mark.parametrize(
    ("spelling", "scale"),
    [("Jy", 1e3), ("JY", 1e3), ("janskys", 1e3), ("mJy", 1), ("mjy", 1), ("mJY", 1), ("(mJy)", 1),
     ("uJy", 1e-3), ("UJY", 1e-3), ("µJy", 1e-3), ("MJy", 1e9), ("", 1), ("10-3Jy", 1),
     ("MJY", None), ("[mJy]", None), ("Jy/beam", None), ("counts", None), ("[Jy]", None)],
)  # fmt: skip
def test_spellings_of_fluxes(spelling, scale):
    """MJY can be mega or milli, and brackets mean a logarithm at the CDS: both are refused."""
    if scale is None:
        with pytest.raises(CatalogueError, match="no unit of flux density"):
            find_unit(spelling, "flux")
    else:
        assert find_unit(spelling, "flux").scale == pytest.approx(scale, rel=1e-14)


@pytest.mark.parametrize("spelling", ["[arcsec]", "pix", "Jy", "s", "nonsense", "[deg"])
def test_units_that_are_no_size(spelling):
    """What is no angle, or may be its logarithm, is refused."""
    with pytest.raises(CatalogueError, match="no unit of angles"):
        find_unit(spelling, "size")


TEXTS = ["12:34:56.7", "12 34 56.7", "12h34m56.7s", "00:00:01", "23:59:60", "12:34.5"]
DEGREES = ["-00:30:00", "-00 30 00", "+41d16m09s", "-89:59:59.99", "41°16′09″", "10"]  # noqa: RUF001


@pytest.mark.parametrize("unit", ["hms", '"h:m:s"', "hourangle", "hh:mm:ss", "h"])
@pytest.mark.filterwarnings("ignore:.*second")
def test_sexagesimal_hours(unit):
    """Text in three parts is read by astropy if the unit says that it is in hours."""
    found = to_floats(Column(np.array(TEXTS, object), unit=unit), "ra", "ra")
    assert found.tolist() == [Angle(text, u.hourangle).deg for text in TEXTS]


@pytest.mark.parametrize("unit", ["dms", "d:m:s", "deg", "dd:mm:ss"])
def test_sexagesimal_degrees(unit):
    """The sign of -00:30:00 is kept."""
    found = to_floats(Column(np.array(DEGREES, object), unit=unit), "dec", "dec")
    assert found.tolist() == [Angle(text, u.deg).deg for text in DEGREES]
    assert found[0] == -0.5


@pytest.mark.parametrize("unit", ["", "deg"])
@pytest.mark.parametrize("text", ["12:34:56.7", "12 34 56.7", "12:34"])
def test_sexagesimal_right_ascension_needs_a_unit(text, unit):
    """Hours and degrees look alike, so the message says what to set."""
    column = Column(np.array(["1.5", text], object), unit=unit)
    with pytest.raises(CatalogueError, match=r"row 2, which is sexagesimal; set .*ra_unit to .hms"):
        to_floats(column, "ra", "ra")
    found = to_floats(column, "ra", "ra", unit="hms")
    assert found[1] == Angle(text, u.hourangle).deg


def test_letters_are_a_unit():
    """12h34m56s says itself that it is in hours."""
    column = Column(np.array(["12h34m56.7s", "", "1h0m0s"], object))
    assert to_floats(column, "ra", "ra")[[0, 2]].tolist() == [
        Angle("12h34m56.7s").deg, Angle("1h0m0s").deg,
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["12:61:00", "12:34:56:78", "12x34", "a:b:c", "12:-3:00"])
def test_what_is_no_angle_names_its_row(text):
    """The first value that astropy refuses is named with its row."""
    column = Column(np.array(["12:00:00", text, "13:00:00"], object))
    with pytest.raises(CatalogueError, match="in row 2"):
        to_floats(column, "ra", "ra", unit="hms")


@pytest.mark.parametrize(
    ("unit", "ra"), [("", 1.5), ("hourangle", 22.5), ("rad", 85.94366926962348), ("arcmin", 0.025)]
)
def test_a_unit_of_the_recipe_replaces_that_of_the_file(tmp_path, unit, ra):
    """A column without a unit, or with a wrong one, has the unit that the recipe gives."""
    (tmp_path / "a.ecsv").write_text(
        "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: id, datatype: string}\n"
        "# - {name: ra, unit: deg, datatype: float64}\n# - {name: dec, datatype: float64}\n"
        "# - {name: s, unit: deg, datatype: float64}\n# - {name: f, unit: MJY, datatype: float64}\n"
        "# schema: astropy-2.0\nid ra dec s f\nA 1.5 2 3 4\n"
    )
    columns = ColumnNames("id", "ra", "dec", "s", "f", ra_unit=unit, size_unit="arcmin",
                          flux_unit="mJy")  # fmt: skip
    found = read_catalogue(tmp_path / "a.ecsv", columns)
    assert found.ra.tolist() == pytest.approx([ra], rel=1e-14)
    assert (found.size_arcsec.tolist(), found.flux_mjy.tolist()) == ([180.0], [4.0])
    with pytest.raises(CatalogueError, match=r"'MJY' is no unit of flux density.*flux_unit"):
        read_catalogue(tmp_path / "a.ecsv", ColumnNames("id", "ra", "dec", flux="f"))


@pytest.mark.parametrize(
    ("key", "value"),
    [("ra_unit", "Jy"), ("dec_unit", "hms"), ("size_unit", "pix"), ("flux_unit", "deg")],
)
def test_an_impossible_unit_in_a_recipe_is_refused(key, value):
    """A unit is checked when the recipe is read; possible ones reach the columns."""
    with pytest.raises(RecipeError, match=f"catalogue.{key} = '{value}'.*is no unit of"):
        parse_recipe({"name": "x", "catalogue": {key: value}}, "x.toml")
    recipe = parse_recipe({"name": "x", "catalogue": {"ra_unit": "hms", "table": "T"}}, "x.toml")
    assert (recipe.catalogue.columns.ra_unit, recipe.catalogue.columns.table) == ("hms", "T")
