"""The workflow in a bucket: no job sees a folder of another. `make test-s3` makes the environment that it needs."""

import os
import re
import shutil
import subprocess
import threading
import urllib.request
from pathlib import Path

import pytest
from project import ROOT, Project, environment, rules_of

S3 = ROOT / ".venv-s3/bin"
HERE = ROOT / "tests/s3"
PREFIX = "frogs/run"
pytestmark = [
    pytest.mark.skipif(not S3.exists(), reason="no .venv-s3 with an S3 server: `make test-s3` makes it"),
    pytest.mark.long,
]


class Bucket:
    """A bucket of a server on this machine, and a project whose files lie there."""

    def __init__(self, url: str, project: Project, ended: Path):
        self.url, self.project, self.ended = url, project, ended

    def _call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        # The server asks who it is that reads, and checks no signature.
        who = "AWS4-HMAC-SHA256 Credential=test/20000101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none"
        headers = {"Content-Type": "application/octet-stream", "Authorization": who}
        request = urllib.request.Request(f"{self.url}/{path}", body, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def put(self, name: str, body: bytes) -> None:
        self._call("PUT", f"{PREFIX}/{name}", body)

    def get(self, name: str) -> bytes:
        return self._call("GET", f"{PREFIX}/{name}")

    def names(self) -> set[str]:
        """Return what is in the bucket, up to 1000 names."""
        listed = self._call("GET", f"{PREFIX.split('/')[0]}?list-type=2").decode()
        return {key.removeprefix("run/") for key in re.findall("<Key>(.*?)</Key>", listed)}

    def run(self, *arguments: str, check: bool = True) -> str:
        """Run `snakemake` with the bucket, and return what it says."""
        known = {f"SNAKEMAKE_STORAGE_S3_{name}": "test" for name in ("ACCESS_KEY", "SECRET_KEY")}
        done = subprocess.run(
            [
                *(S3 / "python", "-m", "snakemake", "--default-storage-provider", "s3"),
                *("--default-storage-prefix", f"s3://{PREFIX}", *arguments),
            ],
            cwd=self.project.path,
            env={
                **environment(),
                **known,
                "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": self.url,
                "PATH": os.pathsep.join([str(S3), environment()["PATH"]]),
                "ENDED": str(self.ended),
            },
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        logs = [path.read_text() for path in sorted(self.ended.glob("*.log"))]
        assert not (check and done.returncode), f"{done.stdout[-6000:]}\n{logs[-1:]}"
        return done.stdout

    def run_elsewhere(self, *arguments: str) -> dict[str, int]:
        """Run each job in an empty folder, and return how often each rule ran."""
        commands = ("--cluster-generic-submit-cmd", HERE / "submit.sh", "--cluster-generic-status-cmd")
        alone = ("--shared-fs-usage", "none", "--job-deploy-sources", "--jobs", "1")
        often = ("--seconds-between-status-checks", "1")
        said = self.run(
            *("--executor", "cluster-generic", *map(str, commands), str(HERE / "status.sh"), *alone, *often, *arguments)
        )
        return rules_of(said)

    def planned(self, *arguments: str) -> set[str]:
        """Return the rules that would run, without `all`."""
        said = self.run("--cores", "2", "-n", *arguments)
        return set(re.findall(r"^(?:local)?rule (\w+):$", said, re.MULTILINE)) - {"all"}


@pytest.fixture(scope="module")
def url():
    """The address of an S3 server."""
    command = [S3 / "python", "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with (
        subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server,
        open(os.devnull, "w") as nowhere,
    ):
        found = next(m for line in server.stdout if (m := re.search(r"http://127\.0\.0\.1:\d+", line)))
        # It says a line a request, and would wait for somebody to read them.
        reader = threading.Thread(target=shutil.copyfileobj, args=(server.stdout, nowhere))
        reader.start()
        yield found.group()
        server.terminate()
        reader.join()


@pytest.fixture(scope="module")
def bucket(url, tmp_path_factory):
    """A project of which all was made, each job in an empty folder."""
    folder = tmp_path_factory.mktemp("bucket")
    project = Project.create(folder / "project")
    (folder / "ended").mkdir()
    found = Bucket(url, project, folder / "ended")
    found._call("PUT", PREFIX.split("/")[0])
    for path in (project.path / "raw").rglob("*.*"):
        found.put(path.relative_to(project.path).as_posix(), path.read_bytes())
    # What Git tracks, Snakemake sends along with the code, and would miss.
    project.run("git", "rm", "-rq", "--cached", "raw")
    shutil.move(project.path / "raw", folder / "raw")
    found.run_elsewhere()
    return found


def test_all_is_made_in_the_bucket_and_nothing_here(bucket):
    made = bucket.names()
    assert {"reports/report.html", "reports/metrics.json", "models/model.keras", "models/model.provenance.json"} <= made
    assert not [name for name in ("data", "models", "reports", "raw") if (bucket.project.path / name).exists()]


def test_the_results_are_those_of_a_folder(bucket, tmp_path):
    here = Project.create(tmp_path / "here", dvc=False)
    names = ("reports/metrics.json", "data/dataset/x.npy", "reports/predictions.csv")
    here.snakemake("--", *names)
    for name in names:
        assert bucket.get(name) == (here.path / name).read_bytes(), name


def test_another_machine_finds_all_up_to_date(bucket):
    shutil.rmtree(bucket.project.path / ".snakemake")
    assert bucket.planned() == set()


AFTER_EVALUATION = {"evaluation", "detection_metrics", "figures", "report"}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("reports/confusion.csv", AFTER_EVALUATION),
        ("reports/evaluation.provenance.json", AFTER_EVALUATION),
        ("raw/annotations.csv", {"recordings"}),
        ("raw/audio/rec0.wav", {"recordings", "features"}),
    ],
)
def test_what_another_content_makes_stale(bucket, name, wanted):
    if name not in bucket.names():
        name = next(other for other in sorted(bucket.names()) if other.startswith("raw/audio/"))
    before = bucket.get(name)
    # As many bytes, so that a size tells nothing.
    bucket.put(name, before[:-1] + bytes([before[-1] ^ 1]))
    try:
        found = bucket.planned()
    finally:
        bucket.put(name, before)
    assert wanted <= found
    if wanted is AFTER_EVALUATION:
        assert found == wanted
    else:
        assert {"features", "dataset", "model", "report"} <= found


def test_a_value_runs_what_depends_on_it(bucket):
    bucket.project.set("figures.example_species", 2)
    try:
        assert bucket.planned() == {"figures", "report"}
    finally:
        bucket.project.set("figures.example_species", 1)


def test_refusals_are_one_line(bucket):
    said = bucket.run("--cores", "2", "-n", "detections", check=False)
    assert "error: detections: expected a run without --default-storage-provider" in said
