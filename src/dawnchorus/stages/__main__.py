"""Run a stage as a job of the workflow: ``python -m dawnchorus.stages [what the job reads and makes] -- STAGE ...``.

A job whose products are what their record says, made from what is there now, ends at once. Any other one is held
against the files twice: what it reads is hashed before the stage runs and again when it ends, and the record that
makes its products current is written last (see :mod:`dawnchorus.workflow.provenance`).
"""

import argparse
import contextlib
import importlib
import os
import sys

from dawnchorus.foundation.errors import InputError, run
from dawnchorus.foundation.hashes import HashCache
from dawnchorus.workflow import provenance, supervision

# A number of threads of its own for each run would be a result of its own: sums of floats depend on it. Stages that
# train or score have one fixed number of threads; the matrices of all others are small.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def main() -> None:
    words = sys.argv[1:]
    if "--" not in words:
        raise InputError("expected -- and a stage with its arguments")
    cut = words.index("--")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", nargs="*", default=[], help="the files that the job reads, source code included")
    parser.add_argument("--params", nargs="*", default=[], help="the values that the rule hands the stage")
    parser.add_argument("--outputs", nargs="+", required=True, help="what the job makes, its record included")
    parser.add_argument("--folder", default="", help="where the files lie that are no source code, if they are copies")
    args = parser.parse_args(words[:cut])
    copied = f"{args.folder}/" if args.folder else ""
    inputs, outputs, (stage, *arguments) = (
        tuple(word.removeprefix(copied) for word in found) for found in (args.inputs, args.outputs, words[cut + 1 :])
    )
    job = provenance.Job(inputs, tuple(args.params), outputs, folder=args.folder)

    supervision.end_with_snakemake()
    cache = HashCache(provenance.HASHES)
    read = job.read(cache)
    if not job.differences(cache, read):
        print(f"{job.name}: up to date", flush=True)
        return
    job.prepare(cache)
    if missing := [path for path, digest in read["inputs"].items() if digest is None]:
        raise InputError(f"{', '.join(missing)}: no such file; expected what {job.name} is made from")
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    # There a stage finds everything by its name, also what only a value names: the sound, a model to embed with.
    with contextlib.chdir(args.folder or "."):
        importlib.import_module(f"dawnchorus.stages.{stage}").main(arguments)
    job.write(read, cache)
    job.remove_half_written(with_notes=True)
    cache.save()


if __name__ == "__main__":
    sys.exit(run(main))
