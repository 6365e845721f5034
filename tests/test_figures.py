"""What the figures show and that it can be read: labels, extents, marks; never their pixels."""

import io
import json
import warnings
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import soundfile
from matplotlib.backends.backend_agg import FigureCanvasAgg

from dawnchorus.features.kinds import log_mel, mfcc
from dawnchorus.foundation.display_names import display_names
from dawnchorus.foundation.errors import InputError
from dawnchorus.report import figure_style, figures

HOSTILE = [
    "$x_1^2$ bird",
    "<script>alert(1)</script>",
    "a & b \"q\" 'z'",
    "🐸 frog 🐦",
    "ضفدع الشجر",
    "צפרדע",
    "very " * 60 + "long",
    "tab\tnew\nline\x00\x0b\ud800",
    "\u202eevil",
    "日本の鳥",
    "_under_score_ \\alpha",
    "",
]
PNG_SIDE = (300, 3200)
SVG = "{http://www.w3.org/2000/svg}"


def latin_labels(n):
    names = [f"{'Eleutherodactylus' if i % 2 else 'Todus'} species{i}ensis" for i in range(n)]
    return display_names([str(i) for i in range(n)], names, 28)


def some_counts(n, most=30):
    rng = np.random.default_rng(n)
    return rng.integers(most, size=(n, n)) * (rng.random((n, n)) < 3 / n) + np.diag(rng.integers(most, size=n))


def some_history(epochs, best):
    val_loss = np.abs(np.arange(1, epochs + 1) - best) * 0.1 + 1
    return pd.DataFrame(
        {
            "epoch": np.arange(1, epochs + 1),
            "loss": np.linspace(2, 0.1, epochs),
            "accuracy": np.linspace(0.1, 1, epochs),
            "val_loss": val_loss,
            "val_accuracy": np.linspace(0.1, 0.6, epochs),
            "learning_rate": 0.001,
        }
    )


def some_examples(n=2, n_features=20, seconds=(0.3, 2.0)):
    rng = np.random.default_rng(0)
    return [
        figures.Example(
            label=f"species {i}",
            caption="recording, 1.00 to 2.00 s",
            y=rng.normal(size=int(seconds[i] * 8000)).astype(np.float32),
            sample_rate_hz=8000,
            features=rng.normal(size=(int(seconds[i] * 8000 / 256) + 1, n_features)).astype(np.float32),
            hop_s=256 / 8000,
            annotation_s=None if i else (0.1, 0.2),
        )
        for i in range(n)
    ]


def written(figure, format):
    file = io.BytesIO()
    figure_style.save(figure, file, format)
    return file.getvalue()


def svg_texts(figure):
    root = ElementTree.fromstring(written(figure, "svg"))
    assert not [element for element in root.iter() if "script" in element.tag]
    return ["".join(element.itertext()).strip() for element in root.iter(f"{SVG}text")]


def boxes(figure, texts):
    """Return the extents in pixels (x0, y0, x1, y1) of texts as drawn."""
    with figure_style.styled():
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.array([text.get_window_extent(canvas.get_renderer()).extents for text in texts])


def assert_apart_and_inside(figure, texts):
    extents = boxes(figure, texts)
    width, height = figure.get_size_inches() * figure.dpi
    assert (extents[:, :2] >= 0).all()
    assert (extents[:, 2] <= width).all()
    assert (extents[:, 3] <= height).all()
    low = np.maximum(extents[:, None, :2], extents[None, :, :2])
    high = np.minimum(extents[:, None, 2:], extents[None, :, 2:])
    overlap = (high - low > 0.5).all(axis=2)
    np.fill_diagonal(overlap, False)
    assert not overlap.any(), [texts[i].get_text() for i in np.argwhere(overlap)[0]]


def texts_of(figure):
    """Return everything a figure says, the labels of ticks that are drawn included."""
    with figure_style.styled():
        FigureCanvasAgg(figure).draw()
    texts = [*figure.texts]
    for legend in figure.legends:
        texts += legend.get_texts()
    for ax in figure.axes:
        texts += [*ax.texts, ax.xaxis.label, ax.yaxis.label, ax.title, ax._left_title]
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            texts += [text for tick in ticks for text in (tick.label1, tick.label2)]
    return [text for text in texts if text.get_text() and text.get_visible()]


