"""Write docs/apis.md and docs/metrics.md: the API of every module, and every metric.

Both come from the modules themselves: each is made, but not started, on a server that does not run.

Usage: python docs/generate_apis.py
"""

from __future__ import annotations

import importlib
import pathlib
import pkgutil
import re
import sys
from typing import Any, Dict, Iterator, List

ROOT = pathlib.Path(__file__).resolve().parents[1]
APIS = ROOT / "docs" / "apis.md"
METRICS = ROOT / "docs" / "metrics.md"
PACKAGES = ("vlcp", "vlcp_docker")
_FIELD = re.compile(r"^:(param|return|returns|raises)\b[ ]?(?:[\w.]+ )?([\w.]*):[ ]?", re.M)
API_HEAD = """# APIs of the modules

Every module of a running server lists its calls: `curl -g "$API/viperflow/discover?details=true"`, and `/openapi.json` describes
them all. A call is `$API/<module>/<name>`; other modules use `await call_api(container, module, name, {...})`. Calls whose
results are objects of the process, as connections are, are for other modules only. Each module has the call `discover` too.

This page is made by `docs/generate_apis.py` from the sources; `make docs` does it.
"""
METRIC_HEAD = """# Metrics

What the module `metrics` serves at `/metrics` (see [operations](operations.md)). Counters have the suffix `_total` there, and
histograms the suffixes `_bucket`, `_count` and `_sum`.

This page is made by `docs/generate_apis.py` from the sources; `make docs` does it.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
"""
LABELS = {
    "vlcp_api_calls": "module, api, status",
    "vlcp_connections": "server, vhost",
    "vlcp_flows": "datapath, vhost, table",
    "vlcp_module_loaded": "module",
    "vlcp_transactions": "result",
}
"""Labels of metrics that have no samples before something has happened; those of the switches are ``PER_SWITCH``."""
PER_SWITCH = "datapath, vhost"


def module_classes() -> List[Any]:
    """Return all module classes that are not private and not bases of others, by their names."""
    from vlcp.server.module import Module

    found: Dict[str, Any] = {}
    for name in PACKAGES:
        package = importlib.import_module(name)
        for entry in pkgutil.walk_packages(package.__path__, name + "."):
            for value in vars(importlib.import_module(entry.name)).values():
                if isinstance(value, type) and issubclass(value, Module) and value.__module__ == entry.name:
                    found[value.get_service_name()] = value
    bases = {base for cls in found.values() for base in cls.__mro__[1:]}
    return [cls for _, cls in sorted(found.items()) if cls not in bases and "._" not in cls.get_full_path()]


def instances() -> List[Any]:
    """Return an instance of each module class; base classes cannot be made alone."""
    from vlcp.server.server import Server

    server, made = Server(), []
    for cls in module_classes():
        try:
            made.append(cls(server))
        except (TypeError, NotImplementedError):
            continue
    return made


def _plain(text: str) -> str:
    """Return text of a docstring for Markdown: ``x`` becomes `x`, and a role its name."""
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    return " ".join(text.replace("``", "`").split())


def _described(text: str) -> Iterator[str]:
    fields = list(_FIELD.finditer(text))
    head = text[: fields[0].start()] if fields else text
    yield "\n\n".join(_plain(part) for part in head.split("\n\n") if part.strip())
    lines = []
    for found, following in zip(fields, [*fields[1:], None]):
        kind, name = found.groups()
        said = _plain(text[found.end() : following.start() if following else len(text)])
        label = {"param": f"`{name}`", "raises": f"raises `{name}`"}.get(kind, "returns")
        lines.append(f"- {label}: {said}")
    if lines:
        yield "\n".join(lines)


def _api(name: str, info: dict) -> Iterator[str]:
    parameters = [one["name"] + ("" if not one["optional"] else f"={one.get('default')!r}") for one in info.get("parameters", ())]
    if info.get("extraparameters"):
        parameters.append("...")
    yield f"### `{name}({', '.join(parameters)})`"
    yield from _described(info.get("description", ""))


def api_document(modules: List[Any]) -> str:
    """Return the document of all APIs."""
    parts = [API_HEAD]
    for module in modules:
        infos = module.api_handler.discover(True) if module.api_handler is not None else {}
        shown = {name: info for name, info in infos.items() if name != "discover"}
        if not shown:
            continue
        summary = _plain((type(module).__doc__ or "").strip().split("\n\n")[0])
        parts.append(f"## `{module.get_service_name()}`\n\n`{module.get_full_path()}`: {summary}")
        parts.extend("\n\n".join(part for part in _api(name, info) if part) for name, info in shown.items())
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def metric_document(modules: List[Any]) -> str:
    """Return the document of all metrics."""
    from vlcp.service.manage.metrics import merged

    known = [metric for module in modules if hasattr(module, "metrics") for metric in module.metrics()]
    manager = next(module for module in modules if module.get_service_name() == "openflowmanager")
    rows = []
    for metric in sorted(merged([*known, *manager.reports.metrics()]), key=lambda one: one.name):
        per_switch = metric.name in {one.name for one in manager.reports.metrics()} - {"vlcp_switches"}
        labels = LABELS.get(metric.name, PER_SWITCH if per_switch else "")
        rows.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |")
    return METRIC_HEAD + "\n".join(rows) + "\n"


def documents() -> Dict[pathlib.Path, str]:
    """Return the text of each file that this program writes."""
    modules = instances()
    return {APIS: api_document(modules), METRICS: metric_document(modules)}


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    for path, text in documents().items():
        path.write_text(text)
