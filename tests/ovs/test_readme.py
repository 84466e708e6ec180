"""The README's commands, executed on a hypervisor of a laboratory."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest
from support.servershell import ServerShell

from vlcp.lab._shell import wait_until

pytestmark = pytest.mark.ovs

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"^```console\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
MAKE, INSTALL, BRIDGE, NETWORK, INTERFACE, LABORATORY = BLOCKS


@pytest.fixture
def environment():
    """What finds the project's programs of this checkout."""
    programs = str(pathlib.Path(sys.executable).parent)
    return {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def test_the_first_commands_are_targets_of_make():
    assert MAKE.split("\n")[:-1] == ["make run", "make test"]


def test_a_network_is_configured_on_a_server_as_the_readme_says(make_lab, environment):
    lab = make_lab(controllers=False)
    (host,) = lab.hosts.values()
    install, start = INSTALL.splitlines()
    assert install == "pip install '.[daemon]'"  # What .ci/setup does for every run of the tests, with more extras.
    shell = ServerShell(host, environment)
    database = host.environment["OVS_RUNDIR"] + "/db.sock"
    try:
        shell.run(
            f"mkdir -p /run/openvswitch /run/vlcp; mount -t tmpfs tmpfs /var/lib; ln -s {database} /run/openvswitch/db.sock"
        )
        shell.run("ip link add vm1 type veth peer name vm1-inside")
        shell.run(f"cd {ROOT}; {start} >/run/log 2>&1 &")
        shell.run("until curl -s -f localhost:8081/viperflow/discover >/run/discovered; do sleep 0.1; done")
        shell.run(BRIDGE)
        wait_until(lambda: host.dump_flows("testbr0"), 20, "flows of the bridge")
        before = len(host.dump_flows("testbr0"))
        for block in (NETWORK, INTERFACE):
            shell.run("API=http://localhost:8081\n" + block)
        wait_until(lambda: len(host.dump_flows("testbr0")) > before, 20, "flows of the port")
        assert '"port_1"' in shell.run("curl -s -g http://localhost:8081/viperflow/listlogicalports")
        assert "Traceback" not in shell.run("cat /run/log")
    finally:
        shell.close()


@pytest.mark.timeout(180)
def test_a_laboratory_does_what_the_readme_says(environment):
    block = re.sub(r"^vlcp-lab", f"vlcp-lab --prefix r{os.getpid() % 10000}", LABORATORY, flags=re.MULTILINE)
    done = subprocess.run(["bash", "-ec", block], env={**os.environ, **environment}, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hv3" in done.stdout