@pytest.mark.parametrize("n", [2, 3, 12, 24, 60, 100])
def test_confusion_can_be_read(n):
    labels = latin_labels(n)
    figure = figures.confusion(some_counts(n), labels)
    texts = texts_of(figure)
    assert_apart_and_inside(figure, texts)
    assert {text.get_text() for text in texts} >= set(labels)
    assert min(text.get_fontsize() for text in texts) >= 5
    assert min(text.get_fontsize() for text in texts if text.get_text() in labels) >= 6.5
    sides = figure.get_size_inches() * figure.dpi
    assert PNG_SIDE[0] < sides.min() <= sides.max() < PNG_SIDE[1]


@pytest.mark.parametrize("n", [2, 3, 12, 24, 40, 41, 60, 100])
def test_class_counts_can_be_read(n):
    labels = latin_labels(n)
    counts = pd.DataFrame(some_counts(n)[:, [0, 1, 0]], columns=["train", "validation", "test"])
    figure = figures.classes(counts, labels)
    texts = texts_of(figure)
    assert_apart_and_inside(figure, texts)
    assert {text.get_text() for text in texts} >= set(labels)
    assert min(text.get_fontsize() for text in texts) >= 8
    sides = figure.get_size_inches() * figure.dpi
    assert PNG_SIDE[0] < sides.max() < PNG_SIDE[1]


def test_many_classes_are_named_in_steps():
    figure = figures.confusion(some_counts(180), latin_labels(180))
    assert_apart_and_inside(figure, texts_of(figure))


def draw_confusion(labels):
    return figures.confusion(some_counts(len(labels)), labels)


def draw_classes(labels):
    counts = pd.DataFrame(1, index=range(len(labels)), columns=["train", "validation", "test"])
    return figures.classes(counts, labels)


def draw_examples(labels):
    [example] = some_examples(1)
    return figures.examples([example._replace(label=label) for label in labels], mfcc.KIND)


@pytest.mark.parametrize(
    ("draw", "names"), [(draw_confusion, HOSTILE), (draw_classes, HOSTILE), (draw_examples, HOSTILE[:4])]
)
def test_hostile_names_are_shown_as_they_are(draw, names):
    labels = display_names([f"id{i}" for i in range(len(names))], names, 28)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw(labels)
        texts = svg_texts(figure)
        assert written(figure, "png").startswith(b"\x89PNG")
    assert set(texts) >= {*labels, "<script>alert(1)</script>", "$x_1^2$ bird"}


@pytest.mark.parametrize("n", [3, 24, 100])
def test_svg_names_every_class(n):
    labels = latin_labels(n)
    assert set(svg_texts(figures.confusion(some_counts(n), labels))) >= set(labels)
    counts = pd.DataFrame(3, index=range(n), columns=["train", "validation", "test"])
    assert set(svg_texts(figures.classes(counts, labels))) >= set(labels)


@pytest.mark.parametrize("format", ["png", "svg"])
def test_the_same_input_gives_the_same_bytes(format):
    first, second = (written(figures.confusion(some_counts(4), latin_labels(4)), format) for _ in range(2))
    assert first == second
    first, second = (written(figures.examples(some_examples(), mfcc.KIND), format) for _ in range(2))
    assert first == second


def test_labels_are_printable_distinct_and_short():
    labels = display_names([f"id{i}" for i in range(len(HOSTILE))], HOSTILE, 28)
    assert labels[6] == "very very very…ery very long"
    assert labels[7] == "tab new line"
    assert labels[8] == "evil"
    assert labels[-1] == "id11"
    assert max(map(len, labels)) <= 28
    alike = ["A" * 40, "A" * 41, "wren", "wren", "Eleutherodactylus portoricensis", "Eleutherodactylus coqui"]
    labels = display_names(list("abcdef"), alike, 20)
    assert len(set(labels)) == len(alike)
    assert labels[2:4] == ["wren [c]", "wren [d]"]
    assert labels[4:] == ["Eleutherod…oricensis", "Eleutherod…lus coqui"]
    assert max(map(len, labels)) <= 20
    # Ids that differ only where nothing can be printed still give two labels.
    assert len(set(display_names(["a", "a\x00"], ["wren", "wren"], 20))) == 2


def test_the_marked_epoch_has_the_lowest_validation_loss():
    history = some_history(30, best=11)
    assert figures.best_epoch(history) == 11
    figure = figures.training(history)
    loss, accuracy = figure.axes
    for ax, column in ((loss, "val_loss"), (accuracy, "val_accuracy")):
        [marked] = [line for line in ax.lines if line.get_marker() == "o"]
        assert marked.get_xydata().tolist() == [[11, history[column][10]]]
    assert "epoch 11, lowest validation loss" in svg_texts(figure)
    assert_apart_and_inside(figure, texts_of(figure))


def test_the_first_of_equal_epochs_is_marked_and_nan_is_not():
    history = some_history(4, best=1).assign(val_loss=[np.nan, 0.5, 0.5, 0.9])
    assert figures.best_epoch(history) == 2


