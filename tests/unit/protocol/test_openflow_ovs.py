"""The protocol, and the fake switch's idea of OpenFlow, against a real Open vSwitch with dummy ports."""

from __future__ import annotations

import shutil
import struct
import subprocess

import pytest
from support import fakeswitch
from support.fakeswitch import FakeSwitch
from support.ofswitch import dummy_switch, talk

import vlcp.protocol.openflow.defs.openflow13 as of
from vlcp.protocol.openflow.openflow import OpenflowAsyncMessageEvent, OpenflowErrorResultException

pytestmark = pytest.mark.skipif(shutil.which("ovs-vswitchd") is None, reason="Open vSwitch is not installed")


@pytest.fixture(scope="module")
def switch():
    with dummy_switch() as running:
        yield running


def flow(**fields):
    values = {"buffer_id": of.OFP_NO_BUFFER, "out_port": of.OFPP_ANY, "out_group": of.OFPG_ANY, "cookie": 1}
    return of.ofp_flow_mod(**{"match": of.ofp_match_oxm(), **values, **fields})


def matching(*fields):
    return of.ofp_match_oxm(oxm_fields=[of.create_oxm(*field) for field in fields])


def applying(*actions):
    return [of.ofp_instruction_actions(type=of.OFPIT_APPLY_ACTIONS, actions=list(actions))]


def dump_request():
    return of.ofp_flow_stats_request(table_id=of.OFPTT_ALL, out_port=of.OFPP_ANY, out_group=of.OFPG_ANY, match=of.ofp_match_oxm())


def test_a_real_switch_is_set_up_and_tells_its_ports(switch):
    async def look(container, connection):
        request = of.ofp_multipart_request(type=of.OFPMP_PORT_DESC)
        parts = await connection.protocol.querymultipart(request, connection, container)
        return connection.openflow_datapathid, {port.name for part in parts for port in part.ports}

    assert talk(switch, look) == (0xAB, {b"br0", b"p1", b"p2", b"p3"})


IP = (of.OXM_OF_ETH_TYPE, 0x800)
OUTPUT = of.ofp_action_output(port=2)
SCRIPT = {
    "add": flow(priority=5, match=matching((of.OXM_OF_IN_PORT, 1)), instructions=applying(OUTPUT)),
    "add next": flow(priority=5, match=matching((of.OXM_OF_IN_PORT, 2)), instructions=applying(OUTPUT)),
    "add ip": flow(priority=7, table_id=1, match=matching(IP, (of.OXM_OF_IPV4_SRC_W, 0x0A000000, 0xFF000000))),
    "add reg": flow(priority=7, table_id=1, match=matching((of.NXM_NX_REG4, 3)), cookie=0x20),
    "overlap": flow(priority=5, flags=of.OFPFF_CHECK_OVERLAP, match=matching((of.OXM_OF_ETH_TYPE, 0x800))),
    "no overlap": flow(priority=6, flags=of.OFPFF_CHECK_OVERLAP, match=matching((of.OXM_OF_ETH_TYPE, 0x806))),
    "prerequisite": flow(match=matching((of.OXM_OF_IPV4_SRC, 5))),
    "value beyond mask": flow(match=matching(IP, (of.OXM_OF_IPV4_SRC_W, 0xFF, 0xF0))),
    "twice": flow(match=matching((of.OXM_OF_IN_PORT, 1), (of.OXM_OF_IN_PORT, 1))),
    "unknown group": flow(instructions=applying(of.ofp_action_group(group_id=9))),
    "group": of.ofp_group_mod(group_id=9, buckets=[of.ofp_bucket(actions=[OUTPUT])]),
    "group again": of.ofp_group_mod(group_id=9),
    "no group": of.ofp_group_mod(command=of.OFPGC_MODIFY, group_id=10),
    "to group": flow(priority=8, match=matching((of.OXM_OF_IN_PORT, 3)), instructions=applying(of.ofp_action_group(group_id=9))),
    "goto back": flow(table_id=3, instructions=[of.ofp_instruction_goto_table(table_id=3)]),
    "modify all": flow(command=of.OFPFC_MODIFY, instructions=applying(of.ofp_action_output(port=3))),
    "modify strict": flow(
        command=of.OFPFC_MODIFY_STRICT, priority=5, match=matching((of.OXM_OF_IN_PORT, 2)), instructions=applying()
    ),
    "delete by cookie": flow(command=of.OFPFC_DELETE, table_id=of.OFPTT_ALL, cookie=0x20, cookie_mask=0xF0),
    "delete strict misses": flow(command=of.OFPFC_DELETE_STRICT, priority=4, match=matching((of.OXM_OF_IN_PORT, 1))),
    "delete wider": flow(command=of.OFPFC_DELETE, table_id=1, match=matching(IP)),
    "add replaced": flow(priority=5, match=matching((of.OXM_OF_IN_PORT, 1)), cookie=0x99, instructions=applying(OUTPUT)),
    "delete by port": flow(command=of.OFPFC_DELETE, out_port=2, table_id=of.OFPTT_ALL),
    "delete group": of.ofp_group_mod(command=of.OFPGC_DELETE, group_id=of.OFPG_ALL),
}


