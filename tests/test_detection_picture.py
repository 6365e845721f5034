"""The picture of a recording: a colour and a legend entry for each species, and boxes that are what they mean."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from dawnchorus.detection import detections, presence
from dawnchorus.report import detection_picture

RATE_HZ = 8000
FEATURES = {
    "kind": "log_mel",
    "n_mels": 24,
    "f_min_hz": 50.0,
    "f_max_hz": 4000.0,
    "sample_rate_hz": RATE_HZ,
    "mel_sample_rate_hz": None,
}
Y = 0.1 * np.random.default_rng(0).standard_normal(10 * RATE_HZ)


def drawn(n_species, events, bands_hz=None, name="Species"):
    ids = [f"s{k}" for k in range(n_species)]
    decisions = [{**presence.PLAIN}] * n_species
    bands_hz = bands_hz or [(100.0 * k + 100, 100.0 * k + 300) for k in range(n_species)]
    decision = detections.OfPresence(
        ids,
        [f"{name} {k}" for k in range(n_species)],
        presence.thresholds(decisions),
        {},
        FEATURES,
        bands_hz,
        decisions,
    )
    found = [
        {"species_id": species_id, "start_s": start_s, "end_s": end_s, "peak_score": score}
        for species_id, start_s, end_s, score in events
    ]
    return detection_picture.draw(
        Y, RATE_HZ, 20.0, "night.wav", found, 20 + np.arange(100) / 10, np.full((100, n_species), 0.3), decision
    )


def boxes(figure):
    return [
        (patch.get_x(), patch.get_x() + patch.get_width(), patch.get_y(), patch.get_y() + patch.get_height())
        for patch in figure.axes[0].patches
        if isinstance(patch, Rectangle)
    ]


def test_a_name_that_begins_with_an_underscore_is_in_the_legend():
    [legend] = drawn(2, [("s0", 21.0, 22.5, 0.9), ("s1", 21.5, 24.0, 0.8)], name="_frog").legends
    assert [text.get_text() for text in legend.get_texts()] == ["_frog 0", "_frog 1"]
    assert len({line.get_color() for line in legend.get_lines()}) == 2


def test_a_box_is_as_long_as_its_event_and_as_high_as_the_band_of_its_species():
    events = [("s0", 21.0, 22.5, 0.9), ("s1", 21.5, 24.0, 0.8), ("s2", 10.0, 20.5, 0.7), ("s1", 40.0, 41.0, 0.9)]
    bands_hz = [(500.0, 1500.0), None, (2000.0, 9000.0)]
    figure = drawn(3, events, bands_hz)
    # Without a band of its own a species has what the model sees; none is higher than the sound.
    np.testing.assert_allclose(boxes(figure), [(21.0, 22.5, 0.5, 1.5), (21.5, 24.0, 0.05, 4.0), (20.0, 20.5, 2.0, 4.0)])
    assert figure.axes[0].get_ylabel() == "frequency (kHz)"
    assert figure.axes[0].get_ylim() == (0, 4)


@pytest.mark.parametrize("n", [1, 6, 24, 100])
def test_each_species_has_a_colour_and_a_legend_entry_of_its_own(n):
    figure = drawn(n, [(f"s{k}", 20 + 0.09 * k, 20.5 + 0.09 * k, 1 - 0.005 * k) for k in range(n)])
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"Species {k}" for k in range(n)]
    lines = [line.get_color() for line in legend.get_lines()]
    assert len(set(lines)) == n
    edges = [patch.get_edgecolor()[:3] for patch in figure.axes[0].patches]
    assert len(set(edges)) == n
    figure.canvas.draw()
    whole, below = figure.bbox, figure.axes[1].get_tightbbox()
    box = legend.get_window_extent()
    assert whole.x0 <= box.x0 < box.x1 <= whole.x1
    assert whole.y0 - 1 <= box.y0 < box.y1 <= below.y0


def test_labels_do_not_meet():
    rng = np.random.default_rng(3)
    figure = drawn(3, [(f"s{k % 3}", t, t + 0.2, 0.5) for k, t in enumerate(sorted(rng.uniform(20, 30, 25)))])
    figure.canvas.draw()
    places = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(places) > 10
    for number, one in enumerate(places):
        assert one.x1 <= figure.bbox.x1
        assert not any(one.overlaps(other) for other in places[number + 1 :])


def test_a_recording_without_events_is_drawn_without_a_legend():
    figure = drawn(2, [])
    assert not figure.legends
    assert not boxes(figure)
