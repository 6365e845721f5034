"""params.yaml and the models of its blocks: what is refused, and how it is said; what is written from the models."""

import copy
import json
import re
from pathlib import Path

import pytest
import yaml
from dvc.utils.serialize import load_yaml
from jsonschema import Draft202012Validator

from dawnchorus import networks
from dawnchorus.features import kinds
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.source_code import SourceCode
from dawnchorus.parameters import fields
from dawnchorus.parameters.detections import Detections
from dawnchorus.parameters.recipe import RECIPE
from dawnchorus.workflow import params_file, params_texts, reruns

ROOT = Path(__file__).parents[1]
DEFAULT = (ROOT / "params.yaml").read_text()
VALUES = yaml.safe_load(DEFAULT)
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))
SCHEMA = json.loads((ROOT / "workflow/schemas/params.schema.json").read_text())


def problems(tmp_path, text: str) -> list[str]:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        params_file.load(path)
    return [re.sub(rf"^{re.escape(str(path))}(:\d+)?: ", "", line) for line in str(caught.value).splitlines()]


def with_values(changes: dict) -> str:
    """Return a params file with some values changed, by their names with dots."""
    values = copy.deepcopy(VALUES)
    for key, value in changes.items():
        *blocks, name = key.split(".")
        owner = values
        for block in blocks:
            owner = owner[block]
        owner[name] = value
    return yaml.safe_dump(values)


@pytest.mark.parametrize("path", [ROOT / "params.yaml", *PRESETS], ids=lambda p: p.name)
def test_the_default_and_every_preset_are_valid_for_us_and_by_the_schema(path):
    params_file.load(path)
    Draft202012Validator(SCHEMA).validate(yaml.safe_load(path.read_text()))


def test_what_is_written_from_the_models_is_current():
    made = params_texts.texts(ROOT)
    assert {ROOT / path for path in made if path.suffix == ".yaml"} == set(PRESETS), "a preset of no changes"
    for path, text in made.items():
        assert (ROOT / path).read_text() == text, f"{path} is out of date: make generated"
    assert (ROOT / "presets/default.yaml").read_text() == DEFAULT, "cp presets/default.yaml params.yaml"


def test_a_written_file_says_below_what_each_value_means_and_may_be():
    (at,) = [number for number, line in enumerate(DEFAULT.splitlines()) if line == "  deltas: 0"]
    assert DEFAULT.splitlines()[at - 1] == (
        "  # orders of differences over time that are appended (integer from 0 to 2)"
    )
    assert all(len(line) <= 120 for path in PRESETS for line in path.read_text().splitlines())


