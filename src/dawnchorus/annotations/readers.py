"""Annotations of other programs as rows of an RFCX table: Raven selection tables, Audacity labels, any CSV.

Cells stay text, as they were written, so nothing is lost before
:func:`dawnchorus.annotations.recordings.read_annotations` checks them. Columns that RFCX has no name for are carried
along under their own. Rows know what their file calls a column, for whoever finds fault with them.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from dawnchorus.annotations import column_names
from dawnchorus.annotations.exports import RAVEN_OF_CELL
from dawnchorus.annotations.recordings import REQUIRED_COLUMNS
from dawnchorus.foundation.display_names import printable
from dawnchorus.foundation.errors import InputError, listed
from dawnchorus.foundation.spelling import composed
from dawnchorus.tables.cells import RAVEN, lines
from dawnchorus.tables.definitions import RFCX
from dawnchorus.tables.users import Problem, Row, UserTable, cells_of_column, clean, number, read_rows

FORMATS = ("rfcx", "raven", "audacity", "csv")
TABLE_SUFFIXES = (".txt", ".tsv")
_RAVEN_TIMES = ("Begin Time (s)", "End Time (s)")
_RAVEN_MEASURED = {
    *("Selection", "View", "Channel", *_RAVEN_TIMES, "Low Freq (Hz)", "High Freq (Hz)"),
    *("Begin Path", "File Offset (s)", "Begin File", *RAVEN_OF_CELL.values()),
}
# What programs put between the name of a sound and the suffix of its table.
_TABLE_NAME = re.compile(r"(\.Table\.\d+)?(\.BirdNET)?\.(selections?|selection\.table|labels?)$", re.IGNORECASE)


def read(path: Path, form: str, columns: Mapping[str, str]) -> UserTable:
    """Return columns, rows and problems of annotations, as :func:`tables.read_rows` does, in RFCX's names.

    ``form`` is one of :data:`FORMATS`. ``path`` is a table; of ``raven`` and ``audacity`` also a folder of
    them, which :func:`tables_of` lists. ``columns`` says, for RFCX's names, what a column is called in the
    file: of a ``csv`` all that it has, ``recording_id``, ``species_id``, ``t_min`` and ``t_max`` at least; of
    ``raven`` the species and the songtype, where they are not called as here.
    """
    if form == "rfcx":
        return read_rows(path, REQUIRED_COLUMNS, hint=_csv_hint)
    if form == "csv":
        return read_csv(path, columns)
    if form not in FORMATS:
        raise InputError(f"{path}: format {form!r}: expected one of {', '.join(FORMATS)}")
    if not path.is_dir():
        return read_raven(path, columns) if form == "raven" else read_audacity(path)
    header: dict[str, None] = {}
    rows, problems = [], []
    tables, unusable = _tables_below(path)
    for table in tables:
        folder = table.parent.relative_to(path).as_posix()
        prefix = "" if folder == "." else f"{folder}/"
        try:
            found = read_raven(table, columns, prefix) if form == "raven" else read_audacity(table, prefix)
        except InputError as error:
            unusable.append(printable(str(error)))
            continue
        header |= dict.fromkeys(found[0])
        rows += found[1]
        problems += found[2]
    if unusable:
        raise InputError(*unusable)
    return UserTable(list(header), rows, problems)


def recording_ids(path: Path, form: str, columns: Mapping[str, str]) -> set[str]:
    """Return the recording ids of the rows that :func:`read` returns; of one CSV table no row is held in memory."""
    if form == "rfcx":
        return cells_of_column(path, REQUIRED_COLUMNS, "recording_id", _csv_hint)
    if form == "csv":
        columns = _checked(path, columns)
        cells = cells_of_column(path, tuple(columns.values()), columns["recording_id"], _columns_hint)
        return set(map(without_sound_suffix, cells))
    return {row.cells["recording_id"] for row in read(path, form, columns).rows}


def tables_of(folder: Path) -> list[Path]:
    """Return the tables of a folder and of those below it, in order; there must be one.

    A table of ``site-3/night.txt`` is of recording ``site-3/night``. A link to nothing, a folder that cannot be listed
    or is there twice raises :class:`InputError`: what it holds would be missing, or come twice.
    """
    tables, faults = _tables_below(folder)
    if faults:
        raise InputError(*faults)
    return tables


def _tables_below(folder: Path) -> tuple[list[Path], list[str]]:
    tables, faults = files_below(folder, TABLE_SUFFIXES)
    if not tables and not faults:
        faults.append(printable(f"{folder}: no tables; expected a folder of {' or '.join(TABLE_SUFFIXES)} files"))
    return tables, faults


def files_below(folder: Path, suffixes: tuple[str, ...]) -> tuple[list[Path], list[str]]:
    """Return the files below a folder with a suffix, in order; and a line for each place that may hide one.

    Files whose name begins with a dot are nobody's tables. Links to folders are followed.
    """
    tables: list[Path] = []
    faults: list[str] = []
    seen: dict[tuple[int, int], str] = {}

    def unlisted(error: OSError) -> None:
        faults.append(f"{error.filename}: {(error.strerror or '').lower()}; expected a folder of tables")

    for inside, folders, names in os.walk(folder, followlinks=True, onerror=unlisted):
        folders.sort()
        found = os.stat(inside)
        first = seen.setdefault((found.st_dev, found.st_ino), inside)
        if first != inside:
            faults.append(f"{inside}: the same folder as {first}; expected each table once")
            folders.clear()
            continue
        for path in (Path(inside, name) for name in names if not name.startswith(".")):
            if path.name.lower().endswith(suffixes):
                tables.append(path)
            elif path.is_symlink() and not path.exists():
                faults.append(f"{path}: a link to nothing; expected a table, or a folder of tables")
    return sorted(tables), [printable(fault) for fault in faults]


def recording_of(path: str) -> str:
    """Return the recording id of a sound file, given by a path of any system: its name without suffix."""
    name = PureWindowsPath(path).name if "\\" in path else PurePosixPath(path).name
    return PurePosixPath(name).stem if PurePosixPath(name).suffix else name


def recording_of_table(path: Path) -> str:
    """Return the recording id that the name of a table speaks of: ``a.Table.1.selections.txt`` is of ``a``."""
    name = _TABLE_NAME.sub("", path.stem)
    sound = re.fullmatch(r"(.+)\.(wav|flac|ogg|oga|opus|mp3|aiff?|au|w64)", name, re.IGNORECASE)
    return sound[1] if sound else name


def read_raven(path: Path, columns: Mapping[str, str], prefix: str = "") -> UserTable:
    """Read a Raven selection table of one file or of many; ``prefix`` is the folder of its recordings, or none.

    A selection that Raven lists once a view (waveform, spectrogram) is one row. Times are those in the file:
    ``File Offset (s)`` where the table has it. The recording is what ``Recording`` says, else the last part of
    ``Begin Path``, else of ``Begin File``, else of the name of the table.
    """
    header, rows, problems = read_rows(path, _RAVEN_TIMES, RAVEN)
    names = {**RAVEN_OF_CELL, **{cell: clean(column) for cell, column in columns.items()}}
    if names["species_id"] not in header and names["species_name"] not in header:
        wanted = " or ".join(dict.fromkeys((names["species_id"], names["species_name"])))
        others = [column for column in header if column not in _RAVEN_MEASURED]
        hint = column_names.hint(others, ("species_id",), ("species_id",))
        raise InputError(f"{path}:1: column {wanted}: missing; found {listed(header)}{hint}")
    kept = _without_waveforms(rows, names)
    used = _RAVEN_MEASURED | set(names.values())
    extra = [column for column in header if column and column not in used]
    read = []
    for row in kept:
        cells = row.cells
        named = {cell: cells.get(column, "") for cell, column in names.items()}
        file_column = next((column for column in ("Begin Path", "Begin File") if cells.get(column)), None)
        last = recording_of(cells[file_column]) if file_column else recording_of_table(path)
        recording = named["recording_id"] or composed(prefix + last)
        try:
            t_min, t_max = _times(cells, named["t_max"])
        except ValueError:
            column, value = _odd_time(cells, names["t_max"])
            problems.append(Problem(str(path), row.line, column, value, "a finite number of seconds"))
            continue
        found = {
            "recording_id": recording,
            "species_id": named["species_id"] or named["species_name"],
            "songtype_id": named["songtype_id"],
            "t_min": t_min,
            "f_min": cells.get("Low Freq (Hz)", ""),
            "t_max": t_max,
            "f_max": cells.get("High Freq (Hz)", ""),
        }
        called = {
            "recording_id": names["recording_id"] if named["recording_id"] else file_column or "recording_id",
            "species_id": names["species_id"] if named["species_id"] else names["species_name"],
            "songtype_id": names["songtype_id"],
            "t_min": "File Offset (s)" if cells.get("File Offset (s)") else "Begin Time (s)",
            "t_max": "End Time (s)",
            "f_min": "Low Freq (Hz)",
            "f_max": "High Freq (Hz)",
        }
        read.append(Row(str(path), row.line, {**found, **{column: cells[column] for column in extra}}, called))
    return UserTable([*RFCX.names, *extra], read, problems)


def _columns_hint(header: list[str]) -> str:
    return column_names.hint(header, REQUIRED_COLUMNS, RFCX.names)


def _csv_hint(header: list[str]) -> str:
    return _columns_hint(header).replace("write ", "write data.format: csv and ", 1)


def _without_waveforms(rows: list[Row], names: Mapping[str, str]) -> list[Row]:
    """Leave out the waveform's row of a selection that another view lists too: the same times, the same labels."""
    same = ("Selection", "Channel", "Begin Path", "Begin File", "File Offset (s)", *_RAVEN_TIMES, *names.values())
    listed: set[tuple] = set()
    kept = []
    # Views of a spectrogram first: they know the band. One of several waveforms alone stays.
    for row in sorted(rows, key=_is_waveform):
        key = tuple(row.cells.get(column, "") for column in same)
        if not _is_waveform(row) or not row.cells.get("Selection") or key not in listed:
            kept.append(row)
        listed.add(key)
    return sorted(kept, key=lambda row: row.line)


