"""Simulated recordings: what their tables say is what can be heard in them."""

import csv
import hashlib
import json

import numpy as np
import pytest
import soundfile

from arguments import simulated_outputs
from dawnchorus.foundation import seeds
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.simulation import backgrounds, calls, simulate
from dawnchorus.stages import simulate as stage

TINY = {
    "species": 3,
    "recordings": 6,
    "sites": 2,
    "recording_duration_s": 4.0,
    "sample_rate_hz": 16000,
    "call_free_share": 0.0,
    "species_per_recording": 2,
    "calls_per_species": 2,
    "distractors_per_recording": 0.5,
    "overlap_fraction": 0.2,
    "snr_min_db": 6.0,
    "snr_max_db": 20.0,
    "faint_share": 0.0,
    "faint_snr_min_db": -3.0,
    "box_level_db": 20.0,
    "pitch_variation_semitones": 1.0,
    "tempo_variation": 0.12,
    "reverberation_s": 0.2,
    "background_level_dbfs": -45.0,
}


def make(folder, seed=123, threads=2, **changes):
    text = json.dumps({"seed": seed, "simulate": {"set": {**TINY, **changes}}})
    stage.main(["--params", text, "--threads", str(threads), *simulated_outputs(folder)])
    return folder


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def recordings(seed=5, **changes):
    params = {**TINY, **changes}
    casts = simulate.casting(params, seed)
    return [simulate.recording(params, seed, index, cast) for index, cast in enumerate(casts)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("tiny") / "simulated")


def test_same_seed_gives_the_same_bytes_with_any_number_of_threads(tiny, tmp_path):
    assert digests(make(tmp_path / "again", threads=1)) == digests(tiny)


def test_another_seed_gives_other_sound_and_other_ids(tiny, tmp_path):
    one, two = digests(tiny), digests(make(tmp_path / "other", seed=124))
    assert not {name for name in one if name.endswith(".flac")} & set(two)
    assert not {one[name] for name in one if name.endswith(".flac")} & set(two.values())
    assert one["species.csv"] == two["species.csv"]


def test_layout_and_columns_are_those_of_rfcx(tiny):
    assert {path.name for path in tiny.iterdir()} == {
        "train_tp.csv",
        "species.csv",
        "recordings.csv",
        "train",
    }
    annotations, listed = table(tiny / "train_tp.csv"), table(tiny / "recordings.csv")
    header = ",".join(annotations[0])
    assert header == "recording_id,species_id,songtype_id,t_min,f_min,t_max,f_max"
    assert list(listed[0])[:3] == ["recording_id", "sha256", "site"]
    assert [row["species_id"] for row in table(tiny / "species.csv")] == ["0", "1", "2"]
    assert {path.name for path in (tiny / "train").iterdir()} == {f"{r['recording_id']}.flac" for r in listed}
    assert {row["recording_id"] for row in annotations} == {row["recording_id"] for row in listed}
    for row in listed:
        path = tiny / "train" / f"{row['recording_id']}.flac"
        assert hashlib.sha256(path.read_bytes()).hexdigest() == row["sha256"]
        info = soundfile.info(path)
        assert (info.format, info.subtype, info.channels) == ("FLAC", "PCM_16", 1)
        assert (info.samplerate, info.frames) == (16000, 64000)
        assert np.abs(soundfile.read(path)[0]).max() < 1


def test_boxes_lie_within_the_recording_and_below_nyquist(tiny):
    for row in table(tiny / "train_tp.csv"):
        t_min, t_max, f_min, f_max = (float(row[key]) for key in ("t_min", "t_max", "f_min", "f_max"))
        assert 0 <= t_min < t_max <= 4.0
        assert 0.1 < t_max - t_min < 1.6
        assert 0 <= f_min < f_max <= 8000.0


def test_nothing_is_left_of_an_earlier_set_nor_beside_it(tmp_path):
    folder = make(tmp_path / "simulated", seed=1)
    (folder / "train" / "stray.flac").write_bytes(b"left over")
    make(folder, seed=2)
    listed = {f"{row['recording_id']}.flac" for row in table(folder / "recordings.csv")}
    assert {path.name for path in (folder / "train").iterdir()} == listed
    assert [path.name for path in tmp_path.iterdir()] == ["simulated"]


