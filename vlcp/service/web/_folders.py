"""Which folders the module ``static`` serves at which paths: pure reading of its configuration (manual 3.1.3)."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from vlcp.config import ConfigTree

_OWN = ("dir", "dirs", "map", "vdir")


class Folder(NamedTuple):
    """One folder or file with everything that applies to it."""

    path: str
    "path of the URL, with a leading and without a trailing slash"
    target: str
    "folder or file: absolute, or relative to the root that the settings name"
    settings: Dict[str, Any]


def folders(name: str, settings: Mapping[str, Any], node: Optional[ConfigTree], default: Mapping[str, Any]) -> List[Folder]:
    """Return the folders of the module and of all its nested ``vdir`` nodes, which inherit all but the folders.

    :param name: path of the node, for error messages
    :param settings: settings of the module itself
    :param node: node of the module in the configuration, None if there is none
    :param default: ``dir``, ``dirs`` and ``map`` where the node has none
    :raises ValueError: a key is of the wrong kind; the message names it
    """
    return _folders(name, dict(settings), node if node is not None else ConfigTree(), default)


def _folders(name: str, settings: Dict[str, Any], node: ConfigTree, default: Mapping[str, Any]) -> List[Folder]:
    settings = {**settings, **{key: value for key, value in node.items() if key not in _OWN}}
    single = node.get("dir", default.get("dir"))
    several = node.get("dirs", default.get("dirs", []))
    mapped = node.get("map", default.get("map", {}))
    if isinstance(mapped, ConfigTree):
        mapped = mapped.todict()
    if not isinstance(several, (list, tuple)) or not isinstance(mapped, Mapping):
        raise ValueError(f"{name}: expected a list in dirs and a dict in map, got {several!r} and {mapped!r}")
    pairs = [(one, one) for one in ([single] if single else []) + list(several)] + list(mapped.items())
    found = [Folder(_path(name, path), _text(name, target), settings) for path, target in pairs]
    for inner, child in (node.get("vdir") or ConfigTree()).items():
        path = f"{name}.vdir.{inner}"
        if not isinstance(child, ConfigTree):
            raise ValueError(f"{path}: expected keys below it, like {path}.dir, got {child!r}")
        found += _folders(path, settings, child, {})
    return found


def _text(name: str, value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8")
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{name}: expected a folder name, got {value!r}")
    return value


def _path(name: str, value: Any) -> str:
    parts = [part for part in _text(name, value).split("/") if part]
    if ".." in parts or "." in parts:
        raise ValueError(f"{name}: expected a path of a URL without dot segments, got {value!r}")
    return "/" + "/".join(parts)
