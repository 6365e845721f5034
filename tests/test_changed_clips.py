"""The clips that changed from one run to another: which are shown, and that their sound is that of the run."""

import base64
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
import soundfile

from dawnchorus.foundation.files import sha256_of
from dawnchorus.report import changed_clips, comparison_page

BLOCK = {"clips": 9, "context_s": 0.5, "longest_clip_s": 3.0, "sound_rate_hz": 24_000, "media_mb": 5.0}
RATE_HZ = 8000


@pytest.fixture
def run(tmp_path):
    """Two recordings of other tones, and a clip of each that changed."""
    about = {"duration_s": 4.0, "sample_rate_hz": RATE_HZ}
    recordings = []
    for number in range(2):
        y = 0.3 * np.sin(2 * np.pi * 1000 * (number + 1) * np.arange(4 * RATE_HZ) / RATE_HZ)
        soundfile.write(tmp_path / f"{number}.wav", y, RATE_HZ)
        hashed = {"path": f"{number}.wav", "sha256": sha256_of(tmp_path / f"{number}.wav")}
        recordings.append({"recording_id": f"r{number}", **hashed, **about})
    times = {"t_min_s": 1.0, "t_max_s": 2.0, "f_min_hz": 500.0, "f_max_hz": 2500.0}
    rows = pd.DataFrame([{"annotation_id": 10 + number, **times} for number in range(2)])
    changed = [
        {"became": became, "annotation_id": 10 + number, "recording_id": f"r{number}", "species": "<b>frog</b>"}
        | {"t_min_s": 1.0, "t_max_s": 2.0, "predicted_by_a": "wren", "predicted_by_b": "frog"}
        for number, became in enumerate(("right", "wrong"))
    ]
    return tmp_path, changed, rows, pd.DataFrame(recordings)


def test_those_that_became_wrong_and_right_come_by_turns():
    became = ["right", "right", "right", "wrong", "right", "wrong"]
    assert changed_clips.order([{"became": word} for word in became]) == [3, 0, 5, 1, 2, 4]


def test_a_card_holds_the_sound_of_its_clip(run):
    folder, changed, rows, recordings = run
    cards = changed_clips.cards(changed, rows, recordings, folder, BLOCK)
    assert sorted(cards) == [0, 1]

    for number, card in cards.items():
        assert (card["start_s"], card["end_s"], card["top_khz"]) == (0.5, 2.5, "4")
        y, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(card["sound"].split(",")[1])))
        spectrum = np.abs(np.fft.rfft(y[:rate_hz]))
        assert spectrum.argmax() == pytest.approx(1000 * (number + 1), abs=3)
        assert card["mfcc"].startswith("data:image/webp")


def test_a_recording_that_is_another_now_or_is_gone_is_not_shown(run):
    folder, changed, rows, recordings = run
    (folder / "0.wav").write_bytes((folder / "1.wav").read_bytes())
    assert sorted(changed_clips.cards(changed, rows, recordings, folder, BLOCK)) == [1]
    (folder / "1.wav").unlink()
    assert changed_clips.cards(changed, rows, recordings, folder, BLOCK) == {}


def test_the_page_holds_no_more_than_it_may(run):
    folder, changed, rows, recordings = run
    assert sorted(changed_clips.cards(changed, rows, recordings, folder, BLOCK | {"clips": 1})) == [1]
    assert changed_clips.cards(changed, rows, recordings, folder, BLOCK | {"media_mb": 0.001}) == {}


def test_the_page_shows_each_changed_clip_and_each_species(run):
    folder, changed, rows, recordings = run
    row = {"a": 0.5, "b": 0.6, "difference": 0.1, "low": 0.02, "high": 0.2, "groups": 9, "verdict": "better"}
    species = {"species": "<b>frog</b>", "metrics": [{"metric": "recall", **row}]}
    result = {
        **{side: {"name": side, "commit": None} for side in "ab"},
        **{"clips": 12, "groups": 3, "units": "groups", "only_in_a": 0, "only_in_b": 0, "params": [], "versions": []},
        "metrics": [{"metric": "accuracy", **row}],
        "species": [{"species_id": "s", "clips": 4, **species}],
        "detection": {"recordings": 5, "groups": 1, "units": "recordings", "only_in_a": 0, "only_in_b": 0}
        | {"metrics": [], "species": [{"species_id": "s", "calls": 7, **species}]},
        "mcnemar": {"became_right": 1, "became_wrong": 1, "p_value": 1.0},
        "changed": changed,
    }
    cards = changed_clips.cards(changed, rows, recordings, folder, BLOCK | {"clips": 1})
    page = comparison_page.html(result, cards)
    assert page.count("<audio") == 1
    assert page.count("data-khz=") == 1
    assert "1 without picture and sound" in page
    assert page.count("+0.100 (+0.020 to +0.200)") == 2
    assert "<b>frog" not in page
    assert "5 whole test recordings of both, 1 recording." in page
    assert not re.findall(r"\d %", page)
    text = comparison_page.text(result)
    assert "12 test clips in both, 3 groups" in text
    assert "species of which it differs (1 of 1):" in text
    json.dumps(result)
