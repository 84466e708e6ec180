"""Run simulations in a process of their own: ``python -m support.sim.run --first 1 --count 20``.

The order in sets depends on the hash seed of the process, so the process is started again with a fixed one. With ``--serve``
it reads command lines from its input, one JSON list each, and carries each out in a child process that has all modules
imported already; what the child prints is followed by a line with :data:`~support.sim.processes.END` and its exit status.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import logging
import os
import sys
import traceback
from typing import Any

from support.sim.plants import PLANTS
from support.sim.processes import END
from support.sim.settings import KINDS
from support.sim.world import SimulationFailure, simulate

from vlcp.utils import _parts

_SHOWN_LINES = 400
_COLLECT_EVERY = 50


def main() -> int:
    """Run what the command line says; return 1 when a simulation failed."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(sys.executable, [sys.executable, "-m", "support.sim.run", *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"})
    logging.disable(logging.CRITICAL)
    # Routines of controllers that were killed are collected in the end, and say so.
    sys.unraisablehook = lambda unraisable: None
    # What is collected when must not depend on what ran before.
    gc.disable()
    # Everything that is imported late, or kept after its first use, is there before the first run that counts.
    with contextlib.suppress(Exception):
        simulate(0, steps=1, kind="outside")
    if sys.argv[1:] != ["--serve"]:
        return run(sys.argv[1:])
    for line in sys.stdin:
        print(END, _in_child(json.loads(line)), flush=True)
    return 0


def _in_child(arguments: list[str]) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 2
    try:
        status = run(arguments)
    except Exception:
        print(traceback.format_exc())
    finally:
        sys.stdout.flush()
        os._exit(status)


def run(arguments: list[str]) -> int:
    """Run what the arguments of a command line say; return 1 when a simulation failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--count", type=int, default=1, help="how many seeds")
    parser.add_argument("--controllers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20, help="random actions in each simulation")
    parser.add_argument("--kind", choices=["any", *KINDS], default="any", help="what there is to simulate")
    parser.add_argument("--plant", choices=sorted(PLANTS), help="a bug to plant; the first failure ends the run")
    parser.add_argument("--trace", action="store_true", help="print the end of the trace of a failure")
    parser.add_argument("--digest", action="store_true", help="print the hash of each trace")
    parser.add_argument("--limit", type=int, default=_parts.LIMIT, help="longer lists are stored in parts")
    options = parser.parse_args(arguments)
    _parts.LIMIT = options.limit
    failed = 0
    for number in range(options.count):
        failed += not run_one(options.first + number, options)
        if failed and options.plant:
            break
        if number % _COLLECT_EVERY == _COLLECT_EVERY - 1:
            gc.collect()
    return 1 if failed else 0


def run_one(seed: int, options: Any) -> bool:
    """Run one simulation and print what is wrong; return whether nothing is."""
    plant = PLANTS[options.plant] if options.plant else None
    try:
        kind = None if options.kind == "any" else options.kind
        world = simulate(seed, plant, controllers=options.controllers, steps=options.steps, kind=kind)
    except Exception as failure:
        world = failure.world  # type: ignore[attr-defined]
        sizes = f"--kind {options.kind} --controllers {options.controllers} --steps {options.steps} --limit {options.limit}"
        print(f"seed {seed} failed; replay: pytest tests/sim --seed {seed} {sizes}", flush=True)
        print(failure if isinstance(failure, SimulationFailure) else traceback.format_exc(), flush=True)
        if options.trace:
            print("\n".join(list(world.clockwork.lines)[-_SHOWN_LINES:]), flush=True)
        succeeded = False
    else:
        succeeded = True
    if options.digest:
        print(f"seed {seed} {world.clockwork.digest()}", flush=True)
    return succeeded


if __name__ == "__main__":
    sys.exit(main())
