"""Rows of a table as jobs: the same workflow with other values.

A column is `NODE.INPUT` (id, title or type of a node), or a plain name for use in file names: every `filename_prefix`
of the workflow may hold `{column}`. In a CSV an empty cell leaves the workflow's own value, and a row without any value
is no job; columns are parted by commas, or by the semicolons or tabs that some spreadsheets write. A JSONL line leaves
columns out, or gives null.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..sora_core.errors import InputError
from .graph import Graph
from .session import IN_FOLDER, KINDS, NAME_INPUT, Session

__all__ = ["Job", "columns_in_names", "read_jobs"]

MAX_BYTES, MAX_ROWS = 256 * 2**20, 100_000
NUMBER = "job"
"""what the row's number is called in file names"""
ENDINGS = frozenset().union(*KINDS.values())
_LINE = re.compile(r'(?:"[^"]*"|[^"\n])*')
"""a row, line breaks within its quotes included"""
_QUOTED = re.compile(r'"[^"]*"')
_STATED = re.compile(r'"?sep=(.)"?\r?\n')
"""the line by which Excel is told what parts the cells"""
_PLACE = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One row. `graph` is the workflow with the row's values, or None where `error` says what is wrong with the row.

    key: what this job is, so that a second call knows it again; equal rows are told apart by how often they occur
    """

    number: int
    row: dict[str, Any]
    key: str
    graph: Graph | None
    error: str = ""


def read_jobs(
    path: Path, graph: Graph, session: Session | None = None, known: Callable[[str], Any] = lambda kind: None
) -> list[Job]:
    """The jobs of a table. Raises InputError where the table itself is unusable; a bad row becomes a job with an
    error.

    session: where the files are that jobs read; one that has changed makes another job
    known: what `/object_info` says of a node type, or None: a column may be an input that the workflow leaves out
    """
    rows = list(_rows(path))
    if not rows:
        raise InputError(f"{path} has no rows; give one row per video")
    _check_columns(path, rows, graph, known)
    seen: Counter[str] = Counter()
    return [_job(index, row, error, graph, seen, session) for index, (row, error) in enumerate(rows)]


def _job(index: int, row: dict[str, Any], error: str, graph: Graph, seen: Counter[str], session: Session | None) -> Job:
    applied: Graph | None = None
    if not error:
        try:
            applied = _applied(graph.advance(index), row, index + 1)
        except InputError as mistake:
            error = str(mistake)
    if applied is None:
        what = _digest([row, error])
    else:
        files = _files(applied, session) if session else {}
        what = _digest([applied.key(), files]) if files else applied.key()
    seen[what] += 1
    return Job(number=index + 1, row=row, key=f"{what[:32]}-{seen[what]}", graph=applied, error=error)


def _digest(what: Any) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()


def _files(graph: Graph, session: Session) -> dict[str, list[int]]:
    """Size and time of every input file that a workflow names."""
    found = {}
    for node in graph.nodes.values():
        for value in node.inputs.values():
            if isinstance(value, str) and Path(IN_FOLDER.sub("", value)).suffix.lower() in ENDINGS:
                try:
                    about = session.input_path(value).stat()
                except (InputError, OSError):
                    continue
                found[value] = [about.st_size, about.st_mtime_ns]
    return found


def _applied(graph: Graph, row: dict[str, Any], number: int) -> Graph:
    for column, value in row.items():
        if "." in column:
            graph = graph.set(column, value)
    words = {column: _file_word(value) for column, value in row.items()} | {NUMBER: f"{number:04}"}
    for node in list(graph.nodes.values()):
        prefix = node.inputs.get(NAME_INPUT)
        if isinstance(prefix, str):
            filled = _PLACE.sub(lambda place: _word(words, place.group(1)), prefix)
            graph = graph.set(f"{node.id}.{NAME_INPUT}", filled) if filled != prefix else graph
    return graph


def _word(words: dict[str, str], column: str) -> str:
    if column not in words:
        raise InputError(
            f"the file name asks for {{{column}}}, which this row does not give; it gives {', '.join(words)}"
        )
    return words[column]


def _file_word(value: Any) -> str:
    """A value as part of a file name: letters, digits and dashes, at most 60 of them."""
    return re.sub(r"[^\w.-]+", "-", str(value)).strip("-.")[:60] or "empty"


def columns_in_names(graph: Graph) -> list[str]:
    """The columns that the names of files ask for."""
    prefixes = [str(node.inputs.get(NAME_INPUT, "")) for node in graph.nodes.values()]
    return list(dict.fromkeys(column for prefix in prefixes for column in _PLACE.findall(prefix)))


def _check_columns(
    path: Path, rows: list[tuple[dict[str, Any], str]], graph: Graph, known: Callable[[str], Any]
) -> None:
    """A misspelt column would be a thousand videos of the wrong thing: it is refused before anything runs."""
    columns = dict.fromkeys(column for row, _ in rows for column in row)
    asked = set(columns_in_names(graph))
    places: dict[tuple[str, str], str] = {}
    for column in columns:
        if column == NUMBER:
            raise InputError(f"{path}: {{{NUMBER}}} stands for a row's number; give the column {NUMBER!r} another name")
        if "." in column:
            try:
                graph.check_input(column, known)
            except InputError as error:
                raise InputError(f"{path}: {error}") from error
            node, name = graph.place(column)
            other = places.setdefault((node.id, name), column)
            if other != column:
                raise InputError(
                    f"{path}: the columns {other!r} and {column!r} are one input, {name} of {node}; keep one"
                )
        elif column not in asked:
            raise InputError(
                f"{path}: the column {column!r} is neither NODE.INPUT nor used as {{{column}}} in a {NAME_INPUT}"
            )
    for column in asked - set(columns) - {NUMBER}:
        raise InputError(f"a {NAME_INPUT} of the workflow asks for {{{column}}}, but {path} has no such column")


def _rows(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """(row, what is wrong with it) for each row of the file."""
    if not os.path.isfile(path):  # which is False, too, for what the system cannot name
        raise InputError(f"there is no job table {path}")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} is larger than {MAX_BYTES // 2**20} MiB; split the jobs over several files")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}); save the table as UTF-8") from error
    kinds = {".csv": _csv_rows, ".jsonl": _jsonl_rows, ".ndjson": _jsonl_rows}
    if path.suffix.lower() not in kinds:
        raise InputError(f"{path} is neither .csv nor .jsonl")
    for count, row in enumerate(kinds[path.suffix.lower()](path, text)):
        if count >= MAX_ROWS:
            raise InputError(f"{path} has more than {MAX_ROWS:,} rows; split the jobs over several files")
        yield row


def _csv_rows(path: Path, text: str) -> Iterator[tuple[dict[str, Any], str]]:
    text = text.lstrip("\r\n")
    if stated := _STATED.match(text):
        comma, text = stated[1], text[stated.end() :]
    else:
        line = _QUOTED.sub("", _LINE.match(text)[0])  # type: ignore[index]  # it matches nothing at least
        comma = "," if "," in line else next((mark for mark in ";\t" if mark in line), ",")
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=comma))
    except csv.Error as error:
        raise InputError(f"{path} is no CSV table: {error}") from error
    used = max((place for row in table for place, cell in enumerate(row, 1) if cell.strip()), default=0)
    header, *table = [row[:used] for row in table] or [[]]  # without the empty columns that spreadsheets leave behind
    header = [name.strip() for name in header]
    if not all(header) or len(set(header)) != len(header):
        raise InputError(
            f"the first line of {path} must name each column once; it has"
            f" {', '.join(map(repr, header[:12])) or 'nothing'}"
        )
    for cells in table:
        if any(cell.strip() for cell in cells):  # spreadsheets leave rows of commas behind the last one
            wrong = "" if len(cells) == len(header) else f"the row has {len(cells)} cells, the header {len(header)}"
            yield {name: cell for name, cell in zip(header, cells, strict=False) if cell.strip()}, wrong


def _jsonl_rows(path: Path, text: str) -> Iterator[tuple[dict[str, Any], str]]:
    for line in text.split("\n"):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict) and not any(isinstance(value, (dict, list)) for value in row.values()):
            yield {name: value for name, value in row.items() if value is not None}, ""
        else:
            yield {}, f"the line is no JSON object of plain values: {line.strip()[:60]}"
