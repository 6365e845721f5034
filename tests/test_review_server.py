"""The server of the page to listen: who may ask it for what, over real connections; and the answers that it keeps."""

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import review_folder
from dawnchorus.commands import cli
from dawnchorus.foundation.errors import InputError
from dawnchorus.report import pages
from dawnchorus.review import answers, kept
from dawnchorus.review.answers import Answer
from dawnchorus.review.kept import Kept, Refused
from review_folder import Client, given, served
from test_report_browser import HOSTILE

N = 8
SRC = Path(kept.__file__).parents[2]


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder, review_folder.write(folder, N, (HOSTILE[0], HOSTILE[2]))


@pytest.fixture
def server(inside, tmp_path):
    with served(tmp_path, inside[1]) as server:
        yield server


@pytest.fixture
def rows(inside):
    return inside[1]


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_page_and_each_clip_come_to_who_has_the_address(server, rows):
    client = Client(server.address)
    status, headers, page = client.ask("GET", f"/{client.token}/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert {row["clip"] for row in rows} <= set(re.findall("[0-9a-f]{16}", page.decode()))
    assert len(page) < 40_000, "no picture and no sound is in it"
    status, headers, content = client.ask("GET", f"/{client.token}/clips/{rows[3]['clip']}")
    card = json.loads(content)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert (card["start_s"], card["end_s"]) == (2.0, 7.0), "a second before and after 3 to 6 s"
    assert card["image"].startswith("data:image/webp;base64,")
    assert card["sound"].startswith("data:audio/mpeg;base64,")
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert not [name for name in headers if name.lower().startswith("access-control")]


def test_the_page_runs_its_own_programs_by_hash_and_nothing_else(server):
    client = Client(server.address)
    _, headers, page = client.ask("GET", f"/{client.token}/")
    policy = re.search('http-equiv="Content-Security-Policy" content="([^"]*)"', page.decode())[1]
    programs = re.findall("<script>(.*?)</script>", page.decode(), re.DOTALL)
    assert len(programs) == 2
    assert f"script-src {pages.hash_of(programs[0])} {pages.hash_of(programs[1])};" in policy
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert HOSTILE[0].encode() not in page


def test_it_listens_on_this_machine_alone(server):
    assert server.socket.getsockname()[0] == "127.0.0.1"
    # All of 127/8 is this machine, and a server of all addresses would be there too.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", server.server_port), 5)


@pytest.mark.parametrize(
    "path",
    [
        *("/", "//", "/{token}", "/x{token}/", "/{short}/", "/{token}x/", "/{upper}/", "/%2e/{token}/", "*", "/é/"),
        *("http://{host}/{token}/", "/clips/0000000000000000", "/answers"),
    ],
)
def test_without_the_token_nothing_is_said(server, path):
    client = Client(server.address)
    token = client.token
    values = {"token": token, "short": token[:-1], "upper": token.swapcase(), "host": client.host}
    # As bytes: the library of this client writes no such path.
    with socket.create_connection(("127.0.0.1", server.server_port), 60) as connection:
        line = f"GET {path.format(**values)} HTTP/1.1\r\nHost: {client.host}\r\nConnection: close\r\n\r\n"
        connection.sendall(line.encode())
        said = connection.makefile("rb").read()
    assert said.startswith((b"HTTP/1.0 403 ", b"HTTP/1.0 400 "))
    assert token.encode() not in said
    assert b"page-data" not in said


def test_a_token_is_of_one_start_and_long(inside, tmp_path):
    tokens = []
    for name in "ab":
        (tmp_path / name).mkdir()
        with served(tmp_path / name, inside[1]) as server:
            tokens.append(server.token)
    assert tokens[0] != tokens[1]
    assert min(map(len, tokens)) >= 43, "256 bits"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "0.0.0.0:{port}", ""]
)
def test_a_name_that_was_pointed_here_is_refused(server, tmp_path, rows, host):
    client = Client(server.address)
    name = host.format(port=server.server_port)
    status, _, content = client.ask("GET", f"/{client.token}/", headers={"Host": name})
    assert (status, b"page-data" in content) == (403, False)
    body = {"reviewer": "Ann", "since": 0, "answers": [given(rows[0]["clip"])]}
    assert client.post(body, Host=name, Origin=f"http://{name}")[0] == 403
    assert not list((tmp_path / "reviews").iterdir())


