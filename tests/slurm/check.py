"""Hold what SLURM says of the jobs it ran against the profile, and what they made against dvc.yaml.

    python check.py JOBS ENVIRONMENTS

In the project's folder; JOBS is what `scontrol --oneliner show jobs` printed, ENVIRONMENTS a folder with the
environment of every task, named job.step.process.
"""

import re
import sys
from collections import Counter
from pathlib import Path

import yaml

PROFILE = Path("workflow/profiles/slurm/config.yaml")
# Rules that are not one job.
JOBS = {"features": 8}
# The rules that ask for a GPU.
TRAININGS = {"model", "presence"}
PROBLEMS = []


def expect(rule: str, what: str, found, wanted) -> None:
    if found != wanted:
        PROBLEMS.append(f"{rule}: {what} is {found}; expected {wanted}")


def jobs_of(text: str) -> list[dict[str, str]]:
    """Return the fields of every job, and the rule that it ran, which the plugin writes into the comment."""
    jobs = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in text.splitlines()]
    return [{**job, "rule": re.sub(r"^rule_|_wildcards_.*", "", job["Comment"])} for job in jobs]


def minutes(time: str) -> int:
    """Return SLURM's `[days-]hours:minutes:seconds` in minutes."""
    days, _, clock = time.rpartition("-")
    hours, minutes_, _ = map(int, clock.split(":"))
    return int(days or 0) * 1440 + hours * 60 + minutes_


def gpus_seen(folder: Path, job_id: str) -> set[str | None]:
    """Return the value of CUDA_VISIBLE_DEVICES of every task of a job; None where it is not set."""
    files = list(folder.glob(f"{job_id}.*"))
    assert files, f"no environment of job {job_id}"
    return {(re.findall(r"^CUDA_VISIBLE_DEVICES=(.*)$", f.read_text(), re.M) or [None])[0] for f in files}


def stages() -> dict[str, list[str]]:
    """Return what DVC versions of every rule: its products, the record of what they were made from among them."""
    found = {}
    for path in ("dvc.yaml", "workflow/simulate/dvc.yaml"):
        for name, stage in yaml.safe_load(Path(path).read_text())["stages"].items():
            stage = stage.get("do", stage)
            outs = [*stage["outs"], *stage.get("metrics", [])]
            found[name] = [next(iter(out)) if isinstance(out, dict) else out for out in outs]
    return found


def main(jobs_path: str, environments: str) -> int:
    profile = yaml.safe_load(PROFILE.read_text())
    jobs = jobs_of(Path(jobs_path).read_text())
    wanted = Counter({rule: JOBS.get(rule, 1) for rule in stages()})
    expect("workflow", "the number of jobs by rule", Counter(job["rule"] for job in jobs), wanted)
    for job in jobs:
        rule = job["rule"]
        resources = {**profile["default-resources"], **profile["set-resources"].get(rule, {})}
        asked = {value.replace("/", ":") for field, value in job.items() if field.startswith("TresPer")}
        expect(rule, "the state", job["JobState"], "COMPLETED")
        expect(rule, "the partition", job["Partition"], "gpu" if rule in TRAININGS else "cpu")
        expect(rule, "the memory", job["MinMemoryNode"], f"{resources['mem_mb']}M")
        expect(rule, "the time limit in minutes", minutes(job["TimeLimit"]), resources["runtime"])
        expect(rule, "what was asked for besides", asked, {"gres:gpu:1"} if rule in TRAININGS else set())
        seen = gpus_seen(Path(environments), job["JobId"])
        expect(rule, "CUDA_VISIBLE_DEVICES", seen, {"0"} if rule in TRAININGS else {None})
    missing = [path for paths in stages().values() for path in paths if not Path(path).exists()]
    expect("workflow", "the list of products that are missing", missing, [])
    for problem in PROBLEMS:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if PROBLEMS else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
