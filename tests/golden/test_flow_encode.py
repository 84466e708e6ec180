"""Bytes of the engine's own encoder against the struct definitions and os-ken, and against captured flow shapes."""

from __future__ import annotations

import pytest
from support.interpreter import os_ken

import vlcp.protocol.openflow.defs.openflow13 as of13
from vlcp.service.sdn._flows.decode import (
    WireError,
    actions_of_structures,
    canonical_instructions,
    canonical_match,
    flow_entries,
    group_entries,
    match_of_structures,
)
from vlcp.service.sdn._flows.encode import (
    BUNDLE_OPEN,
    Encoder,
    Layout,
    bundle_add,
    bundle_control,
    cookie_of,
)
from vlcp.service.sdn._flows.spec import (
    DEFAULT_PRIORITY,
    FLAG_HAIRPIN,
    MULTICAST_BIT,
    Flow,
    Group,
    NeedsNicira,
    Sweep,
    drop,
    goto_next,
    group,
    learn,
    learn_load_field,
    learn_load_value,
    learn_match_field,
    learn_match_value,
    load,
    match,
    move,
    output,
    pop_vlan,
    push_vlan,
    resubmit,
    set_field,
    to_controller,
    to_input_port,
)

TABLES = {"ingress": 0, "l2input": 1, "l2output": 4, "l2learning": 5, "egress": 6}
NEXT = {"ingress": "l2input", "l2input": "l2output", "l2output": "egress"}
EPOCH = 5
MAC = b"\x02\0\0\0\0\x01"
REGISTERS = Encoder(Layout(TABLES, NEXT, True, EPOCH))
METADATA = Encoder(Layout(TABLES, NEXT, False, EPOCH))


def oxm(name, value, mask=None):
    return of13.create_oxm(getattr(of13, name), value, mask)


def flow_mod(table, priority, oxms, instructions, cookie=0, hard=0, command=None):
    return of13.ofp_flow_mod(
        cookie=EPOCH << 49 | cookie,
        table_id=table,
        command=of13.OFPFC_ADD if command is None else command,
        priority=priority,
        hard_timeout=hard,
        buffer_id=of13.OFP_NO_BUFFER,
        out_port=of13.OFPP_ANY,
        out_group=of13.OFPG_ANY,
        match=of13.ofp_match_oxm(oxm_fields=oxms),
        instructions=instructions,
    )


def apply(*actions):
    return of13.ofp_instruction_actions(type=of13.OFPIT_APPLY_ACTIONS, actions=list(actions))


def setting(name, value):
    return of13.ofp_action_set_field(field=oxm(name, value))


def goto(table):
    return of13.ofp_instruction_goto_table(table_id=table)


POP_VLAN = of13.ofp_action.parse(bytes.fromhex("0012000800000000"))[0]
CLEAR = of13.ofp_instruction_actions(type=of13.OFPIT_CLEAR_ACTIONS)

