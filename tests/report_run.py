"""A finished run in a folder, with everything that a report is made from, on sound made here."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import yaml

from dawnchorus.detection import measured
from dawnchorus.foundation.files import sha256_of
from dawnchorus.stages import figures, report
from dawnchorus.tables import definitions, made

ROOT = Path(__file__).parents[1]
RATE_HZ = 8000
RECORDING_S = 6.0
REPORT = {"clips": 500, "context_s": 0.2, "longest_clip_s": 3.0, "sound_rate_hz": 24000, "media_mb": 18.0}
REPORT["detection_examples"] = 3


FIGURES = ("training.svg", "baselines.svg", "durations.svg", "classes.svg", "reliability.svg", "precision_recall.svg")
FIGURES += ("detection.svg", "detection_precision_recall.svg")
BASELINES = ("lstm", "majority class", "SVM on pooled statistics", "context only")


class Run:
    """The folder of a run with ``names`` as its species: 3 training and 4 test clips of each.

    Every species has one test clip called the next species with a score of 0.9, one right with a score of 0.4,
    and two right with 0.8.
    """

    def __init__(
        self, path: Path, names: list[str], recordings: tuple[str, ...] = ("rec0", "rec1"), with_bands: bool = True
    ):
        self.path, self.names, self.ids = path, names, [f"s{i}" for i in range(len(names))]
        self.recordings, self.band = recordings, (500, 2500) if with_bands else (None, None)
        rng = np.random.default_rng(0)
        (path / "audio").mkdir(parents=True)
        for number, _ in enumerate(recordings):
            time_s = np.arange(int(RECORDING_S * RATE_HZ)) / RATE_HZ
            sound = 0.2 * np.sin(2 * np.pi * 1000 * (number + 1) * time_s) + 0.01 * rng.standard_normal(len(time_s))
            soundfile.write(path / "audio" / f"{number}.wav", sound.astype(np.float32), RATE_HZ)
        self.review = None
        self._tables()
        self._detections()
        self.params = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"report": dict(REPORT)}
        self.params["data"] |= {"source": "table"}
        self.params["features"] |= {"sample_rate_hz": None, "f_max_hz": None, "n_fft": 256, "hop_length": 128}

    def _tables(self) -> None:
        rows, predictions = [], []
        for index, species_id in enumerate(self.ids):
            for copy in range(7):
                number = len(rows)
                start_s = round((number * 0.37) % (RECORDING_S - 1.0), 3)
                recording = self.recordings[number % len(self.recordings)]
                partition = "test" if copy >= 3 else "train"
                row = {"row": number, "annotation_id": number, "recording_id": recording, "t_min_s": start_s}
                row |= {"t_max_s": round(start_s + 0.3 + 0.1 * copy, 3), "group": recording}
                row |= dict(zip(("f_min_hz", "f_max_hz"), self.band, strict=True))
                row |= {"species_id": species_id, "species_name": self.names[index], "class_index": index}
                rows.append({**row, "partition": partition, "n_frames": 20})
                if partition == "test":
                    predictions.append(self._prediction(rows[-1], index, copy - 3))
        self.write(definitions.ROWS, rows)
        self.write(definitions.PREDICTIONS, predictions)
        facts = {"duration_s": RECORDING_S, "sample_rate_hz": RATE_HZ, "channels": 1, "licence": "CC BY 4.0"}
        facts |= {"n_samples": int(RECORDING_S * RATE_HZ), "inspected_with": ""}
        self.write(
            definitions.RECORDINGS,
            [
                {"recording_id": name, "path": f"{i}.wav", **facts, "sha256": sha256_of(self.path / f"audio/{i}.wav")}
                for i, name in enumerate(self.recordings)
            ],
        )
        self.write(definitions.AUDIT, [])
        classes = [
            {"class_index": n, "species_id": i, "species_name": name}
            for n, (i, name) in enumerate(zip(self.ids, self.names, strict=True))
        ]
        self.write(definitions.CLASSES, classes)
        per_class = {"support": 4, "precision": 0.75, "recall": 0.75, "average_precision": 0.9, "threshold": 0.5}
        per_class |= {"average_precision_low": 0.8, "average_precision_high": 0.95}
        per_class |= {"absent_clips": None, "detected_share_where_absent": None}
        self.write(
            definitions.PER_CLASS,
            [
                {"species_id": of["species_id"], "species_name": of["species_name"], **per_class, "f1": 1 / (n + 1)}
                for n, of in enumerate(classes)
            ],
        )
        pairs = [(true, guess) for true in range(len(classes)) for guess in range(len(classes))]
        counts = [3 * (true == guess) + (guess == (true + 1) % len(classes)) for true, guess in pairs]
        self.write(
            definitions.CONFUSION,
            [
                {
                    "true_species_id": self.ids[true],
                    "true_name": self.names[true],
                    "predicted_species_id": self.ids[guess],
                    "predicted_name": self.names[guess],
                    "count": count,
                }
                for (true, guess), count in zip(pairs, counts, strict=True)
            ],
        )
        with_ends = {"accuracy": 0.75, "accuracy_low": 0.6, "accuracy_high": 0.85}
        answered = {"clips": len(predictions), "groups": 2}
        self.write(
            definitions.BASELINES,
            [{"model": name, **answered, **with_ends} for name in BASELINES[:-1]]
            + [{"model": BASELINES[-1], "clips": 0, "groups": 0, **dict.fromkeys(with_ends)}],
        )
        self.write(
            definitions.RELIABILITY,
            [
                {"temperature": when, "bin": number, "lower": number / 3, "upper": (number + 1) / 3, "n": n}
                | {"mean_score": score, "accuracy": score and 0.75}
                for when in ("before", "after")
                for number, (n, score) in enumerate(((0, None), (4, 0.4), (12, 0.82)))
            ],
        )
        self.write(
            definitions.HISTORY,
            [
                {"epoch": n, "loss": 2 / n, "accuracy": n / 4, "val_loss": abs(n - 2) + 1, "val_accuracy": n / 5}
                | {"learning_rate": None}
                for n in (1, 2, 3)
            ],
        )
        measures = ("accuracy", "balanced_accuracy", "macro_f1", "lwlrap", "macro_average_precision", "macro_roc_auc")
        test = {f"{m}{end}": v for m in (*measures, "loss") for end, v in (("", 0.75), ("_low", 0.6), ("_high", 0.85))}
        metrics = {
            "train": {"accuracy": 0.95, "support": 30},
            "validation": {"accuracy": None, "support": 0},
            "test": {**test, "support": len(predictions), "groups": 2, "units": "recordings"},
            "majority_class": {"accuracy": 0.1, "train_accuracy": 0.1},
            "svm": {**with_ends, "advantage": 0.05, "advantage_low": -0.02, "advantage_high": 0.12},
            "context_only": {"accuracy": None, "accuracy_low": None, "accuracy_high": None, "clips": 0},
            "calibration": {"ece_before": 0.1, "ece_after": 0.05, "temperature": 1.5},
        }
        (self.path / "metrics.json").write_text(json.dumps(metrics))
        card = {
            "format": 1,
            "classes": [{**of, "class_index": str(of["class_index"])} for of in classes],
            "device": "CPU",
            "epochs_trained": 3,
            "training_time_s": 1.5,
            "versions": {"numpy": "2.0"},
        }
        with zipfile.ZipFile(self.path / "model.keras", "w") as archive:
            archive.writestr("dawnchorus.json", json.dumps(card))

    def _detections(self) -> None:
        """Of each species a hit, a false alarm and a miss."""
        times = ("start_s", "end_s", "t_min_s", "t_max_s")
        outcomes = {"hit": (1.0, 2.0, 1.1, 1.9), "false_alarm": (3.0, 4.0, None, None), "miss": (None, None, 4.5, 5.0)}
        about = [{"species_id": key, "species_name": name} for key, name in zip(self.ids, self.names, strict=True)]
        self.write(
            definitions.DETECTION_EVENTS,
            [
                {"recording_id": self.recordings[0], **of, "outcome": outcome, **dict(zip(times, given, strict=True))}
                | {"iou": 0.8 if outcome == "hit" else None, "score": 0.9 / (n + 1), "call_free": None}
                for n, of in enumerate(about)
                for outcome, given in outcomes.items()
            ],
        )
        counts = {"annotated": 2, "detected": 2, "threshold": 0.5}
        rates = dict.fromkeys(set(definitions.DETECTION_PER_CLASS.names) - {*counts, *about[0]}, 0.5)
        self.write(definitions.DETECTION_PER_CLASS, [{**of, **counts, **rates} for of in about])
        points = [{"threshold": 1 - share, "precision": 1 - share / 2, "recall": share} for share in (0.2, 0.6, 1.0)]
        self.write(definitions.DETECTION_CURVES, [{**of, **point} for of in about for point in points])
        self.write(
            definitions.DETECTION_RELIABILITY,
            [{"bin": n, "lower": n / 2, "upper": (n + 1) / 2, "n": 9, "mean_score": score, "present": score / 2}
             for n, score in enumerate((0.2, 0.8))],
        )  # fmt: skip
        metrics = {f"{name}{end}": 0.5 for name in measured.NAMES for end in ("", "_low", "_high")}
        self.write(
            definitions.DETECTION_BASELINES,
            [{"model": name, "recordings": 2, "groups": 2, **metrics} for name in ("lstm", "chance")],
        )
        counted = {
            "recordings": 2,
            "groups": 2,
            "units": "recordings",
            "hours": 0.1,
            "call_free_hours": 0.05,
            "annotated_events": 10,
        }
        test = {**counted, "detected_events": 10, "presence_calibration_error": 0.1, **metrics}
        worth = {"0": 0.81, "0.25": 0.9, "0.5": 0.88, "1": 0.7}
        self.presence_calibration = {"fusion": {"weight": 0.25, "segment_average_precision": worth}}
        self.detection_metrics = {"test": test, "left_out": 1, "why_unknown": None}

    def write(self, table: definitions.Table, rows: list[dict]) -> None:
        made.write(self.path / table.name, table, rows)

    def _prediction(self, row: dict, index: int, copy: int) -> dict:
        n = len(self.ids)
        guess, score = ((index + 1) % n, 0.9) if copy == 0 else (index, 0.4 if copy == 1 else 0.8)
        scores = np.full(n, (1 - score) / (n - 1))
        scores[guess] = score
        keep = ("annotation_id", "recording_id", "t_min_s", "t_max_s", "partition")
        return {
            **{key: row[key] for key in keep},
            **{"true_species_id": self.ids[index], "true_name": self.names[index]},
            **{"predicted_species_id": self.ids[guess], "predicted_name": self.names[guess]},
            **{f"score_{i}": round(float(value), 6) for i, value in zip(self.ids, scores, strict=True)},
        }

    def _arguments(self, *tables: str) -> list[str]:
        given = [part for name in tables for part in (f"--{name.replace('_', '-')}", str(self.path / f"{name}.csv"))]
        return [*given, "--audio-dir", str(self.path / "audio"), "--params", json.dumps(self.params)]

    def figures(self, names: Sequence[str] = FIGURES) -> list[Path]:
        """Draw figures, those that the report embeds unless others are named, and return their paths."""
        paths = [self.path / "figures" / name for name in names]
        tables = ("history", "confusion", "baselines", "reliability", "rows", "classes", "recordings")
        tables += ("predictions", "per_class", "detection_per_class", "detection_curves", "detection_reliability")
        figures.main([*self._arguments(*tables), "--output", *map(str, paths)])
        return paths

    def report(self) -> Path:
        """Make the figures and the report as the rules do, and return the path of the page."""
        paths, output = self.figures(), self.path / "report.html"
        (self.path / "detection_metrics.json").write_text(json.dumps(self.detection_metrics))
        (self.path / "presence_calibration.json").write_text(json.dumps(self.presence_calibration))
        report.main(
            [
                *self._arguments(*report.TABLES),
                *("--metrics", str(self.path / "metrics.json")),
                *("--presence-calibration", str(self.path / "presence_calibration.json")),
                *(
                    "--detection-metrics",
                    str(self.path / "detection_metrics.json"),
                    "--model",
                    str(self.path / "model.keras"),
                ),
                *(
                    "--figures",
                    *map(str, paths),
                    "--output",
                    str(output),
                    "--headline",
                    str(self.path / "headline.json"),
                ),
                *(("--review", str(self.review)) if self.review else ()),
            ]
        )
        return output
