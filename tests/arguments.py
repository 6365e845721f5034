"""Words of a stage's command line that several tests need."""

from dawnchorus.learning import dataset


def audit_outputs(folder) -> list[str]:
    """Return where stage recordings writes its four tables, all in one folder."""
    names = ("recordings", "annotations", "false_positives", "audit")
    return [word for name in names for word in (f"--{name.replace('_', '-')}", f"{folder}/{name}.csv")]


def dataset_paths(folder) -> list[str]:
    """Return the files of a data set in a folder."""
    return [f"{folder}/{name}" for name in dataset.FILES]