def test_the_machine_may_be_called_localhost(server):
    client = Client(server.address)
    host = f"LocalHost:{server.server_port}"
    assert client.ask("GET", f"/{client.token}/", headers={"Host": host})[0] == 200
    body = {"reviewer": "Ann", "since": 0, "answers": []}
    assert client.post(body, Host=host, Origin=f"http://{host}")[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": None}, 403),
        ({"Origin": "https://127.0.0.1"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content_Type": None}, 415),
        ({"Content_Length": "100001"}, 413),
        ({"Content_Length": "9" * 5000}, 413),
        ({"Content_Length": "-1"}, 411),
        ({"Content_Length": "1_0"}, 411),
        ({"Transfer_Encoding": "chunked", "Content_Length": None}, 411),
    ],
)
def test_what_no_page_of_ours_sends_is_refused_and_nothing_is_written(server, tmp_path, rows, headers, status):
    client = Client(server.address)
    body = {"reviewer": "Ann", "since": 0, "answers": [given(rows[0]["clip"])]}
    assert client.post(body, **headers)[0] == status
    assert not list((tmp_path / "reviews").iterdir())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (b"", b"content: Invalid JSON"),
        (b"{", b"content: Invalid JSON"),
        (b"[" * 90_000, b"content: Invalid JSON"),
        (b"\xff", b"content: Invalid JSON"),
        (b"[]", b"content: "),
        ({"reviewer": 5}, b"reviewer: "),
        ({"reviewer": " \u202e\n"}, b"reviewer: expected the name of who answers"),
        ({"reviewer": "n" * 61}, b"reviewer: "),
        ({"since": -1}, b"since: "),
        ({"since": "0"}, b"since: "),
        ({"more": 1}, b"more: "),
        ({"answers": [{"clip": "0" * 16}]}, b"answers.0.answer: "),
        ({"answers": [given("0" * 16, "maybe")]}, b"answers.0.answer: "),
        ({"answers": [given("0" * 16, other="o" * 201)]}, b"answers.0.other: "),
        ({"answers": [{**given("0" * 16), "time": "now"}]}, b"answers.0.time: "),
        ({"answers": [{**given("0" * 16), "time": "2024-05-02T06:00:00Z\n"}]}, b"answers.0.time: "),
        ({"answers": [{**given("0" * 16), "reviewer": "Bob"}]}, b"answers.0.reviewer: "),
        ({"answers": [given("0" * 16), given("../../x")]}, b"'../../x': expected a clip of this sample"),
    ],
)
def test_what_is_no_answer_is_one_line_and_nothing_is_written(server, tmp_path, change, said):
    client = Client(server.address)
    body = change if isinstance(change, bytes) else {"reviewer": "Ann", "since": 0, "answers": [], **change}
    status, headers, content = client.post(body)
    assert status in (400, 409)
    assert headers["Content-Type"].startswith("text/plain")
    assert said in content
    assert b"\n" not in content
    assert not list((tmp_path / "reviews").iterdir())
    assert client.give("Ann", given("0" * 16))["revision"] == 1, "the next one is kept all the same"


@pytest.mark.parametrize(
    "wanted", ["clips/", "clips/x", "clips/../sample.csv", "../sample.csv", "sample.csv", "?", "answers"]
)
def test_no_other_file_is_read(server, wanted):
    client = Client(server.address)
    assert client.ask("GET", f"/{client.token}/{wanted}")[0] == 404


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "X" * 100])
def test_no_other_method_does_anything(server, method):
    client = Client(server.address)
    status, headers, _ = client.ask(method, f"/{client.token}/")
    assert status == 501
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert not [name for name in headers if name.lower().startswith("access-control")]


def test_answers_to_no_path_but_their_own(server, rows):
    client = Client(server.address)
    headers = {"Origin": f"http://{client.host}", "Content-Type": "application/json"}
    assert client.ask("POST", f"/{client.token}/clips/{rows[0]['clip']}", b"{}", headers)[0] == 404