NO_ACTIONS = struct.pack(">HH4x", of.OFPIT_APPLY_ACTIONS, 8)


def comparable(parts) -> list:
    """Return the flows of a dump in a form that does not depend on the switch."""
    return sorted(
        (
            entry.table_id,
            entry.priority,
            entry.cookie,
            sorted((field.header, field.value, getattr(field, "mask", b"")) for field in entry.match.oxm_fields),
            # Open vSwitch does not keep an instruction without actions.
            [data for data in (instruction._tobytes() for instruction in entry.instructions) if data != NO_ACTIONS],
        )
        for part in parts
        for entry in part.stats
    )


def test_the_fake_switch_and_the_real_one_do_the_same(switch):
    fake = FakeSwitch()

    async def compare(container, connection):
        protocol = connection.protocol
        await protocol.batch([flow(command=of.OFPFC_DELETE, table_id=of.OFPTT_ALL)], connection, container)
        different = []
        for name, message in SCRIPT.items():
            errors, _ = await protocol.batch_packed([message._tobytes()], connection, container)
            real = (errors[0].type, errors[0].code) if errors else None
            answer = fake.feed(message._tobytes())
            faked = None
            if answer:
                error = of.ofp_msg.parse(answer)[0]
                faked = (error.type, error.code)
            parts = await protocol.querymultipart(dump_request(), connection, container)
            fake_parts = [of.ofp_msg.parse(fake.feed(dump_request()._tobytes()))[0]]
            if real != faked or comparable(parts) != comparable(fake_parts):
                different.append((name, real, faked, comparable(parts), comparable(fake_parts)))
        return different

    assert talk(switch, compare) == []


def test_a_real_switch_refuses_with_a_readable_error(switch):
    async def ask(container, connection):
        with pytest.raises(OpenflowErrorResultException, match="OFPBMC_BAD_PREREQ"):
            await connection.protocol.batch([SCRIPT["prerequisite"]], connection, container)

    talk(switch, ask)


def test_a_real_switch_takes_a_bundle_as_a_whole_or_not_at_all(switch):
    def control(number, kind, what=0, inner=b""):
        body = struct.pack(">IIIHH", fakeswitch.ONF, kind, number, what, 3)
        return fakeswitch.message(fakeswitch.EXPERIMENTER, 0, body + inner)

    def bundle(number, *inner):
        adds = [control(number, fakeswitch.BUNDLE_ADD, 0, one._tobytes()) for one in inner]
        return [
            control(number, fakeswitch.BUNDLE_CONTROL),
            *adds,
            control(number, fakeswitch.BUNDLE_CONTROL, 2),
            control(number, fakeswitch.BUNDLE_CONTROL, 4),
        ]

    async def ask(container, connection):
        protocol = connection.protocol
        await protocol.batch([flow(command=of.OFPFC_DELETE, table_id=of.OFPTT_ALL)], connection, container)
        good = await protocol.batch_packed(bundle(1, SCRIPT["add"], SCRIPT["add ip"]), connection, container)
        bad = await protocol.batch_packed(bundle(2, SCRIPT["add next"], SCRIPT["unknown group"]), connection, container)
        return good, bad, comparable(await protocol.querymultipart(dump_request(), connection, container))

    good, bad, flows = talk(switch, ask)
    assert good[0] == {} and len(good[1]) == 3
    assert 2 in bad[0] and bad[0][2].type == of.OFPET_BAD_ACTION and 4 in bad[0]
    assert [entry[:2] for entry in flows] == [(0, 5), (1, 7)]


