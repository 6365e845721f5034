"""The server of a review, and the browser, killed at random moments: no answer that was acknowledged is lost.

Three moments with the table; `KILLS=50` draws fifty of each (`make test-kills`).
"""

import contextlib
import http.client
import multiprocessing
import os
import random
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest

import review_folder
from dawnchorus.commands import cli
from dawnchorus.review import answers
from dawnchorus.review.kept import Kept
from review_folder import Client, given, served
from test_report_browser import ARGUMENTS, CHROMIUM, sync_api
from test_review_browser import ready
from test_review_served_browser import begun, press, until, wait, written

pytestmark = pytest.mark.long

KILLS = int(os.environ.get("KILLS", "3"))
N = 40
# Who answers at the same time, and which clips: two tabs of one person, and somebody else.
CLIENTS = (("Ann", 0, N // 2), ("Ann", N // 2, N), ("Bob", 0, N))
LONGEST_S = 0.5


def serve(folder, said):
    """Run the command in a process of its own, what it prints into a pipe."""
    os.chdir(folder)
    os.dup2(said.fileno(), 1)
    raise SystemExit(cli.main(["review", "serve", "review", "--port", "0"]))


@contextlib.contextmanager
def started(folder):
    """Start a server, and yield its process and address; it is killed at the end, if not before."""
    context = multiprocessing.get_context("forkserver")
    # A start takes seconds for libraries, and there are many starts.
    context.set_forkserver_preload(["dawnchorus.report.review_server", "librosa", "matplotlib", "soxr", "PIL.Image"])
    heard, said = context.Pipe(duplex=False)
    process = context.Process(target=serve, args=(folder, said))
    process.start()
    said.close()
    try:
        with open(heard.fileno(), closefd=False) as lines:
            yield process, re.search(r"http://\S+", lines.readline())[0]
    finally:
        process.kill()
        process.join()
        heard.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    review_folder.write(folder, N)
    return folder


@pytest.fixture(scope="module")
def rows():
    return review_folder.rows_of(N)


class Answers:
    """What was sent and what was acknowledged, by person and clip: the number of the last answer of each."""

    def __init__(self):
        self.sent, self.acknowledged = {}, {}

    def give(self, address, reviewer, clips, acknowledged):
        """Give answers one after another until the server is gone; ``acknowledged`` is set with the first one."""
        client = Client(address)
        with contextlib.suppress(OSError, http.client.HTTPException):
            while True:
                for clip in clips:
                    key = reviewer, clip
                    self.sent[key] = self.sent.get(key, 0) + 1
                    client.give(reviewer, given(clip, "other", f"{self.sent[key]}"))
                    self.acknowledged[key] = self.sent[key]
                    acknowledged.set()


@pytest.fixture(scope="module")
def history():
    return Answers()


@pytest.mark.parametrize("number", range(KILLS))
def test_a_server_that_is_killed_has_written_what_it_acknowledged(folder, rows, history, number):
    with started(folder) as (process, address):
        threads, begun = [], []
        for reviewer, first, end in CLIENTS:
            begun.append(threading.Event())
            words = (address, reviewer, [row["clip"] for row in rows[first:end]], begun[-1])
            threads.append(threading.Thread(target=history.give, args=words))
            threads[-1].start()
        assert all(event.wait(60) for event in begun)
        process.join(random.Random(number).random() * LONGEST_S)
        os.kill(process.pid, signal.SIGKILL)
        for thread in threads:
            thread.join()
    assert process.exitcode == -signal.SIGKILL
    sample = {row["clip"]: row for row in rows}
    files = [folder / f"review/reviews/{name}.csv" for name in ("Ann", "Bob")]
    there = {(of.reviewer, of.clip): int(of.other) for of in answers.read(files, sample)}
    for key, value in history.acknowledged.items():
        assert value <= there[key] <= history.sent[key]
    assert there.keys() <= history.sent.keys()
    # The next server takes them all, and what the kill left goes.
    with contextlib.closing(Kept(folder / "review", sample)) as kept:
        assert kept.counts() == {name: sum(of == name for of, _ in there) for name in ("Ann", "Bob")}
    assert sorted(path.name for path in (folder / "review/reviews").iterdir()) == ["Ann.csv", "Bob.csv"]


@contextlib.contextmanager
def a_browser(profile: Path):
    """Start a browser of its own with a profile, and yield its process and where it is controlled from."""
    if not CHROMIUM:
        pytest.skip("no chromium on this machine; set CHROMIUM")
    words = [CHROMIUM, *ARGUMENTS, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=-3, text=True, start_new_session=True)
    try:
        where = next(line.split()[-1] for line in process.stderr if line.startswith("DevTools listening on"))
        yield process, where
    finally:
        kill(process)
        process.stderr.close()


def kill(process):
    """Kill all processes of a browser, once."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


# How many clips have an answer, and which of these answers the page does not know as written.
ANSWERED = """
() => {
  const unsent = Object.keys(localStorage).filter((key) => key.includes(" unsent "));
  const count = parseInt(document.getElementById("answered").textContent);
  return [count, unsent.map((key) => JSON.parse(key.split(" unsent ")[1])[1])];
}
"""


@pytest.mark.parametrize("number", range(KILLS))
def test_a_browser_that_is_killed_goes_on_after_what_was_acknowledged(folder, rows, tmp_path, monkeypatch, number):
    monkeypatch.chdir(folder)
    rng, clips = random.Random(number), [row["clip"] for row in rows]
    with sync_api.sync_playwright() as playwright, served(tmp_path, rows) as server:
        with a_browser(tmp_path / "profile") as (process, where):
            page = playwright.chromium.connect_over_cdp(where).contexts[0].new_page()
            page.goto(server.address)
            begun(page, of=N)
            press(page, "y")
            written(page)
            for _ in range(rng.randrange(7)):
                press(page, rng.choice("ynu"))
            count, unsent = page.evaluate(ANSWERED)
            acknowledged = set(clips[:count]) - set(unsent)
            # With the next answer on its way.
            press(page, "y")
            kill(process)
        with a_browser(tmp_path / "profile") as (_, where):
            page = playwright.chromium.connect_over_cdp(where).contexts[0].new_page()
            page.goto(server.address)
            ready(page)
            written(page)
            until(page, "")
            wait(page, "parseInt(document.getElementById('answered').textContent) >= given", len(acknowledged))
            count, _ = page.evaluate(ANSWERED)
            until(page, f"{count} of {N} answered; this is {count + 1}")
    [file] = (tmp_path / "reviews").iterdir()
    there = {of.clip for of in answers.read([file], {row["clip"]: row for row in rows})}
    assert acknowledged <= there == set(clips[:count])
    assert len(acknowledged) > 0