def test_a_preset_is_the_default_with_its_changes_and_its_comment(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("# Mine.\n# Two lines.\ntrain:\n  epochs: 7\nmodel:\n  name: lstm\n  units: 5\n")
    made = params_texts.preset(path)
    assert made.startswith("# Mine.\n# Two lines.\n")
    values, default = yaml.safe_load(made), yaml.safe_load(DEFAULT)
    assert values.pop("model") == {"name": "lstm", "units": 5, "bidirectional": True, "dropout": 0.3}
    del default["model"]
    default["train"]["epochs"] = 7
    assert values == default
    path.write_text("train:\n  epoch: 7\n")
    with pytest.raises(InputError, match=r"mine.yaml: train.epoch: unknown key; did you mean epochs\?"):
        params_texts.preset(path)


def rules_of(schema: dict):
    """Yield every key of a JSON schema that is a value: its name and its rule."""
    for definition in schema["$defs"].values():
        for one in definition.get("oneOf", [definition]):
            yield from one["properties"].items()


def types_of(rule: dict) -> set[str]:
    return {rule.get("type"), *(choice.get("type") for choice in rule.get("anyOf", []))}


def test_every_value_has_a_meaning_and_every_number_a_range():
    for name, rule in rules_of(SCHEMA):
        assert rule.get("description"), name
        for choice in [rule, *rule.get("anyOf", [])]:
            if choice.get("type") in ("integer", "number") and "enum" not in choice:
                assert {"minimum", "exclusiveMinimum"} & set(choice), name
                assert {"maximum", "exclusiveMaximum"} & set(choice), name


@pytest.mark.parametrize("name", networks.names())
def test_every_network_has_a_recipe(name, tmp_path):
    params = params_file.defaults(model=name)
    params_file.canonical(params)
    Draft202012Validator(SCHEMA).validate(params)
    path = tmp_path / "params.yaml"
    path.write_text(params_texts.text_of(params, ""))
    assert params_file.load(path) == params


WRONG = [
    ("train.epoch", 5, "train.epoch: unknown key; did you mean epochs?"),
    ("features.colour", 5, "features.colour: unknown key; known keys: kind, "),
    ("train.epochs", 0, "train.epochs: 0: expected integer from 1 to 100000 (passes over the training rows"),
    ("train.epochs", 2.5, "train.epochs: 2.5: expected integer from 1"),
    ("train.epochs", True, "train.epochs: true: expected integer from 1"),
    ("train.epochs", "many", 'train.epochs: "many": expected integer'),
    ("train.learning_rate", float("nan"), "train.learning_rate: .nan: not finite; expected a finite number"),
    ("train.learning_rate", float("-inf"), "train.learning_rate: -.inf: not finite; expected a finite number"),
    ("train.shuffle", "yes", 'train.shuffle: "yes": expected true or false'),
    ("train.early_stopping_patience", 0, "train.early_stopping_patience: 0: expected integer from 1 to 100000 or null"),
    ("features.kind", "spectrum", 'features.kind: "spectrum": expected one of "embedding", "log_mel", "mfcc", "pcen"'),
    ("features.n_mfcc", 20, "features.n_mfcc: unknown key; known keys: kind, "),
    ("features.n_fft", 1, "features.n_fft: 1: expected integer from 16 to 65536 samples"),
    ("features.mel_sample_rate_hz", 10, "features.mel_sample_rate_hz: 10: expected number from 1000 to 500000 or null"),
    ("seed", -1, "seed: -1: expected integer from 0"),
    ("data.audio_dir", "a{b}", 'data.audio_dir: "a{b}": expected string'),
    ("data.audio_dir", "-a", 'data.audio_dir: "-a": expected string'),
    ("data.format", "xls", 'data.format: "xls": expected one of "rfcx", "raven", "audacity", "csv"'),
    ("data.columns", {"t_mix": "a"}, "data.columns.t_mix: unknown key; did you mean t_min?"),
    ("data.columns", {"t_min": 5}, "data.columns.t_min: 5: expected string"),
    ("data.columns", [], "data.columns: []: expected block of keys and values"),
    ("simulate.set.sites", 27, "simulate.set.sites: 27: expected integer from 1 to 26"),
    ("simulate", {"sets": {}}, "simulate.sets: unknown key; did you mean set?"),
    ("split.test_groups", [], "split.test_groups: []: expected list of at least 1: string or integer or null"),
    ("model.name", "resnet", 'model.name: "resnet": expected one of "article", "cnn"'),
    ("model.unit", 4, "model.unit: unknown key"),
    ("model.widths", [0, 4, 0], "model.widths: [0, 4, 0]: expected list of 1 to 6: integer from 1 to 2048 (channels"),
    ("detections.channel", "left", 'detections.channel: "left": expected "mix" or integer from 0 to 1023'),
    ("detections.smoothing_windows", 2, "detections.smoothing_windows: 2: expected odd integer from 1 to 999"),
    ("training", {}, "training: unknown key; did you mean train?"),
    ("train", 5, "train: 5: expected block of keys and values"),
]


@pytest.mark.parametrize(("key", "value", "expected"), WRONG)
def test_a_wrong_value_is_one_line_with_key_value_and_expectation(tmp_path, key, value, expected):
    (line,) = problems(tmp_path, with_values({key: value}))
    assert line.startswith(expected)


@pytest.mark.parametrize(
    ("key", "misspelt", "expected"),
    [
        ("train.epochs", "train.epoch", ["train.epoch: unknown key; did you mean epochs?"]),
        ("presence.stretch_s", "presence.stretch", ["presence.stretch: unknown key; did you mean stretch_s?"]),
        ("train", "trian", ["trian: unknown key; did you mean train?"]),
        (
            "features.n_fft",
            "features.fft_size",
            ["features.n_fft: missing; e", "features.fft_size: unknown key; known"],
        ),
    ],
)
def test_a_misspelt_key_is_one_line_with_the_nearest_that_is_missing(tmp_path, key, misspelt, expected):
    params = yaml.safe_load(DEFAULT)
    owner = params
    for block in key.split(".")[:-1]:
        owner = owner[block]
    owner[misspelt.rpartition(".")[2]] = owner.pop(key.rpartition(".")[2])
    lines = problems(tmp_path, yaml.safe_dump(params))
    assert len(lines) == len(expected)
    for line, beginning in zip(lines, expected, strict=True):
        assert line.startswith(beginning)


def test_problems_stand_in_the_order_of_the_file(tmp_path):
    text = DEFAULT.replace("  epochs: 40", "  epoch: 40").replace("  epochs: 24", "  epoch: 24")
    at = [number for number, line in enumerate(text.splitlines(), start=1) if line.startswith("  epoch: ")]
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(InputError) as error:
        params_file.load(tmp_path / "params.yaml")
    assert [int(line.split(":")[1]) for line in str(error.value).splitlines()] == at
    assert len(at) == 3


# JSON has no NaN, which alone is not equal to itself.
@pytest.mark.parametrize(("key", "value", "expected"), [row for row in WRONG if row[1] == row[1]])
def test_the_schema_refuses_what_we_refuse(key, value, expected):
    assert not Draft202012Validator(SCHEMA).is_valid(yaml.safe_load(with_values({key: value})))


def test_a_whole_number_is_a_float(tmp_path):
    params_file.canonical(yaml.safe_load(with_values({"train.learning_rate": 1, "train.equalizer_gain": 2})))


RIGHT_PADDING = {"train.time_stretch": 1.0, "train.equalizer_gain": 0.0, "train.time_masks": 0}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"data.source": "table"}, "data.annotated_spans: "),
        ({"data.format": "raven"}, 'data.format: "raven": expected rfcx, because data.source is simulated'),
        ({"data.audio_dir": "elsewhere"}, 'data.audio_dir: "elsewhere": expected data/simulated/train'),
        ({"data.columns": {"t_min": "a"}}, 'data.columns: {"t_min": "a"}: expected {}, because data.format is rfcx'),
        ({"simulate": {}}, "simulate.set: missing; expected what to simulate"),
        ({"data.shortest_annotation_s": 0.001}, "data.shortest_annotation_s: 0.001: expected >= 0.04267, one FFT"),
        (
            {"features.clip": "window", "features.window_s": 0.04},
            "features.window_s: 0.04: expected >= 0.04267, one FFT frame of features.n_fft 1024 at 24000 Hz",
        ),
        (
            {"features.f_max_hz": 12000.5},
            "features.f_max_hz: 12000.5: expected at most 12000, half of features.sample_r",
        ),
        (
            {"features.mel_sample_rate_hz": 23999},
            "features.f_max_hz: 12000: expected at most 11999.5, half of features.m",
        ),
        ({"features.f_min_hz": 12000}, "features.f_min_hz: 12000: expected less than features.f_max_hz 12000"),
        (
            {"features.f_min_hz": 15000, "features.f_max_hz": None},
            "features.f_min_hz: 15000: expected less than half the rate, 12000",
        ),
        (
            {"features.n_mels": 514},
            "features.n_mels: 514: expected at most 513, the bins of an FFT frame of features.n_",
        ),
        (
            {"features.kind": "pcen", "presence.network": "none"},
            "train.background_share: 0.5: expected 0 with features.kind pcen",
        ),
        (
            {"features.kind": "pcen", "train.background_share": 0.0},
            'features.kind: "pcen": expected one of log_mel, because presence.network is crnn',
        ),
        (
            {"features.deltas": 1, "train.background_share": 0.0},
            "features.deltas: 1: expected 0, because presence.network is not none",
        ),
        (
            {"features.sample_rate_hz": None, "features.f_max_hz": None},
            "features.sample_rate_hz: null: expected one rate for all recordings, because presence.network is not none",
        ),
        ({"presence.margin_s": 5.0}, "presence.margin_s: 5: expected less than half of presence.stretch_s 10"),
        (
            {"presence.widths": [8], "presence.pool_frames": 4},
            "presence.pool_frames: 4: expected at most 2, since each of the 1 convolutions of presence.widths halves",
        ),
        ({"train.background_min_db": 1.0}, "train.background_min_db: 1: expected at most train.background_max_db 0"),
        ({"split.test_fraction": 0.8}, "split.test_fraction + split.validation_fraction: 1: expected < 1"),
        (
            {"split.validation_fraction": 0, "train.early_stopping_patience": 3},
            "split.validation_fraction: 0: expected more than 0 (or split.validation_groups), because "
            "train.early_stopping_patience",
        ),
        (
            {"split.validation_fraction": 0, "split.method": "article"},
            "split.validation_fraction: 0: expected more than 0, because split.method is article",
        ),
        (
            {"dataset.padding": "centre"},
            'dataset.padding: "centre": expected right, because train.time_stretch 1.15, train.equalizer_gain 0.5, '
            "train.time_masks 2: ",
        ),
        (
            {"dataset.padding": "centre", **RIGHT_PADDING, "train.time_shift_frames": 3},
            'dataset.padding: "centre": expected right, because train.time_shift_frames 3: ',
        ),
    ],
)
def test_values_that_do_not_fit_each_other_are_one_line(tmp_path, changes, expected):
    lines = problems(tmp_path, with_values(changes))
    assert lines[0].startswith(expected)
    assert len(lines) == 1 or changes == {"data.source": "table"}


