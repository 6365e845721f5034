"""How many answers an active choice of windows needs, against windows at random: a set with every call annotated.

Recordings of three of five folds are the pool, those of the other two the test, in all ten ways. All windows of a few
pool recordings are answered at the start; then rounds of answers, taken from the annotations, are added: those that
`dawnchorus review next` would choose by the scores so far, or as many at random. Scores are logistic regressions of
embeddings, one a species, on the windows that were answered of it. What counts is cmAP over the windows of the test.
"""

import argparse
import csv
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import soundfile
import soxr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from dawnchorus.features import runtimes
from dawnchorus.foundation.progress import Progress
from dawnchorus.review import choosing
from dawnchorus.review.windows import Windows, edges
from dawnchorus.workflow import params_file

ROOT = Path(__file__).parents[1]
WINDOW_S = 3.0
# Less of a call in a window nobody would hear as one.
SHORTEST_S = 0.2
# Of all answers, a window and a species each; so many are there from the recordings at the start.
POOL_FOLDS = 3
SHARES = tuple((np.arange(6, 41) / 100).round(2))


def read(folder: Path, name: str) -> list[dict[str, str]]:
    with open(folder / name, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def embedded(folder: Path, weights: Path) -> tuple[Windows, np.ndarray, np.ndarray, np.ndarray]:
    """Return all windows, without scores; their embeddings; whether each species calls in them; and their folds."""
    params = params_file.load(str(ROOT / "presets/birdnet.yaml"), with_files=False)["features"]
    rate_hz, n = params["sample_rate_hz"], round(WINDOW_S * params["sample_rate_hz"])
    model = runtimes.opened(str(weights), n, params["dimensions"], params["output"])
    calls, species = read(folder, "train_tp.csv"), sorted({row["species_id"] for row in read(folder, "train_tp.csv")})
    folds = {row["recording_id"]: int(row["fold"]) for row in read(folder, "recordings.csv")}
    ids, of_recording, spans_s, vectors = sorted(folds), [], [], []
    with Progress("embeddings", len(ids)) as progress:
        for number, recording_id in enumerate(ids):
            sound, own_hz = soundfile.read(next((folder / "train").glob(f"{recording_id}.*")), dtype="float32")
            sound = soxr.resample(sound if sound.ndim == 1 else sound.mean(axis=1), own_hz, rate_hz)
            bounds_s = edges(len(sound) / rate_hz, WINDOW_S)
            for start_s, end_s in pairwise(bounds_s):
                window = np.zeros(n, np.float32)
                found = sound[round(start_s * rate_hz) :][:n]
                window[: len(found)] = found
                vectors.append(model(window))
                spans_s.append((start_s, end_s))
                of_recording.append(number)
            progress.step(recording_id)
    of_recording, spans_s = np.array(of_recording), np.array(spans_s)
    truth = np.zeros((len(spans_s), len(species)), bool)
    for row in calls:
        shared_s = np.minimum(spans_s[:, 1], float(row["t_max"])) - np.maximum(spans_s[:, 0], float(row["t_min"]))
        enough = shared_s >= min(SHORTEST_S, (float(row["t_max"]) - float(row["t_min"])) / 2)
        truth[(of_recording == ids.index(row["recording_id"])) & enough, species.index(row["species_id"])] = True
    empty = np.full(truth.shape, 0.5, np.float32)
    windows = Windows(species, species, ids, ids, ["all"] * len(ids), of_recording, spans_s, empty, empty > 1)
    roots = np.sign(vectors) * np.sqrt(np.abs(vectors))
    return windows, roots / np.linalg.norm(roots, axis=1, keepdims=True), truth, np.array([folds[i] for i in ids])


def scores_of(vectors: np.ndarray, truth: np.ndarray, answered: np.ndarray) -> np.ndarray:
    """Return the scores of all windows, (windows, species), learned from those that are answered of each species."""
    scores = np.full(truth.shape, 0.5)
    for index in range(truth.shape[1]):
        of = answered[:, index]
        if len(set(truth[of, index])) == 2:
            model = LogisticRegression(C=100.0, max_iter=2000).fit(vectors[of], truth[of, index])
            scores[:, index] = model.predict_proba(vectors)[:, 1]
    return scores


def part(windows: Windows, keep: np.ndarray, scores: np.ndarray) -> Windows:
    """Return some of the windows, with scores."""
    scores = scores[keep].astype(np.float32)
    given = (windows.paths, windows.recording_ids, windows.groups)
    named = (windows.species_ids, windows.species_names)
    return Windows(*named, *given, windows.of_recording[keep], windows.spans_s[keep], scores, scores > 1)


def answers(windows: Windows, answered: np.ndarray) -> choosing.Heard:
    found: choosing.Heard = {}
    for position, index in zip(*np.nonzero(answered), strict=True):
        key = (f"id {windows.recording_ids[windows.of_recording[position]]}", windows.species_ids[index])
        found.setdefault(key, []).append(tuple(windows.spans_s[position]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with train_tp.csv, recordings.csv (with a column fold), train")
    parser.add_argument("weights", type=Path, help="of BirdNET v2.4, TFLite")
    parser.add_argument("--start", type=int, default=2, help="recordings that are answered whole at the start")
    args = parser.parse_args()

    windows, vectors, truth, folds = embedded(args.data, args.weights)
    of_fold, n_species = folds[windows.of_recording], truth.shape[1]
    at = {}
    for position, (of, span_s) in enumerate(zip(windows.of_recording, windows.spans_s, strict=True)):
        at[windows.recording_ids[of], f"{span_s[0]:.3f}"] = position

    def cmap(scores: np.ndarray, test: np.ndarray) -> float:
        present = truth[test].any(axis=0)
        return float(average_precision_score(truth[test][:, present], scores[test][:, present], average="macro"))

    def of_next(pool: np.ndarray, scores: np.ndarray, answered: np.ndarray, n: int, seed: int) -> np.ndarray:
        some = part(windows, pool, scores)
        rows = choosing.choice(some, n, seed, windows.species_ids, answers(windows, answered))
        places = [(at[row["recording_id"], f"{row['start_s']:.3f}"], row["species_id"]) for row in rows]
        return np.array([(position, windows.species_ids.index(species_id)) for position, species_id in places])

    ways = list(combinations(sorted(set(folds)), POOL_FOLDS))
    short: dict[str, list[list[float]]] = {"review next": [], "at random": []}
    for seed, chosen in enumerate(ways):
        pool, test = np.isin(of_fold, chosen), ~np.isin(of_fold, chosen)
        whole = cmap(scores_of(vectors, truth, np.repeat(pool[:, None], n_species, axis=1)), test)
        first = np.random.default_rng(seed).choice(np.unique(windows.of_recording[pool]), args.start, replace=False)
        for name, of_ways in short.items():
            answered = np.repeat(np.isin(windows.of_recording, first)[:, None], n_species, axis=1)
            random, lacking = np.random.default_rng([seed, 1]), []
            scores = scores_of(vectors, truth, answered)
            for share in SHARES:
                n = round(share * pool.sum() * n_species) - int(answered.sum())
                if name == "at random":
                    left = np.argwhere(pool[:, None] & ~answered)
                    more = left[random.choice(len(left), n, replace=False)]
                else:
                    more = of_next(pool, scores, answered, n, seed)
                answered[tuple(more.T)] = True
                scores = scores_of(vectors, truth, answered)
                lacking.append(whole - cmap(scores, test))
            of_ways.append(lacking)
        ends = ", ".join(f"{name} {of_ways[-1][-1]:+.3f} short" for name, of_ways in short.items())
        print(f"folds {chosen}: all answers cmAP {whole:.3f}; with {SHARES[-1]:.0%} {ends}", flush=True)
    print(f"short of all answers, cmAP, {len(ways)} ways: mean, and 95 % interval over these")
    for position, share in enumerate(SHARES):
        line = [f"{share:5.0%}"]
        for name, of_ways in short.items():
            values = np.array(of_ways)[:, position]
            half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
            line.append(f"{name} {values.mean():+.3f} ({values.mean() - half:+.3f} to {values.mean() + half:+.3f})")
        print("   ".join(line))


if __name__ == "__main__":
    main()
