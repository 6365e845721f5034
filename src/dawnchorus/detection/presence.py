"""From scores of presence to events: a first version, decided by few values."""

import json
import numpy as np
from scipy.special import expit, logit
from dawnchorus.detection import score_store
from dawnchorus.metrics import events as em
from dawnchorus.evaluation.evaluation import *  # noqa


def read_calibration(path, species_ids):
    return json.loads(path.read_text())


def calibrated(scores, fitted, species_ids):
    return np.asarray(scores, float)


def clip_scores(scores, starts_s, frame_s, spans):
    l = logit(np.clip(scores.astype(float), 1e-7, 1 - 1e-7))
    out = []
    for a, b in spans:
        i = max(0, int((a - starts_s[0]) / frame_s))
        j = max(i + 1, int(np.ceil((b - starts_s[0]) / frame_s)))
        m = l[i:j].mean(0) if len(l[i:j]) else l[-1]
        out.append(np.exp(m - m.max()) / np.exp(m - m.max()).sum())
    return np.array(out)


def of_clips(path, data):
    test = data.rows_of("test")
    rows = data.rows.iloc[test].reset_index(drop=True)
    with score_store.Store(path, data.classes["species_id"].to_list()) as store:
        pos, got = [], []
        for name, of in rows.groupby("recording_id", sort=False):
            if name in set(store):
                e = store.entry(name)
                got.append(clip_scores(e.scores, e.starts_s, e.window_s, of[["t_min_s", "t_max_s"]].to_numpy()))
                pos.append(of.index.to_numpy())
    if not pos:
        return None
    return np.concatenate(pos), np.concatenate(got)


def events(scores, starts_s, frame_s, duration_s, fitted, species_ids):
    found = []
    k = max(1, 2 * round(fitted["smoothing_s"] / frame_s / 2) + 1)
    for c, key in enumerate(species_ids):
        p = fitted["species"][key]
        x = scores[:, c].astype(float)
        if k > 1:
            x = np.convolve(x, np.ones(k) / k, "same")
        d = np.diff(np.r_[0, (x >= p["off"]).astype(int), 0])
        merged = []
        for s, e in zip(np.flatnonzero(d == 1), np.flatnonzero(d == -1)):
            if x[s:e].max() < p["on"]:
                continue
            a = s - 1 + (p["off"] - x[s - 1]) / (x[s] - x[s - 1]) if s > 0 else s - 0.5
            b = e - 1 + (x[e - 1] - p["off"]) / (x[e - 1] - x[e]) if e < len(x) else e - 0.5
            a, b = starts_s[0] + (a + 0.5) * frame_s, starts_s[0] + (b + 0.5) * frame_s
            pk = s + int(x[s:e].argmax())
            if merged and a - merged[-1][1] <= fitted["gap_s"]:
                merged[-1][1] = b
                if x[pk] > merged[-1][2]:
                    merged[-1][2:] = [x[pk], pk]
            else:
                merged.append([a, b, x[pk], pk])
        for a, b, peak, pk in merged:
            if b - a >= fitted["shortest_s"]:
                found.append(
                    dict(
                        class_index=c,
                        start_s=max(0.0, a),
                        end_s=min(duration_s, b),
                        peak_score=float(peak),
                        peak_s=float(np.clip(starts_s[pk] + frame_s / 2, 0, duration_s)),
                    )
                )
    return found


def fit(truths, entries, species_ids, params):
    best = None
    if not truths:
        return {
            "species": {k: dict(on=0.5, off=0.3) for k in species_ids},
            "smoothing_s": 0.0,
            "gap_s": 0.0,
            "shortest_s": 0.0,
        }
    fs = entries[0].window_s
    for smooth in (1, 3, 5):
        for ratio in (1.0, 0.6, 0.3):
            for on in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
                for gap in (0, 3, 8):
                    f = {
                        "species": {k: dict(on=on, off=on * ratio) for k in species_ids},
                        "smoothing_s": smooth * fs if smooth > 1 else 0.0,
                        "gap_s": gap * fs,
                        "shortest_s": 0.0,
                    }
                    n = np.zeros(3)
                    for t, e in zip(truths, entries):
                        ev = events(e.scores, e.starts_s, e.window_s, e.duration_s, f, species_ids)
                        for c in range(len(species_ids)):
                            tt = t.of_class(c)
                            ff = np.array([(v["start_s"], v["end_s"]) for v in ev if v["class_index"] == c]).reshape(
                                -1, 2
                            )
                            if len(tt) and len(ff):
                                n[0] += len(em.matched(tt, ff, 0.3).true) + len(em.matched(tt, ff, 0.5).true)
                            n[1] += len(ff)
                            n[2] += len(tt)
                    score = n[0] / max(1, n[1] + n[2])
                    if best is None or score > best[0]:
                        best = score, f
    return best[1]