@pytest.mark.parametrize(
    "changes",
    [
        {"split.validation_fraction": 0},
        {"split.validation_fraction": 0, "split.validation_groups": ["a"], "train.early_stopping_patience": 3},
        # The folds' own validation is asked for where folds are.
        {"train.early_stopping_patience": 3, "cross_validation.validation_fraction": 0},
        {"dataset.padding": "centre", **RIGHT_PADDING},
    ],
)
def test_values_that_fit_each_other(changes):
    params_file.canonical(yaml.safe_load(with_values(changes)))


# Of a file that the user brings.
WITHOUT_DEFAULT = {"embedding": {"model": "weights/any.tflite", "model_window_s": 3.0, "dimensions": 1024}}


@pytest.mark.parametrize("name", kinds.names())
def test_every_kind_of_features_has_a_recipe(name):
    params = params_file.defaults(features=name)
    params["train"]["background_share"], params["presence"]["network"] = 0.0, "none"
    params["features"] |= WITHOUT_DEFAULT.get(name, {})
    params_file.canonical(params)
    Draft202012Validator(SCHEMA).validate(params)
    assert next(iter(params["features"])) == "kind"


def test_embeddings_have_a_network_of_presence():
    params = params_file.defaults(features="embedding")
    params["train"]["background_share"] = 0.0
    params["features"] |= WITHOUT_DEFAULT["embedding"]
    off = {"pool_frames": 1, "overlay_share": 0.0, "band_shift": 0.0, "equalizer_db": 0.0, "frequency_masks": 0}
    params["presence"] |= {"network": "gru", "widths": [8], **off}
    params_file.canonical(params)
    for key, value in {"pool_frames": 2, "overlay_share": 0.5, "band_shift": 1.0, "equalizer_db": 3.0}.items():
        changed = {**params, "presence": {**params["presence"], key: value}}
        with pytest.raises(InputError, match=rf"presence.{key}: {value:g}: expected {off[key]:g}, because prese"):
            params_file.canonical(changed)
    with pytest.raises(InputError, match=r'features.kind: "embedding": expected one of log_mel, because presence.netw'):
        params_file.canonical({**params, "presence": {**params["presence"], "network": "crnn"}})


