"""The tutorial's commands, executed from its text on three hypervisors with each store."""

from __future__ import annotations

import pathlib
import re

import pytest
from support.networks import settle
from support.servershell import ServerShell

pytestmark = pytest.mark.ovs

TUTORIAL = pathlib.Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
BLOCKS = re.findall(r"^```sh (\w+)\n(.*?)^```", TUTORIAL.read_text(), re.MULTILINE | re.DOTALL)
LAST = "ovs-vsctl del-br"


def keys(lab):
    """Return the keys in the database but those of the sets that every module makes when it is loaded."""
    return sorted(lab.hosts["hv1"].controller.api("kvstorage", "listallkeys"))


def tables(lab):
    """Return flows and groups of the tutorial's bridge on each hypervisor."""
    return [(host.dump_flows("testbr0"), host.dump_groups("testbr0")) for host in lab.hosts.values()]


def execute(kind, block, shells):
    """Run a block where its kind says: on every server, on the first, or on the first where it must fail."""
    if kind == "fails":
        with pytest.raises(RuntimeError, match="0 received"):
            shells[0].run(block)
        return
    for shell in shells if kind == "every" else shells[:1]:
        shell.run(block)


@pytest.mark.parametrize("database", ["sqlite", "redis", "zookeeper"])
@pytest.mark.timeout(300)
def test_the_tutorial_does_what_it_says(make_lab, database):
    lab = make_lab(hosts=3, network="vxlan", database=database, zookeeper_nodes=3)
    shells = []
    for number, host in enumerate(lab.hosts.values(), 1):
        host.vsctl("del-br", "br0")
        shells.append(ServerShell(host, {"SERVER_ID": str(number), "UNDERLAY_IP": lab.plan.tunnel_address(host.name)}))
    try:
        kept = keys(lab)
        for number, (kind, block) in enumerate(BLOCKS):
            if number == 2:
                settle(lab)
                before = tables(lab)
            if LAST in block:
                settle(lab)
                assert keys(lab) == kept
                assert tables(lab) == before
            execute(kind, block, shells)
    finally:
        for shell in shells:
            shell.close()
    assert sum(kind == "every" for kind, _ in BLOCKS) >= 5