def test_an_error_midway_keeps_the_earlier_set_and_leaves_nothing_else(tiny, tmp_path, monkeypatch):
    before = digests(make(tmp_path / "simulated"))
    made = simulate.recording

    def breaks_at_the_fourth(params, seed, index, cast):
        if index == 3:
            raise OSError("no space left on device")
        return made(params, seed, index, cast)

    monkeypatch.setattr(simulate, "recording", breaks_at_the_fourth)
    with pytest.raises(OSError, match="no space"):
        make(tmp_path / "simulated", seed=9)
    assert digests(tmp_path / "simulated") == before
    with pytest.raises(OSError, match="no space"):
        make(tmp_path / "fresh", seed=9)
    assert not list((tmp_path / "fresh").iterdir())


def test_every_species_is_in_as_many_recordings_as_any_other():
    params = {**TINY, "species": 7, "recordings": 40, "species_per_recording": 3}
    casts = simulate.casting(params, 11)
    assert [len(cast) for cast in casts[:6]] == [1, 2, 3, 1, 2, 3]
    assert all(len(set(cast)) == len(cast) for cast in casts)
    counts = np.bincount(np.concatenate(casts), minlength=7)
    # 13 full turns of 1 + 2 + 3 places and one place more, shared by 7 species.
    assert counts.sum() == 79
    assert counts.min() == 79 // 7
    assert counts.max() == 79 // 7 + 1


@pytest.mark.parametrize("species", [4, 5, 6])
def test_no_recording_gets_a_species_twice_even_where_most_species_are_in_it(species):
    params = {**TINY, "species": species, "recordings": 60, "species_per_recording": 4}
    for seed in range(5):
        assert all(len(set(cast)) == len(cast) for cast in simulate.casting(params, seed))


def test_a_recording_more_moves_no_other():
    params = {**TINY, "recordings": 8}
    assert simulate.casting(params, 3)[:6] == simulate.casting(TINY, 3)
    longer = simulate.recording(params, 3, 1, [0, 2])
    assert np.array_equal(longer.samples, simulate.recording(TINY, 3, 1, [0, 2]).samples)


def test_each_species_of_the_cast_calls_and_no_other():
    for seed in range(4):
        casts = simulate.casting(TINY, seed)
        for index, cast in enumerate(casts):
            made = simulate.recording(TINY, seed, index, cast)
            assert {row["species_id"] for row in made.annotations} == set(cast)
            assert len(made.annotations) <= 3 * len(cast)


def test_calls_overlap_only_between_species():
    crowded = {**TINY, "recording_duration_s": 12.0, "calls_per_species": 4, "overlap_fraction": 1.0}
    overlaps = 0
    for index, cast in enumerate(simulate.casting(crowded, 2)):
        rows = simulate.recording(crowded, 2, index, cast).annotations
        for first, one in enumerate(rows):
            for two in rows[first + 1 :]:
                if two["t_min"] < one["t_max"]:
                    overlaps += 1
                    assert one["species_id"] != two["species_id"]
    assert overlaps > 0


def most_at_once(rows):
    """Return how many of the annotated calls of a recording last at one moment."""
    turns = sorted([(row["t_max"], -1) for row in rows] + [(row["t_min"], 1) for row in rows])
    return int(np.cumsum([step for _, step in turns]).max(initial=0))


def test_several_species_call_at_once_as_often_as_wanted():
    crowd = {"species": 6, "species_per_recording": 6, "recordings": 18, "recording_duration_s": 12.0}
    found = {
        share: [most_at_once(made.annotations) for made in recordings(2, **crowd, overlap_fraction=share)]
        for share in (0.0, 0.9)
    }
    assert max(found[0.0]) == 1
    assert max(found[0.9]) >= 4
    assert np.mean(found[0.9]) > 2