def test_a_connection_that_breaks_off_leaves_the_server_well(server, tmp_path, rows, capfd):
    client = Client(server.address)
    lines = [f"POST /{client.token}/answers HTTP/1.1", f"Host: {client.host}", f"Origin: http://{client.host}"]
    lines += ["Content-Type: application/json", "Content-Length: 50", "", '{"reviewer": "Ann"']
    with socket.create_connection(("127.0.0.1", server.server_port), 60) as connection:
        connection.sendall("\r\n".join(lines).encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.makefile("rb").read().startswith(b"HTTP/1.0 400 ")
    with socket.create_connection(("127.0.0.1", server.server_port), 60) as connection:
        connection.sendall(
            f"GET /{client.token}/clips/{rows[0]['clip']} HTTP/1.1\r\nHost: {client.host}\r\n\r\n".encode()
        )
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert client.give("Ann", given(rows[0]["clip"]))["revision"] == 1
    assert "Traceback" not in capfd.readouterr().err


def test_sound_that_is_gone_is_said_on_the_page(inside, tmp_path, capsys):
    rows = [{**inside[1][0], "path": "gone.flac"}]
    with served(tmp_path, rows) as server:
        client = Client(server.address)
        status, _, content = client.ask("GET", f"/{client.token}/clips/{rows[0]['clip']}")
    assert status == 500
    assert content.startswith(b"gone.flac: missing: no such file; expected the recording that was searched")
    assert capsys.readouterr().err.count("\n") == 1


def test_an_answer_is_in_the_file_before_it_is_acknowledged(server, tmp_path, rows):
    client = Client(server.address)
    said = client.give("Ann", given(rows[2]["clip"], "other", "=s0"))
    assert said == {"revision": 1, "answers": [given(rows[2]["clip"], "other", "=s0")]}
    [row] = table(tmp_path / "reviews/Ann.csv")
    assert row == {
        **{"clip": rows[2]["clip"], "recording_id": "a <b>1</b>", "start_s": "2.0", "end_s": "5.0"},
        **{"species_id": "'=s0", "answer": "other", "other_species": "'=s0", "reviewer": "Ann"},
        **{"time": "2024-05-02T06:00:00Z", "path": rows[2]["path"]},
    }
    # Of a clip the last answer stays; the clips are in the order of the sample.
    client.give("Ann", given(rows[5]["clip"], "no"), given(rows[0]["clip"]))
    client.give("Ann", given(rows[2]["clip"], "unsure", second=9))
    found = table(tmp_path / "reviews/Ann.csv")
    assert [(row["clip"], row["answer"]) for row in found] == [
        (rows[0]["clip"], "yes"), (rows[2]["clip"], "unsure"), (rows[5]["clip"], "no")
    ]  # fmt: skip
    assert answers.read([tmp_path / "reviews/Ann.csv"], {row["clip"]: row for row in rows})


def test_who_is_behind_hears_what_others_answered_since(server, rows):
    first, second = Client(server.address), Client(server.address)
    assert first.give("Ann", given(rows[0]["clip"]))["revision"] == 1
    said = second.give("Ann", given(rows[1]["clip"], "no"))
    assert [row["clip"] for row in said["answers"]] == [rows[0]["clip"], rows[1]["clip"]]
    assert first.give("Ann", since=1) == {"revision": 2, "answers": [given(rows[1]["clip"], "no")]}
    assert first.give("Ann", since=2) == {"revision": 2, "answers": []}
    assert first.give("Bob", since=0) == {"revision": 0, "answers": []}, "the answers of another person are not his"
    # What was given before, and sent later, is not the last answer.
    second.give("Ann", given(rows[0]["clip"], "unsure", second=30))
    late = first.give("Ann", given(rows[0]["clip"], "no", second=20), since=2)
    assert late["answers"] == [given(rows[0]["clip"], "unsure", second=30)]
    # Sent twice, it is one.
    assert second.give("Ann", given(rows[0]["clip"], "unsure", second=30), since=3)["answers"] == []


def test_a_clock_that_was_wrong_does_not_hold_an_answer_for_ever(server, rows):
    client = Client(server.address)
    client.give("Ann", {**given(rows[0]["clip"]), "time": "2099-01-01T00:00:00Z"})
    client.give("Ann", given(rows[0]["clip"], "no"))
    assert client.give("Ann")["answers"] == [given(rows[0]["clip"], "no")]


def test_answers_of_many_at_the_same_time_are_all_kept(server, tmp_path, rows):
    def give(number):
        client, reviewer = Client(server.address), f"Person {number % 3}"
        for row in rows:
            if int(row["clip"], 16) % 2 == number // 3:
                client.give(reviewer, given(row["clip"], other=f"of {number}"))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(give, range(6)))
    for person in range(3):
        found = table(tmp_path / f"reviews/Person {person}.csv")
        expected = [(row["clip"], f"of {person + 3 * (k % 2)}") for k, row in enumerate(rows)]
        assert [(row["clip"], row["other_species"]) for row in found] == expected


