"""The plan of a laboratory: names, addresses, configuration; and what ping prints."""

from __future__ import annotations

import ast

import pytest

from vlcp.lab._plan import EndpointPlan, LabPlan, config_text, controller_config, endpoint_mac, make_plan
from vlcp.lab.endpoint import PingResult, parse_ping, parse_sequence
from vlcp.lab.hypervisor import flow_line


def test_hypervisors_are_numbered_and_namespaces_carry_the_prefix():
    plan = make_plan("lab", "/tmp/x", 2)
    assert plan.hosts == ["hv1", "hv2"]
    assert plan.namespace("hv2") == "lab-hv2"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("Upper", "/tmp/x", 1), "'Upper'"),
        (("", "/tmp/x", 1), "''"),
        (("waytoolongprefix", "/tmp/x", 1), "'waytoolongprefix'"),
        (("lab", "/tmp/x", 0), "hosts 0"),
        (("lab", "/tmp/x", 65), "hosts 65"),
        (("lab", "/tmp/x", 1, "oracle"), "'oracle'"),
        (("lab", "/tmp/x", 1, "zookeeper", 2), "nodes 2"),
        (("lab", "/tmp/" + "x" * 80, 1), "too long for sockets"),
    ],
)
def test_a_plan_that_cannot_work_is_refused_with_the_value(arguments, named):
    with pytest.raises(ValueError, match=named.replace("(", r"\(")):
        make_plan(*arguments)


def test_addresses_stay_when_hosts_come_and_go():
    plan = make_plan("lab", "/tmp/x", 3)
    places = [(plan.tunnel_address(name), plan.management_address(name)) for name in plan.hosts]
    assert places[2] == ("10.254.0.12", "10.255.0.12")
    plan.hosts.remove("hv2")
    assert (plan.tunnel_address("hv3"), plan.management_address("hv3")) == places[2]
    assert plan.add_host() == "hv2"
    assert (plan.tunnel_address("hv2"), plan.management_address("hv2")) == places[1]
    assert plan.add_host() == "hv4"
    for _ in range(60):
        plan.add_host()
    with pytest.raises(ValueError, match="hosts 65"):
        plan.add_host()


def test_a_plan_survives_being_stored():
    plan = make_plan("lab", "/tmp/x", 1)
    plan.endpoints.append(EndpointPlan("ep1", "hv1", "port1", "net1", endpoint_mac(1), "192.168.1.2/24"))
    assert LabPlan.from_json(plan.to_json()) == plan


def test_a_controllers_configuration_is_valid_and_listens_on_loopback_only():
    config = controller_config(make_plan("lab", "/tmp/x", 1), "hv1", {"module.l2switch.learning": True})
    lines = dict(line.split(" = ", 1) for line in config_text(config).splitlines())
    assert {key: ast.literal_eval(value) for key, value in lines.items()} == config
    urls = [value for key, value in config.items() if key.endswith(".url") and value]
    assert all("//127.0.0.1:" in url or url.startswith("unix:") for url in urls)


def test_macs_are_locally_administered_and_distinct():
    macs = {endpoint_mac(number) for number in range(1, 1000)}
    assert len(macs) == 999
    assert all(int(mac[:2], 16) & 3 == 2 for mac in macs)


def test_a_ping_that_was_interrupted_does_not_count_its_last_packet_as_lost():
    answers = "".join(f"64 bytes from 10.0.0.2: icmp_seq={n} ttl=64 time=0.1 ms\n" for n in (1, 2, 4))
    assert parse_sequence(answers + "5 packets transmitted, 3 received, 40% packet loss") == PingResult(4, 3)
    assert parse_sequence(answers + "4 packets transmitted, 3 received, 25% packet loss").lost == 1


def test_a_ping_without_a_summary_counts_as_nothing_sent():
    assert parse_ping("ping: connect: Network is unreachable") == PingResult(0, 0)


def test_a_flow_line_loses_counters_and_the_epoch():
    line = (
        " cookie=0x2000000000003, duration=1.5s, table=4, n_packets=7, n_bytes=98, idle_age=1, priority=32770,"
        "reg5=0x1,dl_dst=02:00:00:00:00:01 actions=goto_table:6"
    )
    assert flow_line(line) == "cookie=0x3, table=4, priority=32770,reg5=0x1,dl_dst=02:00:00:00:00:01 actions=goto_table:6"
    assert flow_line("OFPST_FLOW reply (OF1.3) (xid=0x2):") == ""


def test_tunnels_have_an_address_for_each_hypervisor_and_their_modules_are_loaded():
    plan = make_plan("lab", "/tmp/x", 3, network="vxlan")
    assert [plan.tunnel_address(host) for host in plan.hosts] == ["10.254.0.10", "10.254.0.11", "10.254.0.12"]
    assert "vlcp.service.sdn.vxlancast.VXLANCast" in controller_config(plan, "hv1")["server.startup"]
    assert "vlcp.service.sdn.vxlancast.VXLANCast" not in controller_config(make_plan("lab", "/tmp/x", 3), "hv1")["server.startup"]
    assert LabPlan.from_json(plan.to_json()) == plan
    with pytest.raises(ValueError, match="network 'x'"):
        make_plan("lab", "/tmp/x", 1, network="x")
