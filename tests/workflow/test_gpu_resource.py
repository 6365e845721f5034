"""Two trainings never share one GPU on a workstation: the default profile has one, and each training takes it."""

import re

import dag
import pytest
import yaml
from project import ROOT, Project

SNAKEFILE = """
rule all:
    input:
        "trained-0", "trained-1", "trained-2", "trained-3",

rule model:
    output:
        "trained-{number}",
    threads: 8
    resources:
        gpu=GPUS,
    shell:
        "python train.py {output}"
"""

# Takes a file that only one can have while it works, and ends with an error if another has it.
TRAIN = """
import os, sys

os.close(os.open("gpu-in-use", os.O_CREAT | os.O_EXCL))
import numpy
numpy.linalg.svd(numpy.eye(300))
os.remove("gpu-in-use")
open(sys.argv[1], "x").close()
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    return Project.create(tmp_path_factory.mktemp("gpu") / "project", n_recordings=1, dvc=False)


@pytest.fixture(scope="module")
def rules(project) -> dict:
    return dag.rules(project.path)


@pytest.fixture(scope="module")
def gpus(rules) -> dict[str, int]:
    """Return how many GPUs each rule of the real workflow takes, for those that take any."""
    return {name: rule.resources["gpu"].value for name, rule in rules.items() if "gpu" in rule.resources}


def profile(name: str) -> dict:
    return yaml.safe_load((ROOT / f"workflow/profiles/{name}/config.yaml").read_text())


TRAININGS = {"model", "fold_model", "presence", "fold_presence", "study_model", "learning_curve_draw"}


def test_only_trainings_take_a_gpu(gpus):
    assert gpus == dict.fromkeys(TRAININGS, 1)


def test_the_slurm_profile_sizes_the_trainings_and_limits_no_gpu(rules):
    slurm = profile("slurm")
    unknown = set(slurm["set-resources"]) - set(rules)
    assert not unknown, f"workflow/profiles/slurm/config.yaml: set-resources: {unknown}: no such rule"
    # Any other rule has the default-resources.
    assert set(slurm["set-resources"]) >= TRAININGS
    assert {"slurm_partition", "mem_mb", "runtime"} <= set(slurm["default-resources"])
    assert "resources" not in slurm
    on_gpu = {rule for rule, asked in slurm["set-resources"].items() if asked.get("slurm_partition") == "gpu"}
    assert on_gpu == TRAININGS


def test_both_profiles_agree_on_what_is_stale():
    shared = {key: value for key, value in profile("default").items() if key != "resources"}
    assert shared.items() <= profile("slurm").items()


def test_trainings_take_turns_on_the_gpu_of_a_workstation(project, gpus):
    (project.path / "Snakefile").write_text(SNAKEFILE.replace("GPUS", str(gpus["model"])))
    (project.path / "train.py").write_text(TRAIN)
    # No profile is named here: Snakemake has to find the default one, as it does for a user. There are cores for all
    # four at once: only the GPU can hold them back.
    output = project.run("snakemake", "--cores", "64").stdout
    started_together = [int(number) for number in re.findall(r"Execute (\d+) jobs", output)]
    # The four one after another, and then the target that names them.
    assert started_together == [1, 1, 1, 1, 1], output
    assert len(list(project.path.glob("trained-*"))) == 4