@pytest.mark.parametrize(
    "history",
    [
        some_history(1, 1),
        some_history(5, 2).assign(val_loss=np.nan, val_accuracy=np.nan),
        some_history(5, 2).drop(columns=["val_loss", "val_accuracy"]),
        some_history(3, 2).assign(loss=[1, np.inf, np.nan]),
    ],
    ids=["one epoch", "no validation", "no validation columns", "diverged"],
)
def test_training_curves_of_unusual_histories(history):
    figure = figures.training(history)
    drawn = [line for line in figure.axes[0].lines if line.get_label() in ("training", "validation")]
    assert len(drawn) == (2 if "val_loss" in history and history["val_loss"].notna().any() else 1)
    assert_apart_and_inside(figure, texts_of(figure))
    assert figures.best_epoch(history) in (1, 2, None)
    assert written(figure, "png")


def test_confusion_shows_counts_and_leaves_out_numbers_that_do_not_fit():
    counts = np.array([[12, 3], [0, 0]])
    figure = figures.confusion(counts, ["a", "b"])
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["12", "3"]
    shares = figure.axes[0].images[0].get_array()
    assert shares[0].tolist() == [0.8, 0.2]
    assert np.isnan(np.ma.filled(shares, np.nan)[1]).all()
    figure = figures.confusion(some_counts(100, most=30_000), latin_labels(100))
    assert not figure.axes[0].texts
    assert figures.confusion(np.zeros((2, 2), int), ["a", "b"])


def test_class_counts_by_partition_and_the_commonest_first():
    rows = pd.DataFrame({"class_index": [2, 2, 2, 0, 0], "partition": ["train", "test", "test", "train", "test"]})
    counts = figures.class_counts(rows, 4)
    assert counts.to_numpy().tolist() == [[1, 0, 1], [0, 0, 0], [1, 0, 2], [0, 0, 0]]
    figure = figures.classes(counts, ["a", "b", "c", "d"])
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["c", "a", "b", "d"]
    widths = [[bar.get_width() for bar in bars] for bars in figure.axes[0].containers]
    assert widths == [[1, 1, 0, 0], [0, 0, 0, 0], [2, 1, 0, 0]]


def test_example_clips_are_of_median_duration():
    rows = pd.DataFrame(
        {
            "annotation_id": range(8),
            "class_index": [1, 1, 1, 0, 0, 2, 2, 2],
            "t_min_s": 1.0,
            "t_max_s": [9.0, 2.0, 3.0, 4.0, 2.0, 5.0, 5.0, 5.0],
        }
    )
    chosen = figures.example_clips(rows, 2)
    # Classes 1 and 2 have three clips each: 8, 1 and 2 s, of which 2 is the median, and three of 4 s.
    assert chosen["annotation_id"].tolist() == [2, 6]
    assert figures.example_clips(rows, 9)["annotation_id"].tolist() == [4, 2, 6]


def test_envelope_covers_the_sound():
    y = np.sin(np.arange(1000) * 0.37).astype(np.float32)
    times_s, low, high = figures.envelope(y, 100, 50)
    assert len(times_s) == 50
    assert times_s[0] == pytest.approx(0.1)
    assert times_s[-1] == pytest.approx(9.9)
    assert (low.min(), high.max()) == (y.min(), y.max())
    assert low[7] == y[140:160].min()
    assert len(figures.envelope(y[:10], 100, 50)[0]) == 10


@pytest.mark.parametrize("kind", [mfcc.KIND, log_mel.KIND], ids=["mfcc", "log_mel"])
def test_examples_have_axes_in_seconds(kind):
    figure = figures.examples(some_examples(), kind)
    assert [ax.get_xlim() for ax in figure.axes[:4]] == [(0, 0.3), (0, 0.3), (0, 2.0), (0, 2.0)]
    # Frame t is centred at t * hop_s: 63 frames of 32 ms.
    assert figure.axes[3].images[0].get_extent() == pytest.approx([-0.016, 62.5 * 0.032, -0.5, 19.5])
    assert_apart_and_inside(figure, texts_of(figure))
    quiet = some_examples(1)[0]._replace(y=np.zeros(2400, np.float32), features=np.zeros((10, 1), np.float32))
    assert written(figures.examples([quiet], kind), "png")


FEATURES = {
    "kind": "mfcc",
    "sample_rate_hz": None,
    "n_fft": 512,
    "hop_length": 128,
    "n_mels": 32,
    "n_mfcc": 13,
    "f_min_hz": 0.0,
    "f_max_hz": None,
    "mel_sample_rate_hz": None,
    "deltas": 2,
    "clip": "annotation",
    "window_s": 1.0,
    "jitter_s": 0.0,
}