def test_bands_are_not_given_to_a_network_for_embeddings(tmp_path):
    first, *others = problems(tmp_path, with_values({"presence.network": "gru"}))
    assert first == 'features.kind: "log_mel": expected one of embedding, because presence.network is gru'
    keys = ("pool_frames", "overlay_share", "band_shift", "equalizer_db", "frequency_masks")
    assert {line.split(": ")[0] for line in others} == {f"presence.{key}" for key in keys}


def test_a_kind_has_rules_of_its_own(tmp_path):
    params = params_file.defaults(features="mfcc")
    params["train"]["background_share"], params["presence"]["network"] = 0.0, "none"
    params["features"]["n_mfcc"] = 65
    assert problems(tmp_path, yaml.safe_dump(params)) == ["features.n_mfcc: 65: expected at most features.n_mels 64"]


def test_a_missing_key_is_named_with_its_meaning(tmp_path):
    values = copy.deepcopy(VALUES)
    del values["train"]["epochs"]
    (line,) = problems(tmp_path, yaml.safe_dump(values))
    assert line == "train.epochs: missing; expected integer from 1 to 100000 (passes over the training rows, at most)"
    del values["train"]
    (line,) = problems(tmp_path, yaml.safe_dump(values))
    assert line.startswith("train: missing; expected block of keys and values (")


