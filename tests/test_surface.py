"""Every documented name exists with its documented signature, but those that later work still owes.

``data/surface.tsv`` lists what the manual documents: name, kind, and signature, event indices or value. ``OWED`` names by prefix
what is not built yet; a name that is owed and exists all the same fails, so that the list can only shrink.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pathlib
import re
from typing import Any

import pytest

from vlcp.event.event import Event

TABLE = pathlib.Path(__file__).parent / "data" / "surface.tsv"
OWED: tuple[str, ...] = (
    # hardware VTEP and Docker
    "vlcp.service.sdn.vtepcontroller",
    "vlcp.service.sdn.vxlanvtep",
    "vlcp_docker.cleanup",
    "vlcp_docker.dockerplugin",
)


def documented() -> list[tuple[str, str, str]]:
    """Return the rows of the table as (name, kind, detail)."""
    rows = [line.split("\t") for line in TABLE.read_text().splitlines()]
    return [(row[0], row[1], row[2]) for row in rows]


def owed(name: str) -> bool:
    """Tell whether a documented name is among those not built yet."""
    return any(name == prefix or name.startswith(prefix + ".") for prefix in OWED)


def resolve(name: str) -> Any:
    """Import the longest module of a dotted name and follow the rest as attributes."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        module_name = ".".join(parts[:length])
        try:
            value = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and not (module_name == error.name or module_name.startswith(error.name + ".")):
                raise
            continue
        for part in parts[length:]:
            value = getattr(value, part)
        return value
    raise ImportError(name)


def expected_parameters(signature: str) -> list[tuple[str, str | None]]:
    """Split a signature's text into (name with stars, default text or ``None``)."""
    inner = re.sub(r"<class '([\w.]+)'>", lambda found: repr(found.group(1)), signature)
    inner = re.sub(r"<[^>]*>", "None", inner)
    arguments = ast.parse(f"def f{inner}: pass").body[0].args
    defaults = [None] * (len(arguments.args) - len(arguments.defaults)) + [ast.unparse(d) for d in arguments.defaults]
    result = [(argument.arg, default) for argument, default in zip(arguments.args, defaults)]
    if arguments.vararg:
        result.append(("*" + arguments.vararg.arg, None))
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        result.append((argument.arg, default and ast.unparse(default)))
    if arguments.kwarg:
        result.append(("**" + arguments.kwarg.arg, None))
    return result


def actual_parameters(function: Any, bound: bool) -> dict[str, inspect.Parameter]:
    """Return the parameters of a function by name with stars, without ``self`` or ``cls``, or ``obj`` as PyPy calls it."""
    parameters = list(inspect.signature(function).parameters.values())
    if bound and parameters and parameters[0].name in ("self", "cls", "obj"):
        parameters = parameters[1:]
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return {stars.get(parameter.kind, "") + parameter.name: parameter for parameter in parameters}


def signature_faults(function: Any, detail: str, bound: bool) -> list[str]:
    """Compare a function with its documented signature; parameters beyond it must be optional."""
    found = re.match(r"\(.*\)", detail)
    if not found:
        return []
    expected = expected_parameters(found.group(0))
    actual = actual_parameters(function, bound)
    faults = []
    plain = [name for name, _ in expected if not name.startswith("*")]
    if [name for name in actual if name in plain] != plain:
        faults.append(f"parameters {list(actual)} instead of {plain}")
    for name, default in expected:
        if name.startswith("*"):
            if not any(other.startswith(name[: name.count("*")]) for other in actual):
                faults.append(f"{name} is missing")
        elif name in actual:
            has_default = actual[name].default is not inspect.Parameter.empty
            if has_default != (default is not None):
                faults.append(f"{name}: documented default {default}, has {actual[name].default}")
    for name, parameter in actual.items():
        extra = name not in plain and not name.startswith("*")
        if extra and parameter.default is inspect.Parameter.empty:
            faults.append(f"{name} is not documented and has no default")
    return faults


def class_faults(cls: Any, detail: str) -> list[str]:
    """Check a class's documented constructor."""
    found = re.search(r"init=(\(.*\))", detail)
    if not inspect.isclass(cls):
        return [f"{cls!r} is not a class"]
    return signature_faults(cls.__init__, found.group(1), True) if found else []


def event_faults(cls: Any, detail: str) -> list[str]:
    """Check an event class's indices and whether it may be ignored."""
    if not (inspect.isclass(cls) and issubclass(cls, Event)):
        return [f"{cls!r} is not an event class"]
    indices = re.search(r"indices=\(([^)]*)\)", detail).group(1)
    expected = [name.strip() for name in indices.split(",") if name.strip()]
    faults = []
    if list(cls.indicesNames()) != expected:
        faults.append(f"indices {list(cls.indicesNames())} instead of {expected}")
    if f"canignore={cls.canignore}" not in detail:
        faults.append(f"canignore is {cls.canignore}")
    return faults


def faults(name: str, kind: str, detail: str) -> list[str]:
    """Return what is wrong with a documented name, in words."""
    value = resolve(name)
    if kind == "constant":
        return [] if repr(value) == detail else [f"{value!r} instead of {detail}"]
    if kind == "event":
        return event_faults(value, detail)
    if kind == "exception":
        return [] if inspect.isclass(value) and issubclass(value, BaseException) else [f"{value!r} is no exception"]
    if kind == "class":
        return class_faults(value, detail)
    if kind in ("object", "reexport"):
        return []
    if not callable(value):
        return [f"{value!r} cannot be called"]
    return signature_faults(value, detail, "method" in kind)


@pytest.mark.parametrize(("name", "kind", "detail"), [row for row in documented() if not owed(row[0])])
def test_a_documented_name_exists_as_documented(name, kind, detail):
    assert faults(name, kind, detail) == []


@pytest.mark.parametrize("prefix", OWED)
def test_an_owed_name_does_not_exist_yet(prefix):
    assert any(owed(name) for name, _, _ in documented())
    with pytest.raises((ImportError, AttributeError)):
        resolve(prefix)
