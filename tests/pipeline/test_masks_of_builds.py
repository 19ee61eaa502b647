"""Masks of builds on every kind of stamp, beside a slow and plain oracle on the sky.

The oracle knows nothing of the program: astropy gives the position of each pixel of a stamp and its
distance to each component, and scipy labels the islands.
"""

import json
import math
import shutil
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from scipy import ndimage
from scipy.spatial.distance import pdist

import mingolotss
from builds import run
from mingolotss.dataset.provenance import read_provenance
from mingolotss.errors import CatalogueError, InputError, RecipeError
from mingolotss.pipeline import resolved_inputs
from mingolotss.recipe.model import parse_recipe
from mingolotss.simulate import SkyFolder, SkyModel, write_sky
from mingolotss.sky.wcs import simple_header

CORNERS_TOUCH = np.ones((3, 3))
SIGMA, BEAM = 4.0, 6.0
BASE = {
    "name": "masked",
    "catalogue": {"size": "LM_dec_size", "flux": "LM_Flux", "keep": ["LM_dec_size"]},
    "noise": {"method": "sigma-clipped"},
    "stamp": {"kind": "float32", "pixels": 120},
    "mask": {"from": "components", "sigma": SIGMA},
    "split": {"plan": "stratified:train=0.5,test=0.5,seed=1"},
    "formats": ["csv", "parquet"],
}
STAMPS = {
    "whole": {},
    "binned": {"pixels": 50, "pixel_arcsec": 4.5},
    "resampled": {"pixels": 100, "pixel_arcsec": 2.0, "resample": "adaptive"},
    "turned": {"pixels": 90, "size": "200 arcsec", "rotate": "ANGLE", "resample": "exact"},
}


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """A sky with sources at edges, many neighbours, and a position angle for each source."""
    path = tmp_path_factory.mktemp("masks") / "sky"
    model = SkyModel(sources=14, seed=11, field_px=1200, background_per_deg2=1500)
    folder = SkyFolder(write_sky(model, path))
    table = Table.read(folder.catalogue)
    table["ANGLE"] = np.linspace(0, 170, len(table)) * u.deg
    table.write(folder.catalogue, overwrite=True)
    return folder


def recipe(**tables):
    return parse_recipe({**BASE, **{key: BASE.get(key, {}) | one if isinstance(one, dict) else one
                                    for key, one in tables.items()}}, "masked.toml")  # fmt: skip


def build(sky, out, one, **arguments):
    arguments = {"components": sky.components, "catalogue": sky.catalogue} | arguments
    return mingolotss.build(one, out=out, service=f"simulated:{sky.path}", **arguments)


def rows_of(out):
    table = pq.read_table(out / "manifest.parquet")
    return [row for row in table.to_pylist() if row["status"] == "written"]


SLOW_STAMPS = [
    pytest.param(name, marks=pytest.mark.slow) if name in {"binned", "resampled"} else name
    for name in STAMPS
]


@pytest.fixture(scope="module", params=SLOW_STAMPS)
def built(request, sky, tmp_path_factory):
    """A build of each kind of stamp: its rows, its images in Jy/beam and its masks."""
    stamp = STAMPS[request.param]
    steps = [{"do": "bin"}] if request.param == "binned" else []
    out = tmp_path_factory.mktemp(request.param) / "out"
    build(sky, out, recipe(stamp=stamp, steps=steps))
    data = mingolotss.load(out, split="all")
    masks = dict(zip(data.sources, np.asarray(data.masks), strict=True))
    images = dict(zip(data.sources, np.asarray(data.images), strict=True))
    return request.param, out, rows_of(out), images, masks


def relative_distances(pixels, components, scale):
    """Return the squared distance of each pixel to each component, in units of its ellipse."""
    for one in components:
        centre = SkyCoord(one["RA"], one["DEC"], unit="deg")
        east, north = (offset.arcsec for offset in centre.spherical_offsets_to(pixels))
        pa = math.radians(one["PA"])
        axes = np.array([[math.sin(pa), math.cos(pa)], [math.cos(pa), -math.sin(pa)]])
        shape = axes.T @ np.diag([one["Maj"] ** 2, one["Min"] ** 2]) @ axes
        inverse = np.linalg.inv(shape + np.eye(2) * scale**2 / 2)
        offsets = np.stack([east, north], axis=-1)
        yield np.einsum("...i,ij,...j", offsets, inverse, offsets)