def test_many_missing_keys_are_one_line_a_block(tmp_path):
    values = copy.deepcopy(VALUES)
    values["train"] = {"epochs": 5}
    del values["evaluation"]["top_k"]
    n = len(VALUES["train"]) - 1
    assert sorted(problems(tmp_path, yaml.safe_dump(values))) == [
        "evaluation.top_k: missing; expected integer from 1 to 1000 (top-k accuracy counts a clip whose class is among "
        "the k highest scores)",
        f"train: {n} keys missing: background_max_db, background_min_db, background_share, balanced_sampling, "
        f"band_shift, batch_size and {n - 6} more; presets/default.yaml has them all",
    ]
    (line,) = problems(tmp_path, "seed: 1\n")
    first = ", ".join(sorted(VALUES.keys() - {"seed"})[:6])
    assert line.startswith(f"{len(VALUES) - 1} keys missing: {first} and ")
    del values["model"]["name"]
    assert "model.name: missing; expected string (the network" in "\n".join(problems(tmp_path, yaml.safe_dump(values)))


def test_so_many_lines_and_no_more(tmp_path):
    values = {**copy.deepcopy(VALUES), **{f"key{number}": 1 for number in range(100)}}
    lines = problems(tmp_path, yaml.safe_dump(values))
    assert len(lines) == params_file.MOST_LINES + 1
    assert lines[-1] == "80 problems more"


@pytest.mark.parametrize("path", ["train.epochs", "train.learning_rate", "simulate.set.sites"])
def test_a_line_says_where_the_key_stands(tmp_path, path):
    number = next(
        n for n, line in enumerate(DEFAULT.splitlines(), 1) if line.strip().startswith(f"{path.split('.')[-1]}:")
    )
    lines = DEFAULT.splitlines()
    lines[number - 1] = lines[number - 1].split(":")[0] + ": [a, b]"
    file = tmp_path / "params.yaml"
    file.write_text("\n".join(lines))
    with pytest.raises(InputError) as caught:
        params_file.load(file)
    assert str(caught.value).startswith(f'{file}:{number}: {path}: ["a", "b"]: expected ')


NUMBERS = [
    (name, key)
    for name, block in VALUES.items()
    if isinstance(block, dict)
    for key, value in (block if name != "simulate" else block["set"]).items()
    if isinstance(value, int | float)
]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_number_passes_that_is_not_finite(value):
    """Not the loader's refusal: what the models themselves say, of any source of values."""
    for block, key in NUMBERS:
        values = copy.deepcopy(VALUES)
        (values[block]["set"] if block == "simulate" else values[block])[key] = value
        with pytest.raises(InputError, match=key):
            params_file.canonical(values)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999"])
def test_no_number_of_a_command_line_passes_that_is_not_finite(text):
    for key in ("merge_gap_s", "window_s"):
        with pytest.raises(ValueError, match="expected number"):
            fields.parsed(Detections, key, text)
    assert fields.parsed(Detections, "merge_gap_s", "1e-3") == 0.001


