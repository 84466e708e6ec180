"""The example configurations."""

import pathlib

import pytest

from vlcp.config import Manager, unknown_keys
from vlcp.config.config import manager as global_manager
from vlcp.server.module import findModule

EXAMPLES = sorted((pathlib.Path(__file__).parents[3] / "example" / "config").glob("*.conf"))


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.name)
def example(request):
    result = Manager()
    result.loadfrom(str(request.param))
    return result


def test_startup_modules_and_proxies_exist(example):
    for path in [*example["server.startup"], *(value for _, value in example.gettree("proxy").items())]:
        assert findModule(path).get_full_path() == path


def test_no_key_is_unknown(example):
    for path in example["server.startup"]:
        pending = [findModule(path)]
        while pending:
            pending.extend(pending.pop().dependencies())
    assert unknown_keys(example) == []


def test_everything_listens_on_loopback(example):
    urls = [(key, value) for key, value in example.config_items() if key.endswith(".url") and value is not None]
    urls = [(key, value) for key, value in urls if key not in ("module.zookeeperdb.url", "module.redisdb.url")]
    assert len(urls) >= 3
    for key, url in urls:
        assert url.startswith(("unix:///", "tcp://localhost", "tcp://127.0.0.1:")), key


def test_the_examples_are_there_and_the_process_configuration_is_untouched():
    assert {"forwarding.conf", "genericl2.conf", "genericl3.conf", "onehost.conf"} <= {path.name for path in EXAMPLES}
    assert "module.sqlitedb.path" not in global_manager
