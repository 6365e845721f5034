import numpy as np
import pytest

from dawnchorus import dataset
from dawnchorus.errors import InputError


def clips(lengths=(3, 7, 5), n_features=4, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(50, 3, size=(n, n_features)).astype("f4") * [1, 2, 3, 4] for n in lengths]


def test_right_padding_puts_zeros_after():
    padded, n_frames = dataset.fit_frames(np.ones((2, 3), "f4"), 5, "right")
    assert n_frames == 2
    assert padded[:, 0].tolist() == [1, 1, 0, 0, 0]


def test_centred_padding_rounds_down_before():
    padded, _ = dataset.fit_frames(np.ones((2, 1), "f4"), 5, "centre")
    assert padded[:, 0].tolist() == [0, 1, 1, 0, 0]


def test_a_longer_clip_keeps_its_middle():
    clip = np.arange(7, dtype="f4")[:, None]
    padded, n_frames = dataset.fit_frames(clip, 3, "right")
    assert (padded[:, 0].tolist(), n_frames) == ([2, 3, 4], 3)


def test_moments_in_pieces_are_numpys_of_the_whole():
    whole = np.random.default_rng(1).normal(1e4, 0.01, size=(1000, 3))
    moments = dataset.Moments()
    for piece in np.array_split(whole, [1, 2, 2, 500]):
        moments.add(piece)
    np.testing.assert_allclose(moments.mean, whole.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.std, whole.std(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(moments.minimum, whole.min(axis=0))
    np.testing.assert_array_equal(moments.maximum, whole.max(axis=0))


def test_per_feature_frames_have_mean_0_and_deviation_1_and_padding_stays_0():
    pieces = clips()
    statistics = dataset.fit_statistics(pieces, "per_feature", 9, "right")
    rows = [dataset.normalized(piece, statistics, 9, "right") for piece in pieces]
    sounding = np.concatenate([row[:n] for row, n in rows])
    np.testing.assert_allclose(sounding.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(sounding.std(axis=0), 1, rtol=1e-5)
    assert all((row[n:] == 0).all() for row, n in rows)


def test_a_feature_that_never_varies_becomes_0_not_nan():
    piece = np.hstack([np.full((5, 1), 7.0), np.arange(5.0)[:, None]]).astype("f4")
    row, _ = dataset.normalized(piece, dataset.fit_statistics([piece], "per_feature", 5, "right"), 5, "right")
    assert (row[:, 0] == 0).all()
    assert np.isfinite(row).all()


def test_min_max_std_is_the_articles_formula_on_the_padded_whole():
    pieces = clips()
    whole = np.zeros((3, 10, 4))
    for row, piece in zip(whole, pieces, strict=True):
        before = (10 - len(piece)) // 2
        row[before : before + len(piece)] = piece
    expected = (whole - whole.min()) / (whole.max() - whole.min())
    expected = expected / np.std(expected)
    statistics = dataset.fit_statistics(pieces, "min_max_std", 10, "centre")
    got = np.stack([dataset.normalized(piece, statistics, 10, "centre")[0] for piece in pieces])
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


def test_nothing_to_fit_on_or_nothing_that_varies_is_an_error():
    with pytest.raises(InputError, match="no clip to fit"):
        dataset.fit_statistics([], "per_feature", 5, "right")
    with pytest.raises(InputError, match="all feature values are equal"):
        dataset.fit_statistics([np.zeros((5, 2), "f4")], "min_max_std", 5, "right")
