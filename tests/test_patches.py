"""Kinds of patches learned without labels, what is counted of them in a clip, and a classifier on that."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from dawnchorus import networks
from dawnchorus.learning import pooled
from training_clips import TRAIN

PATCHES, SVM = networks.get("patches"), networks.get("svm")
MODEL = {"name": "patches", "patch_frames": 4, "patch_bands": 3, "kinds": 5, "l2": None}


def noise(n=6, frames=20, bands=9, seed=0):
    return np.random.default_rng(seed).normal(size=(n, frames, bands)).astype(np.float32)


def sweeps(n, seed):
    """Return clips of faint noise with a line that rises (class 1) or falls, anywhere, and their classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    x = rng.normal(scale=0.1, size=(n, 30, 16)).astype(np.float32)
    for clip, rising in zip(x, y, strict=True):
        start, low = rng.integers(0, 18), rng.integers(0, 4)
        for step in range(12):
            clip[start + step, low + (step if rising else 11 - step)] += 4
    return x, y


def fitted(network, model, x, y):
    rows = np.arange(len(x))
    return pooled.fit(network, x, y, rows, rows[:0], 2, {"model": model, "train": TRAIN}, np.random.default_rng(0),
                      lambda text: None)[0]  # fmt: skip


def test_six_labels_tell_a_rise_from_a_fall_where_pooled_statistics_cannot():
    """Of both the spectra of all frames together are the same."""
    (x, y), (tested, truth) = sweeps(12, 1), sweeps(100, 2)
    by_patches = fitted(PATCHES, {**MODEL, "kinds": 12, "patch_bands": 4}, x, y).predict_on_batch(tested)
    by_statistics = fitted(SVM, {"name": "svm", "c": 1.0}, x, y).predict_on_batch(tested)
    assert (by_patches.argmax(axis=1) == truth).mean() > 0.9
    assert (by_statistics.argmax(axis=1) == truth).mean() < 0.7


def test_vectors_are_what_loops_over_the_patches_count():
    clip = noise(1, 11)[0]
    x = np.zeros((2, 15, 9), np.float32)
    x[0, :11] = clip
    x[1, :2] = clip[:2]
    learned = {"mean": noise(1, 4, 3, 1)[0] / 9, "filters": np.stack([noise(1, 4, 3, 2)[0], noise(1, 4, 3, 3)[0]], -1)}
    found = PATCHES.vectors(x, learned)

    def of(clip, time, place, kind):
        patch = clip[time : time + 4, place : place + 3].astype(np.float64)
        patch = (patch - patch.mean()) / (patch.std() + 0.1)
        return max(0.0, ((patch - learned["mean"]) * learned["filters"][..., kind]).sum())

    # Patches begin at every second frame and band: four times, and four places, each a region of its own.
    for row, (heard, times) in enumerate([(clip, (0, 2, 4, 6)), (clip[[0, 1, 1, 1]], (0,))]):
        expected = []
        for place in (0, 2, 4, 6):
            has = np.array([[of(heard, time, place, kind) for kind in range(2)] for time in times])
            expected += [*has.mean(axis=0), *has.std(axis=0), *has.max(axis=0)]
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)
    assert found.dtype == np.float32


def test_places_beside_each_other_are_pooled_in_eight_regions():
    x = noise(1, 12, 24)
    learned = PATCHES.learn([*x], MODEL, np.random.default_rng(0))
    found = PATCHES.vectors(x, learned).reshape(8, 3, 5)
    # 24 bands hold a patch of 3 at 0, 2, ... 20: the first two regions are of the first two and of the next two.
    alone = [PATCHES.vectors(x[..., low : low + 3], learned).reshape(3, 5) for low in range(0, 22, 2)]
    np.testing.assert_allclose(found[0, 0], (alone[0][0] + alone[1][0]) / 2, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[1, 1], (alone[2][1] + alone[3][1]) / 2, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[7, 2], alone[10][2], rtol=1e-4, atol=1e-6)


def test_filters_are_directions_of_patches_whose_variance_is_evened_out():
    """A filter f is W k with k of length 1 and W W' the inverse of the covariance C, a tenth of its largest added."""
    x = np.cumsum(noise(40, 60, 3), axis=1)
    learned = PATCHES.learn([*x], MODEL, np.random.default_rng(0))
    patches = np.array([clip[time : time + 4].ravel() for clip in x for time in range(57)], np.float64)
    patches -= patches.mean(axis=1, keepdims=True)
    patches /= patches.std(axis=1, keepdims=True) + 0.1
    covariance = np.cov(patches.T)
    filters = learned["filters"].reshape(12, 5).astype(np.float64)
    evened = covariance + 0.1 * np.linalg.eigvalsh(covariance)[-1] * np.eye(12)
    # The patches are drawn, so their covariance is nearly that of all.
    np.testing.assert_allclose(np.einsum("ik,ij,jk->k", filters, evened, filters), 1, rtol=0.05)
    np.testing.assert_allclose(learned["mean"].ravel(), patches.mean(axis=0), atol=0.05)