def test_a_share_of_the_recordings_holds_no_call_of_the_species():
    """They are spread evenly, their background is as that of the others, and species are cast as without them."""
    params = {**TINY, "recordings": 30, "call_free_share": 0.2}
    casts = simulate.casting(params, 4)
    assert [number for number, cast in enumerate(casts) if not cast] == [4, 9, 14, 19, 24, 29]
    assert [cast for cast in casts if cast] == simulate.casting({**params, "recordings": 24, "call_free_share": 0.0}, 4)
    free = simulate.recording(params, 4, 4, casts[4])
    assert free.annotations == []
    assert free.samples.std() > 0
    assert len(free.samples) == len(simulate.recording(params, 4, 5, casts[5]).samples)


def test_recordings_without_calls_are_in_the_table_of_recordings(tmp_path):
    made = make(tmp_path / "simulated", recordings=8, call_free_share=0.25)
    calling = {row["recording_id"] for row in table(made / "train_tp.csv")}
    listed = [row["recording_id"] for row in table(made / "recordings.csv")]
    assert len(listed) == 8
    assert len(calling) == 6
    assert {path.stem for path in (made / "train").iterdir()} == set(listed)


def test_a_share_of_the_calls_is_faint():
    wanted = {"faint_share": 0.3, "faint_snr_min_db": -10.0, "recordings": 40}
    snr_db = np.array([row["snr_db"] for made in recordings(**wanted) for row in made.annotations])
    faint = snr_db < TINY["snr_min_db"]
    assert snr_db.min() >= -10
    assert abs(faint.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / len(snr_db))
    assert abs(snr_db[faint].mean() - (6 - 10) / 2) < 4 * 16 / np.sqrt(12 * faint.sum())


@pytest.mark.parametrize("level_db", [10.0, 20.0, 40.0])
def test_a_box_lasts_while_the_call_is_within_its_level(level_db):
    """The level by a plain convolution: at the ends of the box as low as wanted, and nowhere before or after higher."""
    rng = np.random.default_rng(1)
    for index in range(12):
        animal = calls.individual(rng, 1.0, 0.12)
        sound = backgrounds.from_afar(
            calls.call(calls.call_type(index), animal, rng, 16000, 1.0, 0.12), 0.5, 0.3, rng, 16000
        )
        box = simulate.box_of(sound, 16000, level_db)
        power = np.convolve(np.pad(sound, 80) ** 2, np.ones(160) / 160, "valid")[: len(sound)]
        below_db = 10 * np.log10(power.max() / np.maximum(power, 1e-30))
        assert below_db[box.start] <= level_db + 1e-6
        assert below_db[box.stop - 1] <= level_db + 1e-6
        assert (np.concatenate([below_db[: box.start], below_db[box.stop :]]) > level_db - 1e-6).all()
    # A tone that is switched on and off: half of the 10 ms before it begins is enough for 3 dB.
    tone = np.zeros(16000)
    tone[4000:8000] = np.sin(np.arange(4000))
    box = simulate.box_of(tone, 16000, 3.0)
    assert (box.start, box.stop) == (pytest.approx(4000, abs=8), pytest.approx(8000, abs=8))