@pytest.mark.parametrize(
    "name", [*HOSTILE, "../../etc/passwd", "..", "/", "-rf", "a\\b", "CON:", "~", "=1+1", "😀" * 60]
)
def test_a_name_leads_to_no_other_folder_and_is_text(server, tmp_path, rows, name):
    Client(server.address).give(name, given(rows[0]["clip"], "other", HOSTILE[0]))
    [path] = (tmp_path / "reviews").iterdir()
    assert re.fullmatch(r"[\w ][\w -]*(-[0-9a-f]{8})?\.csv", path.name)
    assert len(os.fsencode(path.name)) <= 255
    assert not [entry for entry in tmp_path.iterdir() if entry.name != "reviews"]
    [answer] = answers.read([path], {row["clip"]: row for row in rows})
    assert answer.reviewer == name.replace("\u202e", "").replace("  ", " ")
    assert answer.other == HOSTILE[0]
    assert not path.read_text().splitlines()[1].split(",")[-2].startswith("="), "no spreadsheet runs it"


def test_names_have_files_of_their_own():
    names = ["Ann", "José", "Åsa Öberg", "a/b", "a\\b", "a_b", "क्षमा", "-x", "_x", ".x", "", " "]
    files = [kept.file_name(name) for name in names]
    assert len({name.casefold() for name in files}) == len(names)
    assert files[:3] == ["Ann.csv", "José.csv", "Åsa Öberg.csv"]
    assert not [name for name in files if name.startswith((".", "-"))] or files[-2] == ".csv"


def test_a_name_in_another_case_is_most_likely_the_same_person(tmp_path, rows):
    keeper = Kept(tmp_path, {row["clip"]: row for row in rows})
    keeper.take("Ann", [Answer(rows[0]["clip"], "Ann", "yes", "", "2024-05-02T06:00:00Z")])
    with pytest.raises(Refused, match="There are answers of 'Ann'"):
        keeper.take("ANN", [])
    keeper.close()


def test_what_cannot_be_written_is_not_kept(tmp_path, rows, monkeypatch):
    keeper = Kept(tmp_path, {row["clip"]: row for row in rows})
    answer = Answer(rows[0]["clip"], "Ann", "yes", "", "2024-05-02T06:00:00Z")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="full"):

        def full(descriptor):
            raise OSError(28, "the disk is full")

        patch.setattr(os, "fsync", full)
        keeper.take("Ann", [answer])
    assert keeper.since("Ann", 0) == (0, [])
    keeper.take("Ann", [answer])
    assert keeper.since("Ann", 0) == (1, [answer])
    keeper.close()
    with pytest.raises(Refused, match="The server has ended"):
        keeper.take("Ann", [answer._replace(answer="no")])
    assert [path.name for path in (tmp_path / "reviews").iterdir()] == ["Ann.csv"]


