"""Keras 3: batches, epochs, training for real on PyTorch's backend, prediction on numpy's."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from mask_builds import write_build
from mingolotss.errors import InputError
from mingolotss.loaders.arrays import load
from readers_data import CLASSES, IMAGES, LABELS
from vector_builds import build_vectors, make_tags, make_votes

pytestmark = pytest.mark.readers
os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason="needs mingolotss[keras] and a backend")
pytest.importorskip("torch", reason="needs a backend for keras")

from mingolotss.loaders.keras import MingoSequence  # noqa: E402


def all_batches(sequence):
    pairs = [sequence[index] for index in range(len(sequence))]
    return np.concatenate([x for x, _ in pairs]), np.concatenate([y for _, y in pairs])


def test_in_order_it_is_the_dataset(root):
    """Without shuffling: every image once, uint8 or float32 from 0 to 1."""
    images, labels = all_batches(MingoSequence(root, "all", 7, shuffle=False, scale=False))
    np.testing.assert_array_equal(images[..., 0], IMAGES, strict=True)
    assert labels.tolist() == LABELS
    images, _ = all_batches(MingoSequence(root, "test", 3, shuffle=False))
    np.testing.assert_array_equal(images[..., 0], IMAGES[50:] / np.float32(255), strict=True)


def test_shuffled_it_is_the_same_pairs_in_another_order(root):
    """Every epoch another order, decided by the seed."""
    sequence = MingoSequence(root, "all", 16, scale=False, seed=3)
    first, labels = all_batches(sequence)
    repeated, _ = all_batches(MingoSequence(root, "all", 16, scale=False, seed=3))
    np.testing.assert_array_equal(first, repeated)
    sequence.on_epoch_end()
    second, _ = all_batches(sequence)
    assert (first != second).any()
    for image, label in zip(first, labels, strict=True):
        same = np.flatnonzero((image[..., 0] == IMAGES).all(axis=(1, 2)))
        assert [LABELS[index] for index in same] == [label]


def test_it_trains_with_class_weights(root):
    """model.fit on the sequence, two workers, weights and all, and the loss goes down."""
    keras.utils.set_random_seed(1)
    groups = {"FRI": [0, 1, 2], "FRII": [4]}
    train = MingoSequence(root, "train", 8, merge=groups, workers=2)
    assert (train.classes, train.class_weight) == (["FRI", "FRII"], {0: 20 / 30, 1: 20 / 10})
    layers = [keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")]
    model = keras.Sequential([keras.Input((150, 150, 1)), *layers])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(train, epochs=6, verbose=0, class_weight=train.class_weight)
    assert history.history["loss"][-1] < history.history["loss"][0] / 2
    assert model.predict(train, verbose=0).shape == (20, 2)


@pytest.mark.parametrize("backend", ["jax", "numpy"])
def test_other_backends(root, backend):
    """JAX trains on it, numpy's backend predicts; each in a process of its own."""
    pytest.importorskip("jax", reason="keras needs jax for these two")
    code = f"""
import keras
from mingolotss.loaders.keras import MingoSequence as S
head = [keras.layers.GlobalMaxPooling2D(), keras.layers.Dense(10, activation="softmax")]
m = keras.Sequential([keras.Input((150, 150, 1)), *head])
s = S({str(root)!r}, "test", 4, shuffle=False)
if {backend!r} == "jax":
    m.compile("sgd", "sparse_categorical_crossentropy")
    m.fit(s, verbose=0)
print(keras.backend.backend(), m.predict(s, verbose=0).shape, type(s[0][0]).__name__)
"""
    env = os.environ | {"KERAS_BACKEND": backend}
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert out.stdout.splitlines()[-1:] == [f"{backend} (10, 10) ndarray"], out.stderr


def test_keras_reads_png_folders_with_our_labels(root, tmp_path):
    """image_dataset_from_directory numbers classes by name, and the names begin with the label."""
    from PIL import Image

    for index in range(20):
        folder = tmp_path / f"{LABELS[index]:02d} {CLASSES[LABELS[index]]}"
        folder.mkdir(exist_ok=True)
        Image.fromarray(IMAGES[index]).save(folder / f"{index}.png")
    assert [int(path.name[:2]) for path in sorted(tmp_path.iterdir())] == list(range(10))
    loaded = keras.utils.load_img(tmp_path / "00 FRI/0.png", color_mode="grayscale")
    np.testing.assert_array_equal(keras.utils.img_to_array(loaded)[..., 0], IMAGES[0])


def test_a_batch_of_nothing_is_refused(root):
    """One line that says what was given."""
    with pytest.raises(InputError, match="batch_size=0; give 1 or more"):
        MingoSequence(root, batch_size=0)


def test_batches_have_indices_like_any_sequence(root):
    """From the end too; a loop ends; a slice or a list is one clear line."""
    sequence = MingoSequence(root, "all", 16, shuffle=False, scale=False)
    np.testing.assert_array_equal(sequence[-1][0][..., 0], IMAGES[48:])
    assert sum(len(labels) for _, labels in sequence) == 60
    with pytest.raises(IndexError, match="index MingoSequence with 4: it has 4 batches"):
        sequence[4]
    for index in (slice(2), [0, 1], "a", 1.0):
        with pytest.raises(TypeError, match=r"index MingoSequence with .*: give one index"):
            sequence[index]