@pytest.mark.parametrize(
    ("key", "one", "other", "canonical"),
    [
        ("train.label_smoothing", 0, "0.0", 0.0),
        ("train.label_smoothing", "-0.0", "0e5", 0.0),
        ("train.learning_rate", "1e-05", "0.00001", 1e-5),
        ("train.learning_rate", "1e-3", ".001", 1e-3),
        ("train.epochs", "5.0", "5", 5),
        ("train.epochs", "1e2", "+100", 100),
        ("detections.channel", "1.0", "1", 1),
        ("features.f_max_hz", "12000", "1.2e4", 12000.0),
        ("model.widths", "[24.0, 48]", "[24, 48]", [24, 48]),
        ("overfitting_study.dropout", "[0, 0.4]", "[0.0, 4e-1]", [0.0, 0.4]),
        ("train.early_stopping_patience", "null", "~", None),
    ],
)
def test_equal_values_have_one_canonical_form_and_dvc_finds_them_equal(tmp_path, key, one, other, canonical):
    block, name = key.split(".")
    path, found, of_dvc = tmp_path / "params.yaml", [], []
    for text in (one, other):
        changed = re.sub(rf"(?m)(^{block}:(?:\n.*)*?\n  {name}:) .*", rf"\1 {text}", DEFAULT, count=1)
        assert changed != DEFAULT or text in ("null", "12000")
        path.write_text(changed)
        values = params_file.load(path)
        assert type(values[block][name]) is type(canonical)
        assert values[block][name] == canonical
        found.append(fields.as_text(values))
        of_dvc.append(load_yaml(path))
    assert found[0] == found[1]
    assert of_dvc[0] == of_dvc[1]


def test_what_is_text_is_not_taken_for_a_number(tmp_path):
    (line,) = problems(tmp_path, with_values({"split.test_groups": [5.0]}))
    assert line.startswith("split.test_groups: [5.0]: expected list of at least 1: string or integer or null")


def test_canonical_values_are_kept_as_they_are():
    for path in PRESETS:
        values = params_file.load(path)
        assert params_file.canonical(values) == values
        assert list(values) == list(RECIPE.model_fields)


def test_values_as_text_hold_no_wildcard_of_snakemake():
    values = {"split": {"group": 'a{fold}"{x}\\', "test_groups": ["{b}", "\n"]}, "data": {"columns": {}}}
    text = fields.as_text(values)
    assert json.loads(text) == values
    assert not re.search(r"\{\s*\w", text)


def test_values_that_no_command_line_holds_are_one_line(tmp_path):
    groups = [f"site-{number:06d}" for number in range(8000)]
    (line,) = problems(tmp_path, with_values({"split.test_groups": groups}))
    assert re.match(
        r"split.test_groups: 8000 items, 120\d\d\d characters: expected at most 4\d\d\d\d, because a comm", line
    )
    params_file.canonical(yaml.safe_load(with_values({"split.test_groups": groups[:3000]})))
    values = with_values({"cross_validation.folds": 100, "cross_validation.seeds": 6})
    (line,) = problems(tmp_path, values)
    assert line.startswith("cross_validation.seeds: 6: expected at most 5 with cross_validation.folds 100, because")
    values = with_values({"learning_curve.labels": list(range(1, 21)), "learning_curve.draws": 26})
    (line,) = problems(tmp_path, values)
    assert line.startswith(
        "learning_curve.draws: 26: expected at most 25 with 20 numbers in learning_curve.labels, bec"
    )


@pytest.mark.parametrize("labels", [[2, 1], [1, 1, 5]])
def test_numbers_of_labels_rise(tmp_path, labels):
    (line,) = problems(tmp_path, with_values({"learning_curve.labels": labels}))
    assert line == f"learning_curve.labels: {labels}: expected whole numbers in rising order"


