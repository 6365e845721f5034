"""params.yaml, held against its schema: every key known, every value in range, one line a problem."""

import difflib
import json
import os
from collections.abc import Iterator

import yaml
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from dawnchorus import networks
from dawnchorus.features import kinds
from dawnchorus.foundation.errors import InputError

SIMULATED_DATA = {
    "format": "rfcx",
    "annotations": "data/simulated/train_tp.csv",
    "audio_dir": "data/simulated/train",
    "false_positives": "data/simulated/train_tp.csv",
    "recordings_table": "data/simulated/recordings.csv",
    "species_table": "data/simulated/species.csv",
}


class _UniqueKeyLoader(yaml.SafeLoader):
    """A YAML loader that refuses a key given twice; YAML's own rule is to keep the last in silence."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise InputError(f"line {key_node.start_mark.line + 1}: {key}: given twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def load(path: str | os.PathLike) -> dict:
    """Read a params file; an unreadable one or a key given twice raises :class:`InputError`."""
    try:
        with open(path, encoding="utf-8") as file:
            params = yaml.load(file, Loader=_UniqueKeyLoader)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}") from None
    if not isinstance(params, dict):
        raise InputError(f"{path}: expected blocks of keys and values, found {type(params).__name__}")
    return params


def validate(params: dict, schema: dict, source: str = "params.yaml") -> None:
    """Raise :class:`InputError` with one line for each value that the schema or the other values rule out."""
    lines = [f"{source}: {line}" for line in _schema_problems(params, schema)]
    if not lines:
        lines = [f"{source}: {line}" for line in _contradictions(params)]
    if lines:
        raise InputError("\n".join(lines))


def _schema_problems(params: dict, schema: dict) -> Iterator[str]:
    errors = Draft202012Validator(schema).iter_errors(params)
    for error in sorted(errors, key=lambda error: [str(part) for part in error.absolute_path]):
        where = ".".join(str(part) for part in error.absolute_path)
        prefix = f"{where}." if where else ""
        if error.validator == "additionalProperties":
            known = error.schema["properties"]
            for key in sorted(set(map(str, error.instance)) - set(known)):
                close = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"known keys: {', '.join(known)}"
                yield f"{prefix}{key}: unknown key; {hint}"
        elif error.validator == "required":
            for key in error.validator_value:
                if key not in error.instance:
                    yield f"{prefix}{key}: missing; expected {_expected(error.schema['properties'][key])}"
        else:
            yield f"{where or 'the file'}: {json.dumps(error.instance)}: expected {_expected(error.schema)}"


def _expected(rule: dict) -> str:
    """Say in words what a schema rule accepts, and what the value means."""
    if "enum" in rule:
        text = "one of " + ", ".join(json.dumps(value) for value in rule["enum"])
    else:
        types = rule.get("type", "value")
        text = " or ".join([types] if isinstance(types, str) else types)
        bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
        limits = [f"{sign} {rule[key]:g}" for key, sign in bounds.items() if key in rule]
        if limits:
            text += " " + " and ".join(limits)
    if "description" in rule:
        text += f" ({rule['description']})"
    return text


def _contradictions(params: dict) -> Iterator[str]:
    """Yield what no single value shows: values that do not fit each other."""
    data, features, split = params["data"], params["features"], params["split"]
    if data["source"] == "simulated":
        for key, value in SIMULATED_DATA.items():
            if data[key] != value:
                yield f"data.{key}: {json.dumps(data[key])}: expected {value}, because data.source is simulated"
        if not params["simulate"]:
            yield "simulate.set: missing; expected what to simulate (see presets), because data.source is simulated"
    else:
        for key, value in SIMULATED_DATA.items():
            if key != "format" and data[key] == value:
                yield f"data.{key}: {json.dumps(value)}: expected your own, because data.source is table"
        if params["simulate"]:
            yield "simulate.set: given; expected `simulate: {}`, because data.source is table"
    if data["columns"] and data["format"] in ("rfcx", "audacity"):
        yield f"data.columns: {json.dumps(data['columns'])}: expected {{}}, because data.format is {data['format']}"
    kind = kinds.get(features["kind"])
    try:
        kind.Params(**{key: features[key] for key in kind.Params.model_fields})
    except ValidationError as error:
        for found in error.errors():
            said = found["msg"].removeprefix("Value error, ")
            yield f"features.{found['loc'][0]}: {json.dumps(found['input'])}: {said}"
    rate_hz = features["sample_rate_hz"]
    if rate_hz is not None:
        frame_s = features["n_fft"] / rate_hz
        if data["shortest_annotation_s"] < frame_s:
            yield (
                f"data.shortest_annotation_s: {data['shortest_annotation_s']:g}: expected >= {frame_s:.4g}, one "
                f"FFT frame of features.n_fft {features['n_fft']} at {rate_hz} Hz"
            )
    train = params["train"]
    if train["background_share"] > 0 and (not kind.KIND.powers_in_db or features["deltas"]):
        able = [name for name in kinds.names() if kinds.get(name).KIND.powers_in_db]
        yield (
            f"train.background_share: {train['background_share']:g}: expected 0 with features.kind "
            f"{features['kind']} and features.deltas {features['deltas']}: only powers can be added "
            f"({', '.join(able)}, 0)"
        )
    if train["early_stopping_patience"] is not None and params["cross_validation"]["validation_fraction"] == 0:
        yield (
            "cross_validation.validation_fraction: 0: expected more than 0, because train.early_stopping_patience "
            "chooses the epoch by validation"
        )
    if train["background_min_db"] > train["background_max_db"]:
        yield (
            f"train.background_min_db: {train['background_min_db']:g}: expected at most train.background_max_db "
            f"{train['background_max_db']:g}"
        )
    if split["test_fraction"] + split["validation_fraction"] >= 1 and split["method"] == "grouped":
        yield (
            f"split.test_fraction + split.validation_fraction: "
            f"{split['test_fraction'] + split['validation_fraction']:g}: expected < 1, so that rows are left to train"
        )


def with_kind(schema: dict, params: dict) -> dict:
    """Return the schema with the keys of the kind that ``features.kind`` names; each kind declares its own."""
    block = params.get("features")
    name = block.get("kind") if isinstance(block, dict) else None
    common = schema["properties"]["features"]
    rule = {"enum": kinds.names(), "description": "what a frame holds, a file of src/dawnchorus/features/kinds"}
    if name not in kinds.names():
        own = {**common, "additionalProperties": True, "properties": {**common["properties"], "kind": rule}}
    else:
        declared = kinds.get(name).Params.model_json_schema()["properties"]
        own = {
            **common,
            "required": [*common["required"], *declared],
            "properties": {**common["properties"], "kind": rule, **declared},
        }
    return {**schema, "properties": {**schema["properties"], "features": own}}


def with_network(schema: dict, params: dict) -> dict:
    """Return the schema with the keys of the network that ``model.name`` names; each network declares its own."""
    block = params.get("model")
    name = block.get("name") if isinstance(block, dict) else None
    if name not in networks.names():
        rule = {"enum": networks.names(), "description": "a file of src/dawnchorus/networks"}
        own = {**schema["properties"]["model"], "properties": {"name": rule}}
    else:
        keys = {"name": {"type": "string"}, **networks.get(name).PARAMS}
        own = {"type": "object", "additionalProperties": False, "required": list(keys), "properties": keys}
    return {**schema, "properties": {**schema["properties"], "model": own}}


def check_config(config: dict, path: str | os.PathLike, schema_path: str | os.PathLike) -> None:
    """Check the values that Snakemake is about to use: valid, and those of the params file and no others.

    A value given by ``--config`` or ``--configfile`` would be invisible to DVC, which would then lock a model
    under parameters that it was not trained with; so it is refused.
    """
    with open(schema_path, encoding="utf-8") as file:
        schema = yaml.safe_load(file)
    params = load(path)
    validate(params, with_kind(with_network(schema, params), params), str(path))
    if config != params:
        keys = sorted(key for key in {*config, *params} if config.get(key) != params.get(key))
        raise InputError(
            f"{', '.join(keys)}: given by --config or --configfile; expected all values in {path}, where DVC "
            "sees them too (edit it, copy a preset over it, or use `dvc exp run -S`)"
        )
