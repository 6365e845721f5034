#!/usr/bin/env bash
# Run the whole workflow of a tiny project through a SLURM of one node that is made for this run and ends with it.
#
# As root on Debian, from the top of the repository, with the project's environment on PATH:
#
#     bash tests/slurm/run.sh
#
# Everything lives in one folder under /tmp: configuration, keys, sockets, state, logs and the project. An existing
# SLURM or munge of the machine is neither used nor touched. The GPU is /dev/null under a GPU's name, and the node
# claims more CPUs and memory than it has, so that the profile is tested with the very requests that a cluster gets.
set -euo pipefail

readonly LONGEST_S=900
# What a cluster without accounting wants, and what a test that waits for seconds of work wants.
readonly ONLY_HERE=(--slurm-no-account --slurm-status-command squeue
    --slurm-init-seconds-before-status-checks 2 --seconds-between-status-checks 2 --latency-wait 20)

fail() {
    echo "error: $*" >&2
    exit 1
}

[[ -f tests/slurm/run.sh && -f Snakefile ]] || fail "$PWD is not the top of the repository; expected to run there"
((EUID == 0)) || fail "the user is $(id -un); expected root, whom slurmd needs"
python -c 'import snakemake_executor_plugin_slurm' 2>/dev/null ||
    fail "$(command -v python || echo 'no python') has no SLURM plugin; expected the project's environment on PATH"