def test_a_long_value_is_cut_and_one_with_a_newline_is_one_line(tmp_path):
    (line,) = problems(tmp_path, with_values({"train.shuffle": "x\nerror: y\u2028" * 5000}))
    assert line.startswith('train.shuffle: "x\\nerror: y')
    assert len(line) < 300
    (line,) = problems(tmp_path, with_values({"train.epochs": [1] * 5000}))
    assert len(line) < 300


def test_all_problems_are_listed_at_once(tmp_path):
    values = copy.deepcopy(VALUES)
    values["train"]["epochs"], values["seed"], values["model"]["name"] = 0, "x", "resnet"
    values["data"]["sauce"] = 1
    lines = problems(tmp_path, yaml.safe_dump(values))
    assert sorted(line.split(":")[0] for line in lines) == ["data.sauce", "model.name", "seed", "train.epochs"]


def test_a_key_given_twice_is_refused(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("seed: 1\ntrain: {epochs: 5, epochs: 7}\n")
    with pytest.raises(InputError, match=r"params.yaml:2: train.epochs: given twice, first in line 2"):
        params_file.load(path)


def test_values_from_the_command_line_are_refused():
    params_file.refuse_overrides({}, "params.yaml")
    with pytest.raises(InputError, match="seed: given by --config or --configfile"):
        params_file.refuse_overrides({"seed": 5}, "params.yaml")


def test_a_stage_gets_the_values_that_it_reads_and_no_others():
    params = VALUES
    # What new and held-out recordings are scored by is a value of the run; what is made of new ones alone is not.
    of_both = ("window_s", "step_s", "channel", "batch_size", "smoothing_windows", "merge_gap_s")
    # Nor does any result depend on how many jobs there are.
    run = {name: block for name, block in params.items() if name not in (*ON_DEMAND, "shards")}
    run["detections"] = {key: params["detections"][key] for key in of_both}
    shown = params_file.read_by("report", params)
    lacking = [name for name in run if name not in shown]
    assert not lacking, f"src/dawnchorus/parameters/{lacking[0]}.py: the report shows it too: read_by = (..., 'report')"
    assert shown == run
    assert params_file.read_by("split", params) == {"seed": 123, "split": params["split"]}
    assert params_file.read_by("model", params) == {name: params[name] for name in ("seed", "model", "train")}
    assert params_file.read_by("folds", params) == {
        "seed": 123,
        "split": {"method": "grouped", "group": "recording_id"},
        "train": {"early_stopping_patience": None},
        "cross_validation": {"folds": 5, "column": None, "validation_fraction": 0.0},
    }
    of_table = yaml.safe_load((ROOT / "presets/rfcx.yaml").read_text())
    assert params_file.read_by("report", of_table)["simulate"] == {}


def test_every_value_is_used_by_the_stages_that_it_says_read_it():
    source, chosen = SourceCode(), {"networks": "cnn", "features.kinds": "log_mel"}
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    unused = []
    for stage in set(fields.readers(params_file.model_of(VALUES))) - {"report", "study_model"}:
        text = rules + "".join(path.read_text() for path in source.needed_by(f"stages.{stage}", chosen=chosen))
        for block, values in params_file.read_by(stage, VALUES).items():
            keys = values if isinstance(values, dict) else [block]
            unused += [f"{block}.{key}: stage {stage} never reads it" for key in keys if f'"{key}"' not in text]
    assert not unused


ON_DEMAND = ("detections", "cross_validation", "learning_curve", "overfitting_study")


def test_every_value_is_read_by_something():
    params = VALUES
    read = {}
    for stage in set(fields.readers(params_file.model_of(params))):
        for block, values in params_file.read_by(stage, params).items():
            read.setdefault(block, set()).update(values if isinstance(values, dict) else [block])
    assert read == {name: set(block) if isinstance(block, dict) else {name} for name, block in params.items()}
    assert list(params) == list(RECIPE.model_fields)


def test_a_rule_that_runs_no_stage_is_an_input_error():
    assert reruns.stage_of("split", "python -m dawnchorus.stages --inputs x -- split --output y") == "split"
    for command in ("touch done", None):
        with pytest.raises(InputError, match=r"^rule tidy: expected a shell command that runs"):
            reruns.stage_of("tidy", command)
