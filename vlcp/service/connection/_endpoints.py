"""What a server module listens on or connects to: pure reading of its configuration (manual 3.1.3).

A node of the configuration has ``url``, ``urls``, settings, ``protocol.<key>`` and ``vhost.<name>``. A virtual host
takes everything from the node around it except the URLs.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from vlcp.config import ConfigTree

_OWN = ("url", "urls", "protocol", "vhost")


class Endpoint(NamedTuple):
    """One URL with everything that applies to it; two of the same configuration are equal."""

    vhost: str
    "name of the virtual host; empty for the module itself"
    url: str
    settings: Dict[str, Any]
    "``client``, ``connmanage``, ``key``, ``certificate``, ``ca_certs``, ``bindaddress`` and those of the module"
    protocol: Dict[str, Any]
    "settings of the protocol that differ from its own"


def endpoints(name: str, url: Optional[str], settings: Mapping[str, Any], node: Optional[ConfigTree]) -> List[Endpoint]:
    """Return the endpoints of a server module and of all its virtual hosts.

    :param name: path of the node, for error messages
    :param url: URL of the module itself, from its node or its default; None for none
    :param settings: settings of the module itself, from its node or its defaults
    :param node: node of the module in the configuration, None if there is none
    :raises ValueError: a URL or a node is of the wrong kind; the message names the key
    """
    return _endpoints(name, "", url, dict(settings), {}, node if node is not None else ConfigTree())


def _endpoints(
    name: str, vhost: str, url: Any, settings: Dict[str, Any], protocol: Dict[str, Any], node: ConfigTree
) -> List[Endpoint]:
    settings = {**settings, **{key: value for key, value in node.items() if key not in _OWN}}
    protocol = {**protocol, **dict(_subtree(name, "protocol", node).config_items())}
    urls = ([] if url is None else [url]) + _url_list(name, node)
    wrong = next((one for one in urls if not isinstance(one, str) or "://" not in one), None)
    if wrong is not None:
        raise ValueError(f"{name}.url: expected a URL '<protocol>://<address>/', got {wrong!r}")
    found = [Endpoint(vhost, one, settings, protocol) for one in dict.fromkeys(urls)]
    for inner, child in _subtree(name, "vhost", node).items():
        path = f"{name}.vhost.{inner}"
        if not isinstance(child, ConfigTree):
            raise ValueError(f"{path}: expected keys below it, like {path}.url, got {child!r}")
        found += _endpoints(path, inner, child.get("url"), settings, protocol, child)
    return found


def _url_list(name: str, node: ConfigTree) -> List[Any]:
    urls = node.get("urls", [])
    if not isinstance(urls, (list, tuple)):
        raise ValueError(f"{name}.urls: expected a list of URLs, got {urls!r}")
    return list(urls)


def _subtree(name: str, key: str, node: ConfigTree) -> ConfigTree:
    child = node.get(key)
    if child is not None and not isinstance(child, ConfigTree):
        raise ValueError(f"{name}.{key}: expected keys below it, got {child!r}")
    return child if child is not None else ConfigTree()
