"""What goes wrong at the user's end is one line and an exit code, without a trace."""

import resource

import pytest

from dawnchorus.foundation.errors import InputError, listed, one_line, run
from dawnchorus.foundation.files import sha256_of, write_whole


def test_an_input_error_is_a_line_a_problem(capsys):
    def main():
        raise InputError("a.csv:3: wrong", "b.csv: missing")

    assert run(main) == 1
    assert capsys.readouterr().err == "error: a.csv:3: wrong\nerror: b.csv: missing\n"


def test_a_line_break_in_what_a_stranger_wrote_begins_no_line(capsys):
    error = InputError("a\nerror: forged.csv: missing", "b.csv: missing")
    assert str(error) == "a\\nerror: forged.csv: missing\nb.csv: missing"

    def main():
        raise error

    assert run(main) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize("name", ["n" * 300, "folder\nerror: forged"])
def test_a_name_that_no_file_can_have_is_one_line(tmp_path, capsys, name):
    (tmp_path / "folder\nerror: forged").mkdir()
    assert run(lambda: (tmp_path / name).read_bytes()) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path}/")
    assert line.endswith("nothing was left half-written")


def test_a_disk_that_is_full_is_one_line_and_leaves_nothing(tmp_path, capsys):
    kept = tmp_path / "table.csv"
    kept.write_text("as it was")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def main():
        with write_whole(kept, "wb") as file:
            file.write(bytes(1_000_000))

    # A limit to the size of a file, which the system refuses as it does on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        assert run(main) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert capsys.readouterr().err == f"error: {kept}: File too large; nothing was left half-written\n"
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]
    assert kept.read_text() == "as it was"


def test_a_list_in_a_line_is_no_longer_than_a_person_reads():
    assert listed(["a", "b"]) == "a, b"
    assert listed("abcde", most=3) == "a, b, c and 2 more"
    assert len(listed(["x" * 1000] * 1000)) < 2000


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("a\n  long\tstory"), "a long story"),
        (ValueError("x" * 300), "x" * 200),
        (ValueError(" \n"), "ValueError"),
        ("a reason", "a reason"),
    ],
)
def test_what_an_error_says_is_one_line(error, expected):
    assert one_line(error, 200) == expected


def test_a_disk_that_fails_is_one_line(capsys):
    assert run(lambda: print(sha256_of("/proc/self/mem"))) == 1
    assert capsys.readouterr().err == "error: reading or writing: Input/output error; nothing was left half-written\n"


def test_an_error_of_ours_keeps_its_trace():
    def main():
        raise OSError("not a refusal of the system")

    with pytest.raises(OSError, match="not a refusal"):
        run(main)
