"""Run benchmarks and print one table: what was measured, the peer measured in the same run, and the ratio.

Usage: python benchmarks/run.py [NAME...] [--json FILE] [--against PYTHON]

Each module of this folder with a ``run()`` is a benchmark; it returns rows, dictionaries with ``name``, ``value``, ``unit``,
and where there is a peer ``peer``, ``peer_value`` and ``ratio`` (more than 1 is better than the peer).
``--against`` runs the same on another interpreter, one that has the packages, and prints how many times faster it is.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import pathlib
import platform
import subprocess
import sys
import tempfile
from typing import Any

FOLDER = pathlib.Path(__file__).resolve().parent


def names() -> list[str]:
    """Return the names of the benchmarks: the modules of this folder that have a ``run``."""
    files = sorted(FOLDER.glob("*.py"))
    return [path.stem for path in files if path.stem != "run" and "\ndef run()" in path.read_text()]


def load(name: str) -> Any:
    """Import one benchmark module by its name."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def format_row(row: dict[str, Any]) -> str:
    """Return one line of the table."""
    value = f"{row['value']:,.4g} {row['unit']}"
    if row.get("peer") is None:
        return f"{row['name']:<58} {value:>22}"
    peer = f"{row['peer']} {row['peer_value']:,.4g}"
    return f"{row['name']:<58} {value:>22}   {peer:<28} {row['ratio']:>8.2f} x"


def rows_of(python: str, name: str) -> list[dict[str, Any]]:
    """Return the rows of one benchmark that runs on another interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "rows.json")
        command = [python, str(FOLDER / "run.py"), name, "--json", str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(path.read_text())


def compared(here: dict[str, Any], there: dict[str, Any], python: str) -> dict[str, Any]:
    """Return the row with the other interpreter as peer; the ratio tells how many times faster that one is."""
    ratio = there["value"] / here["value"]
    return {**here, "peer": python, "peer_value": there["value"], "ratio": ratio if "/s" in here["unit"] else 1 / ratio}


def main(argv: list[str] | None = None) -> int:
    """Run the named benchmarks, or all, and print their rows as they come."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks to run: " + ", ".join(names()))
    parser.add_argument("--json", metavar="FILE", help="write the rows to a file")
    parser.add_argument("--against", metavar="PYTHON", help="the python of another virtual environment, to run the same with")
    arguments = parser.parse_args(argv)
    unknown = sorted(set(arguments.names) - set(names()))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(names())}")
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}")
    rows = []
    for name in arguments.names or names():
        measured = load(name).run()
        if arguments.against:
            others = {row["name"]: row for row in rows_of(arguments.against, name)}
            mine = {row["name"]: row for row in measured}
            measured = [compared(row, others[what], arguments.against) for what, row in mine.items() if what in others]
        for row in measured:
            print(format_row(row), flush=True)
            rows.append({"benchmark": name, **row})
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