def flood(allowed, seeds):
    labels, _ = ndimage.label(allowed, CORNERS_TOUCH)
    return np.isin(labels, np.unique(labels[seeds & allowed])) & allowed


def true_mask(row, image, components):
    """Make the mask of one stamp by the rules of the documentation, one component at a time."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    pixels = mingolotss.stamp_wcs(row).pixel_to_world(x, y).icrs
    scale = row["pixel_scale_arcsec"]
    centre = SkyCoord(row["ra"], row["dec"], unit="deg")
    places = SkyCoord(components["RA"], components["DEC"], unit="deg")
    near = components[centre.separation(places).arcsec < 220]
    is_own = np.char.strip(near["Parent_Source"].astype(str)) == row["source"]
    far = np.full(image.shape, np.inf)
    own = np.min([far, *relative_distances(pixels, near[is_own], scale)], axis=0)
    other = np.min([far, *relative_distances(pixels, near[~is_own], scale)], axis=0)
    with np.errstate(invalid="ignore"):
        bright = image > SIGMA * row["noise_jy"]
    nearer = own <= other
    of_source = flood(bright & nearer, (own <= 1) & nearer)
    of_others = flood(bright & ~nearer, (other <= 1) & ~nearer)
    rest = bright & ~of_source & ~of_others
    here, there = flood(of_source | rest, of_source), flood(of_others | rest, of_others)
    of_source |= rest & here & (~there | nearer)
    of_others |= rest & there & (~here | ~nearer)
    return np.where(of_source, 1, np.where(of_others, 2, 0)), pixels


def test_masks_and_measurements_are_those_of_the_oracle(sky, built):
    """Pixels, size, flux and core distance, on whole, averaged, resampled and turned pixels."""
    kind, _, rows, images, masks = built
    components = Table.read(sky.components)
    differing = total = others = 0
    for row in rows[::2]:
        image, mask = images[row["source"]], masks[row["source"]]
        expected, pixels = true_mask(row, image, components)
        differing += np.count_nonzero(expected != mask)
        total += np.count_nonzero(expected)
        others += np.count_nonzero(mask == 2)
        assert row["mask_pixels"] == np.count_nonzero(mask == 1)
        assert row["other_pixels"] == np.count_nonzero(mask == 2)
        assert row["mask_from"] == "components by name"
        if not (mask == 1).any():
            assert row["las_arcsec"] is row["mask_flux_mjy"] is row["core_distance_arcsec"] is None
            continue
        own = pixels[mask == 1]
        centre = SkyCoord(row["ra"], row["dec"], unit="deg")
        offsets = np.stack([one.arcsec for one in centre.spherical_offsets_to(own)], axis=1)
        beam = BEAM if kind in {"whole", "binned"} else row["stamp_beam_major_arcsec"]
        length = pdist(offsets).max() if len(own) > 1 else 0.0
        size = math.sqrt(max(length**2 - beam**2, 0))
        assert row["las_arcsec"] == pytest.approx(size, abs=0.1)
        area = math.pi * BEAM**2 / (4 * math.log(2)) / row["pixel_scale_arcsec"] ** 2
        flux = 1000 * image[mask == 1].sum(dtype=float) / area
        assert row["mask_flux_mjy"] == pytest.approx(flux, rel=2e-3)
        y, x = peak(image, mask == 1)
        assert row["core_distance_arcsec"] == pytest.approx(
            centre.separation(pixels[y, x]).arcsec, abs=0.05
        )
    assert differing <= total * 1e-3
    assert total > 600 / (9 if kind == "binned" else 1)
    assert others > total / 60


def peak(image, mask):
    """Return the brightest mean of a pixel, four times, and its neighbours; all in the mask."""
    best = (-np.inf, None)
    for y, x in np.argwhere(mask):
        around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        if all(0 <= a < len(mask) and 0 <= b < len(mask) and mask[a, b] for a, b in around):
            mean = (4 * float(image[y, x]) + sum(float(image[place]) for place in around)) / 8
            best = max(best, (mean, (y, x)))
    return best[1] or np.unravel_index(np.argmax(np.where(mask, image, -np.inf)), mask.shape)


def test_recentred_stamps_have_masks(built):
    """Stamps that leave their cutout, where the image ends, are among the ones compared above."""
    kind, _, rows, images, masks = built
    if kind in {"whole", "binned"}:
        recentred = [row for row in rows if row["recentred"]]
        assert recentred
        assert any((masks[row["source"]] == 1).any() for row in recentred)
    assert any(np.isnan(image).any() for image in images.values())
    for name, image in images.items():
        assert not masks[name][np.isnan(image)].any()


def test_a_build_with_masks_verifies_and_is_built_again(sky, built, tmp_path):
    """What was recorded is enough; other components are another build."""
    kind, out, _, _, _ = built
    if kind != "whole":
        return
    assert mingolotss.verify(out).good
    provenance = read_provenance(out)
    assert provenance.components == "components.fits"
    again = mingolotss.build(out=out)
    assert again.written == len(rows_of(out))
    moved = tmp_path / "moved.fits"
    table = Table.read(sky.components)
    table["Maj"] *= 1.5
    table.write(moved)
    with pytest.raises(InputError, match=r"components 'components.fits' .*, not 'moved.fits'"):
        mingolotss.build(out=out, components=moved)


def test_a_part_is_made_again_for_other_components_alone(sky, tmp_path):
    """The key of a part has the components near its sources, and no others."""
    one = recipe()
    plans = []
    for change in ("none", "far", "near"):
        table = Table.read(sky.components)
        if change == "far":
            table.add_row(table[0])
            table["RA"][-1], table["Parent_Source"][-1] = 20.0, "another"
        if change == "near":
            table["PA"] = (table["PA"] + 30) % 180
        path = tmp_path / f"{change}.fits"
        table.write(path)
        plans.append(
            mingolotss.plan(
                one, out=tmp_path / change, catalogue=sky.catalogue,
                service=f"simulated:{sky.path}", components=path,
            )
        )  # fmt: skip
    plain, far, near = ([plan.task(i).components.digest for i in range(len(plan.partitions))]
                        for plan in plans)  # fmt: skip
    assert plain == far
    assert plain != near


def test_masks_are_on_the_grid_of_all_channels(sky, tmp_path):
    """The mask is that of the reference, and steps of any channel may use it."""
    keep = [{"do": "zero-nan"}, {"do": "keep-source"}]
    images = {"service": f"simulated:{sky.path}"}
    channels = [
        {"name": "all", "images": images, "steps": [{"do": "zero-nan"}]},
        {"name": "own", "images": images, "steps": keep, "reference": True},
    ]
    out = tmp_path / "out"
    mingolotss.build(
        recipe(channels=channels), out=out, catalogue=sky.catalogue, components=sky.components
    )
    data = mingolotss.load(out, split="all")
    images, masks = np.asarray(data.images), np.asarray(data.masks)
    np.testing.assert_array_equal(images[:, 1], np.where(masks == 1, images[:, 0], 0))
    assert (masks == 1).any(axis=(1, 2)).sum() > 5


@pytest.mark.parametrize("stamp", ["whole", "binned", "turned"])
def test_keep_source_keeps_the_pixels_of_the_mask(sky, tmp_path, stamp):
    """Brightness is unchanged in the mask and 0 elsewhere, also in `make_stamp`."""
    steps = [{"do": "zero-nan"}, *([{"do": "bin"}] if stamp == "binned" else [])]
    for name, further in (("all", []), ("own", [{"do": "keep-source"}])):
        build(sky, tmp_path / name, recipe(stamp=STAMPS[stamp], steps=[*steps, *further]))
    every, own = (mingolotss.load(tmp_path / name, split="all") for name in ("all", "own"))
    masks = np.asarray(own.masks)
    np.testing.assert_array_equal(masks, np.asarray(every.masks))
    expected = np.where(masks == 1, np.asarray(every.images), 0)
    np.testing.assert_array_equal(np.asarray(own.images), expected)
    assert mingolotss.verify(tmp_path / "own").good


def test_one_stamp_takes_its_mask(sky, tmp_path):
    """`make_stamp` gives the stamp of a build from the cutout and the mask."""
    one = recipe(steps=[{"do": "zero-nan"}, {"do": "mask-others", "fill": "noise"}])
    plan = mingolotss.plan(
        one, out=tmp_path / "out", catalogue=sky.catalogue, service=f"simulated:{sky.path}",
        components=sky.components,
    )  # fmt: skip
    mingolotss.run(plan)
    data = mingolotss.load(tmp_path / "out", split="all")
    row = next(row for row in rows_of(tmp_path / "out") if row["other_pixels"] and row["case"] == 0)
    index = list(data.sources).index(row["source"])
    position = SkyCoord(row["ra"], row["dec"], unit="deg")
    candidate = plan.service.search(position, 6 * u.arcmin)[0]
    cutout = plan.service.cutout(candidate, position, 6 * u.arcmin)
    mask = np.asarray(data.masks)[index]
    stamp = mingolotss.make_stamp(cutout, position, one, mask=mask)
    np.testing.assert_array_equal(stamp, np.asarray(data.images)[index])
    assert (stamp[mask == 2] != 0).all()
    with pytest.raises(RecipeError, match="the stamp has no mask"):
        mingolotss.make_stamp(cutout, position, one)
    with pytest.raises(RecipeError, match=r"the mask has the shape \(3, 3\)"):
        mingolotss.make_stamp(cutout, position, one, mask=mask[:3, :3])


@pytest.mark.slow
def test_shapes_bound_the_emission(sky, tmp_path):
    """A mask from a box is the emission in it; with sigma = 0, every pixel in it."""
    table = Table.read(sky.catalogue)
    table["W"], table["H"] = 60.0, 24.0
    path = tmp_path / "boxes.csv"
    table["Source_Name", "RA", "DEC", "W", "H"].write(path)
    for sigma in (0.0, 4.0):
        out = tmp_path / f"out-{sigma}"
        shapes = {"from": "shapes", "sigma": sigma, "width": "W", "height": "H"}
        build(sky, out, recipe(mask=shapes), components=path)
        data = mingolotss.load(out, split="all")
        images, masks = np.asarray(data.images), np.asarray(data.masks)
        rows = {row["source"]: row for row in rows_of(out)}
        for name, image, mask in zip(data.sources, images, masks, strict=True):
            row = rows[name]
            assert row["mask_from"] == "shapes by name"
            y, x = np.mgrid[: len(image), : len(image)]
            pixels = mingolotss.stamp_wcs(row).pixel_to_world(x, y).icrs
            offsets = SkyCoord(row["ra"], row["dec"], unit="deg").spherical_offsets_to(pixels)
            east, north = (np.abs(one.arcsec) for one in offsets)
            inside = (east < 30) & (north < 12) & (image > sigma * row["noise_jy"])
            if sigma == 0:
                inside = (east < 30) & (north < 12) & np.isfinite(image)
            near_edge = (np.abs(east - 30) < 0.1) | (np.abs(north - 12) < 0.1)
            own = mask == 1
            assert not (own & ~inside & ~near_edge).any()
            assert np.count_nonzero(inside & ~own & ~near_edge & (mask == 0)) == 0


def test_a_dynamic_range_raises_the_level(sky, tmp_path):
    """Emission is then above a part of the peak of the source, too."""
    plain, limited = tmp_path / "plain", tmp_path / "limited"
    build(sky, plain, recipe())
    build(sky, limited, recipe(mask={"dynamic_range": 5.0}))
    before, after = (mingolotss.load(out, split="all") for out in (plain, limited))
    images = np.asarray(after.images)
    for image, one, other in zip(
        images, np.asarray(before.masks), np.asarray(after.masks), strict=True
    ):
        own = one == 1
        if not own.any():
            continue
        peak_value = image[own].max()
        assert not (other == 1)[~(image > peak_value / 5.1)].any()
        assert (other == 1).sum() <= own.sum()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ("no file", RecipeError, "makes masks from components .* none were given: --components"),
        ("no masks", RecipeError, "the recipe masked makes no masks; set mask.from"),
        ("elsewhere", CatalogueError, "none of .* components lies on the stamp of one of"),
        ("nobody", CatalogueError, "none of the names in the column 'Parent_Source'"),
        ("column", CatalogueError, "no column 'Major'"),
        ("nothing near", CatalogueError, "none of them belongs to a source"),
    ],
)
def test_what_is_wrong_with_components_is_one_line(sky, tmp_path, change, error, words):
    """Before any image is read, and without a traceback."""
    mask, path = dict(BASE["mask"]), tmp_path / "components.fits"
    table = Table.read(sky.components)
    if change == "no masks":
        mask = {"from": "none"}
    if change == "elsewhere":
        table["DEC"] -= 30
        mask["link"] = "position"
    if change == "nobody":
        table["Parent_Source"], mask["link"] = "x", "name"
    if change == "column":
        mask["major"] = "Major"
    if change == "nothing near":
        table.remove_column("Parent_Source")
        table["RA"] += 25 / 3600
        table["Maj"], table["Min"], mask["link"] = 1.0, 1.0, "position"
    table.write(path)
    one = recipe(mask=mask)
    if change == "nothing near":
        one = one.changed({"catalogue.size": ""})
    given = None if change == "no file" else path
    with pytest.raises(error, match=words) as caught:
        build(sky, tmp_path / "out", one, components=given)
    assert "\n" not in str(caught.value)


def test_sources_without_components_are_named(sky, tmp_path):
    """Nothing in their mask is theirs, and a notice counts them."""
    table = Table.read(sky.components)
    first = Table.read(sky.catalogue)["Source_Name"][0].strip()
    table = table[np.char.strip(table["Parent_Source"].astype(str)) != first]
    path = tmp_path / "components.fits"
    table.write(path)
    result = build(sky, tmp_path / "out", recipe(), components=path)
    assert any("1 of 14 sources have no component" in line and first in line
               for line in result.notices)  # fmt: skip
    [row] = [row for row in rows_of(tmp_path / "out") if row["source"] == first] or [None]
    if row is not None:
        assert (row["mask_pixels"], row["mask_from"]) == (0, None)


@pytest.mark.slow
def test_the_simulated_sky_brings_its_components(tmp_path, monkeypatch):
    """`simulated` without a folder gives catalogue and components of the sky that it makes."""
    small = partial(resolved_inputs.write_simulated_sky, sources=5)
    monkeypatch.setattr(resolved_inputs, "write_simulated_sky", small)
    result = mingolotss.build(
        recipe(),
        out=tmp_path / "out",
        service="simulated",
        limit=3,
        settings={"classes.from": "none"},
    )
    assert result.sources == 3
    inputs = (tmp_path / "out" / "inputs.toml").read_text()
    assert "components.fits" in inputs


def test_recipes_without_masks_have_no_word_of_them(sky, tmp_path):
    """Neither `recipe.toml`, the manifest nor the parts change."""
    one = recipe(mask={"from": "none"})
    build(sky, tmp_path / "out", one, components=None)
    assert "mask" not in (tmp_path / "out" / "recipe.toml").read_text().replace("masked", "")
    names = pq.read_schema(tmp_path / "out" / "manifest.parquet").names
    assert not [name for name in names if "mask" in name]
    shutil.rmtree(tmp_path / "out")
    assert "mask" not in json.dumps(one.to_dict()).replace("masked", "")


def test_fits_stamps_repeat_the_steps_with_the_mask(sky, tmp_path):
    """Brightness, noise and mask of a FITS stamp give its pixels; a changed mask is noticed."""
    steps = [{"do": "zero-nan"}, {"do": "keep-source"}, {"do": "minmax"}]
    one = recipe(
        stamp={"kind": "uint8"}, steps=steps, formats=["fits", "parquet"],
        noise={"method": "rms-map"},
    )  # fmt: skip
    out = tmp_path / "out"
    build(sky, out, one)
    paths = sorted((out / "fits").iterdir())
    assert all(fits.getheader(path)["STEPSEQ"] for path in paths)
    assert mingolotss.verify(out).good
    exported = tmp_path / "exported"
    mingolotss.export(out, "fits", exported)
    assert mingolotss.verify(exported).good
    with fits.open(paths[0], mode="update") as hdus:
        hdus["SOURCEMASK"].data[:] = 1 - hdus["SOURCEMASK"].data.clip(0, 1)
    assert not mingolotss.verify(out).good


def test_other_components_are_named(sky, tmp_path):
    """`status` says that the file has changed, and `compare` that two builds have others."""
    table = Table.read(sky.components)
    path = tmp_path / "components.fits"
    table.write(path)
    build(sky, tmp_path / "one", recipe(), components=path)
    table["Maj"] *= 2
    table.write(path, overwrite=True)
    changes = mingolotss.status(tmp_path / "one").changes
    assert any(f"the components {path}: its content is another" in one.text for one in changes)
    build(sky, tmp_path / "two", recipe(), components=path)
    rows = mingolotss.compare(tmp_path / "one", tmp_path / "two").rows
    assert any(row.name == "components" for row in rows)
    path.unlink()
    with pytest.raises(InputError, match=r"its components components\.fits are not at .*; give"):
        mingolotss.build(out=tmp_path / "one")


@pytest.mark.slow
def test_the_command_line_takes_components(sky, tmp_path):
    """`build` takes the option; with a recipe that makes no masks it is an error of one line."""
    path = tmp_path / "masked.toml"
    path.write_text('extends = "lotss"\nname = "masked"\n[mask]\nfrom = "components"\n')
    arguments = ["-c", sky.catalogue, "-s", f"simulated:{sky.path}", "--out", tmp_path / "out"]
    given = ["--components", sky.components]
    built = run("build", path, *arguments, *given, "--limit", "4", "--max-rejected", "4")
    assert built.returncode == 0, built.stderr
    refused = run("build", "lotss", *arguments[:-1], tmp_path / "other", *given)
    assert refused.returncode == 2
    assert "the recipe lotss makes no masks" in " ".join(refused.stderr.split())


@pytest.mark.parametrize(
    ("ra", "dec"), [(0.0, 0.0), (0.0003, 60.0), (123.0, 89.99), (250.0, -89.97)]
)
@pytest.mark.parametrize("stamp", [{}, {"rotate": "ANGLE", "size": "300 arcsec"}])
def test_ellipses_lie_where_astropy_says(tmp_path, ra, dec, stamp):
    """Across RA 0 and near the poles, where north turns within a stamp, and on turned stamps."""
    mosaics = tmp_path / "mosaics"
    mosaics.mkdir()
    header = simple_header(ra, dec, shape=(300, 300), scale_arcsec=2.0)
    image = np.random.default_rng(1).normal(1, 0.1, (300, 300)).astype(np.float32)
    fits.PrimaryHDU(image, fits.Header.fromstring(header.decode())).writeto(
        mosaics / "P000+00-mosaic.fits"
    )
    Table({"Source_Name": ["A"], "RA": [ra], "DEC": [dec], "ANGLE": [77.0]}).write(
        tmp_path / "catalogue.fits"
    )
    centre = SkyCoord(ra, dec, unit="deg").directional_offset_by(50 * u.deg, 60 * u.arcsec)
    row = {"RA": centre.ra.deg, "DEC": centre.dec.deg, "Maj": 80.0, "Min": 30.0, "PA": 20.0}
    table = Table({name: [value] for name, value in row.items()} | {"Source_Name": ["A"]})
    table.write(tmp_path / "ellipse.fits")
    out = tmp_path / "out"
    mingolotss.build(
        recipe(
            mask={"from": "shapes", "sigma": 0.0, "axes": "semi-axis"}, stamp=stamp,
            catalogue={"size": "", "flux": "", "keep": []},
        ),
        out=out, catalogue=tmp_path / "catalogue.fits", service=f"mosaics:{mosaics}",
        components=tmp_path / "ellipse.fits",
    )  # fmt: skip
    [written] = rows_of(out)
    [mask] = np.asarray(mingolotss.load(out, split="all").masks)
    y, x = np.mgrid[:120, :120]
    pixels = mingolotss.stamp_wcs(written).pixel_to_world(x, y).icrs
    distance = centre.separation(pixels).arcsec
    turned = centre.position_angle(pixels).rad - math.radians(20)
    relative = np.hypot(distance * np.cos(turned) / 80, distance * np.sin(turned) / 30)
    assert np.count_nonzero(mask == 1) > 1000
    assert relative[mask == 1].max() < 1.02
    assert relative[mask != 1].min() > 0.98
