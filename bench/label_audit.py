"""How many labels that were changed at random the label audit finds, on the data set of a project that was run.

Out of fold, as `snakemake label_audit`, but with logistic regression on clips pooled over their frames in place of the
project's network, so that ten draws take a minute. Meant for a project with `features.kind: embedding`. Folds keep the
groups of the split together.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dawnchorus.evaluation import label_audit
from dawnchorus.learning import dataset

FIRST = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path, help="folder in which snakemake made data/dataset")
    parser.add_argument("--share", type=float, default=0.05, help="of the labels that are changed")
    parser.add_argument("--draws", type=int, default=10)
    args = parser.parse_args()

    data = dataset.open_dataset([args.project / "data/dataset" / name for name in dataset.FILES])
    rows, truth, n_classes = data.rows, data.class_index, len(data.classes)
    pooled = np.stack([clip[:frames].mean(axis=0) for clip, frames in zip(data.x, rows["n_frames"], strict=True)])
    folds, n, n_changed = GroupKFold(min(5, rows["group"].nunique())), len(truth), round(args.share * len(truth))

    def scores_of(given: np.ndarray) -> np.ndarray:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
        return cross_val_predict(model, pooled, given, groups=rows["group"], cv=folds, method="predict_proba")

    scores = scores_of(truth)
    right, doubted = (scores.argmax(axis=1) == truth).mean(), label_audit.likely_wrong(truth, scores).sum()
    print(f"{n} labels as they are: accuracy {right:.3f}, {doubted} likely wrong")
    shares, counts, hits = [], [], []
    for seed in range(args.draws):
        rng = np.random.default_rng(seed)
        changed, given = rng.choice(n, n_changed, replace=False), truth.copy()
        given[changed] = (truth[changed] + rng.integers(1, n_classes, n_changed)) % n_classes
        scores = scores_of(given)
        shares.append(np.isin(changed, label_audit.order(given, scores)[: round(FIRST * n)]).mean())
        wrong = label_audit.likely_wrong(given, scores)
        counts.append(wrong.sum())
        hits.append(np.isin(np.flatnonzero(wrong), changed).mean())
    print(f"{n_changed} labels changed at random, {args.draws} times over (mean, range):")
    for name, values in (
        (f"of these among the first {FIRST:.0%} of the list", shares),
        ("likely wrong", counts),
        ("of these changed", hits),
    ):
        print(f"{name:42} {np.mean(values):6.2f}   {min(values):.2f} to {max(values):.2f}")


if __name__ == "__main__":
    main()
