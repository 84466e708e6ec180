"""Import directions, purity and sizes of the modules, as docs/architecture.md draws them."""

from __future__ import annotations

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
LEAVES = (
    "indexedheap netutils exceptions walkerlib encoders gzipheader pycache kvcache logger ethernet dhcp zookeeper "
    "typelib metrics _keys _jutetypes parent"
).split()
CLIENTS = (
    "redisclient _redisbase _redispool zkclient _zkpaths _zkrun _zksession _zkwatches webclient _webpool _webrequest ovsdb"
).split()
# The first prefix that fits gives a module's layer; a module imports from its own layer and from lower numbers.
LAYERS = (
    [(f"vlcp.utils.{name}", 0) for name in LEAVES]
    + [
        ("vlcp.protocol._wire", 0),
        ("vlcp.protocol.openflow.defs", 0),
        ("vlcp.config", 1),
        ("vlcp.event", 2),
        ("vlcp.utils.connector", 2),
        ("vlcp.utils._workers", 2),
        ("vlcp.protocol", 3),
    ]
    + [(f"vlcp.utils.{name}", 3) for name in CLIENTS]
    + [("vlcp.server", 4), ("vlcp.utils", 5), ("vlcp.service", 6)]
    + [("vlcp.scripts", 7), ("vlcp.start", 7), ("vlcp.lab", 7), ("vlcp_docker", 7), ("vlcp", 0)]
)
SERVICE_ORDER = {"connection": 0, "utils": 0, "kvdb": 1, "manage": 2, "web": 2, "debugging": 2, "sdn": 2}
PURE = ("vlcp.protocol._wire", "vlcp.service.sdn._flows", "vlcp.service.kvdb._txn", "vlcp.server._plan")
SHELLS = {"vlcp.service.sdn._flows." + name for name in ("sync", "lifecycle", "updater")}
IMPURE_IMPORTS = {"socket", "time", "select", "logging", "vlcp.event"}
LONGEST_MODULE, LONGEST_FUNCTION = 400, 40
TABLES = ("vlcp.protocol.openflow.defs", "vlcp.utils.ethernet", "vlcp.utils.dhcp")


def modules() -> dict[str, pathlib.Path]:
    """Map the dotted name of each module of the two packages to its file."""
    found = {}
    for package in ("vlcp", "vlcp_docker"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}


def matches(name: str, prefix: str) -> bool:
    """Tell whether a dotted name is a prefix itself or lies below it."""
    return name == prefix or name.startswith(prefix + ".")


def layer(name: str) -> int:
    """Return the layer number of a module."""
    return next(number for prefix, number in LAYERS if matches(name, prefix))


def imports(name: str) -> set[str]:
    """Return the dotted names that a module imports, wherever in the file."""
    result: set[str] = set()
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            result.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join(parents[: len(parents) - node.level + 1] + ([base] if base else []))
            for alias in node.names:
                full = f"{base}.{alias.name}"
                result.add(full if full in MODULES else base)
    return result


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_imports_only_from_its_own_layer_and_lower_ones(name):
    wrong = [f"{name} imports {other}" for other in imports(name) if other in MODULES and layer(other) > layer(name)]
    assert not wrong


def test_services_import_only_services_before_them():
    wrong = []
    for name in MODULES:
        parts = name.split(".")
        if not name.startswith("vlcp.service.") or len(parts) < 4:
            continue
        for other in imports(name) & set(MODULES):
            target = other.split(".")
            if other.startswith("vlcp.service.") and len(target) >= 4:
                if SERVICE_ORDER[target[2]] > SERVICE_ORDER[parts[2]]:
                    wrong.append(f"{name} imports {other}")
    assert not wrong


def test_the_flow_engine_imports_no_service_but_its_shells():
    wrong = [
        f"{name} imports {other}"
        for name in MODULES
        if matches(name, "vlcp.service.sdn._flows") and name not in SHELLS
        for other in imports(name)
        if other.startswith("vlcp.service.") and not matches(other, "vlcp.service.sdn._flows")
    ]
    assert not wrong


@pytest.mark.parametrize(
    "name", [name for name in sorted(MODULES) if any(matches(name, pure) for pure in PURE) and name not in SHELLS]
)
def test_a_pure_module_reads_no_clock_opens_no_socket_and_awaits_nothing(name):
    impure = [other for other in imports(name) if any(matches(other, bad) for bad in IMPURE_IMPORTS)]
    coroutines = [node.name for node in ast.walk(TREES[name]) if isinstance(node, ast.AsyncFunctionDef)]
    assert (impure, coroutines) == ([], [])


def test_private_modules_are_imported_only_by_their_own_package():
    wrong = []
    for name in MODULES:
        for other in imports(name) & set(MODULES):
            parts = other.split(".")
            private = next((index for index, part in enumerate(parts) if part.startswith("_")), None)
            if private is not None and not matches(name, ".".join(parts[:private])):
                wrong.append(f"{name} imports {other}")
    assert not wrong


def test_modules_and_functions_stay_below_twice_their_size_aim(capsys):
    over, report = [], []
    for name, path in MODULES.items():
        if any(matches(name, table) for table in TABLES):
            continue
        sizes = [(path.read_text().count("\n"), LONGEST_MODULE, name)]
        for node in ast.walk(TREES[name]):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                sizes.append((node.end_lineno - node.lineno + 1, LONGEST_FUNCTION, f"{name}:{node.name}"))
        report += [f"{what}: {size} lines (aim {aim})" for size, aim, what in sizes if size > aim]
        over += [what for size, aim, what in sizes if size > 2 * aim]
    with capsys.disabled():
        if report:
            print("\nover the size aim:\n  " + "\n  ".join(report))
    assert not over