REGISTER_CASES = {
    "drop": (
        Flow("l2input", DEFAULT_PRIORITY, match(eth_src=(MULTICAST_BIT, MULTICAST_BIT)), drop()),
        flow_mod(1, 0x8000, [oxm("OXM_OF_ETH_SRC_W", b"\x01" + bytes(5), b"\x01" + bytes(5))], [CLEAR]),
    ),
    "ingress of a logical port": (
        Flow(
            "ingress",
            DEFAULT_PRIORITY,
            match(in_port=3),
            set_field(in_net=1, out_net=1, out_port=0xFFFFFFFF, flags=0x4000) + (goto_next(),),
        ),
        flow_mod(
            0,
            0x8000,
            [oxm("OXM_OF_IN_PORT", 3)],
            [
                apply(
                    setting("NXM_NX_REG4", 1),
                    setting("NXM_NX_REG5", 1),
                    setting("NXM_NX_REG6", 0xFFFFFFFF),
                    setting("NXM_NX_REG7", 0x4000),
                ),
                goto(1),
            ],
        ),
    ),
    "egress of a physical VLAN port": (
        Flow(
            "egress",
            DEFAULT_PRIORITY,
            match(flags=(FLAG_HAIRPIN, FLAG_HAIRPIN), out_port=2, out_net=4, in_port=2),
            (push_vlan(), *set_field(vlan_vid=0x1000 + 1000), to_input_port()),
            cookie=0x1000000020004,
        ),
        flow_mod(
            6,
            0x8000,
            [
                oxm("OXM_OF_IN_PORT", 2),
                oxm("NXM_NX_REG5", 4),
                oxm("NXM_NX_REG6", 2),
                oxm("NXM_NX_REG7_W", 0x8000, 0x8000),
            ],
            [
                apply(
                    of13.ofp_action_push(type=of13.OFPAT_PUSH_VLAN, ethertype=0x8100),
                    setting("OXM_OF_VLAN_VID", 0x1000 + 1000),
                    of13.ofp_action_output(port=of13.OFPP_IN_PORT),
                )
            ],
            0x1000000020004,
        ),
    ),
    "broadcast group": (
        Flow("egress", DEFAULT_PRIORITY, match(out_net=4), (pop_vlan(), group(4), output(7))),
        flow_mod(
            6,
            0x8000,
            [oxm("NXM_NX_REG5", 4)],
            [
                apply(
                    POP_VLAN,
                    of13.ofp_action_group(group_id=4),
                    of13.ofp_action_output(port=7),
                )
            ],
        ),
    ),
    "learning row": (
        Flow(
            "l2input",
            0,
            (),
            (
                learn(
                    "l2learning",
                    [
                        learn_match_field("out_net", "in_net"),
                        learn_match_field("eth_dst", "eth_src"),
                        learn_load_field("out_port", "in_port"),
                    ],
                    cookie=2,
                    hard_s=300,
                ),
                goto_next(),
            ),
            cookie=1,
        ),
        flow_mod(
            1,
            0,
            [],
            [
                apply(
                    of13.nx_action_learn(
                        hard_timeout=300,
                        priority=0x8000,
                        cookie=EPOCH << 49 | 2,
                        table_id=5,
                        specs=[
                            of13.create_nxfms_matchfield(of13.NXM_NX_REG4, of13.NXM_NX_REG5),
                            of13.create_nxfms_matchfield(of13.OXM_OF_ETH_SRC, of13.OXM_OF_ETH_DST),
                            of13.create_nxfms_loadfield(of13.OXM_OF_IN_PORT, of13.NXM_NX_REG6),
                        ],
                    )
                ),
                goto(4),
            ],
            1,
        ),
    ),
    "constants of learned rows, moves, loads and resubmits": (
        Flow(
            "l2output",
            1,
            match(eth_type=0x806, arp_op=1, arp_tpa="10.0.0.1"),
            (
                learn("l2learning", [learn_match_value("eth_type", 0x800), learn_load_value("flags", 0, 1, 1)]),
                move("arp_spa", "arp_tpa"),
                load("flags", 15, 1, 1),
                resubmit("l2learning"),
                to_controller(32),
            ),
            hard_s=60,
        ),
        flow_mod(
            4,
            1,
            [oxm("OXM_OF_ETH_TYPE", 0x806), oxm("OXM_OF_ARP_OP", 1), oxm("OXM_OF_ARP_TPA", b"\x0a\0\0\x01")],
            [
                apply(
                    of13.nx_action_learn(
                        priority=0x8000,
                        cookie=EPOCH << 49,
                        table_id=5,
                        specs=[
                            of13.create_nxfms_matchvalue(of13.OXM_OF_ETH_TYPE, 0x800),
                            of13.create_nxfms_loadvalue(of13.NXM_NX_REG7, 1, 0, 1),
                        ],
                    ),
                    of13.nx_action_reg_move(n_bits=32, src=of13.OXM_OF_ARP_SPA, dst=of13.OXM_OF_ARP_TPA),
                    of13.nx_action_reg_load(ofs_nbits=15 << 6, dst=of13.NXM_NX_REG7, value=1),
                    of13.nx_action_resubmit(in_port=0xFFF8, table=5),
                    of13.ofp_action_output(port=of13.OFPP_CONTROLLER, max_len=32),
                )
            ],
            hard=60,
        ),
    ),
}

METADATA_CASES = {
    "ingress of a logical port": (
        REGISTER_CASES["ingress of a logical port"][0],
        flow_mod(
            0,
            0x8000,
            [oxm("OXM_OF_IN_PORT", 3)],
            [
                of13.ofp_instruction_write_metadata(metadata=0x100014000FFFF, metadata_mask=0xFFFFFFFFFFFFFFFF),
                goto(1),
            ],
        ),
    ),
    "unicast": (
        Flow("l2output", 0x8002, match(out_net=4, eth_dst=MAC), (*set_field(out_port=6), goto_next()), 3),
        flow_mod(
            4,
            0x8002,
            [oxm("OXM_OF_METADATA_W", 0x400000000, 0xFFFF00000000), oxm("OXM_OF_ETH_DST", MAC)],
            [of13.ofp_instruction_write_metadata(metadata=6, metadata_mask=0xFFFF), goto(6)],
            3,
        ),
    ),
    "hairpin": (
        Flow("egress", 0x8000, match(out_net=1, out_port=5, flags=(0x8000, 0x8000), in_port=5), (to_input_port(),)),
        flow_mod(
            6,
            0x8000,
            [oxm("OXM_OF_IN_PORT", 5), oxm("OXM_OF_METADATA_W", 0x180000005, 0xFFFF8000FFFF)],
            [apply(of13.ofp_action_output(port=of13.OFPP_IN_PORT))],
        ),
    ),
}


