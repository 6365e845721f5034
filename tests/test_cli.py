"""The command line: help that comes at once, errors of one line, a trace if asked for, progress in terminal and log."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from dawnchorus.commands import cli
from dawnchorus.foundation.display_names import escaped
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.progress import Progress

ROOT = Path(__file__).parents[1]
# A process of its own finds the package here, whether it is installed or not.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_help_names_every_command_and_loads_none(capsys):
    code = "from dawnchorus.commands import cli; import sys; sys.argv = ['dawnchorus', '--help']\ntry: cli.main()\n"
    code += "finally: print(sorted({'pandas', 'numpy', *(f'dawnchorus.commands.{n}' for n in ('compare', 'detect'))}"
    code += " & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    assert all(f"    {name} " in done.stdout for name in cli.COMMANDS)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_of_a_command_explains_every_argument_and_shows_examples(command, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main([command, "--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert f"  dawnchorus {command} " in shown[shown.index("examples:") :]
    assert "--verbose" in shown
    parser = cli.parser_of([command])._subparsers._group_actions[0].choices[command]
    assert all(action.help for action in parser._actions)


def test_options_of_detect_are_those_of_the_block_of_params():
    given = cli.parser_of(["detect"]).parse_args(["detect", "--model", "m", "--output", "o", "a.wav"])
    default = yaml.safe_load((ROOT / "params.yaml").read_text())["detections"]
    # Where to search is an argument, and a command that a person waits for stops at a bad file unless told otherwise.
    del default["recordings"], default["on_bad_recording"]
    names = {**{name: name for name in default}, "page_events": "events"}
    assert {name: getattr(given, names[name]) for name in default} == default


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("--channel", "mix", "mix"),
        ("--channel", "2", 2),
        ("--window-s", "2", 2.0),
        ("--smoothing-windows", "3", 3),
        ("--sample-submission", "7", "7"),
        ("--channel", "left", """'left': expected "mix" or integer from 0 to 1023"""),
        ("--channel", "-1", "expected"),
        ("--smoothing-windows", "2", "'2': expected odd integer from 1 to 999"),
        ("--merge-gap-s", "nan", "'nan': expected number from 0 to 3600"),
        ("--batch-size", "0", "'0': expected integer from 1 to 4096"),
        ("--events", "2.5", "'2.5': expected integer from 0 to 100"),
        ("--window-s", "nan", "'nan': expected number > 0 and <= 600"),
        ("--window-s", "inf", "'inf': expected number > 0 and <= 600"),
        ("--step-s", "1e999", "'1e999': expected number > 0 and <= 600"),
        ("--step-s", "-1", "'-1': expected number > 0 and <= 600"),
        ("--window-s", "601", "'601': expected number > 0 and <= 600"),
        ("--window-s", "1_0", "'1_0': expected number > 0 and <= 600"),
        ("--merge-gap-s", "inf", "'inf': expected number from 0 to 3600"),
        ("--merge-gap-s", "-1", "'-1': expected number from 0 to 3600"),
        ("--merge-gap-s", "", "'': expected number from 0 to 3600"),
        ("--merge-gap-s", "1e-3", 0.001),
        ("--merge-gap-s", ".5", 0.5),
        ("--channel", "1_0", "'1_0': expected"),
        ("--channel", "0.0", "'0.0': expected"),
        ("--events", "-1", "'-1': expected integer from 0 to 100"),
        ("--events", "5.0", "'5.0': expected integer from 0 to 100"),
        ("--pictures", "101", "'101': expected integer from 0 to 100"),
        ("--pictures", " 5", "' 5': expected integer from 0 to 100"),
        ("--pictures", "٣", "'٣': expected integer from 0 to 100"),
        ("--threads", "0", "'0': expected integer from 1 to 1024"),
        ("--threads", "-3", "'-3': expected integer from 1 to 1024"),
        ("--threads", "1000000000", "expected integer from 1 to 1024"),
        ("--threads", "two", "'two': expected integer from 1 to 1024"),
        ("--threads", "3", 3),
    ],
)
def test_options_of_detect_are_in_range(capsys, option, text, value):
    words = ["detect", "--model", "m", "--output", "o", option, text, "a.wav"]
    if isinstance(value, str) and "expected" in value:
        with pytest.raises(SystemExit):
            cli.parser_of(words).parse_args(words)
        assert value in capsys.readouterr().err
    else:
        assert vars(cli.parser_of(words).parse_args(words))[option[2:].replace("-", "_")] == value


@pytest.mark.parametrize(
    "words",
    [
        ["detect", "--model", "m", ""],
        ["detect", "--model", "", "a.wav"],
        ["detect", "--model", "m", "--output", "", "a.wav"],
        ["init", ""],
        ["init", "--output", "", "a"],
        ["new", ""],
        ["compare", "--html", ""],
    ],
)
def test_a_variable_of_the_shell_that_is_not_set_is_not_the_folder_one_is_in(capsys, words):
    with pytest.raises(SystemExit):
        cli.parser_of(words).parse_args(words)
    assert "'': expected the name of a file or a folder" in capsys.readouterr().err


WRONG = ["detect", "--model", "no-such-folder", "--output", "out", "no-such-file"]


def test_an_error_is_one_line(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(WRONG) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "no-such-folder" in line


@pytest.mark.parametrize(
    "words", [["--verb", *WRONG], ["--verbose", *WRONG], [*WRONG, "--verbose"], [WRONG[0], "--verbose", *WRONG[1:]]]
)
def test_verbose_shows_the_trace_wherever_it_stands(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception, match="no-such-folder"):
        cli.main(words)


def test_what_nobody_expected_is_one_line_too(capsys, monkeypatch):
    monkeypatch.setattr("dawnchorus.commands.detect.main", lambda args: {}["a\nb"])
    assert cli.main(WRONG) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: KeyError:")
    assert "--verbose" in line
    monkeypatch.setattr("dawnchorus.commands.detect.main", lambda args: (_ for _ in ()).throw(KeyboardInterrupt))
    assert cli.main(WRONG) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_reader_who_has_seen_enough_is_no_error():
    code = "from dawnchorus.commands import cli, detect; detect.main = lambda args: print('x' * 10**7)\n"
    command = [sys.executable, "-c", f"{code}raise SystemExit(cli.main({WRONG}))"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout.read(1) == b"x"
        process.stdout.close()
        assert process.stderr.read() == b""


SHELL = "import sys; from dawnchorus.commands import cli; raise SystemExit(cli.main(sys.argv[1:]))"


@pytest.mark.long
@pytest.mark.parametrize(
    "words", [["--help"], ["detect", "--help"], ["detect"], WRONG, ["--verbose", "compare", "--help"]]
)
@pytest.mark.parametrize("closed", ["stdout", "stderr", "both", "before the start"])
def test_nobody_who_reads_is_no_traceback(words, closed, tmp_path):
    """Whatever is written, help and errors too, into a pipe that nobody reads, or where there is none."""
    redirected = {"stdout": "", "stderr": "2>&1 1>/dev/null", "both": "2>&1", "before the start": ">&- 2>&-"}[closed]
    reader = "sleep 0.01" if closed != "before the start" else "cat"
    quoted = " ".join(f"'{word}'" for word in [sys.executable, "-c", SHELL, *words])
    # The reader is gone before anything is written.
    script = f"{{ sleep 0.5; {quoted} {redirected}; }} | {reader}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=ENVIRONMENT, cwd=tmp_path)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr + done.stdout
    assert "Exception ignored" not in done.stderr


def test_a_message_cannot_forge_a_line(capsys, monkeypatch):
    def refuse(error):
        raise error

    for error in (InputError("a.wav: \x1b[2J\r\u2028error: forged\x85x"), KeyError("\x1b[2J\u2028 forged\x85x")):
        monkeypatch.setattr("dawnchorus.commands.detect.main", lambda args, error=error: refuse(error))
        assert cli.main(WRONG) == 1
        said = capsys.readouterr().err
        assert len(said.splitlines()) == 1
        assert not {"\x1b", "\r", "\u2028", "\x85"} & set(said)


def test_names_are_shown_escaped():
    assert escaped("plain ä ضفدع \u200d.wav") == "plain ä ضفدع \u200d.wav"
    assert escaped("a\nb\x1b[2J\x7f\u202e\udce9") == r"a\nb\x1b[2J\x7f\u202e\udce9"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_ends_the_command_as_an_error_would(number, monkeypatch, request):
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    ended = []
    # Whoever started the tests under nohup has asked for one of these to be ignored.
    asked = signal.signal(number, signal.SIG_DFL)
    request.addfinalizer(lambda: signal.signal(number, asked))

    def work(args):
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        finally:
            ended.append(number)

    before = signal.getsignal(number)
    monkeypatch.setattr("dawnchorus.commands.detect.main", work)
    with pytest.raises(SystemExit) as left:
        cli.main(WRONG)
    assert (left.value.code, ended) == (128 + number, [number])
    assert signal.getsignal(number) == before


def test_a_second_request_does_not_disturb_the_end(monkeypatch):
    ended = []

    def work(args):
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGINT)
            ended.append("tidied up")

    monkeypatch.setattr("dawnchorus.commands.detect.main", work)
    with pytest.raises(SystemExit) as left:
        cli.main(WRONG)
    assert (left.value.code, ended) == (128 + signal.SIGTERM, ["tidied up"])


def test_an_interrupt_while_a_command_is_loaded_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr("importlib.import_module", lambda name: signal.raise_signal(signal.SIGINT))
    assert cli.main(WRONG) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_an_alarm_from_elsewhere_is_not_heard(monkeypatch):
    monkeypatch.setattr("dawnchorus.commands.detect.main", lambda args: signal.raise_signal(signal.SIGALRM))
    assert cli.main(WRONG) == 0


class Killing:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)


def test_a_request_that_python_would_drop_is_heeded_a_moment_later(monkeypatch, capfd):
    """As in a callback of the import system or a __del__, where what is raised is printed and forgotten."""
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    reached = []

    def work(args):
        Killing()
        reached.append("after the callback")
        time.sleep(5)

    monkeypatch.setattr("dawnchorus.commands.detect.main", work)
    with pytest.raises(SystemExit) as left:
        cli.main(WRONG)
    assert (left.value.code, reached) == (128 + signal.SIGTERM, ["after the callback"])
    assert capfd.readouterr().err == ""


def test_a_signal_that_is_ignored_stays_ignored(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.setattr("dawnchorus.commands.detect.main", lambda args: os.kill(os.getpid(), signal.SIGHUP))
        assert cli.main(WRONG) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_log_has_plain_lines(capsys):
    log = io.StringIO()
    with Progress("detect", 2, log, log_interval_s=0) as progress:
        progress.step("a.wav")
        progress.warn("error: b.wav: broken; left out")
        progress.step("b\x1b[2J\n.wav")
        progress.warn("c\x1b[2J\nd")
    assert log.getvalue() == "detect: 1 of 2: a.wav\ndetect: 2 of 2: b [2J .wav\n"
    assert capsys.readouterr().err == "error: b.wav: broken; left out\nc\\x1b[2J\\nd\n"


def test_a_log_of_short_work_is_not_filled_with_its_steps():
    log = io.StringIO()
    with Progress("detect", 1000, log) as progress:
        for number in range(1000):
            progress.step(f"{number}.wav")
    assert len(log.getvalue().splitlines()) < 10


def test_a_long_step_says_how_much_of_it_is_done():
    log, terminal = io.StringIO(), Terminal()
    for out in (log, terminal):
        with Progress("detect", 2, out, log_interval_s=0) as progress:
            progress.step("a.wav")
            progress.part(0.25, "b.wav")
            progress.part(0.5, "b.wav")
            progress.part(1.0, "b.wav")
            progress.step("b.wav")
    assert log.getvalue().splitlines() == [
        "detect: 1 of 2: a.wav",
        "detect: 1 of 2: 25% of b.wav",
        "detect: 1 of 2: 50% of b.wav",
        "detect: 2 of 2: b.wav",
    ]
    assert terminal.getvalue().rstrip("\n").split("\r")[-1].startswith("detect: 2 of 2, 00:00 left, b.wav")


def test_a_terminal_has_one_line_that_is_renewed(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    terminal = Terminal()
    with Progress("detect", 2, terminal) as progress:
        progress.step("a.wav")
        progress.warn("error: b.wav: broken; left out")
        progress.step("long/" * 40 + ".wav")
    said = terminal.getvalue()
    assert said.count("\n") == 1
    assert said.endswith("\n")
    last = said.rstrip("\n").split("\r")[-1]
    assert last.startswith("detect: 2 of 2, 00:00 left, long/long")
    assert len(last.strip()) <= 90
    assert capsys.readouterr().err == "error: b.wav: broken; left out\n"
