#!/bin/sh
# Say how the job $1 ended. For --cluster-generic-status-cmd.
cat "$ENDED/$1"