@pytest.mark.parametrize("name", REGISTER_CASES)
def test_rows_in_register_layout_have_the_bytes_of_the_struct_definitions(name):
    flow, expected = REGISTER_CASES[name]
    assert REGISTERS.flow_add(flow).hex() == expected._tobytes().hex()


@pytest.mark.parametrize("name", METADATA_CASES)
def test_rows_in_metadata_layout_have_the_bytes_of_the_struct_definitions(name):
    flow, expected = METADATA_CASES[name]
    assert METADATA.flow_add(flow).hex() == expected._tobytes().hex()


@pytest.mark.parametrize("name", REGISTER_CASES)
def test_every_message_is_read_back_by_the_struct_parser(name):
    data = REGISTERS.flow_add(REGISTER_CASES[name][0])
    message, size = of13.ofp_msg.parse(data)
    assert (size, message._tobytes()) == (len(data), data)


def test_groups_have_the_bytes_of_the_struct_definitions():
    row = Group(4, "all", ((output(6),), (push_vlan(), *set_field(vlan_vid=0x13E8), output(2))))
    for exists, command in ((False, of13.OFPGC_ADD), (True, of13.OFPGC_MODIFY)):
        expected = of13.ofp_group_mod(
            command=command,
            type=of13.OFPGT_ALL,
            group_id=4,
            buckets=[
                of13.ofp_bucket(watch_port=of13.OFPP_ANY, watch_group=of13.OFPG_ANY, actions=[of13.ofp_action_output(port=6)]),
                of13.ofp_bucket(
                    watch_port=of13.OFPP_ANY,
                    watch_group=of13.OFPG_ANY,
                    actions=[
                        of13.ofp_action_push(type=of13.OFPAT_PUSH_VLAN, ethertype=0x8100),
                        setting("OXM_OF_VLAN_VID", 0x13E8),
                        of13.ofp_action_output(port=2),
                    ],
                ),
            ],
        )
        assert REGISTERS.group_set(row, exists).hex() == expected._tobytes().hex()


def test_deletes_have_the_bytes_of_the_struct_definitions():
    key = Flow("l2output", 7, match(out_net=4), drop()).key
    expected = flow_mod(4, 7, [oxm("NXM_NX_REG5", 4)], [], command=of13.OFPFC_DELETE_STRICT)
    expected.cookie = 0
    assert REGISTERS.flow_delete(key).hex() == expected._tobytes().hex()
    expected = flow_mod(5, 0, [oxm("NXM_NX_REG5", 4)], [], command=of13.OFPFC_DELETE)
    expected.cookie = 0
    assert REGISTERS.sweep(Sweep("l2learning", match(out_net=4))).hex() == expected._tobytes().hex()


def test_deletes_of_other_epochs_cover_every_epoch_but_ours():
    deletes = [of13.ofp_msg.parse(data)[0] for data in REGISTERS.delete_other_epochs()]

    def survives(cookie):
        return all(cookie & delete.cookie_mask != delete.cookie for delete in deletes)

    assert [epoch for epoch in range(1 << 15) if survives(epoch << 49 | 0x1000000020004)] == [EPOCH]


def test_a_message_of_a_bundle_is_wrapped_whole():
    inner = REGISTERS.flow_add(REGISTER_CASES["drop"][0])
    outer = bundle_add(9, inner)
    assert outer[24:] == inner
    assert outer[:24].hex() == f"0404{24 + len(inner):04x}000000004f4e4600000008fd0000000900000003"
    assert bundle_control(9, BUNDLE_OPEN).hex() == "04040018000000004f4e4600000008fc0000000900000003"


def test_os_ken_reads_the_same_row():
    parser = os_ken("ofproto_v1_3_parser")
    datapath = os_ken("ofproto_protocol").ProtocolDesc(version=4)
    data = REGISTERS.flow_add(REGISTER_CASES["egress of a physical VLAN port"][0])
    message = parser.OFPFlowMod.parser(datapath, 4, 14, len(data), 0, bytearray(data))
    assert (message.table_id, message.priority, cookie_of(message.cookie)) == (6, 0x8000, 0x1000000020004)
    assert dict(message.match.items()) == {"in_port": 2, "reg5": 4, "reg6": 2, "reg7": (0x8000, 0x8000)}


