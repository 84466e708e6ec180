"""What server modules read from their configuration (pure)."""

import pytest

from vlcp.config import ConfigTree
from vlcp.service.connection._endpoints import Endpoint, endpoints

DEFAULTS = {"client": False, "key": None}


def node(**keys):
    tree = ConfigTree()
    for key, value in keys.items():
        tree[key.replace("__", ".")] = value
    return tree


def test_without_configuration_there_is_the_default_url():
    assert endpoints("module.x", "tcp://h/", DEFAULTS, None) == [Endpoint("", "tcp://h/", DEFAULTS, {})]
    assert endpoints("module.x", None, DEFAULTS, None) == []


def test_url_and_urls_are_both_used_once():
    tree = node(url="tcp://a/", urls=["tcp://b/", "tcp://a/"])
    assert [one.url for one in endpoints("module.x", "tcp://a/", DEFAULTS, tree)] == ["tcp://a/", "tcp://b/"]


def test_a_virtual_host_inherits_all_but_urls():
    tree = node(
        key="k.pem",
        protocol__persist=True,
        protocol__a__b=1,
        vhost__api__url="tcp://api/",
        vhost__api__client=True,
        vhost__api__protocol__persist=False,
        vhost__api__vhost__inner__urls=("ssl://inner/",),
        vhost__empty__key="other.pem",
    )
    outer, api, inner = endpoints("module.x", "tcp://d/", DEFAULTS, tree)
    assert outer == Endpoint("", "tcp://d/", {"client": False, "key": "k.pem"}, {"persist": True, "a.b": 1})
    assert api == Endpoint("api", "tcp://api/", {"client": True, "key": "k.pem"}, {"persist": False, "a.b": 1})
    assert (inner.vhost, inner.url, inner.settings, inner.protocol) == ("inner", "ssl://inner/", api.settings, api.protocol)


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (node(urls="tcp://a/"), "module.x.urls: expected a list"),
        (node(urls=[5]), "module.x.url: expected a URL"),
        (node(vhost__api__url="localhost:80"), "module.x.vhost.api.url: expected a URL"),
        (node(vhost__api="tcp://a/"), "module.x.vhost.api: expected keys below it"),
        (node(vhost=1), "module.x.vhost: expected keys below it"),
        (node(protocol="http"), "module.x.protocol: expected keys below it"),
    ],
)
def test_an_error_names_the_key(tree, said):
    with pytest.raises(ValueError, match=said):
        endpoints("module.x", None, DEFAULTS, tree)
