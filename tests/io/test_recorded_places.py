"""Where inputs are recorded, by the rules of Windows too."""

import os

from mingolotss.io.places import Place


def test_an_input_on_another_drive_is_recorded_by_its_own_path(tmp_path, monkeypatch):
    """Two drives of Windows have no common folder, of which Python raises ValueError."""

    def refuse(paths):
        raise ValueError(f"Paths don't have the same drive: {paths}")

    monkeypatch.setattr(os.path, "commonpath", refuse)
    catalogue = tmp_path / "sky" / "catalogue.fits"
    place = Place.of(catalogue, tmp_path / "build")
    assert place == Place("", catalogue.as_posix())
    assert place.paths(tmp_path / "build") == [catalogue]