def test_sound_is_in_the_box_and_not_around_it():
    settings = {
        "snr_min_db": 40.0,
        "snr_max_db": 40.0,
        "distractors_per_recording": 0.0,
        "overlap_fraction": 0.0,
    }
    checked = 0
    for made in recordings(**settings):
        frequency_hz = np.fft.rfftfreq(1600, 1 / 16000)

        def level_db(start, low_hz, high_hz, samples=made.samples, frequency_hz=frequency_hz):
            power = np.abs(np.fft.rfft(samples[start : start + 1600] * np.hanning(1600))) ** 2
            band = (frequency_hz >= low_hz) & (frequency_hz <= high_hz)
            return 10 * np.log10(power[band].mean())

        for row in made.annotations:
            start, end = round(row["t_min"] * 16000), round(row["t_max"] * 16000)
            inside = level_db((start + end) // 2 - 800, row["f_min"], row["f_max"])
            others = [other for other in made.annotations if other is not row]
            free = all(other["t_max"] < row["t_min"] - 0.11 or other["t_min"] > row["t_max"] for other in others)
            if free and start >= 1600:
                checked += 1
                assert inside > level_db(start - 1600, row["f_min"], row["f_max"]) + 15
            assert inside > level_db((start + end) // 2 - 800, 7800, 8000) + 15
    assert checked >= 3


def test_times_are_exact_and_the_ratio_is_the_one_drawn(monkeypatch):
    """With boxes that leave no more of a call outside than a thousandth of its highest level."""
    settings = {
        "snr_min_db": -5.0,
        "snr_max_db": 25.0,
        "distractors_per_recording": 0.0,
        "overlap_fraction": 0.0,
        "box_level_db": 60.0,
    }
    mixed = recordings(**settings)
    made = backgrounds.background
    noises = []

    def remember(*arguments):
        noise, kinds = made(*arguments)
        noises.append(noise.copy())
        return noise, kinds

    monkeypatch.setattr(backgrounds, "background", remember)
    recordings(**settings)
    drawn = []
    for recording, noise in zip(mixed, noises, strict=True):
        calling = np.zeros(len(noise), bool)
        for row in recording.annotations:
            calling[round(row["t_min"] * 16000) : round(row["t_max"] * 16000)] = True
        gain = np.linalg.norm(recording.samples[~calling]) / np.linalg.norm(noise[~calling])
        only_calls = recording.samples - gain * noise
        # All of the sound reaches 5 ms, half of what a level is of, beyond its box, and less than a thousandth further.
        near = np.convolve(calling, np.ones(161), "same") > 0
        assert np.abs(only_calls[~near]).max() < 2e-3 * np.abs(only_calls).max()
        for row in recording.annotations:
            span = slice(round(row["t_min"] * 16000), round(row["t_max"] * 16000))
            frequency_hz = np.fft.rfftfreq(span.stop - span.start, 1 / 16000)
            power = [np.abs(np.fft.rfft(sound[span])) ** 2 for sound in (only_calls, gain * noise)]
            band = (frequency_hz >= row["f_min"]) & (frequency_hz <= row["f_max"])
            assert power[0][band].sum() > 0.97 * power[0].sum()
            snr_db = 10 * np.log10(power[0][band].sum() / power[1][band].sum())
            assert snr_db == pytest.approx(row["snr_db"], abs=0.5)
            drawn.append(row["snr_db"])
    assert min(drawn) >= -5
    assert max(drawn) <= 25
    assert np.ptp(drawn) > 10


def test_call_types_have_unique_names_and_sounds():
    kinds = [calls.call_type(index) for index in range(calls.MOST_CALL_TYPES)]
    assert len(kinds) == 240
    assert len({kind.name for kind in kinds}) == 240
    assert len({(kind.family.name, kind.pitch_hz, kind.tempo) for kind in kinds}) == 240
    assert [kind.name for kind in kinds[:3]] == ["rising whistler", "dry triller", "reedy piper"]
    with pytest.raises(ValueError, match="240"):
        calls.call_type(240)


@pytest.mark.parametrize(("index", "direction"), [(0, 1), (4, -1)])
def test_whistlers_rise_and_fall(index, direction):
    rng = seeds.rng(1, "whistle")
    sound = calls.call(calls.call_type(index), calls.individual(rng, 1.0, 0.1), rng, 24000, 1.0, 0.1)
    power = [np.abs(np.fft.rfft(part)) ** 2 for part in np.array_split(sound, 4)[1:3]]
    peaks_hz = [24000 * power_of.argmax() / (2 * len(power_of)) for power_of in power]
    assert direction * (peaks_hz[1] - peaks_hz[0]) > 200


@pytest.mark.parametrize(("index", "quicker_half"), [(5, 1), (8, 0)])
def test_rattlers_quicken_and_slow(index, quicker_half):
    rng = seeds.rng(2, "rattle")
    sound = calls.call(calls.call_type(index), calls.individual(rng, 1.0, 0.1), rng, 24000, 1.0, 0.1)
    loudness = np.convolve(sound**2, np.ones(240), "same")
    beats = []
    for half in np.array_split(loudness, 2):
        loud = half > 0.05 * half.max()
        beats.append(np.count_nonzero(~loud[:-1] & loud[1:]))
    assert beats[quicker_half] > 1.5 * beats[1 - quicker_half]


def test_no_call_is_longer_than_its_species_longest():
    for index in (0, 1, 13, 40):
        kind = calls.call_type(index)
        rng = seeds.rng(index, "long")
        lengths = [len(calls.call(kind, calls.individual(rng, 1.0, 0.3), rng, 16000, 1.0, 0.3)) for _ in range(40)]
        assert max(lengths) / 16000 <= kind.longest_s(0.3) + 1 / 16000
        assert max(lengths) > 1.2 * min(lengths)


@pytest.mark.parametrize("kind", backgrounds.KINDS)
def test_each_background_sounds_throughout(kind):
    rng = seeds.rng(4, kind)
    place = backgrounds.site("A", rng, 0.3)
    sound = backgrounds.MAKERS[kind](place, 48000, 16000, rng)
    assert sound.shape == (48000,)
    assert np.isfinite(sound).all()
    assert all(np.any(third) for third in np.array_split(sound, 3))


def test_sites_differ_and_a_site_stays_the_same():
    made = recordings(recordings=8, sites=2)
    assert {one.site for one in made} == {"A", "B"}
    one, again = (backgrounds.site("A", seeds.rng(5, "simulate site A"), 0.3) for _ in range(2))
    assert one == again
    assert one.insects != backgrounds.site("B", seeds.rng(5, "simulate site B"), 0.3).insects


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"snr_min_db": 21.0}, "simulate.snr_min_db: 21.0, expected at most snr_max_db (20.0)"),
        (
            {"faint_share": 0.1, "faint_snr_min_db": 7.0},
            "simulate.faint_snr_min_db: 7.0, expected at most snr_min_db (6.0)",
        ),
        ({"species_per_recording": 4}, "simulate.species_per_recording: 4, expected at most species (3)"),
        ({"recordings": 5}, "simulate.recordings: 5, expected more"),
        ({"recording_duration_s": 2.0}, "simulate.recording_duration_s: 2.0, expected at least"),
        ({"sample_rate_hz": 8000}, "simulate.sample_rate_hz: 8000, expected at least"),
    ],
)
def test_values_that_cannot_be_met_together_are_named(changes, line, tmp_path, capsys):
    assert run(lambda: make(tmp_path / "simulated", **changes)) == 1
    assert capsys.readouterr().err.startswith(f"error: {line}")
    assert not list(tmp_path.iterdir())


