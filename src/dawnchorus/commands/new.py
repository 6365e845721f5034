"""Make a folder for a project of its own: parameters, tables and results there, the workflow here.

FOLDER gets links to the Snakefile and the code of this dawnchorus, copies of what Git and DVC need to know, and, where
it has none, the default params.yaml. Then snakemake, dvc and dawnchorus work in it as they do here, experiments
included; nothing that is there already is written over but dvc.yaml, which is made from the workflow. Where dawnchorus
was updated or has moved, and in a clone of FOLDER elsewhere, the same command again makes it fit.
"""

import argparse
import shutil
import subprocess
from pathlib import Path

from dawnchorus.commands import options
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import write_whole

EXAMPLES = """examples:
  dawnchorus new ~/frogs      then, in ~/frogs: edit params.yaml, snakemake --cores 8
  dawnchorus new .            after an update, or in a clone
"""
HERE = Path(__file__).resolve().parents[3]
LINKS = ("Snakefile", "src", "workflow", "profiles", "presets", "environment.yml")
PARAMS, PIPELINE = "params.yaml", "dvc.yaml"
# What Git and DVC need to know.
CONFIGURATION = (".dvcignore", ".dvc/config", ".dvc/.gitignore")
PRODUCTS = ("data", "models", "reports")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", metavar="FOLDER", type=options.path, help="the folder of the project; made if there is none"
    )


def main(args: argparse.Namespace) -> None:
    folder = args.folder.resolve()
    check(folder)
    link(folder)
    for name in (*CONFIGURATION, *ignored()):
        if not (folder / name).exists():
            copy(name, folder / name)
    copy(PIPELINE, folder / PIPELINE)
    if depends_on_more(folder / PARAMS):
        from dawnchorus.workflow import dvc_file, params_file

        params_file.load(folder / PARAMS)
        with write_whole(folder / PIPELINE) as file:
            file.write(dvc_file.texts(folder)[Path(PIPELINE)])
    if not (folder / PARAMS).exists():
        copy("presets/default.yaml", folder / PARAMS)
    # DVC keeps experiments in Git; a folder inside of another repository is left to that.
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        subprocess.run(["git", "init", "--quiet", folder], check=True)
    print(f"new: {args.folder}: the workflow is that of {HERE}")
    todo = "dawnchorus init TABLE AUDIO_FOLDER (or edit params.yaml), then snakemake --cores 8"
    print(f"new: next, in {args.folder}: {todo}")


def check(folder: Path) -> None:
    """Raise :class:`InputError` where there is no workflow to link to, or something is in the way of a link."""
    if not (HERE / "Snakefile").is_file():
        raise InputError(f"{HERE}: no Snakefile; expected to run from a clone of dawnchorus, not from a package")
    if folder.is_relative_to(HERE) or HERE.is_relative_to(folder):
        raise InputError(f"{folder}: expected a folder outside of {HERE}, whose own params.yaml needs no other")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: a file; expected a folder, or nothing yet")
    for name in LINKS:
        if (folder / name).exists() and not (folder / name).is_symlink():
            raise InputError(f"{folder / name}: in the way of a link to the workflow; expected nothing of that name")
    for name in (*CONFIGURATION, *ignored()):
        for parent in (folder / name).relative_to(folder).parents:
            if (folder / parent).exists() and not (folder / parent).is_dir():
                raise InputError(f"{folder / parent}: a file; expected a folder, or nothing of that name")


def link(folder: Path) -> None:
    """Make the links anew."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in LINKS:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(HERE / name)


def depends_on_more(params: Path) -> bool:
    """Say whether the kind of features that a params.yaml names reads a file, which dvc.yaml then has to list."""
    from dawnchorus.features import kinds
    from dawnchorus.foundation import strict_yaml

    try:
        return bool(kinds.input_files(strict_yaml.read(params).values["features"]))
    except (InputError, KeyError, TypeError):
        return False


def ignored() -> list[str]:
    """Return the files that say what Git does not keep, relative to the workflow's folder."""
    found = (path for product in PRODUCTS for path in (HERE / product).rglob(".gitignore"))
    return [".gitignore", *(path.relative_to(HERE).as_posix() for path in found)]


def copy(name: str, to: Path) -> None:
    """Copy a file of the workflow's folder, whole or not at all."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with open(HERE / name, encoding="utf-8") as file, write_whole(to) as copied:
        shutil.copyfileobj(file, copied)
