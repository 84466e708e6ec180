"""The example learning switches forward the traffic of endpoints on a real switch, without any Nicira extension."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from support.networks import reaches

from vlcp.lab._process import LabProcess
from vlcp.lab._shell import inside, run, wait_until

pytestmark = pytest.mark.ovs
EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "example" / "openflow"
VERSIONS = {"learning10": "OpenFlow10", "learning13": "OpenFlow13"}
RECEIVE = "import socket, sys; s = socket.create_server((sys.argv[1], 5000)); print('ready', flush=True); c, _ = s.accept()\n"
RECEIVE += "print(sum(iter(lambda: len(c.recv(65536)), 0)))"
SEND = "import socket, sys; s = socket.create_connection((sys.argv[1], 5000), 10); s.sendall(bytes(3000000)); s.close()"


@contextlib.contextmanager
def learning(host, example, *arguments):
    """Run an example as the controller of a hypervisor."""
    process = LabProcess(host.namespace, host.directory, example)
    process.start([sys.executable, str(EXAMPLES / f"{example}.py"), *arguments])
    try:
        wait_until(host.is_connected, 20, f"{example} to be connected")
        yield process
    finally:
        process.end(signal.SIGTERM)


@contextlib.contextmanager
def snoop(host, path):
    """Write what goes over the OpenFlow connection to a file."""
    command = ["ovs-ofctl", "snoop", f"unix:{host.directory}/br0.snoop"]
    environment = {**os.environ, **host.environment}
    with open(path, "w") as out, subprocess.Popen(command, stdout=out, stderr=out, env=environment) as process:
        try:
            yield
        finally:
            process.terminate()


def transfer(source, target):
    """Send 3 MB over TCP; return how many bytes arrive."""
    receiver = subprocess.Popen(
        inside(target.namespace, [sys.executable, "-c", RECEIVE, target.address]), stdout=subprocess.PIPE, text=True
    )
    try:
        assert receiver.stdout.readline() == "ready\n"
        run(inside(source.namespace, [sys.executable, "-c", SEND, target.address]))
        return int(receiver.communicate(timeout=20)[0])
    finally:
        receiver.kill()


def learned_flows(host, version):
    dump = run(["ovs-ofctl", "-O", version, "dump-flows", f"unix:{host.directory}/br0.mgmt"])
    return [line for line in dump.splitlines() if "priority=10," in line]


@pytest.mark.parametrize("nicira", [True, False], ids=["default", "without Nicira"])
@pytest.mark.parametrize("example", VERSIONS)
def test_stations_reach_each_other_through_flows_that_are_learned(make_lab, tmp_path, example, nicira):
    lab = make_lab(controllers=False)
    host = lab.hosts["hv1"]
    host.vsctl("set", "Bridge", "br0", f"protocols={VERSIONS[example]}")
    first, second, third = (
        lab.add_endpoint(f"st{n}", "hv1", f"lp-{n}", "none", f"192.168.7.{n}/24", lab.free_mac()) for n in (1, 2, 3)
    )
    assert not reaches(first, second, 1), "without a controller nothing is forwarded"
    (tmp_path / "vlcp.conf").write_text(f"protocol.openflow.disablenxext = {not nicira}\n")
    with learning(host, example, str(tmp_path / "vlcp.conf")) as controller, snoop(host, tmp_path / "snoop"):
        assert reaches(first, second)
        assert reaches(second, third)
        assert reaches(third, first)
        wait_until(lambda: len(learned_flows(host, VERSIONS[example])) >= 6, 10, "two flows for each pair")
        assert transfer(first, second) == 3000000
        before = first.ping(second.address, 20, 0.02)
        assert before.received == 20
    assert reaches(first, second, 2), "learned flows work without the controller"
    log = pathlib.Path(controller.log_path).read_text()
    assert "Traceback" not in log
    snooped = (tmp_path / "snoop").read_text()
    assert "PACKET_IN" in snooped and "PACKET_OUT" in snooped
    assert "NX" not in snooped and "experimenter" not in snooped.lower()