def test_a_packet_of_a_real_switch_arrives_with_its_registers(switch):
    async def ask(container, connection):
        load = of.nx_action_reg_load(ofs_nbits=of.create_ofs_nbits(0, 32), dst=of.NXM_NX_REG4, value=7)
        up = of.ofp_action_output(port=of.OFPP_CONTROLLER, max_len=0xFFFF)
        rule = flow(priority=100, cookie=0x77, match=matching((of.OXM_OF_IN_PORT, 1)), instructions=applying(load, up))
        await connection.protocol.batch([rule], connection, container)
        packet = bytes.fromhex("0200000000020200000000010806") + bytes(46)
        matcher = OpenflowAsyncMessageEvent.createMatcher(of.OFPT_PACKET_IN, connection=connection, cookie=0x77)
        switch.appctl("revalidator/purge")
        switch.appctl("netdev-dummy/receive", "p1", packet.hex())
        message = (await matcher).message
        fields = message.match.oxm_fields
        return packet == message.data, of.get_oxm(fields, of.OXM_OF_IN_PORT), of.get_oxm(fields, of.NXM_NX_REG4)

    assert talk(switch, ask) == (True, b"\0\0\0\1", b"\0\0\0\7")


def test_all_kinds_of_actions_are_understood_by_a_real_switch(switch):
    learn = of.nx_action_learn(
        table_id=9,
        priority=1,
        specs=[
            of.create_nxfms_matchfield(of.NXM_OF_ETH_SRC, of.NXM_OF_ETH_DST),
            of.create_nxfms_loadvalue(of.NXM_NX_REG6, 5),
            of.create_nxfms_outputfield(of.NXM_OF_IN_PORT),
        ],
    )
    nat = of.nx_action_nat(flags=of.NX_NAT_F_SRC, ipv4_min=of.ip4_addr("10.0.0.1"))
    several = applying(
        of.nx_action_reg_move(n_bits=32, src=of.NXM_NX_REG4, dst=of.NXM_NX_REG5),
        of.ofp_action_set_field(field=of.create_oxm(of.OXM_OF_ETH_DST, of.mac_addr_bytes("02:00:00:00:00:09"))),
        of.nx_action_reg_load2(field=of.create_oxm(of.NXM_NX_REG2, 6)),
        learn,
        of.nx_action_note(note=b"hello"),
        of.nx_action_resubmit(in_port=0xFFF8, table=9),
        of.nx_action_conntrack(flags=of.NX_CT_F_COMMIT, zone_imm=5, recirc_table=9, sub_actions=[nat]),
    )
    rule = flow(table_id=8, match=matching(IP), instructions=several)

    async def ask(container, connection):
        await connection.protocol.batch([rule], connection, container)
        parts = await connection.protocol.querymultipart(dump_request(), connection, container)
        text = switch.run("ovs-ofctl", "-OOpenFlow13", "dump-flows", f"unix:{switch.directory}/br0.mgmt", "table=8")
        return text, [entry for part in parts for entry in part.stats if entry.table_id == 8]

    text, (entry,) = talk(switch, ask)
    received = [action._gettype().readablename for action in entry.instructions[0].actions]
    assert received == [action._gettype().readablename for action in several[0].actions]
    for part in (
        "move:NXM_NX_REG4[]->NXM_NX_REG5[]",
        "set_field:02:00:00:00:00:09->eth_dst",
        "set_field:0x6->reg2",
        "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0x5->NXM_NX_REG6[],output:NXM_OF_IN_PORT[]",
        "note:68.65.6c.6c.6f",
        "ct(commit,table=9,zone=5,nat(src=10.0.0.1))",
    ):
        assert part in text


