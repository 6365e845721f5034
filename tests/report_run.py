"""A finished run in a folder, with everything that a report is made from, on sound made here."""

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import soundfile
import yaml

from dawnchorus.stages import report

ROOT = Path(__file__).parents[1]
RATE_HZ = 8000
RECORDING_S = 6.0
REPORT = {"clips": 500, "context_s": 0.2, "longest_clip_s": 3.0, "sound_rate_hz": 24000, "media_mb": 18.0}


def write_csv(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


class Run:
    """The folder of a run with ``names`` as its species: 3 training and 4 test clips of each.

    Every species has one test clip called the next species with a score of 0.9, one right with a score of 0.4,
    and two right with 0.8.
    """

    def __init__(self, path: Path, names: list[str], recordings: tuple[str, ...] = ("rec0", "rec1")):
        self.path, self.names, self.ids = path, names, [f"s{i}" for i in range(len(names))]
        self.recordings = recordings
        rng = np.random.default_rng(0)
        (path / "audio").mkdir(parents=True)
        for number, _ in enumerate(recordings):
            time_s = np.arange(int(RECORDING_S * RATE_HZ)) / RATE_HZ
            sound = 0.2 * np.sin(2 * np.pi * 1000 * (number + 1) * time_s) + 0.01 * rng.standard_normal(len(time_s))
            soundfile.write(path / "audio" / f"{number}.wav", sound.astype(np.float32), RATE_HZ)
        self._tables()
        self.params = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"report": dict(REPORT)}
        self.params["data"] |= {"source": "table"}
        self.params["features"] |= {"sample_rate_hz": None, "f_max_hz": None, "n_fft": 256, "hop_length": 128}

    def _tables(self) -> None:
        annotations, rows, predictions = [], [], []
        for index, species_id in enumerate(self.ids):
            for copy in range(7):
                number = len(annotations)
                start_s = round((number * 0.37) % (RECORDING_S - 1.0), 3)
                recording = self.recordings[number % len(self.recordings)]
                partition = "test" if copy >= 3 else "train"
                annotation = {"annotation_id": number, "recording_id": recording, "t_min_s": start_s}
                annotation |= {"t_max_s": round(start_s + 0.3 + 0.1 * copy, 3), "f_min_hz": 500, "f_max_hz": 2500}
                annotations.append(annotation | {"species_id": species_id, "species_name": self.names[index]})
                rows.append({**annotation, "class_index": index, "partition": partition, "n_frames": 20})
                if partition == "test":
                    predictions.append(self._prediction(annotation, index, copy - 3))
        write_csv(self.path / "annotations.csv", annotations)
        keep = ("annotation_id", "recording_id", "class_index", "partition", "n_frames")
        write_csv(self.path / "rows.csv", [{key: row[key] for key in keep} for row in rows])
        write_csv(self.path / "predictions.csv", predictions)
        write_csv(
            self.path / "split.csv",
            [{"annotation_id": a["annotation_id"], "group": a["recording_id"]} for a in annotations],
        )
        facts = {"duration_s": RECORDING_S, "sample_rate_hz": RATE_HZ, "channels": 1, "licence": "CC BY 4.0"}
        write_csv(
            self.path / "recordings.csv",
            [{"recording_id": name, "path": f"{i}.wav", **facts} for i, name in enumerate(self.recordings)],
        )
        (self.path / "audit.csv").write_text("file,line,column,value,expected\n")
        per_class = {"support": 4, "precision": 0.75, "recall": 0.75, "average_precision": 0.9, "threshold": 0.5}
        write_csv(
            self.path / "per_class.csv",
            [
                {"species_id": i, "species_name": name, **per_class, "f1": round(1 / (n + 1), 4)}
                for n, (i, name) in enumerate(zip(self.ids, self.names, strict=True))
            ],
        )
        with_ends = {"accuracy": 0.75, "accuracy_low": 0.6, "accuracy_high": 0.85}
        write_csv(
            self.path / "baselines.csv",
            [{"model": name, **with_ends} for name in ("lstm", "majority class", "SVM on pooled statistics")]
            + [{"model": "context only", "accuracy": "", "accuracy_low": "", "accuracy_high": ""}],
        )
        write_csv(
            self.path / "reliability.csv",
            [
                {"temperature": when, "n": n, "mean_score": score, "accuracy": score and 0.75}
                for when in ("before", "after")
                for n, score in ((0, ""), (4, 0.4), (12, 0.82))
            ],
        )
        write_csv(
            self.path / "history.csv",
            [
                {"epoch": n, "loss": 2 / n, "accuracy": n / 4, "val_loss": abs(n - 2) + 1, "val_accuracy": n / 5}
                for n in (1, 2, 3)
            ],
        )
        measures = ("accuracy", "balanced_accuracy", "macro_f1", "lwlrap", "macro_average_precision", "macro_roc_auc")
        test = {f"{m}{end}": v for m in (*measures, "loss") for end, v in (("", 0.75), ("_low", 0.6), ("_high", 0.85))}
        metrics = {
            "train": {"accuracy": 0.95, "support": 30},
            "validation": {"accuracy": None, "support": 0},
            "test": {**test, "support": len(predictions), "groups": 2},
            "majority_class": {"accuracy": 0.1},
            "svm": {**with_ends, "advantage": 0.05, "advantage_low": -0.02, "advantage_high": 0.12},
            "context_only": {"accuracy": None, "accuracy_low": None, "accuracy_high": None, "clips": 0},
            "calibration": {"ece_before": 0.1, "ece_after": 0.05, "temperature": 1.5},
        }
        (self.path / "metrics.json").write_text(json.dumps(metrics))
        card = {
            "format": 1,
            "classes": [
                {"class_index": str(n), "species_id": i, "species_name": name}
                for n, (i, name) in enumerate(zip(self.ids, self.names, strict=True))
            ],
            "device": "CPU",
            "epochs_trained": 3,
            "training_time_s": 1.5,
            "versions": {"numpy": "2.0"},
        }
        with zipfile.ZipFile(self.path / "model.keras", "w") as archive:
            archive.writestr("dawnchorus.json", json.dumps(card))

    def _prediction(self, annotation: dict, index: int, copy: int) -> dict:
        n = len(self.ids)
        guess, score = ((index + 1) % n, 0.9) if copy == 0 else (index, 0.4 if copy == 1 else 0.8)
        scores = np.full(n, (1 - score) / (n - 1))
        scores[guess] = score
        keep = ("annotation_id", "recording_id", "t_min_s", "t_max_s")
        truth = {"true_species_id": self.ids[index], "true_name": self.names[index]}
        return {
            **{key: annotation[key] for key in keep},
            **truth,
            "predicted_species_id": self.ids[guess],
            **{f"score_{i}": f"{value:.6g}" for i, value in zip(self.ids, scores, strict=True)},
        }

    def report(self) -> Path:
        """Make the report as the rule does, and return its path."""
        arguments = []
        for name in report.INPUTS:
            file = {"audio-dir": "audio", "per-class": "per_class.csv", "model": "model.keras"}.get(name)
            file = file or ("metrics.json" if name == "metrics" else f"{name}.csv")
            arguments += [f"--{name}", str(self.path / file)]
        output = self.path / "report.html"
        report.main([*arguments, "--params", json.dumps(self.params), "--output", str(output)])
        return output
