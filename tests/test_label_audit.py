"""The label audit: confident learning by hand and by a plain loop, planted errors, and the page that people act on."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import GaussianNB

from dawnchorus.evaluation import label_audit
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import sha256_of
from dawnchorus.report import label_audit_page, pages
from dawnchorus.stages import label_audit as stage
from dawnchorus.tables import definitions, made

RATE_HZ, RECORDING_S = 8000, 30.0
BLOCK = {"clips": 400, "context_s": 0.5, "longest_clip_s": 3.0, "sound_rate_hz": 24_000, "media_mb": 18.0}
HOSTILE = ["<script>alert(1)</script>", "a \"b\" 'c' & </script>", "=1+1", "ضفدع \u202eevil"]


def test_four_clips_by_hand():
    given = np.array([0, 0, 1, 1])
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]])
    np.testing.assert_allclose(label_audit.thresholds(given, scores), [0.55, 0.65])
    assert label_audit.likely_wrong(given, scores).tolist() == [False, True, False, False]
    expected = [
        np.log(0.9 / 0.55) - np.log(0.1 / 0.65),
        np.log(0.2 / 0.55) - np.log(0.8 / 0.65),
        np.log(0.7 / 0.65) - np.log(0.3 / 0.55),
        np.log(0.6 / 0.65) - np.log(0.4 / 0.55),
    ]
    np.testing.assert_allclose(label_audit.margins(given, scores), expected)
    assert label_audit.order(given, scores).tolist() == [1, 3, 2, 0]


def test_a_clip_that_no_species_reaches_is_doubted_but_not_likely_wrong():
    given = np.array([0, 0, 0, 1, 1])
    scores = np.array([[0.9, 0.1], [0.9, 0.1], [0.45, 0.55], [0.1, 0.9], [0.2, 0.8]])
    assert not label_audit.likely_wrong(given, scores).any()
    assert label_audit.order(given, scores)[0] == 2


def test_likely_wrong_is_off_the_diagonal_of_the_confident_joint():
    """A plain loop over the clips, as the paper defines it, among those whose highest score is confident."""
    rng = np.random.default_rng(0)
    given, scores = rng.integers(4, size=300), rng.dirichlet(np.full(4, 0.4), size=300)
    reached = [np.mean([s[k] for g, s in zip(given, scores, strict=True) if g == k]) for k in range(4)]
    np.testing.assert_allclose(label_audit.thresholds(given, scores), reached)
    wrong = []
    for label, of in zip(given, scores, strict=True):
        confident = [k for k in range(4) if of[k] >= reached[k]]
        joint = max(confident, key=lambda k, of=of: of[k], default=None)
        wrong.append(joint is not None and joint != label and of[joint] == max(of))
    assert sum(wrong) > 30
    assert label_audit.likely_wrong(given, scores).tolist() == wrong


def test_most_labels_that_were_changed_are_in_the_first_tenth():
    rng = np.random.default_rng(1)
    truth = np.repeat(np.arange(8), 50)
    sound = 2.0 * rng.standard_normal((8, 20))[truth] + 2.0 * rng.standard_normal((400, 20))
    for _ in range(3):
        changed = rng.choice(400, 20, replace=False)
        given = truth.copy()
        given[changed] = (given[changed] + rng.integers(1, 8, 20)) % 8
        scores = cross_val_predict(GaussianNB(), sound, given, cv=5, method="predict_proba")
        first = label_audit.order(given, scores)[:40]
        assert len(set(first) & set(changed)) >= 16


def test_a_species_that_scores_low_throughout_is_held_against_itself():
    """Right labels of a rare species score below the wrong one of a common species, and come after it all the same."""
    common, rare = np.tile([0.9, 0.05, 0.05], (20, 1)), np.tile([0.38, 0.32, 0.30], (5, 1))
    second = np.tile([0.05, 0.9, 0.05], (20, 1))
    wrong = np.array([[0.34, 0.62, 0.04]])
    scores = np.concatenate([common, second, rare, wrong])
    given = np.array([0] * 20 + [1] * 20 + [2] * 5 + [0])
    assert scores[-1, 0] > scores[40, 2], "by the score of the label alone the rare species would come first"
    fit = label_audit.margins(given, scores)
    assert fit[-1] < 0 < fit[40]
    assert label_audit.order(given[[*range(40), 45]], scores[[*range(40), 45]])[0] == 40


def test_without_labels_of_a_class_nothing_is_of_it_and_zeros_are_finite():
    given, scores = np.array([0, 1]), np.array([[1.0, 0.0, 0.0], [0.0, 0.1, 0.9]])
    assert label_audit.thresholds(given, scores).tolist() == [1.0, 0.1, 1.0]
    assert label_audit.likely_wrong(given, scores).tolist() == [False, False]
    assert np.isfinite(label_audit.margins(given, scores)).all()


def tables(names, n_of_each=6, n_recordings=3, seeds=(7, 8), seed=0):
    """Return rows.csv, predictions.csv and recordings.csv; the second label of each species is the next one's, clearly.

    The last label of each species is outscored by the next one too, but only just.
    """
    rng = np.random.default_rng(seed)
    ids = [f"s{number}" for number in range(len(names))]
    rows, predictions = [], []
    for index, species_id in enumerate(ids):
        for copy in range(n_of_each):
            number = len(rows)
            times = {"t_min_s": 1.0 + number * 0.7 % 25, "t_max_s": 2.0 + number * 0.7 % 25}
            about = {"annotation_id": number + 100, "recording_id": f"<i>{number % n_recordings}", **times}
            common = {"class_index": index, "group": "g", "partition": "test", "n_frames": 9, "row": number}
            rows.append({**about, **common, "species_id": species_id, "species_name": names[index]})
            rows[-1] |= {"f_min_hz": 500.0 if copy else None, "f_max_hz": 2500.0 if copy else None}
            best = (index + (copy in (1, n_of_each - 1))) % len(ids)
            scores = np.full(len(ids), 0.1 / len(ids))
            scores[index] = 0.05 if copy == 1 else 0.35
            scores[best] += 0.7 if copy != n_of_each - 1 else 0.4
            for of_seed in seeds:
                noisy = scores * rng.uniform(0.98, 1.02, len(ids))
                answer = {"fold": number % 2 + 1, "seed": of_seed, **about, "partition": "test"}
                answer |= {"true_species_id": species_id, "true_name": names[index]}
                answer |= {"predicted_species_id": ids[best], "predicted_name": names[best]}
                of_ids = zip(ids, noisy / noisy.sum(), strict=True)
                predictions.append(answer | {f"score_{key}": value for key, value in of_ids})
    recordings = [
        {"recording_id": f"<i>{number}", "path": f"{number}.wav", "sha256": "", "duration_s": RECORDING_S}
        | {"sample_rate_hz": RATE_HZ, "channels": 1, "n_samples": int(RATE_HZ * RECORDING_S), "inspected_with": ""}
        for number in range(n_recordings)
    ]
    return rows, predictions, recordings


def audited(folder, names, **block):
    """Run the stage on :func:`tables` and tones, and return the paths of its table and page."""
    (folder / "audio").mkdir(parents=True)
    rows, predictions, recordings = tables(names)
    for number, recording in enumerate(recordings):
        y = 0.3 * np.sin(2 * np.pi * 1000 * (number + 1) * np.arange(int(RECORDING_S * RATE_HZ)) / RATE_HZ)
        soundfile.write(folder / f"audio/{number}.wav", y, RATE_HZ)
        recording["sha256"] = sha256_of(folder / f"audio/{number}.wav")
    of_tables = (definitions.ROWS, definitions.OUT_OF_FOLD, definitions.RECORDINGS)
    given = zip(of_tables, (rows, predictions, recordings), strict=True)
    words = ["--audio-dir", str(folder / "audio"), "--params", json.dumps({"report": BLOCK | block})]
    for table, rows in given:
        path = folder / table.name
        made.write(path, table, rows)
        words += [f"--{path.stem}", str(path)]
    paths = folder / "label_audit.csv", folder / "label_audit.html"
    stage.main([*words, "--table", str(paths[0]), "--page", str(paths[1])])
    return paths


def test_the_mean_over_seeds_counts_whatever_the_order_of_the_tables():
    rows, predictions, _ = map(pd.DataFrame, tables(["a", "b", "c"]))
    table = label_audit.ranked(rows, predictions)
    assert table["rank"].tolist() == list(range(1, 19))
    first = table.iloc[0]
    of_first = predictions[predictions["annotation_id"] == first["annotation_id"]]
    assert first["given_score"] == pytest.approx(of_first[f"score_{first['given_species_id']}"].mean())
    assert first["likely_score"] == pytest.approx(of_first[f"score_{first['likely_species_id']}"].mean())
    shuffled = predictions.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(label_audit.ranked(rows, shuffled), table)


def test_a_species_of_one_fold_is_not_judged_and_no_other_label_is_held_against_it(tmp_path):
    """Whoever judged its labels has learned none, so they score next to nothing: that says nothing of the labels."""
    rows, predictions, _ = map(pd.DataFrame, tables(["wren", "frog", "<b>rare"]))
    rare = predictions["true_species_id"] == "s2"
    predictions.loc[rare, "fold"] = 2
    predictions.loc[rare, ["score_s0", "score_s1", "score_s2"]] = [0.6, 0.39, 0.01]
    assert label_audit.unlearned(predictions) == {"s2": "<b>rare"}
    table = label_audit.ranked(rows, predictions)
    others = rows["species_id"] != "s2"
    assert sorted(table["annotation_id"]) == sorted(rows["annotation_id"][others])
    # A threshold of 1 for what has no labels: no clip of the others is likely of it.
    assert not ((table["likely_species_id"] == "s2") & (table["likely_wrong"] == 1)).any()
    page = label_audit_page.html(table, {}, {"n_folds": 2, "n_seeds": 2}, label_audit.unlearned(predictions))
    assert "<strong>Not judged</strong>" in page
    assert "&lt;b&gt;rare" in page
    assert "<b>rare" not in page
    with pytest.raises(InputError, match="labels of each species are all in one fold"):
        label_audit.ranked(rows, predictions.assign(fold=predictions["true_species_id"].str[1:].astype(int)))
    assert label_audit.unlearned(predictions.assign(fold=1)) == {}


def test_what_does_not_fit_together_is_one_line():
    rows, predictions, _ = map(pd.DataFrame, tables(["a", "b"]))
    with pytest.raises(InputError, match="annotation 100: expected it among the annotations and among the scores"):
        label_audit.ranked(rows.iloc[1:], predictions)
    with pytest.raises(InputError, match="annotation 103: expected it among"):
        label_audit.ranked(rows, predictions[predictions["annotation_id"] != 103])
    with pytest.raises(InputError, match="1 species; expected two or more"):
        label_audit.ranked(rows, predictions.drop(columns="score_s1"))


def test_the_stage_ranks_every_label_and_shows_those_that_are_doubted(tmp_path, capsys):
    path, page_path = audited(tmp_path, ["wren", "frog", "cicada"])
    table = made.frame(path, definitions.LABEL_AUDIT)
    assert table["rank"].tolist() == list(range(1, 19))
    # The second label of each species is clearly the next one's, the last only just.
    assert sorted(table["annotation_id"][:3]) == [101, 107, 113]
    assert sorted(table["annotation_id"][3:6]) == [105, 111, 117]
    assert table["likely_wrong"].tolist() == [1] * 3 + [0] * 15
    names = ["wren", "frog", "cicada"]
    for row in table[:3].to_dict("records"):
        assert names.index(row["likely_name"]) == (names.index(row["given_name"]) + 1) % 3
    assert (table["margin"].diff().dropna()[[1, 2, 4, 5]] >= 0).all()
    text = page_path.read_text()
    assert text.count("<audio") == text.count("data-khz=") == 6
    assert "0 to 4 kHz" in text
    assert "Roughly 3 of 18 labels are likely wrong." in text
    assert "rough count" in text
    assert "2 folds, 2 seeds" in text
    assert text.count('class="mark"') == 3
    said = capsys.readouterr().out
    assert said == f"label_audit: roughly 3 of 18 labels are likely wrong; look and listen: {page_path}\n"


def test_labels_are_text_whatever_they_hold(tmp_path):
    path, page_path = audited(tmp_path, HOSTILE)
    table = made.frame(path, definitions.LABEL_AUDIT)
    assert set(table["given_name"]) == set(HOSTILE), "names come back as they were"
    text = page_path.read_text()
    assert text.count("<script") == text.count("</script>") == 1
    assert "<i>" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    program = re.search(r"<script>(.*)</script>", text, re.DOTALL)[1]
    assert f"script-src {pages.hash_of(program)}" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_of_many_species_the_page_holds_what_fits_and_lists_the_rest(tmp_path):
    names = [f"Eleutherodactylus species{number}" for number in range(40)]
    _, page_path = audited(tmp_path, names, clips=10)
    text = page_path.read_text()
    assert text.count("<audio") == 10
    assert "70 further down the list, without picture and sound" in text
    assert "<details><summary>Labels of each species" in text, "a long table is closed at first"
    assert all(name in text for name in names)


def test_room_for_media_is_kept(tmp_path):
    _, page_path = audited(tmp_path, ["wren", "frog"], media_mb=0.001)
    text = page_path.read_text()
    assert "<audio" not in text
    assert "<script" not in text
    assert "4 further down the list" in text


def test_where_no_label_is_doubted_the_page_says_so():
    rows, predictions, _ = map(pd.DataFrame, tables(["a", "b"]))
    own = predictions["true_species_id"].to_numpy()[:, None] == np.array(["s0", "s1"])
    predictions[["score_s0", "score_s1"]] = np.where(own, 0.9, 0.1)
    table = label_audit.ranked(rows, predictions)
    assert label_audit_page.doubted(table) == 0
    text = label_audit_page.html(table, {}, {"n_folds": 5, "n_seeds": 1})
    assert "Roughly 0 of 12 labels" in text
    assert "None: every label has the highest score." in text
    assert "5 folds.</p>" in text