def test_each_kind_is_the_direction_of_the_rows_nearest_to_it():
    rng = np.random.default_rng(4)
    rows = np.concatenate([rng.normal(2 * np.eye(4)[axis], 0.2, size=(50, 4)) for axis in range(3)]).astype(np.float32)
    kinds = PATCHES.spherical_kmeans(rows, 3, np.random.default_rng(0))
    order = kinds.argmax(axis=1).tolist()
    assert sorted(order) == [0, 1, 2]
    for axis, kind in zip(order, kinds, strict=True):
        own = rows[50 * axis : 50 * axis + 50].astype(np.float64)
        total = sum((row @ kind) * row for row in own)
        np.testing.assert_allclose(kind, total / np.linalg.norm(total), atol=1e-4)


def test_a_direction_that_no_row_is_nearest_to_is_drawn_again():
    rows = np.tile(np.float32([3, 0]), (5, 1))
    assert PATCHES.spherical_kmeans(rows, 4, np.random.default_rng(0)).tolist() == [[1, 0]] * 4


def test_padding_changes_nothing_and_neither_do_loudness_and_clips_of_it_alone():
    x = noise(4)
    learned = PATCHES.learn([*x], MODEL, np.random.default_rng(0))
    found = PATCHES.vectors(x, learned)
    padded = np.pad(x, ((0, 0), (0, 7), (0, 0)))
    np.testing.assert_array_equal(PATCHES.vectors(padded, learned), found)
    again = PATCHES.learn([*padded], MODEL, np.random.default_rng(0))
    np.testing.assert_array_equal(again["filters"], learned["filters"])
    np.testing.assert_allclose(PATCHES.vectors(x + 50, learned), found, atol=1e-3)
    assert np.isfinite(PATCHES.vectors(np.zeros((1, 5, 9), np.float32), learned)).all()


@pytest.mark.parametrize(("frames", "bands"), [(1, 9), (20, 1), (1, 1), (2, 2)])
def test_clips_shorter_and_lower_than_a_patch_are_told_apart_as_far_as_they_can_be(frames, bands):
    x = noise(12, frames, bands)
    scores = fitted(PATCHES, MODEL, x, np.arange(12) % 2).predict_on_batch(x)
    assert scores.shape == (12, 2)
    assert np.isfinite(scores).all()


def test_one_clip_of_one_patch_is_enough_to_give_scores():
    x = noise(1, MODEL["patch_frames"], MODEL["patch_bands"])
    assert np.isfinite(fitted(PATCHES, MODEL, x, np.zeros(1, int)).predict_on_batch(x)).all()


def test_it_is_a_ridge_on_standardized_columns_in_rows_of_length_one_with_sound_of_no_class():
    x, background, y = noise(30), noise(8, seed=5), np.arange(30) % 3
    block = {"model": {**MODEL, "l2": 0.3}, "train": TRAIN}
    parts = np.arange(24), np.arange(0)
    made, _ = pooled.fit(PATCHES, x, y, *parts, 3, block, np.random.default_rng(3), print, background)
    learned = PATCHES.learn([*x[:24], *background], block["model"], np.random.default_rng(3))
    known = PATCHES.vectors(np.concatenate([x[:24], background]), learned).astype(np.float64)

    def rows(vectors):
        less = (vectors - known.mean(axis=0)) / known.std(axis=0)
        return less / np.linalg.norm(less, axis=1, keepdims=True)

    targets = np.where(np.r_[y[:24], np.full(8, -1)][:, None] == range(3), 1.0, -1.0)
    plain = Ridge(alpha=0.3, solver="cholesky").fit(rows(known), targets)
    expected = plain.predict(rows(PATCHES.vectors(x[24:], learned).astype(np.float64)))
    logarithms = np.log(made.predict_on_batch(x[24:]).astype(np.float64))
    factor = (logarithms - logarithms[:, :1])[:, 1:] / (expected - expected[:, :1])[:, 1:]
    np.testing.assert_allclose(factor, np.median(factor), rtol=1e-2)