def test_actions_of_a_switch_with_extensions_are_refused_without_them():
    for do in ((resubmit("l2learning"),), (move("arp_spa", "arp_tpa"),), set_field(reg0=1)):
        with pytest.raises(NeedsNicira, match="needs the Nicira extensions"):
            METADATA.flow_add(Flow("l2output", 1, (), do))
    with pytest.raises(NeedsNicira):
        METADATA.flow_add(Flow("l2output", 1, match(tun_dst="10.0.0.1"), drop()))


def test_unknown_tables_and_paths_without_end_are_refused_by_name():
    with pytest.raises(ValueError, match="no such flow table: 'nowhere'"):
        REGISTERS.flow_add(Flow("nowhere", 1, (), drop()))
    with pytest.raises(ValueError, match="'l2learning' has no next one"):
        REGISTERS.flow_add(Flow("l2learning", 1, (), (goto_next(),)))


def test_structures_of_a_driver_become_rows():
    oxms = [oxm("OXM_OF_VLAN_VID", 0x13E8), oxm("OXM_OF_ETH_DST_W", MAC, b"\xff" * 6)]
    assert match_of_structures(oxms) == match(vlan_vid=0x13E8, eth_dst=MAC)
    actions = [
        of13.ofp_action_push(type=of13.OFPAT_PUSH_VLAN, ethertype=0x8100),
        setting("OXM_OF_VLAN_VID", 0x13E8),
        of13.ofp_action_output(port=2),
        of13.ofp_action_group(group_id=9),
    ]
    assert actions_of_structures(actions) == (push_vlan(), *set_field(vlan_vid=0x13E8), output(2), group(9))


def test_an_unknown_action_of_a_driver_keeps_its_bytes():
    action = of13.nx_action_reg_load(ofs_nbits=15 << 6, dst=of13.NXM_NX_REG7, value=1)
    row = Flow("egress", 1, (), actions_of_structures([action]))
    assert action._tobytes() in REGISTERS.flow_add(row)


def test_the_order_and_spelling_of_a_switch_do_not_matter():
    ours = REGISTERS.match(match(eth_type=0x806, arp_op=1, tun_id=5))
    fields = [
        oxm("NXM_NX_TUN_ID", (5).to_bytes(8, "big")),
        oxm("OXM_OF_ARP_OP", 1),
        oxm("OXM_OF_ETH_TYPE", 0x806),
    ]
    theirs = of13.ofp_match_oxm(oxm_fields=fields)._tobytes()
    assert ours != theirs
    assert canonical_match(ours) == canonical_match(theirs)
    load_whole = apply(of13.nx_action_reg_load(ofs_nbits=31, dst=of13.NXM_NX_REG6, value=3))
    set_whole = apply(setting("NXM_NX_REG6", 3))
    assert canonical_instructions(load_whole._tobytes()) == canonical_instructions(set_whole._tobytes())


def test_flow_and_group_dumps_are_read_as_the_struct_parser_writes_them():
    row, message = REGISTER_CASES["learning row"]
    stats = of13.ofp_flow_stats(
        table_id=1, priority=0, cookie=message.cookie, match=message.match, instructions=message.instructions
    )._tobytes()
    first, second = flow_entries(stats + stats)
    assert first == second
    assert (first.table_id, first.cookie, first.instructions) == (1, message.cookie, stats[-len(first.instructions) :])
    desc = of13.ofp_group_desc(
        type=of13.OFPGT_ALL, group_id=4, buckets=[of13.ofp_bucket(actions=[of13.ofp_action_output(port=6)])]
    )
    assert list(group_entries(desc._tobytes())) == [(4, 0, ((output(6),),))]


@pytest.mark.parametrize("reader", [flow_entries, group_entries])
def test_every_cut_of_a_dump_is_refused_and_never_loops(reader):
    row, message = REGISTER_CASES["learning row"]
    data = of13.ofp_flow_stats(table_id=1, match=message.match, instructions=message.instructions)._tobytes()
    if reader is group_entries:
        data = of13.ofp_group_desc(group_id=4, buckets=[of13.ofp_bucket()])._tobytes()
    for cut in range(1, len(data)):
        with pytest.raises(WireError):
            list(reader(data[:cut]))
    for position in range(len(data)):
        broken = data[:position] + b"\xff" + data[position + 1 :]
        try:
            list(reader(broken))
        except WireError:
            continue