readonly TOOLS=(munged slurmctld slurmd sbatch)
if [[ $(command -v "${TOOLS[@]}" | wc -l) -lt ${#TOOLS[@]} ]]; then
    command -v apt-get >/dev/null || fail "there is no SLURM and no apt-get; expected Debian, or slurm-wlm and munge"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends slurm-wlm munge; } >/dev/null ||
        fail "slurm-wlm and munge could not be installed"
    # Debian starts what it installs, where there is a systemd to start it; this test starts its own.
    if [[ -d /run/systemd/system ]]; then
        systemctl disable --now --quiet munge slurmd slurmctld || true
    fi
fi

repository=$PWD
# Not in TMPDIR: the path of a socket may have 107 characters.
here=$(mktemp -d /tmp/dawnchorus-slurm.XXXXXX)
# From here on no command of SLURM's speaks to another SLURM than the one in this folder.
export SLURM_CONF=$here/slurm.conf
# Newest first: the order in which they are stopped.
started=()

start() { # LOG COMMAND...
    local log=$1
    shift
    "$@" >"$log" 2>&1 </dev/null &
    started=("$!" "${started[@]}")
}

stop_all() {
    local pid
    # Jobs outlive the daemons; so they go first.
    if [[ -f $SLURM_CONF ]]; then
        timeout 10 scancel --quiet --full --signal=KILL --user=root 2>/dev/null || true
        timeout 10 bash -c 'while [[ $(squeue --noheader --states=R,CG) ]]; do sleep 0.2; done' 2>/dev/null || true
    fi
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null || continue
        # A daemon that does not end when asked to is not left behind.
        (timeout 20 tail --pid="$pid" -f /dev/null || kill -KILL "$pid") 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
}

finish() {
    local rc=$? log
    trap - EXIT INT TERM
    stop_all
    if ((rc != 0)); then
        shopt -s globstar nullglob dotglob
        for log in "$here"/project/logs/*.log "$here"/project/.snakemake/slurm_logs/**/*.log "$here"/*.log; do
            printf '\n==> %s <==\n' "${log#"$here"/}" >&2
            tail -n 15 -- "$log" >&2
        done
        echo "FAILED: the workflow on SLURM (exit code $rc)" >&2
    fi
    rm -rf -- "$here"
    exit "$rc"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

wait_until() { # WHAT COMMAND...
    local what=$1 deadline=$((SECONDS + 60))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || fail "$what did not come up in 60 s"
        sleep 0.2
    done
}

free_ports() {
    python -c 'import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in held))'
}

# --- SLURM ---

chmod 755 "$here"
mkdir "$here"/{bin,environments,state,spool}
node=$(hostname -s)
read -r controller_port node_port < <(free_ports)

cat >"$SLURM_CONF" <<CONF
ClusterName=dawnchorus
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$here/munge.socket
SlurmctldPort=$controller_port
SlurmdPort=$node_port
StateSaveLocation=$here/state
SlurmdSpoolDir=$here/spool
SlurmctldPidFile=$here/slurmctld.pid
SlurmdPidFile=$here/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2
MpiDefault=none
ReturnToService=2
# Finished jobs stay on record until the end: they are the evidence.
MinJobAge=86400
TaskProlog=$here/bin/save-environment
GresTypes=gpu
NodeName=$node NodeAddr=127.0.0.1 CPUs=32 RealMemory=256000 Gres=gpu:1 State=UNKNOWN
PartitionName=cpu Nodes=$node State=UP
PartitionName=gpu Nodes=$node State=UP
CONF
echo "NodeName=$node Name=gpu File=/dev/null" >"$here/gres.conf"
: >"$here/cgroup.conf"

# SLURM runs this in the environment of every task, before it.
cat >"$here/bin/save-environment" <<SCRIPT
#!/bin/sh
env >"$here/environments/\$SLURM_JOB_ID.\$SLURM_STEP_ID.\$\$"
SCRIPT

# The plugin takes SLURM_CONF out of the environment in which a job calls srun; a cluster has it in /etc.
cat >"$here/bin/srun" <<SCRIPT
#!/bin/sh
SLURM_CONF="$SLURM_CONF" exec "$(command -v srun)" "\$@"
SCRIPT
chmod 755 "$here"/bin/*
export PATH=$here/bin:$PATH

dd if=/dev/urandom of="$here/munge.key" bs=128 count=1 status=none
chmod 400 "$here/munge.key"
start "$here/munged.log" munged --foreground --key-file="$here/munge.key" --socket="$here/munge.socket" \
    --pid-file="$here/munged.pid" --seed-file="$here/munge.seed"
wait_until munged munge --no-input --socket="$here/munge.socket"
start "$here/slurmctld.log" slurmctld -D -i -f "$SLURM_CONF"
start "$here/slurmd.log" slurmd -D -f "$SLURM_CONF"
wait_until SLURM bash -c '[[ $(sinfo --noheader --format=%T) == idle ]]'

# --- the workflow ---

python - "$here/project" <<'PYTHON'
import sys
from pathlib import Path

import yaml

sys.path[:0] = ["src", "tests", "tests/workflow"]
from project import Project

project = Project.create(Path(sys.argv[1]), dvc=False)
# The same on a simulated set, smaller than the default one.
default = yaml.safe_load(Path("params.yaml").read_text())
simulate = {"set": {**default["simulate"]["set"], "species": 4, "recordings": 8}}
simulated = {**project.params(), "data": default["data"], "simulate": simulate}
(project.path / "params-simulated.yaml").write_text(yaml.safe_dump(simulated))
PYTHON
cd "$here/project"

run() { # LOG COMMAND...
    start "$here/$1" timeout --kill-after=15 "$LONGEST_S" "${@:2}"
    wait "$!" || fail "${*:2} exited with $?"
    started=("${started[@]:1}")
}

nothing_to_do() { # LOG
    grep -qi 'nothing to be done' "$here/$1" || fail "a second run found something to do: $1"
}

on_slurm=(snakemake --workflow-profile workflow/profiles/slurm "${ONLY_HERE[@]}")
run snakemake.log "${on_slurm[@]}"
scontrol --oneliner show jobs >"$here/jobs.txt"
run snakemake-again.log "${on_slurm[@]}"
nothing_to_do snakemake-again.log
run snakemake-here.log snakemake -n
nothing_to_do snakemake-here.log
[[ $(scontrol --oneliner show jobs | wc -l) == $(wc -l <"$here/jobs.txt") ]] || fail "the second run submitted jobs"

# The one rule that a project on a table has no use for.
cp params.yaml params-table.yaml
cp params-simulated.yaml params.yaml
run snakemake-simulated.log "${on_slurm[@]}" -- data/simulated/train
scontrol --oneliner show jobs >"$here/jobs.txt"
python "$repository/tests/slurm/check.py" "$here/jobs.txt" "$here/environments"

# Many shards as one array of jobs, and as jobs of several shards each: nothing is left to do afterwards.
cp params-table.yaml params.yaml
sed -i 's/^shards: .*/shards: 6/' params.yaml
run snakemake-array.log "${on_slurm[@]}" --slurm-array-jobs features -- all_features
arrays=$(scontrol --oneliner show jobs | grep -c ArrayTaskId) || true
[[ $arrays == 6 ]] || fail "$arrays jobs of an array; expected 6, a shard each"
before=$(scontrol --oneliner show jobs | wc -l)
rm -r data/features
run snakemake-groups.log "${on_slurm[@]}" --groups features=shards --group-components shards=2 -- all_features
groups=$(($(scontrol --oneliner show jobs | wc -l) - before))
[[ $groups == 3 ]] || fail "$groups jobs of groups; expected 3, of two shards each"
run snakemake-grouped.log snakemake -n -- all_features
nothing_to_do snakemake-grouped.log

echo "passed: the whole workflow on SLURM, the trainings alone with a GPU, in $SECONDS s"
