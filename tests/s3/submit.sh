#!/bin/sh
# Run the job script $1 as on a machine that shares no folder with the one that planned it: in an empty folder, which is
# removed; say the name of the job, whose end status.sh then knows. For --cluster-generic-submit-cmd.
set -u
script=$(realpath "$1")
folder=$(mktemp -d)
job=$(basename "$folder")
(cd "$folder" && sh "$script") >"$ENDED/$job.log" 2>&1 && end=success || end=failed
rm -r "$folder"
echo "$end" >"$ENDED/$job"
echo "$job"
