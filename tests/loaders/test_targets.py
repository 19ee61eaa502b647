"""What networks learn: labels, tags or fractions of votes, the same in numpy, PyTorch and Keras."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import mingolotss
from mingolotss import MLFR, MingoLoTSS
from mingolotss.dataset.label_targets import make_targets, positive_weights
from mingolotss.errors import InputError
from vector_builds import CLASSES, N, build_vectors, make_tags, make_votes

torch = pytest.importorskip("torch", reason="needs mingolotss[torch]")
from torch.utils.data import DataLoader  # noqa: E402

KINDS = {"tags": "multi-hot", "votes": "soft", "classes": "index"}


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(2)
    return {"tags": make_tags(rng), "votes": make_votes(rng), "classes": None}


@pytest.fixture(scope="module")
def builds(vectors, tmp_path_factory):
    root = tmp_path_factory.mktemp("targets")
    return {kind: build_vectors(root / kind, own) for kind, own in vectors.items()}


def one_hot(labels, unlabelled):
    """Return a row for each label, computed one by one."""
    rows = np.full((len(labels), len(CLASSES)), unlabelled, np.float32)
    for row, label in zip(rows, labels, strict=True):
        if label >= 0:
            row[:] = 0
            row[label] = 1
    return rows


@pytest.mark.parametrize(("kind", "target"), KINDS.items())
def test_the_default_is_what_the_labels_are(builds, vectors, kind, target):
    """As float32, with a row for each image, in numpy and in batches of PyTorch."""
    arrays = mingolotss.load(builds[kind])
    expected = arrays.labels if kind == "classes" else vectors[kind].values.astype(np.float32)
    np.testing.assert_array_equal(arrays.targets, expected, strict=True)
    dataset = MingoLoTSS(builds[kind], split="all", tensors=True)
    assert dataset.target == target
    _, batch = next(iter(DataLoader(dataset, batch_size=N)))
    np.testing.assert_array_equal(batch.numpy(), expected, strict=True)
    for index in (0, 1, N - 1):
        np.testing.assert_array_equal(dataset[index][1], expected[index])
        np.testing.assert_array_equal(arrays[index][1], expected[index])


def test_losses_take_the_targets(builds):
    """``BCEWithLogitsLoss`` and ``CrossEntropyLoss`` with probabilities, and their weights."""
    for kind, loss in (("tags", torch.nn.BCEWithLogitsLoss), ("votes", torch.nn.CrossEntropyLoss)):
        dataset = MingoLoTSS(builds[kind], split="all", tensors=True)
        kept = [row for row in range(N) if row != 1]  # all but the unlabelled one
        loader = DataLoader(dataset.take(kept), batch_size=4)
        weights = dataset.positive_weights() if kind == "tags" else dataset.weights()
        weighted = loss(**{"pos_weight" if kind == "tags" else "weight": weights})
        for _, targets in loader:
            logits = torch.zeros(len(targets), len(CLASSES), requires_grad=True)
            value = weighted(logits, targets)
            value.backward()
            assert torch.isfinite(value)
            assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(
    ("kind", "target"), [("classes", "multi-hot"), ("classes", "soft"), ("votes", "index")]
)
def test_labels_of_another_kind_where_that_is_exact(builds, kind, target):
    arrays = mingolotss.load(builds[kind], target=target)
    expected = arrays.labels
    if target != "index":
        expected = one_hot(arrays.labels, -1 if target == "multi-hot" else np.nan)
    np.testing.assert_array_equal(arrays.targets, expected, strict=True)
    dataset = MingoLoTSS(builds[kind], split="all", tensors=True, target=target)
    for loader in (DataLoader(dataset, N), DataLoader(dataset, N, num_workers=1)):
        _, batch = next(iter(loader))
        np.testing.assert_array_equal(batch.numpy(), expected)
    assert dataset[3:5].targets[0] is not None
    np.testing.assert_array_equal(np.asarray(dataset[3:5].targets), expected[3:5])


def test_unlabelled_images_are_marked_in_one_hot_rows():
    labels = np.array([2, -1, 0])
    np.testing.assert_array_equal(
        make_targets("multi-hot", labels, None, 3), [[0, 0, 1], [-1, -1, -1], [1, 0, 0]]
    )
    soft = make_targets("soft", labels, None, 3)
    np.testing.assert_array_equal(soft, [[0, 0, 1], [np.nan] * 3, [1, 0, 0]])
    assert soft.dtype == np.float32


@pytest.mark.parametrize(
    ("kind", "target", "line"),
    [
        ("tags", "index", 'its labels are tags: .* no single class; give target="multi-hot"'),
        ("tags", "soft", 'tags are no fractions; give target="multi-hot"'),
        ("votes", "multi-hot", 'votes are no tags; give target="soft" or target="index"'),
        ("classes", "onehot", "give 'index', 'multi-hot', 'soft'"),
        ("classes", 3, "target=3; give"),
    ],
)
def test_other_targets_are_one_line(builds, kind, target, line):
    for loader in (mingolotss.load, MingoLoTSS):
        with pytest.raises(InputError, match=line) as caught:
            loader(builds[kind], target=target)
        assert "\n" not in str(caught.value)


def test_weights_of_tags_and_votes(builds, vectors):
    """Balanced by the counts of tags and the expected counts of votes; positive against others."""
    for kind in ("tags", "votes"):
        values = vectors[kind].values[[row for row in range(N) if row != 1]]
        counts = values.sum(axis=0)
        arrays = mingolotss.load(builds[kind])
        weights, filled = arrays.weights(), counts > 0
        np.testing.assert_allclose(weights[filled], counts.sum() / filled.sum() / counts[filled])
        assert weights[-1] == 0
        positive = arrays.positive_weights()
        np.testing.assert_allclose(
            positive[filled], (len(values) - counts[filled]) / counts[filled]
        )
        assert positive[-1] == 1
        dataset = MingoLoTSS(builds[kind], split="all")
        np.testing.assert_allclose(dataset.weights().numpy(), weights, rtol=1e-6)
        np.testing.assert_allclose(dataset.positive_weights().numpy(), positive, rtol=1e-6)
        assert dataset.counts() == arrays.counts()


def test_positive_weights_of_single_classes_are_those_of_pytorch(builds):
    """The example in the documentation of ``BCEWithLogitsLoss``: 100 of 400 samples."""
    np.testing.assert_array_equal(positive_weights([100, 0, 400], 400), [3, 1, 0])
    arrays = mingolotss.load(builds["classes"])
    hot = mingolotss.load(builds["classes"], target="multi-hot").targets
    negative, positive = (hot == 0).sum(axis=0), (hot == 1).sum(axis=0)
    np.testing.assert_allclose(arrays.positive_weights(), negative / positive)


def test_balanced_weights_are_those_of_scikit_learn(builds):
    weights = pytest.importorskip("sklearn.utils.class_weight").compute_class_weight
    labels = mingolotss.load(builds["classes"]).labels
    expected = weights("balanced", classes=np.arange(len(CLASSES)), y=labels)
    dataset = MingoLoTSS(builds["classes"], split="all", target="soft")
    np.testing.assert_allclose(dataset.weights().numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["tags", "votes"])
def test_the_table_and_the_metadata_follow_a_selection(builds, vectors, kind):
    """After ``data = data[mask]`` with its targets, after slices, and after merging."""
    dataset = MingoLoTSS(builds[kind], split="all", tensors=True, return_metadata=True)
    mask = np.arange(N) % 3 == 0
    dataset.data, dataset.targets = dataset.data[mask], dataset.targets[mask]
    table = dataset.table
    rows = np.flatnonzero(mask)
    values = vectors[kind].values[rows]
    if kind == "tags":
        expected = [None if (row < 0).any() else np.flatnonzero(row).tolist() for row in values]
    else:
        expected = [None if np.isnan(row).any() else row.tolist() for row in values]
    assert table[kind].to_pylist() == expected
    np.testing.assert_array_equal(dataset[1][1].numpy(), values[1].astype(np.float32))
    images, targets, metadata = next(iter(DataLoader(dataset, batch_size=3)))
    assert (images.shape[0], targets.shape) == (3, (3, len(CLASSES)))
    assert metadata["source"] == [f"S{row:03d}, ü" for row in rows[:3]]
    assert kind not in metadata
    merged = MingoLoTSS(builds[kind], split="all", merge={"A": [0, 1], "B": range(2, 7)})
    assert merged.targets.shape == (N, 2)
    stored = [row for row in merged.table[kind].to_pylist() if row]
    if kind == "votes":
        assert {len(row) for row in stored} == {2}
    else:
        assert {label for row in stored for label in row} == {0, 1}


def test_targets_of_another_shape_are_one_line(builds):
    dataset = MingoLoTSS(builds["tags"], split="all")
    with pytest.raises(InputError, match="give a row of 7 values") as caught:
        dataset.targets = [0] * N
    assert "\n" not in str(caught.value)
    dataset.targets = dataset.targets.numpy().tolist()
    assert dataset.targets.dtype == torch.float32


def test_a_pickled_dataset_gives_the_same_targets(builds):
    """In a worker process that is started by spawn."""
    for kind in ("tags", "votes"):
        dataset = MingoLoTSS(builds[kind], split="all", tensors=True)
        copy = pickle.loads(pickle.dumps(dataset))
        np.testing.assert_array_equal(copy.targets.numpy(), dataset.targets.numpy())
        columns = ["source", "class", kind]
        assert copy.table.select(columns).equals(dataset.table.select(columns))


@pytest.mark.parametrize("kind", KINDS)
def test_the_text_says_what_an_item_is(builds, kind):
    text = repr(MingoLoTSS(builds[kind], tensors=True))
    item = "int)" if kind == "classes" else f"float32 tensor of shape ({len(CLASSES)},))"
    assert item in text


def test_fri_against_frii_of_tags(tmp_path, vectors):
    """``MLFR`` of tags has two of them, and each source may have both."""
    tags = vectors["tags"]
    build = build_vectors(tmp_path, tags, **{"classes.binary": {"FRI": [0, 1], "FRII": [3]}})
    dataset = MLFR(build, split="all")
    assert dataset.classes == ["FRI", "FRII"]
    expected = np.stack([tags.values[:, :2].max(axis=1), tags.values[:, 3]], axis=1)
    np.testing.assert_array_equal(dataset.targets.numpy(), expected)


def test_target_transform_sees_the_row(builds):
    dataset = MingoLoTSS(
        builds["tags"], split="all", tensors=True, target_transform=lambda row: row.clamp(0).sum()
    )
    expected = dataset.targets.clamp(0).sum(dim=1)
    _, sums = next(iter(DataLoader(dataset, batch_size=N)))
    np.testing.assert_array_equal(sums.numpy(), expected.numpy())
