"""What the figures show and that it can be read: labels, extents, marks; never their pixels."""

import warnings
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import soundfile
from matplotlib.backends.backend_agg import FigureCanvasAgg
from sklearn.metrics import average_precision_score

import report_run
from dawnchorus.features import kinds
from dawnchorus.foundation.display_names import display_names
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning.history import best_epoch, kept_epoch
from dawnchorus.report import (
    class_figures,
    example_figure,
    figure_style,
    figures,
    media,
    precision_recall_figure,
)
from dawnchorus.tables import definitions, made

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
        example_figure.Example(
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
    return figure_style.encoded(figure, format)


def svg_texts(figure):
    root = ElementTree.fromstring(written(figure, "svg"))
    assert not [element for element in root.iter() if "script" in element.tag]
    return ["".join(element.itertext()).strip() for element in root.iter(f"{SVG}text")]


def boxes(figure, texts):
    """Return the extents in pixels (x0, y0, x1, y1) of texts that :func:`texts_of` found."""
    with figure_style.styled():
        return np.array([text.get_window_extent(figure.canvas.get_renderer()).extents for text in texts])


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
        FigureCanvasAgg(figure)
        # Everything is laid out and placed, and nothing painted, which takes as long again.
        figure.draw_without_rendering()
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
    figure = class_figures.confusion(some_counts(n), labels)
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
    figure = class_figures.classes(counts, labels)
    texts = texts_of(figure)
    assert_apart_and_inside(figure, texts)
    assert {text.get_text() for text in texts} >= set(labels)
    assert min(text.get_fontsize() for text in texts) >= 8
    sides = figure.get_size_inches() * figure.dpi
    assert PNG_SIDE[0] < sides.max() < PNG_SIDE[1]


def test_many_classes_are_named_in_steps():
    figure = class_figures.confusion(some_counts(180), latin_labels(180))
    assert_apart_and_inside(figure, texts_of(figure))


def draw_confusion(labels):
    return class_figures.confusion(some_counts(len(labels)), labels)


def draw_classes(labels):
    counts = pd.DataFrame(1, index=range(len(labels)), columns=["train", "validation", "test"])
    return class_figures.classes(counts, labels)


def draw_examples(labels):
    [example] = some_examples(1)
    return example_figure.examples([example._replace(label=label) for label in labels], kinds.get("mfcc").KIND)


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
    assert set(svg_texts(class_figures.confusion(some_counts(n), labels))) >= set(labels)
    counts = pd.DataFrame(3, index=range(n), columns=["train", "validation", "test"])
    assert set(svg_texts(class_figures.classes(counts, labels))) >= set(labels)


@pytest.mark.parametrize("format", ["png", "svg"])
def test_the_same_input_gives_the_same_bytes(format):
    first, second = (written(class_figures.confusion(some_counts(4), latin_labels(4)), format) for _ in range(2))
    assert first == second
    first, second = (
        written(example_figure.examples(some_examples(), kinds.get("mfcc").KIND), format) for _ in range(2)
    )
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


def test_the_marked_epoch_is_the_one_that_was_kept():
    """Without early stopping it is the last, and nothing is said of the lowest validation loss, which is elsewhere."""
    history = some_history(30, best=11)
    figure = figures.training(history, kept_epoch(history, early_stopping=False))
    [marked] = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert marked.get_xydata().tolist() == [[30, history["val_loss"][29]]]
    assert "epoch 30, kept" in svg_texts(figure)


def test_the_kept_epoch_of_early_stopping_has_the_lowest_validation_loss():
    history = some_history(30, best=11)
    assert best_epoch(history) == 11
    figure = figures.training(history, kept_epoch(history, early_stopping=True))
    loss, accuracy = figure.axes
    for ax, column in ((loss, "val_loss"), (accuracy, "val_accuracy")):
        [marked] = [line for line in ax.lines if line.get_marker() == "o"]
        assert marked.get_xydata().tolist() == [[11, history[column][10]]]
    assert "epoch 11, kept, lowest validation loss" in svg_texts(figure)
    assert_apart_and_inside(figure, texts_of(figure))


def test_the_first_of_equal_epochs_is_marked_and_nan_is_not():
    history = some_history(4, best=1).assign(val_loss=[np.nan, 0.5, 0.5, 0.9])
    assert best_epoch(history) == 2


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
    figure = figures.training(history, kept_epoch(history, early_stopping=True))
    drawn = [line for line in figure.axes[0].lines if line.get_label() in ("training", "validation")]
    assert len(drawn) == (2 if "val_loss" in history and history["val_loss"].notna().any() else 1)
    assert_apart_and_inside(figure, texts_of(figure))
    assert best_epoch(history) in (1, 2, None)
    assert written(figure, "png")


def test_confusion_shows_counts_and_leaves_out_numbers_that_do_not_fit():
    counts = np.array([[12, 3], [0, 0]])
    figure = class_figures.confusion(counts, ["a", "b"])
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["12", "3"]
    shares = figure.axes[0].images[0].get_array()
    assert shares[0].tolist() == [0.8, 0.2]
    assert np.isnan(np.ma.filled(shares, np.nan)[1]).all()
    figure = class_figures.confusion(some_counts(100, most=30_000), latin_labels(100))
    assert not figure.axes[0].texts
    assert class_figures.confusion(np.zeros((2, 2), int), ["a", "b"])


def test_class_counts_by_partition_and_the_commonest_first():
    rows = pd.DataFrame({"class_index": [2, 2, 2, 0, 0], "partition": ["train", "test", "test", "train", "test"]})
    counts = class_figures.class_counts(rows, 4)
    assert counts.to_numpy().tolist() == [[1, 0, 1], [0, 0, 0], [1, 0, 2], [0, 0, 0]]
    figure = class_figures.classes(counts, ["a", "b", "c", "d"])
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["c", "a", "b", "d"]
    widths = [[bar.get_width() for bar in bars] for bars in figure.axes[0].containers]
    assert widths == [[1, 1, 0, 0], [0, 0, 0, 0], [2, 1, 0, 0]]


def test_envelope_covers_the_sound():
    y = np.sin(np.arange(1000) * 0.37).astype(np.float32)
    middles, low, high = media.envelope(y, 50)
    assert len(middles) == 50
    assert middles[0] == 10
    assert middles[-1] == 990
    assert (low.min(), high.max()) == (y.min(), y.max())
    assert low[7] == y[140:160].min()
    assert len(media.envelope(y[:10], 50)[0]) == 10


def test_an_example_too_short_for_a_frame_is_named(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(8000, np.float32), 8000)
    row = {"recording_id": "a", "class_index": 0, "partition": "train", "t_min_s": 0.5, "t_max_s": 0.51}
    recordings = {"a": {"path": "a.wav", "duration_s": 1.0, "sample_rate_hz": 8000}}
    block = {"clip": "annotation", "kind": "log_mel", "sample_rate_hz": None, "n_fft": 256, "hop_length": 100}
    with pytest.raises(InputError, match=r"a\.wav: from 0\.5 to 0\.51 s: 80 samples at 8000 Hz; expected one FFT"):
        example_figure.examples_of(pd.DataFrame([row]), recordings, ["bird"], tmp_path, block, 1)


@pytest.mark.parametrize("name", kinds.names())
def test_examples_have_axes_in_seconds(name):
    kind = kinds.get(name).KIND
    figure = example_figure.examples(some_examples(), kind)
    assert [ax.get_xlim() for ax in figure.axes[:4]] == [(0, 0.3), (0, 0.3), (0, 2.0), (0, 2.0)]
    # Frame t is centred at t * hop_s: 63 frames of 32 ms.
    first = kind.level_features - 0.5
    assert figure.axes[3].images[0].get_extent() == pytest.approx([-0.016, 62.5 * 0.032, first, 19.5])
    texts = texts_of(figure)
    assert {kind.axis, kind.quantity} <= {text.get_text() for text in texts}
    assert_apart_and_inside(figure, texts)
    quiet = some_examples(1)[0]._replace(y=np.zeros(2400, np.float32), features=np.zeros((10, 1), np.float32))
    assert written(example_figure.examples([quiet], kind), "png")


def some_bins():
    rows = [("before", 0, np.nan, np.nan), ("before", 4, 0.4, 0.5), ("before", 16, 0.9, 0.7), ("after", 20, 0.7, 0.7)]
    return pd.DataFrame(rows, columns=["temperature", "n", "mean_score", "accuracy"])


def test_the_dots_of_the_reliability_curve_are_as_large_as_their_bins():
    figure = figures.reliability(some_bins())
    before, after = figure.axes[0].collections
    assert before.get_offsets().tolist() == [[0.4, 0.5], [0.9, 0.7]]
    small, large = before.get_sizes()
    assert large == pytest.approx(4 * small)
    assert after.get_sizes()[0] == pytest.approx(1.25 * large)
    assert "perfect calibration" in svg_texts(figure)
    assert_apart_and_inside(figure, texts_of(figure))
    assert written(figures.reliability(some_bins().assign(n=0)), "svg")


def test_baselines_have_their_intervals_or_say_that_they_are_not_there():
    rows = pd.DataFrame({"accuracy": [0.8, 0.5, np.nan], "accuracy_low": [0.7, np.nan, np.nan]})
    labels = ["This model (cnn)", "Majority class", "Context only"]
    figure = figures.baselines(rows.assign(accuracy_high=[0.9, np.nan, np.nan]), labels)
    [ax] = figure.axes
    assert [bar.get_width() for bar in ax.patches] == [0.8, 0.5]
    assert [list(line.get_xdata()) for line in ax.lines] == [[0.7, 0.9]]
    assert {"0.800 (0.700 to 0.900)", "0.500", "not available", *labels} <= set(svg_texts(figure))
    assert_apart_and_inside(figure, texts_of(figure))


def some_curves(n, label="Eleutherodactylus {}"):
    rng = np.random.default_rng(n)
    labels = display_names([str(i) for i in range(n)], [label.format(i) for i in range(n)], 20)
    truth = rng.integers(n + 1, size=40 * n)
    predictions = pd.DataFrame({"true_species_id": [f"s{i}" for i in truth]})
    per_class = pd.DataFrame({"species_id": [f"s{i}" for i in range(n)]})
    for i in range(n):
        predictions[f"score_s{i}"] = (rng.random(len(truth)) + 0.5 * (truth == i)).round(2)
    expected = [average_precision_score(truth == i, predictions[f"score_s{i}"]) for i in range(n)]
    per_class = per_class.assign(average_precision=expected, average_precision_low=0.5, average_precision_high=0.9)
    return precision_recall_figure.of_clips(predictions, per_class, labels), expected, truth


@pytest.mark.parametrize("n", [3, 24, 100])
def test_precision_recall_curves_can_be_read_and_enclose_the_average_precision(n):
    curves, expected, truth = some_curves(n)
    figure = precision_recall_figure.draw(curves, "40 test clips")
    assert len(figure.axes) == n
    for ax, value, index in zip(figure.axes, expected, range(n), strict=True):
        chance, curve = ax.lines
        recall, precision = curve.get_data()
        assert np.trapezoid(precision, recall) == pytest.approx(value)
        assert recall[[0, -1]].tolist() == [0, 1]
        assert chance.get_ydata()[0] == pytest.approx((truth == index).mean())
        assert f"{value:.2f} (0.50 to 0.90)" in [text.get_text() for text in ax.texts]
    assert_apart_and_inside(figure, [text for text in texts_of(figure) if text.get_text().strip() not in ("0", "1")])
    assert len(written(figure, "svg")) < 12_000 * n


def test_a_species_without_test_clips_has_an_empty_panel_that_says_so():
    curve = precision_recall_figure.Curve("wren", np.empty(0), np.empty(0), np.nan, np.nan, np.nan, 0.0)
    alone = precision_recall_figure.Curve("frog", np.array([1.0]), np.array([1.0]), 1.0, np.nan, np.nan)
    figure = precision_recall_figure.draw([curve, alone], "x")
    assert [ax.texts[0].get_text() for ax in figure.axes] == ["none in the test", "1.00 (no interval)"]


def test_the_parts_of_a_figure_lie_where_their_ids_say():
    figure = figures.training(some_history(30, best=11), 30)
    width, height = 72 * figure.get_size_inches()
    root = ElementTree.fromstring(written(figure, "svg"))
    ids = [element.get("id") for element in root.iter(f"{SVG}g") if element.get("id", "").startswith(("panel", "wide"))]
    assert [name.split("_")[0] for name in ids] == ["panel", "panel", "wide"]
    for name, artist in zip(ids, [*figure.axes, *figure.legends], strict=True):
        left, top, wide, high = (float(side) for side in name.split("_")[1:])
        box = artist.get_window_extent().extents / figure.dpi * 72
        assert left <= box[0]
        assert left + wide >= box[2]
        assert top <= height - box[3]
        assert top + high >= height - box[1]
        assert -3 <= left <= left + wide <= width + 3


def test_every_duration_is_in_one_bin():
    values = [*np.random.default_rng(0).uniform(0.2, 4.9, 300), 1.0, 2.0, 0.3]
    figure = figures.durations(values)
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == len(values)
    assert_apart_and_inside(figure, texts_of(figure))


@pytest.mark.parametrize("largest", [0.0, 0.3, 0.9999, 1.0, 6.0, 59.9, 60.0, 3600.0])
def test_bins_are_round_few_and_hold_all(largest):
    edges = figures.bin_edges([largest, 0.0])
    assert 2 <= len(edges) <= figures.MOST_BINS + 1
    assert edges[0] == 0
    assert edges[-1] > largest
    assert f"{edges[1]:.0e}"[0] in "125"
    np.testing.assert_allclose(np.diff(edges), edges[1])


def test_differences_are_in_their_intervals_on_both_sides_of_none():
    better = {"difference": 0.1, "low": 0.05, "high": 0.2, "verdict": "better"}
    unclear = {"difference": -0.4, "low": None, "high": None, "verdict": "unclear"}
    figure = figures.differences([better, unclear], ["Accuracy", "Loss"])
    interval, point, alone, zero = figure.axes[0].lines
    assert interval.get_xdata()[0] < point.get_xdata()[0] < interval.get_xdata()[1]
    assert interval.get_xdata()[1] == pytest.approx(2 * point.get_xdata()[0])
    assert list(zero.get_xdata()) == [0, 0]
    assert alone.get_xdata()[0] < 0
    assert_apart_and_inside(figure, texts_of(figure))


@pytest.fixture
def finished(tmp_path):
    """A finished run whose classes have names that could break a file."""
    run = report_run.Run(tmp_path / "run", ["wren", "<script>alert(1)</script>", "$a_b$"], ("site/r0", "site/r1"))
    run.params["figures"] = {"example_species": 2}
    return run


NAMES = ("training", "confusion", "baselines", "reliability", "durations", "classes", "examples", "detection")
NAMES += ("precision_recall", "detection_precision_recall")


@pytest.mark.parametrize("features", [{"kind": "mfcc", "n_mfcc": 13}, {"clip": "window", "window_s": 1.0}])
def test_stage_writes_every_figure_whole(finished, features):
    finished.params["features"] |= {"clip": "annotation"} | features
    finished.figures([f"{name}.{format}" for name in NAMES for format in ("png", "svg")])
    for name in NAMES:
        assert (finished.path / f"figures/{name}.png").read_bytes().endswith(b"IEND\xaeB`\x82")
        root = ElementTree.parse(finished.path / f"figures/{name}.svg").getroot()
        assert root.tag == f"{SVG}svg"
        assert not list(root.iter(f"{SVG}script"))
    svg = (finished.path / "figures/confusion.svg").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in svg
    # The training clips of class 0 are of 0.3, 0.4 and 0.5 s; that of 0.4 s starts at 0.37 s.
    expected = "site/r1, 0.07 to 1.07 s" if "window_s" in features else "site/r1, 0.37 to 0.77 s"
    svg = (finished.path / "figures/examples.svg").read_text(encoding="utf-8")
    assert expected in svg
    assert ("shaded: the annotation" in svg) == ("window_s" in features)
    assert kinds.get(finished.params["features"]["kind"]).KIND.quantity in svg


def test_stage_refuses_a_confusion_of_other_classes(finished):
    path = finished.path / "confusion.csv"
    made.write(path, definitions.CONFUSION, made.frame(path, definitions.CONFUSION).iloc[:4])
    with pytest.raises(InputError, match=r"confusion.csv: 4 pairs; expected all 9 of the 3 classes"):
        finished.figures()
    assert not (finished.path / "figures").exists()


def test_counts_of_a_confusion_are_in_the_order_of_the_classes():
    ids = ["b", "a"]
    rows = [("a", "a", 1), ("a", "b", 2), ("b", "a", 3), ("b", "b", 4)]
    table = pd.DataFrame(rows, columns=["true_species_id", "predicted_species_id", "count"])
    assert class_figures.confusion_counts(table, ids, "x").tolist() == [[4, 3], [2, 1]]
    with pytest.raises(InputError, match="x: 4 pairs; expected all 4 of the 2 classes"):
        class_figures.confusion_counts(table, ["a", "c"], "x")