def _is_waveform(row: Row) -> bool:
    return row.cells.get("View", "").lower().startswith("waveform")


def _times(cells: Mapping[str, str], end_in_file: str) -> tuple[str, str]:
    """Return start and end in the file as texts; a sum is written with all its digits."""
    begin, end, offset = cells["Begin Time (s)"], cells["End Time (s)"], cells.get("File Offset (s)", "")
    if not offset or offset == begin:
        number(begin), number(end)
        return begin, end
    length_s = number(end) - number(begin)
    if end_in_file and abs(number(end_in_file) - (number(offset) + length_s)) < 1e-3:
        return offset, end_in_file
    # A table edited in Raven: its own columns moved on, ours did not. Its times have few decimals.
    return offset, repr(round(number(offset) + length_s, 9))


def _odd_time(cells: Mapping[str, str], end_column: str) -> tuple[str, str]:
    """Return the first column of times that holds no finite number, and what it holds."""
    for column in ("Begin Time (s)", "End Time (s)", "File Offset (s)", end_column):
        value = cells.get(column, "")
        try:
            if value or column in _RAVEN_TIMES:
                number(value)
        except ValueError:
            return column, value
    # Finite each, and not their sum.
    return "File Offset (s)", cells.get("File Offset (s)", "")


def read_audacity(path: Path, prefix: str = "") -> UserTable:
    """Read an Audacity label track; its recording is ``prefix`` and the file's name, the species the label's text."""
    rows: list[Row] = []
    problems: list[Problem] = []
    recording = composed(prefix + recording_of_table(path))
    label: Row | None = None
    begun = False
    for line, text in lines(path, "labels of Audacity"):
        cells = [clean(cell) for cell in text.split("\t")]
        if not any(cells):
            continue
        if cells[0] == "\\":
            # A band that only one edge was drawn of has -1 or a dash for the other. That of a bad label goes with it.
            if label and len(cells) >= 3:
                label.cells.update(f_min=_edge(cells[1]), f_max=_edge(cells[2]))
            elif label or not begun:
                expected = "\\, lower and upper edge of the band of the label above, with tabs between"
                problems.append(Problem(str(path), line, "", text.rstrip("\r\n"), expected))
            continue
        begun, label = True, None
        if len(cells) < 3 or not cells[2] or any(cells[3:]):
            expected = "start, end and a label, with tabs between"
            problems.append(Problem(str(path), line, "", text.rstrip("\r\n"), expected))
            continue
        label = Row(
            str(path), line, dict(zip(RFCX.names, (recording, cells[2], "", cells[0], "", cells[1], ""), strict=True))
        )
        rows.append(label)
    return UserTable(list(RFCX.names), rows, problems)


