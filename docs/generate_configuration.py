"""Write docs/configuration.md: every setting of every configurable class, with its default and what it means.

The meaning of a setting is the comment (``#: text``) before its ``_default_`` attribute or the string behind it; a
setting without one, or with "(inherited)", means what it means in the class that it is inherited from.

Usage: python docs/generate_configuration.py
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pathlib
import pkgutil
import sys
from typing import Any, Dict, Iterator, List, NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "configuration.md"
PACKAGES = ("vlcp", "vlcp_docker")
PREFIX = "_default_"
INTRODUCTION = """# Settings

A configuration file has one setting on a line, `key = value`, with a Python literal as the value. `vlcp-start -f FILE` reads
it; [example/config](../example/config) has files to start from. A key that no class knows is reported with the nearest one.

- A class inherits the settings of its base: `module.default.*` holds for all modules, `protocol.default.*` for all protocols,
  and each of them can be set for one class, as in `protocol.http.messagequeuesize = 20`.
- `module.NAME.service = True` keeps a module from being unloaded when nothing needs it any more.
- Modules that listen (`httpserver`, `jsonrpcserver`, `openflowserver`) take `vhost.NAME.` before the name of a setting for
  one of several virtual hosts, and `protocol.` for a setting of the protocol there:
  `module.httpserver.vhost.api.url = 'tcp://localhost:8081/'`.

The tables are made by `docs/generate_configuration.py` from the sources; `make docs` does it.
"""


class Setting(NamedTuple):
    """One line of a table."""

    key: str
    default: str
    meaning: str


def load_all() -> None:
    """Import every module of the packages, so that all configurable classes are known."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        for found in pkgutil.walk_packages(package.__path__, name + "."):
            importlib.import_module(found.name)


def comments_of(cls: type) -> Dict[str, str]:
    """Return what the source of a class says about its own settings, by their names."""
    lines, first = inspect.getsourcelines(cls)
    indent = len(lines[0]) - len(lines[0].lstrip())
    body = ast.parse("".join(line[indent:] if line.strip() else line for line in lines)).body[0].body  # type: ignore[attr-defined]
    found: Dict[str, str] = {}
    for statement, following in zip(body, [*body[1:], None]):
        target = getattr(statement, "targets", [getattr(statement, "target", None)])[0]
        if isinstance(target, ast.Name) and target.id.startswith(PREFIX):
            text = _string_of(following) or " ".join(_lines_before(lines, statement.lineno - 1))
            found[target.id[len(PREFIX) :]] = " ".join(text.split())
    return found


def _string_of(statement: Any) -> str:
    value = getattr(statement, "value", None) if isinstance(statement, ast.Expr) else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


def _lines_before(lines: List[str], at: int) -> List[str]:
    begin = at
    while begin and lines[begin - 1].strip().startswith("#:"):
        begin -= 1
    return [line.strip()[2:] for line in lines[begin:at]]


def settings_of(cls: Any) -> List[Setting]:
    """Return the settings that a class declares itself, in the order of its source."""
    comments = {parent: comments_of(parent) for parent in cls.__mro__ if _declares(parent)}
    settings = []
    for name in (name[len(PREFIX) :] for name in vars(cls) if name.startswith(PREFIX)):
        said = (comments[parent].get(name, "") for parent in comments)
        meaning = next((text for text in said if text and text != "(inherited)"), "")
        settings.append(Setting(f"{cls.configkey}.{name}", repr(vars(cls)[PREFIX + name]), meaning))
    return settings


def _declares(cls: type) -> bool:
    return any(name.startswith(PREFIX) for name in vars(cls))


def classes() -> List[Any]:
    """Return the configurable classes of the packages that declare settings, by their keys."""
    from vlcp.config import configurable_classes

    load_all()
    own = [cls for cls in configurable_classes() if cls.__module__.split(".")[0] in PACKAGES and _declares(cls)]
    return sorted(own, key=lambda cls: (cls.configkey, cls.__module__))


def _section(cls: Any) -> Iterator[str]:
    summary = (inspect.getdoc(cls) or "").split("\n\n")[0]
    yield f"\n## `{cls.configkey}`\n"
    yield f"{' '.join(summary.split()).rstrip('.')}.\n" if summary else ""
    yield "| key | default | meaning |\n| --- | --- | --- |"
    for setting in settings_of(cls):
        cells = (f"`{setting.key}`", f"`{setting.default}`", setting.meaning)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def document() -> str:
    """Return the whole document."""
    return INTRODUCTION + "\n".join(line for cls in classes() for line in _section(cls)) + "\n"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    TARGET.write_text(document())