def test_one_server_holds_a_folder_and_the_next_goes_on(tmp_path, rows):
    sample = {row["clip"]: row for row in rows}
    keeper = Kept(tmp_path, sample)
    answer = Answer(rows[0]["clip"], "Ann", "other", "s1", "2024-05-02T06:00:00Z")
    keeper.take("Ann", [answer])
    with pytest.raises(InputError, match=f"{tmp_path}/reviews: another server writes into it"):
        Kept(tmp_path, sample)
    keeper.close()
    left = tmp_path / "reviews/.Ann.abcd1234.csv"
    left.write_text("half of")
    before = (tmp_path / "reviews/Ann.csv").read_bytes()
    keeper = Kept(tmp_path, sample)
    assert not left.exists(), "what a kill left goes"
    assert keeper.since("Ann", 0) == (1, [answer])
    assert (tmp_path / "reviews/Ann.csv").read_bytes() == before
    keeper.close()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("Ann.csv", "clip,answer\n", "Ann.csv:1: column recording_id, start_s"),
        (
            "Bob.csv",
            "{head}\n0000000000000000,a <b>1</b>,0.0,3.0,'=s0,yes,,Ann,\n",
            "Bob.csv: answers of 'Ann'; expected",
        ),
        ("Ann.csv", "{head}\nffffffffffffffff,a,0,3,x,yes,,Ann,\n", "expected a clip of sample.csv"),
    ],
)
def test_files_that_are_no_answers_of_one_person_are_one_line(tmp_path, rows, name, text, said):
    (tmp_path / "reviews").mkdir()
    head = "clip,recording_id,start_s,end_s,species_id,answer,other_species,reviewer,time"
    (tmp_path / "reviews" / name).write_text(text.format(head=head))
    for _ in range(2):
        with pytest.raises(InputError) as error:
            Kept(tmp_path, {row["clip"]: row for row in rows})
        assert said in str(error.value)
        assert "\n" not in str(error.value), "and the folder is held no longer"


def command(*words):
    return [sys.executable, "-m", "dawnchorus.commands.cli", "review", "serve", *map(str, words)]


@pytest.fixture
def started(inside):
    """Start the command, and return its process and the address that it says; at the end all are killed."""
    processes = []

    def start(*words):
        environment = {**os.environ, "PYTHONPATH": str(SRC)}
        process = subprocess.Popen(command(*words), cwd=inside[0], env=environment, text=True, stdout=-1, stderr=-1)
        processes.append(process)
        said = process.stdout.readline()
        found = re.fullmatch(r"review: open (http://127\.0\.0\.1:\d+/[\w-]{43}/) in a browser .*\n", said)
        assert found, said + process.stderr.read()
        return process, found[1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_the_command_serves_until_it_is_ended(started, inside, capsys):
    rows = inside[1]
    process, address = started("review", "--port", "0")
    client = Client(address)
    client.give("Ann", given(rows[0]["clip"]), given(rows[1]["clip"], "no"))
    port = client.host.split(":")[1]
    assert cli.main(["review", "serve", "review", "--port", "0"]) == 1
    assert capsys.readouterr().err == "error: review/reviews: another server writes into it; expected one at a time\n"
    other = inside[0] / "other"
    other.mkdir()
    (other / "sample.csv").write_bytes((inside[0] / "review/sample.csv").read_bytes())
    assert cli.main(["review", "serve", "other", "--port", port]) == 1
    assert f"--port {port}: taken by another program; expected a free one" in capsys.readouterr().err
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out == "review: 2 answers of Ann in review/reviews\n"
    assert cli.main(["review", "summary", "review"]) == 1
    assert "population.csv" in capsys.readouterr().err, "the answers are there, and all windows are not"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere/sample.csv: no such file"),
        (["review/sample.csv"], "review/sample.csv/sample.csv: "),
    ],
)
def test_what_cannot_be_served_is_one_line(inside, capsys, words, said):
    assert cli.main(["review", "serve", *words]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_the_command_runs_where_the_recordings_are(inside, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["review", "serve", str(inside[0] / "review"), "--port", "0"]) == 1
    error = capsys.readouterr().err
    assert "expected the recording that was searched, in the folder where `dawnchorus detect` ran" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("port", ["-1", "65536", "http", "1e3"])
def test_a_port_is_a_number(port, capsys):
    with pytest.raises(SystemExit):
        cli.main(["review", "serve", "review", f"--port={port}"])
    assert "expected integer from 0 to 65535" in capsys.readouterr().err
