from pathlib import Path

import pytest
import yaml

from dawnchorus import networks, params
from dawnchorus.foundation.errors import InputError

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "workflow/schemas/params.schema.yaml"
DEFAULT = (ROOT / "params.yaml").read_text()


def problems(tmp_path, text: str) -> list[str]:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        params.check_config(params.load(path), path, SCHEMA)
    return [line.removeprefix(f"{path}: ") for line in str(caught.value).splitlines()]


def with_value(key: str, value) -> str:
    values = yaml.safe_load(DEFAULT)
    *blocks, name = key.split(".")
    owner = values
    for block in blocks:
        owner = owner[block]
    owner[name] = value
    return yaml.safe_dump(values)


@pytest.mark.parametrize(
    "path", [ROOT / "params.yaml", *sorted((ROOT / "presets").glob("*.yaml"))], ids=lambda p: p.name
)
def test_the_default_and_every_preset_are_valid(path):
    params.check_config(params.load(path), path, SCHEMA)


def test_every_value_has_a_meaning_and_every_number_a_range():
    schema = yaml.safe_load(SCHEMA.read_text())
    for block in schema["properties"].values():
        block = block.get("properties", {}).get("set", block)
        for name, rule in block.get("properties", {"": block}).items():
            assert rule.get("description"), name
            types = rule.get("type", [])
            if {"integer", "number"} & {types} if isinstance(types, str) else {"integer", "number"} & set(types):
                assert "minimum" in rule or "exclusiveMinimum" in rule, name


@pytest.mark.parametrize("name", networks.names())
def test_every_network_declares_its_parameters(name):
    for key, rule in networks.get(name).PARAMS.items():
        assert rule["description"], key
        assert "type" in rule or "enum" in rule, key


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("train.epoch", 5, "train.epoch: unknown key; did you mean epochs?"),
        ("features.colour", 5, "features.colour: unknown key; known keys: kind, "),
        ("train.epochs", 0, "train.epochs: 0: expected integer >= 1"),
        ("train.epochs", 2.5, "train.epochs: 2.5: expected integer >= 1"),
        ("train.epochs", "many", 'train.epochs: "many": expected integer'),
        ("train.shuffle", "yes", 'train.shuffle: "yes": expected boolean'),
        ("features.kind", "spectrum", 'features.kind: "spectrum": expected one of "log_mel", "mfcc", "pcen"'),
        ("seed", -1, "seed: -1: expected integer >= 0"),
        ("data.audio_dir", "a{b}", 'data.audio_dir: "a{b}": expected string'),
        ("model.name", "resnet", 'model.name: "resnet": expected one of '),
        ("model.unit", 4, "model.unit: unknown key"),
        ("data.source", "table", "data.annotations: "),
        ("data.format", "xls", 'data.format: "xls": expected one of "rfcx", "raven", "audacity", "csv"'),
        ("data.format", "raven", 'data.format: "raven": expected rfcx, because data.source is simulated'),
        ("data.columns", {"t_mix": "a"}, "data.columns.t_mix: unknown key; did you mean t_min?"),
        ("data.columns", {"t_min": 5}, "data.columns.t_min: 5: expected string"),
        ("data.columns", {"t_min": "a"}, 'data.columns: {"t_min": "a"}: expected {}, because data.format is rfcx'),
        ("data.audio_dir", "elsewhere", 'data.audio_dir: "elsewhere": expected data/simulated/train'),
        ("data.shortest_annotation_s", 0.001, "data.shortest_annotation_s: 0.001: expected >= 0.04267, one FFT frame"),
    ],
)
def test_a_wrong_value_is_one_line_with_key_value_and_expectation(tmp_path, key, value, expected):
    lines = problems(tmp_path, with_value(key, value))
    assert any(line.startswith(expected) for line in lines), lines


def test_a_missing_key_is_named_with_its_meaning(tmp_path):
    values = yaml.safe_load(DEFAULT)
    del values["train"]["epochs"]
    (line,) = problems(tmp_path, yaml.safe_dump(values))
    assert line.startswith("train.epochs: missing; expected integer >= 1")


def test_all_problems_are_listed_at_once(tmp_path):
    values = yaml.safe_load(DEFAULT)
    values["train"]["epochs"], values["seed"] = 0, "x"
    values["data"]["sauce"] = 1
    assert len(problems(tmp_path, yaml.safe_dump(values))) == 3


def test_a_key_given_twice_is_refused(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("seed: 1\ntrain: {epochs: 5, epochs: 7}\n")
    with pytest.raises(InputError, match="line 2: epochs: given twice"):
        params.load(path)


@pytest.mark.parametrize("text", ["- a\n- b\n", "", "a: [1\n", "\x00"])
def test_a_file_that_is_no_params_file_is_one_line(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        params.load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_values_from_the_command_line_are_refused():
    values = params.load(ROOT / "params.yaml")
    with pytest.raises(InputError, match="seed: given by --config or --configfile"):
        params.check_config({**values, "seed": 5}, ROOT / "params.yaml", SCHEMA)
