"""Make data/recordings/, the tables of what the user gives: recordings, annotations, what is unknown, and the audit."""

import argparse
import json
import sys
from pathlib import Path

from dawnchorus.annotations import audit
from dawnchorus.foundation.errors import run
from dawnchorus.foundation.hashes import HashCache
from dawnchorus.tables import made
from dawnchorus.tables.definitions import ANNOTATIONS, AUDIT, FALSE_POSITIVES, RECORDINGS, UNKNOWN

OUTPUTS = {
    "annotations": ANNOTATIONS,
    "false_positives": FALSE_POSITIVES,
    "unknown": UNKNOWN,
    "recordings": RECORDINGS,
    "audit": AUDIT,
}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=json.loads, required=True, help="the data block, as JSON")
    parser.add_argument("--audio", default="", help="what the sound, and tables in folders, were when planned")
    parser.add_argument("--hash-cache", type=Path, required=True, help="where hashes of files are remembered")
    parser.add_argument("--threads", type=int, required=True, help="how many threads may be used")
    for name, table in OUTPUTS.items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=Path, required=True, help=f"where to write {table.name}")
    parser.add_argument("--stopped", type=Path, required=True, help="where to list all problems if they stop the run")
    args = parser.parse_args(argv)
    data = args.params["data"]

    known, cache = audit.known_recordings(args.recordings), HashCache(args.hash_cache)
    audited = audit.audit(data, known, cache, args.threads)
    audit.check(audited, data, args.stopped)
    audit.check_unchanged(audited, data, args.audio, cache)
    rows = audit.tables(audited)
    for name, table in OUTPUTS.items():
        made.write(getattr(args, name), table, rows[name])
    print(*audit.summary(audited, rows), sep="\n")


if __name__ == "__main__":
    sys.exit(run(main))
