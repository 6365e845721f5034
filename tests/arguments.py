"""Words of a stage's command line that several tests need."""

from dawnchorus.learning import dataset


def audit_outputs(folder) -> list[str]:
    """Return where stage recordings writes its tables, all in one folder, and its problems if it stops."""
    names = ("recordings", "annotations", "false_positives", "unknown", "audit")
    tables = [word for name in names for word in (f"--{name.replace('_', '-')}", f"{folder}/{name}.csv")]
    return [*tables, "--stopped", "logs/audit.csv"]


def dataset_paths(folder) -> list[str]:
    """Return the files of a data set in a folder."""
    return [f"{folder}/{name}" for name in dataset.FILES]


def simulated_outputs(folder) -> list[str]:
    """Return where stage simulate writes, as the rule has it."""
    names = {"audio": "train", "annotations": "train_tp.csv", "recordings": "recordings.csv", "species": "species.csv"}
    return [word for key, name in names.items() for word in (f"--{key}", f"{folder}/{name}")]