ACTION_TEXTS = {
    "resubmit(2,3)": of.nx_action_resubmit(in_port=2, table=3),
    "set_tunnel64:0x5": of.nx_action_set_tunnel64(tun_id=5),
    "move:NXM_NX_REG0[]->NXM_NX_REG1[]": of.nx_action_reg_move(n_bits=32, src=of.NXM_NX_REG0, dst=of.NXM_NX_REG1),
    "load:0x6->NXM_NX_REG1[0..15]": of.nx_action_reg_load(ofs_nbits=of.create_ofs_nbits(0, 16), dst=of.NXM_NX_REG1, value=6),
    "set_field:0x5/0xff->reg1": of.nx_action_reg_load2(field=of.create_oxm(of.NXM_NX_REG1_W, 5, 0xFF)),
    "push:NXM_NX_REG1[]": of.nx_action_stack(field=of.NXM_NX_REG1, n_bits=32),
    "multipath(eth_src,0,modulo_n,2,0,NXM_NX_REG1[])": of.nx_action_multipath(
        dst=of.NXM_NX_REG1, ofs_nbits=of.create_ofs_nbits(0, 32), max_link=1
    ),
    "learn(table=1,priority=0,limit=5,result_dst=NXM_NX_REG1[0],reg2=0x7)": of.nx_action_learn2(
        table_id=1,
        limit=5,
        flags=of.NX_LEARN_F_WRITE_RESULT,
        result_field=of.NXM_NX_REG1,
        specs=[of.create_nxfms_matchvalue(of.NXM_NX_REG2, 7)],
    ),
    "bundle(eth_src,0,active_backup,ofport,members:1,2)": of.nx_action_bundle_port(bundles=[1, 2]),
    "dec_ttl(1,2,3)": of.nx_action_cnt_ids(cnt_ids=[1, 2, 3]),
    "output:NXM_NX_REG1[]": of.nx_action_output_reg(src=of.NXM_NX_REG1, ofs_nbits=of.create_ofs_nbits(0, 32)),
    "controller(max_len=5,id=1,userdata=61.62.63,pause)": of.nx_action_controller2(
        properties=[
            of.nx_action_controller2_prop_max_len(value=5),
            of.nx_action_controller2_prop_controller_id(value=1),
            of.nx_action_controller2_prop_reason(value=of.OFPR_ACTION),
            of.nx_action_controller2_prop_userdata(value=b"abc"),
            of.nx_action_controller2_prop_pause(),
        ]
    ),
    "conjunction(3,1/2)": of.nx_action_conjunction(n_clauses=2, id=3),
    "ct(commit,zone=NXM_NX_REG1[0..15],nat(src=0.0.0.1-0.0.0.2:3-4))": of.nx_action_conntrack(
        flags=of.NX_CT_F_COMMIT,
        zone_src=of.NXM_NX_REG1,
        zone_ofs_nbits=of.create_ofs_nbits(0, 16),
        recirc_table=of.NX_CT_RECIRC_NONE,
        sub_actions=[of.nx_action_nat(flags=of.NX_NAT_F_SRC, ipv4_min=1, ipv4_max=2, proto_min=3, proto_max=4)],
    ),
    "output(port=1,max_len=100)": of.nx_action_output_trunc(port=1, max_len=100),
    "clone(ct_clear)": of.nx_action_clone(sub_actions=[of.nx_action_ct_clear()]),
    "encap(nsh(md_type=1))": of.nx_action_encap(new_pkt_type=of.PT_NSH, props=[of.ofp_ed_prop_nsh_md_type(md_type=1)]),
    "dec_nsh_ttl": of.nx_action_dec_nsh_ttl(),
}


def test_open_vswitch_reads_every_nicira_action_as_meant():
    lines = [" ".join(f"{byte:02x}" for byte in action._tobytes()) for action in ACTION_TEXTS.values()]
    done = subprocess.run(
        ["ovs-ofctl", "parse-actions", "OpenFlow13"], input="\n".join(lines), capture_output=True, text=True, timeout=20
    )
    # Lines with a number sign tell where Open vSwitch would write another byte: a padding, or an older action.
    texts = [line for line in done.stdout.splitlines() if line.startswith(("actions=", "bad "))]
    assert texts == [f"actions={text}" for text in ACTION_TEXTS]
