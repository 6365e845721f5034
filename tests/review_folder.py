"""A folder with a sample of two recordings to review, and a server of it that ends with the block."""

import contextlib
import http.client
import json
import threading

from dawnchorus.report.review_server import Server
from dawnchorus.review.kept import Kept
from dawnchorus.tables import made
from dawnchorus.tables.definitions import SAMPLE
from test_detections import write_sound

PATHS = ("a <b>1</b>.flac", "b.flac")
TIME = "2024-05-02T06:00:{:02}Z"


def rows_of(n, names=("Frog", "Owl")):
    """Return the rows of sample.csv: windows of 3 s, of two species and two recordings in turn."""
    return [
        {
            "clip": f"{k:016x}",
            "path": PATHS[k % 2],
            "recording_id": PATHS[k % 2].removesuffix(".flac"),
            "start_s": float(k % 8),
            "end_s": k % 8 + 3.0,
            "species_id": ("=s0", "s1")[2 * k >= n],
            "species_name": names[2 * k >= n],
            "group": "",
            "stratum": "undetected, low",
            "score": 0.5,
            "detected": 0,
            "windows": 40,
            "drawn": n,
            "inclusion_probability": n / 40,
        }
        for k in range(n)
    ]


def write(folder, n, names=("Frog", "Owl")):
    """Write recordings and review/sample.csv into a folder, in which commands are to run; return the rows."""
    for number, name in enumerate(PATHS):
        write_sound(folder / name, 12, number)
    rows = rows_of(n, names)
    made.write(folder / "review/sample.csv", SAMPLE, rows)
    return rows


@contextlib.contextmanager
def served(folder, rows, port=0):
    """Serve a review folder from a thread of this process."""
    with (
        contextlib.closing(Kept(folder, {row["clip"]: row for row in rows})) as kept,
        Server(port, rows, False, kept) as server,
    ):
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def given(clip, answer="yes", other="", second=0):
    return {"clip": clip, "answer": answer, "other": other, "time": TIME.format(second)}


class Client:
    """A browser's side of one connection to the page at ``address``."""

    def __init__(self, address):
        _, _, self.host, self.token, _ = address.split("/")
        self._connection = http.client.HTTPConnection(self.host, timeout=60)

    def ask(self, method, path, body=None, headers=()):
        """Return status, headers and content of the answer to a request; ``path`` is what follows the host."""
        self._connection.request(method, path, body, dict(headers))
        response = self._connection.getresponse()
        return response.status, response.headers, response.read()

    def post(self, content, **headers):
        """Send what the page would; headers by their names, and None for one that is left out."""
        sent = {"Origin": f"http://{self.host}", "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        sent = {name: value for name, value in sent.items() if value is not None}
        return self.ask("POST", f"/{self.token}/answers", body, sent)

    def give(self, reviewer, *answers, since=0):
        """Give answers, and return what the server then says."""
        status, _, content = self.post({"reviewer": reviewer, "since": since, "answers": list(answers)})
        assert status == 200, content
        return json.loads(content)