def test_it_follows_the_rules_of_the_other_classes(root):
    """Splits, merges and metadata, and a few lines with counts."""
    for arguments, line in (
        ({"split": "val"}, "no split 'val'; it has train, test"),
        ({"split": True}, "give the name of a split"),
        ({"merge": {"a": "FRI"}}, "'a' should be a list of classes"),
        ({"merge": {}}, "has no group"),
    ):
        with pytest.raises(InputError, match=line):
            MingoSequence(root, **arguments)
    sequence = MingoSequence(root, "test", 4)
    assert sequence.table["source"].to_pylist() == sequence.sources
    assert sequence.table["label"].to_pylist() == sequence.labels.tolist()
    assert (sequence.splits, sequence.counts()["FRI"]) == (["test"] * 10, 1)
    np.testing.assert_allclose(sequence.weights(), list(sequence.class_weight.values()))
    assert repr(sequence).splitlines()[:2] == [
        "MingoSequence: 10 images of 150 x 150 pixels, uint8",
        "    batches: 3 of 4, shuffled in every epoch",
    ]
    assert sequence._repr_html_().count("<img") == 10
    assert "FRII" in repr(sequence.describe())


def test_a_pickle_of_a_sequence_has_no_pixels(root):
    """A worker process opens the files itself."""
    sequence = MingoSequence(root, "all", 16, seed=3)
    data = pickle.dumps(sequence)
    assert len(data) < 20_000
    np.testing.assert_array_equal(pickle.loads(data)[1][0], sequence[1][0])


def test_masks_are_the_targets_of_a_network_that_segments(tmp_path):
    """In the place of the labels, in any order; a real network learns them."""
    _, masks = write_build(tmp_path / "build")
    keras.utils.set_random_seed(1)
    train = MingoSequence(tmp_path / "build", "all", 4, masks=True)
    images, targets = all_batches(train)
    assert (targets.dtype, targets.shape) == (np.uint8, (*images.shape[:3], 1))
    in_order = all_batches(MingoSequence(tmp_path / "build", "all", 4, masks=True, shuffle=False))
    np.testing.assert_array_equal(in_order[1][..., 0], masks)
    assert sorted(map(bytes, targets)) == sorted(map(bytes, masks))
    layers = [keras.layers.Conv2D(3, 3, padding="same")]
    model = keras.Sequential([keras.Input((*images.shape[1:3], 1)), *layers])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = model.fit(train, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_layers_of_keras_turn_masks_with_their_images(tmp_path):
    """A transform gets the dict that RandomFlip takes; without masks it gets the images."""
    images, masks = write_build(tmp_path / "build")
    flip = keras.layers.RandomFlip("horizontal", seed=1, data_format="channels_last")

    def augment(batch):
        return flip(batch, training=True)

    sequence = MingoSequence(
        tmp_path / "build", "all", 16, masks=True, shuffle=False, scale=False, transform=augment
    )
    got, targets = (keras.ops.convert_to_numpy(part)[..., 0] for part in sequence[0])
    flipped = [bool((one == image[:, ::-1]).all()) for one, image in zip(got, images, strict=True)]
    assert {*flipped} == {False, True}
    for turned, target, mask in zip(flipped, targets, masks, strict=True):
        np.testing.assert_array_equal(target, mask[:, ::-1] if turned else mask)


def test_masks_of_a_dataset_without_any_are_an_error(root):
    """In one line."""
    with pytest.raises(InputError, match=r"masks=True, and its images have no masks; build it"):
        MingoSequence(root, masks=True)


@pytest.mark.parametrize(("kind", "loss"), [("tags", "binary"), ("votes", "categorical")])
def test_it_trains_on_tags_and_votes(tmp_path, kind, loss):
    """The targets of ``load`` in batches, through ``model.fit``."""
    vectors = (make_tags if kind == "tags" else make_votes)(np.random.default_rng(3))
    build = build_vectors(tmp_path, vectors)
    sequence = MingoSequence(build, "all", 5, shuffle=False)
    _, targets = all_batches(sequence)
    np.testing.assert_array_equal(targets, vectors.values.astype(np.float32), strict=True)
    np.testing.assert_array_equal(sequence.targets, load(build).targets)
    np.testing.assert_array_equal(sequence.positive_weights(), load(build).positive_weights())
    if kind == "tags":
        with pytest.raises(InputError, match="class_weight of Keras takes one class"):
            _ = sequence.class_weight
        weight = None
    else:
        weight = sequence.class_weight
    labelled = MingoSequence(build, "test", 5)  # the unlabelled image is in the training set
    side = labelled[0][0].shape[1]
    head = [keras.layers.Flatten(), keras.layers.Dense(targets.shape[1], activation="sigmoid")]
    model = keras.Sequential([keras.Input((side, side, 1)), *head])
    model.compile("adam", f"{loss}_crossentropy")
    history = model.fit(labelled, epochs=2, verbose=0, class_weight=weight)
    assert np.isfinite(history.history["loss"]).all()
    with pytest.raises(InputError, match="target="):
        MingoSequence(build, "all", target="multi-hot" if kind == "votes" else "index")
