"""vlcp-lab as a command: it brings a network up, says what runs, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from vlcp.lab._shell import namespaces, wait_until

pytestmark = pytest.mark.ovs

COMMAND = [sys.executable, "-m", "vlcp.lab.cli"]


def lab(prefix, *arguments):
    return subprocess.run([*COMMAND, "--prefix", prefix, *arguments], capture_output=True, text=True, timeout=60)


@pytest.fixture
def prefix():
    name = f"c{os.getpid() % 100000}"
    yield name
    lab(name, "down")
    assert namespaces(name) == []


@pytest.mark.parametrize("hosts", [1, 2])
def test_up_ping_status_and_down(prefix, hosts):
    up = lab(prefix, "up", "--hosts", str(hosts))
    assert up.returncode == 0, up.stdout + up.stderr
    assert "viperflow/createlogicalport" in up.stdout
    assert "ep1 -> ep2 (192.168.1.3): 3 of 3 answered" in up.stdout
    ping = lab(prefix, "ping", "ep1", "ep2")
    assert (ping.returncode, ping.stdout) == (0, "ep1 -> ep2: 3 of 3 answered\n")
    assert lab(prefix, "ping").returncode == 0
    status = lab(prefix, "status")
    assert status.returncode == 0
    assert "hv1: controller running" in status.stdout
    again = lab(prefix, "up")
    assert again.returncode == 1
    assert "is there already" in again.stderr
    down = lab(prefix, "down")
    assert f"{prefix}-hv1" in down.stdout
    assert lab(prefix, "down").stdout == "nothing to remove\n"
    assert lab(prefix, "status").returncode == 1


def test_ctrl_c_in_the_foreground_removes_everything(prefix):
    process = subprocess.Popen([*COMMAND, "--prefix", prefix, "up", "--foreground"], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if "Ctrl-C" in line:
            break
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert namespaces(prefix) == []
    assert not os.path.exists(f"/tmp/{prefix}-lab")


def test_ctrl_c_while_it_comes_up_removes_everything(prefix):
    process = subprocess.Popen([*COMMAND, "--prefix", prefix, "up"], stdout=subprocess.PIPE, text=True)
    assert "hypervisor hv1" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert namespaces(prefix) == []


def test_down_cleans_up_after_a_crash(prefix):
    process = subprocess.Popen([*COMMAND, "--prefix", prefix, "up", "--foreground"], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if "createlogicalnetwork" in line:
            break
    process.kill()
    process.wait()
    assert wait_until(lambda: namespaces(prefix), 5, "namespaces of the crashed laboratory")
    assert lab(prefix, "down").returncode == 0
    assert namespaces(prefix) == []


def test_a_fault_is_found_by_check_with_a_hint_and_mended(prefix):
    assert lab(prefix, "up", "--hosts", "2", "--endpoints", "1").returncode == 0
    whole = lab(prefix, "check")
    assert (whole.returncode, "2 of 2 pairs" in whole.stdout) == (0, True)
    assert lab(prefix, "fault", "kill-controller", "hv2").returncode == 0
    assert lab(prefix, "check").returncode == 0
    assert lab(prefix, "status").returncode == 1
    assert lab(prefix, "fault", "start-controller", "hv2").returncode == 0
    assert lab(prefix, "fault", "kill-switch", "hv2").returncode == 0
    broken = lab(prefix, "check")
    assert broken.returncode == 1
    assert "ep1 does not reach ep2: WRONG: the switch of hv2 has no connection to its controller" in broken.stdout
    assert lab(prefix, "fault", "partition", "hv1", "moon").returncode == 1
    assert "takes: host" in lab(prefix, "fault", "kill-controller").stderr


def test_a_host_is_added_to_a_running_laboratory_and_removed_without_a_trace(prefix):
    assert lab(prefix, "up", "--hosts", "2", "--endpoints", "1", "--network", "vxlan").returncode == 0
    before = namespaces(prefix)
    for _ in range(2):
        added = lab(prefix, "add-host", "--endpoints", "1")
        assert added.returncode == 0, added.stdout + added.stderr
        assert "ep3 -> ep1 (192.168.1.2): 3 of 3 answered" in added.stdout
        assert "6 of 6 pairs" in lab(prefix, "check").stdout
        assert "hv3: controller running" in lab(prefix, "status").stdout
        removed = lab(prefix, "remove-host", "hv3")
        assert (removed.returncode, "removed: hv3" in removed.stdout) == (0, True), removed.stdout + removed.stderr
        assert namespaces(prefix) == before
        assert not os.path.exists(f"/tmp/{prefix}-lab/hv3")
        assert "2 of 2 pairs" in lab(prefix, "check").stdout
    assert "hypervisor 'hv9': one of hv1, hv2" in lab(prefix, "remove-host", "hv9").stderr


def test_a_host_joins_no_network_that_is_local_to_another(prefix):
    assert lab(prefix, "up", "--endpoints", "1").returncode == 0
    refused = lab(prefix, "add-host")
    assert (refused.returncode, "local to one hypervisor" in refused.stderr) == (1, True)
    assert lab(prefix, "add-host", "--endpoints", "0").returncode == 0
    assert "hv2: controller running" in lab(prefix, "status").stdout


def test_usage_errors_are_one_line_with_status_2_and_bad_values_status_1(prefix):
    assert lab(prefix, "sideways").returncode == 2
    bad = lab("Bad_Prefix", "up")
    assert (bad.returncode, bad.stderr.count("\n")) == (1, 1)
    assert "'Bad_Prefix'" in bad.stderr


def test_check_covers_routers_and_the_host_outside(prefix):
    up = lab(prefix, "up", "--hosts", "2", "--endpoints", "1", "--network", "vxlan", "--outside", "vlan")
    assert up.returncode == 0, up.stdout + up.stderr
    assert "vrouterapi/addrouterinterface" in up.stdout
    assert "ep2 -> outside (10.99.0.1): 3 of 3 answered" in up.stdout
    assert "6 of 6 pairs" in lab(prefix, "check").stdout
    assert lab(prefix, "fault", "kill-switch", "hv1").returncode == 0
    broken = lab(prefix, "check")
    assert broken.returncode == 1
    hint = "WRONG: the switch of the forwarding node hv1 has no connection to its controller"
    assert f"ep2 does not reach outside: {hint}" in broken.stdout
