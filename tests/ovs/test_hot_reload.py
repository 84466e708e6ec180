"""Every module is reloaded, unloaded and loaded while the network carries traffic."""

from __future__ import annotations

import os
import pathlib
import shutil

import pytest
from support.networks import add_endpoint, add_network, add_physical, reaches, settle

from vlcp.lab._plan import STARTUP
from vlcp.lab._shell import LabError, wait_until

pytestmark = pytest.mark.ovs

TESTS = pathlib.Path(__file__).resolve().parents[1]
CYCLER = "support.cycling.Cycler"
# All modules that work beside each other in one controller.
MODULES = (
    *STARTUP,
    "vlcp.service.sdn.arpresponder.ARPResponder",
    "vlcp.service.sdn.icmpresponder.ICMPResponder",
    "vlcp.service.sdn.dhcpserver.DHCPServer",
    "vlcp.service.sdn.l3router.L3Router",
    "vlcp.service.sdn.vrouterapi.VRouterApi",
    "vlcp.service.sdn.vxlancast.VXLANCast",
    "vlcp.service.sdn.freearp.FreeARP",
    "vlcp.service.debugging.console.Console",
    "vlcp.service.utils.knowledge.Knowledge",
    "vlcp.service.utils.remoteapi.RemoteCall",
    "vlcp.service.utils.session.Session",
    "vlcp.service.web.static.Static",
    "vlcp.service.manage.health.Health",
    "vlcp.service.manage.metrics.Metrics",
    CYCLER,
)


@pytest.fixture
def carrying(make_lab, monkeypatch):
    """Return (laboratory, its endpoints, {module name: loading path}), with pings between all endpoints answered."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", str(TESTS.parent))]))
    lab = make_lab(hosts=2, config={"server.startup": MODULES, "module.manager.checkinterval": 0.4})
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    add_network(lab, "red")
    ends = [add_endpoint(lab, "red1", "red"), add_endpoint(lab, "red2", "red"), add_endpoint(lab, "red3", "red", "hv2")]
    settle(lab)
    assert reaches(ends[0], ends[1]) and reaches(ends[1], ends[2])
    active = lab.hosts["hv1"].controller.api("manager", "activemodules")
    return lab, ends, {name: path for name, path in active.items() if path != CYCLER}


def run_cycler(lab, action, paths, pause=0.05):
    """Let the first controller do something with modules; return what failed."""
    controller = lab.hosts["hv1"].controller
    controller.api("cycler", "begin", action=action, paths=paths, pause=pause)

    def done():
        try:
            return controller.api("cycler", "done") is not None
        except LabError:
            return False

    wait_until(done, 90, "the end of the cycler", 0.2)
    return controller.api("cycler", "done")


def flow_state(lab):
    """Return the rows and groups of the first switch."""
    host = lab.hosts["hv1"]
    return host.dump_flows(), host.dump_groups()


def test_no_packet_is_lost_while_every_module_is_reloaded_and_unloaded_and_loaded(carrying):
    lab, ends, active = carrying
    before = flow_state(lab)
    pings = [ends[0].start_ping(ends[1].address), ends[1].start_ping(ends[2].address)]
    for action in ("reload", "cycle"):
        assert run_cycler(lab, action, sorted(active.values())) == []
        settle(lab)
    lost = [ping.stop() for ping in pings]
    assert [result.lost for result in lost] == [0, 0] and min(result.sent for result in lost) > 100
    # The rows of modules that were away come back, and nothing is refused.
    wait_until(lambda: flow_state(lab) == before, 20, "the rows as they were", 0.3)
    # All of it still works together.
    new = add_endpoint(lab, "red4", "red")
    assert reaches(new, ends[2]) and reaches(new, ends[0])
    (status,) = lab.hosts["hv1"].controller.api("openflowmanager", "flowstatus")
    assert not status["refused"]


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """Let the controllers run a copy of the package, and return its directory."""
    shutil.copytree(TESTS.parent / "vlcp", tmp_path / "copy" / "vlcp", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "copy"))
    return tmp_path / "copy" / "vlcp"


def test_a_broken_new_file_leaves_the_old_code_running_and_a_good_one_is_taken(copied, carrying):
    lab, ends, active = carrying
    controller = lab.hosts["hv1"].controller
    pings = [ends[0].start_ping(ends[1].address), ends[1].start_ping(ends[2].address)]
    for name in ("l2switch", "ioprocessing", "openflowmanager", "objectdb"):
        folder = "kvdb" if name == "objectdb" else "sdn"
        path = copied / "service" / folder / {"openflowmanager": "ofpmanager.py"}.get(name, name + ".py")
        text, kind = path.read_text(), active[name].rpartition(".")[2]
        for broken, said in (
            (text + "\ndef broken(:\n", "SyntaxError"),
            (text + "\nraise RuntimeError('half done')\n", "half done"),
            (text + f"\n\ndef _fail(self, server):\n    raise OSError('no place')\n\n{kind}.__init__ = _fail\n", "no place"),
        ):
            path.write_text(broken)
            with pytest.raises(LabError, match=said):
                controller.api("manager", "reloadmodules", pathlist=[active[name]])
        path.write_text(text)
        controller.api("manager", "reloadmodules", pathlist=[active[name]])
    assert controller.api("manager", "activemodules").items() >= active.items()
    # The same by itself when files change.
    controller.api("manager", "enableautoreload")
    path = copied / "service" / "sdn" / "l2switch.py"

    def reloaded():
        os.utime(path)
        with open(controller.log_path) as log:
            return f"files have changed, reloading {active['l2switch']}" in log.read()

    wait_until(reloaded, 30, "an automatic reload", 0.5)
    settle(lab)
    assert [ping.stop().lost for ping in pings] == [0, 0]
    assert reaches(add_endpoint(lab, "red4", "red"), ends[2])
