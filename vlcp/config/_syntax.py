"""The text form of a configuration: ``key = literal`` (manual 3.1.1).

Pure: lines in, entries out; no file is opened here.
"""

from __future__ import annotations

import ast
import re
from typing import Any, Iterable, Iterator, List, NamedTuple, Tuple

_KEY = r"(?:[a-zA-Z][a-zA-Z0-9_]*\.)*[a-zA-Z][a-zA-Z0-9_]*"
_ENTRY = re.compile(rf"({_KEY})[ \t]*=(.*)", re.DOTALL)
_LEADING_JOIN = re.compile(r"\s*(\\\n\s*)*")
_SHOWN = 60


class Entry(NamedTuple):
    """One assignment as it stands in the text."""

    line: int
    "number of the line where the entry begins, counted from 1"
    text: str
    "the entry with its continuation lines, without empty lines and remark lines"


def entries(lines: Iterable[str], source: str) -> Iterator[Entry]:
    """Put continuation lines together with the line that they continue.

    A line that begins with white space continues the entry before it. Empty lines and lines whose first
    visible character is ``#`` are skipped, inside a value too.

    :param lines: the lines of a file, with or without their line ends
    :param source: name of the file, for error messages
    :return: iterator of :class:`Entry`
    :raises ValueError: the first entry begins with white space
    """
    start, parts = 0, []  # type: Tuple[int, List[str]]
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip()
        content = line.lstrip()
        if not content or content.startswith("#"):
            continue
        if line[0] in " \t":
            if not parts:
                raise ValueError(f"{source}:{number}: continuation line without an entry before it: {_shown(content)}")
            parts.append(line)
            continue
        if parts:
            yield Entry(start, "\n".join(parts))
        start, parts = number, [line]
    if parts:
        yield Entry(start, "\n".join(parts))


def parse_entry(entry: Entry, source: str) -> Tuple[str, Any]:
    """Return ``(key, value)`` of one entry.

    :param entry: the entry
    :param source: name of the file, for error messages
    :raises ValueError: not of the form ``key = literal``; the message names file, line, key and the reason
    """
    matched = _ENTRY.fullmatch(entry.text)
    if matched is None:
        raise ValueError(f"{source}:{entry.line}: expected 'key = value', got {_shown(entry.text)}")
    key, text = matched.group(1), _LEADING_JOIN.sub("", matched.group(2), 1).rstrip()
    if not text:
        raise ValueError(f"{source}:{entry.line}: {key}: the value is missing")
    try:
        return key, ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as exc:
        reason = exc.msg if isinstance(exc, SyntaxError) else _reason(exc)
        raise ValueError(
            f"{source}:{entry.line}: {key}: not a Python literal ({type(exc).__name__}: {reason}): {_shown(text)}"
        ) from exc


def parse(lines: Iterable[str], source: str = "<config>") -> List[Tuple[str, Any]]:
    """Return the ``(key, value)`` pairs of a configuration text, in the order of the text.

    :param lines: the lines of the text; a byte order mark before the first is ignored
    :param source: name of the file, for error messages
    :raises ValueError: a line is wrong; the message names file, line and key
    """
    return [parse_entry(entry, source) for entry in entries(_without_mark(lines), source)]


def _without_mark(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield line.lstrip("\ufeff") if number == 0 else line


def _reason(exc: BaseException) -> str:
    text = str(exc)
    return "only constants are allowed" if text.startswith("malformed node") else text


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= _SHOWN else line[:_SHOWN] + "...")