def a_project(folder):
    """Write one recording, its tables and a history; return the stage's arguments."""
    rate_hz = 8000
    time_s = np.arange(4 * rate_hz) / rate_hz
    (folder / "audio/site").mkdir(parents=True)
    soundfile.write(folder / "audio/site/r1.flac", 0.3 * np.sin(2 * np.pi * 900 * time_s), rate_hz)
    ids, names = ["007", "NA", "x"], ["wren", "<script>alert(1)</script>", "$a_b$"]
    tables = {
        "history": some_history(3, best=2),
        "confusion": pd.DataFrame(
            {
                "true_species_id": np.repeat(ids, 3),
                "true_name": np.repeat(names, 3),
                "predicted_species_id": np.tile(ids, 3),
                "predicted_name": np.tile(names, 3),
                "count": [5, 1, 0, 0, 3, 0, 2, 0, 0],
            }
        ),
        "rows": pd.DataFrame(
            {
                "row": range(6),
                "annotation_id": [5, 4, 3, 2, 1, 0],
                "recording_id": "site/r1",
                "class_index": [0, 1, 2, 0, 1, 2],
                "partition": ["train", "validation", "test"] * 2,
            }
        ),
        "classes": pd.DataFrame({"class_index": [0, 1, 2], "species_id": ids, "species_name": names}),
        "annotations": pd.DataFrame(
            {
                "annotation_id": range(6),
                "recording_id": "site/r1",
                "t_min_s": [0.5, 0.1, 2.0, 1.0, 1.5, 3.0],
                "t_max_s": [0.9, 1.1, 2.7, 1.9, 1.75, 4.0],
            }
        ),
        "recordings": pd.DataFrame(
            {
                "recording_id": ["site/r1"],
                "path": ["site/r1.flac"],
                "sample_rate_hz": [rate_hz],
                "duration_s": [4.0],
            }
        ),
    }
    arguments = []
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
        arguments += [f"--{name}", str(folder / f"{name}.csv")]
    return [*arguments, "--audio-dir", str(folder / "audio"), "--output", str(folder / "figures")]


def params(**features):
    return ["--params", json.dumps({"features": {**FEATURES, **features}, "figures": {"example_species": 2}})]


@pytest.mark.parametrize("features", [{}, {"clip": "window", "kind": "log_mel"}], ids=["annotation", "window"])
def test_stage_writes_every_figure_whole(tmp_path, features):
    from dawnchorus.stages import figures as stage

    stage.main([*a_project(tmp_path), *params(**features)])
    names = ("training", "confusion", "examples", "classes")
    made = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert made == sorted(f"{name}.{format}" for name in names for format in ("png", "svg"))
    for name in names:
        assert (tmp_path / f"figures/{name}.png").read_bytes().endswith(b"IEND\xaeB`\x82")
        root = ElementTree.parse(tmp_path / f"figures/{name}.svg").getroot()
        assert root.tag == f"{SVG}svg"
        assert not list(root.iter(f"{SVG}script"))
    svg = (tmp_path / "figures/confusion.svg").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in svg
    # The window of 1 s around the annotation of 0.7 s (class 0, annotation 2) starts 0.15 s before it.
    expected = "site/r1, 1.85 to 2.85 s" if features else "site/r1, 2.00 to 2.70 s"
    svg = (tmp_path / "figures/examples.svg").read_text(encoding="utf-8")
    assert expected in svg
    assert ("shaded: the annotation" in svg) == bool(features)


@pytest.mark.parametrize("missing", ["", "nan"])
def test_a_history_without_validation_is_read(tmp_path, missing):
    from dawnchorus.stages import figures as stage

    history = some_history(3, 2).assign(val_loss=missing, val_accuracy=missing)
    history.to_csv(tmp_path / "history.csv", index=False)
    read = stage.read_history(tmp_path / "history.csv")
    assert read["loss"].tolist() == pytest.approx([2, 1.05, 0.1])
    assert figures.best_epoch(read) is None


def test_stage_refuses_a_confusion_of_other_classes(tmp_path):
    from dawnchorus.stages import figures as stage

    arguments = a_project(tmp_path)
    pd.read_csv(tmp_path / "confusion.csv").iloc[:4].to_csv(tmp_path / "confusion.csv", index=False)
    with pytest.raises(InputError, match=r"confusion.csv: 4 pairs; expected all 9 of the 3 classes"):
        stage.main([*arguments, *params()])
    assert not (tmp_path / "figures").exists()