def test_all_problems_are_listed_at_once():
    with pytest.raises(InputError) as caught:
        simulate.check({**TINY, "snr_min_db": 50.0, "recordings": 1, "recording_duration_s": 0.5})
    assert len(str(caught.value).splitlines()) == 3


def test_the_default_calls_are_neither_trivial_nor_hopeless():
    """An SVM that hears a call's mean spectrum, but no order in time, does neither badly nor perfectly."""
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    made = recordings(
        seed=123,
        species=12,
        recordings=48,
        recording_duration_s=12.0,
        species_per_recording=3,
        snr_min_db=3.0,
    )
    edges_hz = np.geomspace(300, 8000, 25)
    rows, species, groups = [], [], []
    for recording in made:
        for row in recording.annotations:
            cut = recording.samples[round(row["t_min"] * 16000) : round(row["t_max"] * 16000)]
            frames = np.lib.stride_tricks.sliding_window_view(cut, 512)[::256] * np.hanning(512)
            power = np.abs(np.fft.rfft(frames)) ** 2
            bins = np.searchsorted(edges_hz, np.fft.rfftfreq(512, 1 / 16000))
            bands = np.stack([power[:, bins == b].sum(1) for b in range(1, 25) if (bins == b).any()], 1)
            level_db = 10 * np.log10(bands + 1e-12)
            rows.append(np.concatenate([level_db.mean(0), level_db.std(0)]))
            species.append(row["species_id"])
            groups.append(recording.recording_id)
    model = make_pipeline(StandardScaler(), SVC(C=10))
    guessed = cross_val_predict(model, np.array(rows), species, groups=groups, cv=GroupKFold(4))
    accuracy = np.mean(guessed == np.array(species))
    assert np.bincount(species).max() / len(species) < 0.15
    assert 2 / 12 < accuracy < 0.95