def _edge(text: str) -> str:
    try:
        return text if number(text) >= 0 else ""
    except ValueError:
        return ""


def read_csv(path: Path, columns: Mapping[str, str]) -> UserTable:
    """Read any CSV whose columns are named in ``columns``; a recording given as a file loses its suffix."""
    columns = _checked(path, columns)
    header, rows, problems = read_rows(path, tuple(columns.values()), hint=_columns_hint)
    extra = [column for column in header if column and column not in {*columns.values(), *RFCX.names}]
    read = []
    for row in rows:
        cells = {cell: row.cells[columns[cell]] if cell in columns else "" for cell in RFCX.names}
        cells["recording_id"] = without_sound_suffix(cells["recording_id"])
        read.append(Row(row.file, row.line, {**cells, **{column: row.cells[column] for column in extra}}, columns))
    return UserTable([*RFCX.names, *extra], read, problems)


def _checked(path: Path, columns: Mapping[str, str]) -> dict[str, str]:
    """Return what each cell is called in a CSV, or raise :class:`InputError` where ``data.columns`` lacks one."""
    missing = [cell for cell in REQUIRED_COLUMNS if cell not in columns]
    unknown = sorted(set(columns) - set(RFCX.names))
    if missing or unknown:
        what = f"{missing[0]}: missing" if missing else f"{unknown[0]}: unknown"
        wanted = f"{', '.join(REQUIRED_COLUMNS)} and of {', '.join(RFCX.names)}"
        hint = _columns_hint(read_rows(path, ()).columns) if missing and path.is_file() else ""
        raise InputError(f"{path}: data.columns: {what}; expected {wanted}{hint}")
    return {cell: clean(column) for cell, column in columns.items()}


def without_sound_suffix(text: str) -> str:
    """Return the recording id of a sound file that is given by its name: that without the suffix."""
    return re.sub(r"\.(wav|flac|ogg|oga|opus|mp3|aiff?|au|w64)$", "", text, flags=re.IGNORECASE)
