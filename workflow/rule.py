"""Run one rule of the workflow, the command of a DVC stage: `python workflow/rule.py RULE`.

`all_RULE` stands for all jobs of a rule that has several. Snakemake is started only where something may be stale.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

# The code of this folder, wherever it is called from.
from dawnchorus.foundation import errors  # noqa: E402
from dawnchorus.workflow import last_plan, shard_sets  # noqa: E402

target = sys.argv[1]
rule = target.removeprefix("all_")
if rule in ("recordings", "features"):
    # Only here: what reads values takes a while to load.
    from dawnchorus.workflow import params_file, seen_by_dvc

    try:
        seen_by_dvc.check(rule, params_file.load(last_plan.PARAMS))
    except errors.InputError as error:
        errors.stop(error)
if last_plan.holds(target, ROOT):
    shard_sets.leave_only(last_plan.jobs_of(target))
    print(f"{rule}: up to date, nothing to be done")
    if rule == "report":
        print(*last_plan.result(), sep="\n")
else:
    command = ["snakemake", "--cores", "all", "--allowed-rules", *{rule, target}, "--", target]
    # The lock of the folder ends here, with all that is open: Snakemake takes it anew.
    os.execvp(command[0], command)
