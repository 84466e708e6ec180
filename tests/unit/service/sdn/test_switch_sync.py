"""The sender of a switch: epochs, bundles, refusals, restarts and drift, on a fake switch without sockets."""

from __future__ import annotations

import struct

from support.fakeswitch import EXPERIMENTER, FLOW_MOD, GROUP_MOD, FakeSwitch
from support.flowsync import LAYOUT, SyncBench, on_manual_clock

from vlcp.service.sdn._flows.spec import (
    Flow,
    Group,
    Sweep,
    drop,
    goto_next,
    learn,
    learn_load_field,
    learn_match_field,
    match,
    output,
    set_field,
)
from vlcp.service.sdn._flows.spec import group as to_group
from vlcp.service.sdn._flows.sync import SyncSettings

ROWS = [
    Flow("ingress", 0, (), drop()),
    Flow("ingress", 0x8000, match(in_port=3), (*set_field(in_net=1, out_net=1), goto_next()), 7),
    Group(1, "all", ((output(3),), (output(4),))),
    Flow("egress", 0x8000, match(out_net=1), (to_group(1),)),
]

GONE = struct.pack(">HBxI", 2, 0, 2)


def epochs(switch):
    return {row[3] >> 49 for row in switch.dump()}


def hand_flow(switch, kind, **changes):
    """Change the switch behind the controller's back."""
    flows = switch.tables.flows
    key = next(key for key, flow in flows.items() if kind(flow))
    if changes:
        for name, value in changes.items():
            setattr(flows[key], name, value)
    else:
        del flows[key]


@on_manual_clock
async def test_wanted_rows_arrive_with_one_epoch_and_their_own_cookies(container):
    switch = FakeSwitch()
    bench = SyncBench(container, switch)
    await bench.want("m", ROWS)
    assert len(switch.dump()) == 3
    assert sorted(row[3] & (1 << 49) - 1 for row in switch.dump()) == [0, 0, 7]
    assert epochs(switch) == {bench.sync.layout.epoch}
    assert switch.dump_groups()[0][0] == 1
    assert bench.sync.describe()["owed"] == 0


@on_manual_clock
async def test_apply_change_and_revert_gives_the_first_table(container):
    for bundles in (True, False):
        switch = FakeSwitch(bundles=bundles)
        bench = SyncBench(container, switch)
        await bench.want("m", ROWS)
        before = switch.dump(), switch.dump_groups()
        other = Flow("ingress", 0x8000, match(in_port=4), drop())
        await bench.want("m", [ROWS[0], Group(2, "all", ()), other, Flow("egress", 0x8000, match(out_net=1), drop())])
        assert len(switch.dump()) == 3
        assert [number for number, _, _ in switch.dump_groups()] == [2]
        await bench.want("m", ROWS)
        assert (switch.dump(), switch.dump_groups()) == before
        bench.sync.close()


@on_manual_clock
async def test_a_new_controller_replaces_rows_in_place_and_removes_what_is_left_only_when_all_are_complete(container):
    switch = FakeSwitch()
    first = SyncBench(container, switch)
    await first.want("m", ROWS)
    first.sync.close()
    before = switch.dump()
    second = SyncBench(container, switch, ("m", "other"))
    await second.want("m", ROWS[:2])
    assert switch.dump() == before
    assert second.sync.describe()["waiting_for"] == ["other"]
    sent = len(switch.received)
    await second.want("other", ())
    assert len(switch.dump()) == 2
    assert switch.dump_groups() == []
    assert epochs(switch) == {second.sync.layout.epoch} != {first.sync.layout.epoch}
    assert not [kind for kind, _, _ in switch.received[sent:] if kind in (FLOW_MOD, GROUP_MOD)], "not in a bundle"


@on_manual_clock
async def test_without_bundles_rows_are_replaced_one_by_one_and_nothing_is_missing_at_any_time(container):
    switch = FakeSwitch(bundles=False)
    first = SyncBench(container, switch)
    await first.want("m", ROWS)
    first.sync.close()
    lowest = []
    switch.refuse = lambda kind, xid, message: lowest.append(len(switch.tables.flows)) or None
    second = SyncBench(container, switch)
    await second.want("m", ROWS)
    assert min(lowest) == 3
    assert epochs(switch) == {second.sync.layout.epoch} != {first.sync.layout.epoch}
    assert len(switch.dump()) == 3


@on_manual_clock
async def test_rows_of_others_go_when_all_are_complete(container):
    switch = FakeSwitch()
    stranger = SyncBench(container, switch, layout=LAYOUT)
    await stranger.want("m", [Flow("egress", 5, (), drop()), Group(9, "all", ())])
    stranger.sync.close()
    bench = SyncBench(container, switch)
    await bench.want("m", ROWS[:1])
    assert len(switch.dump()) == 1
    assert switch.dump_groups() == []


@on_manual_clock
async def test_a_module_that_never_declares_does_not_hold_up_the_others_for_ever_and_loses_no_row(container):
    switch = FakeSwitch()
    first = SyncBench(container, switch)
    await first.want("m", ROWS)
    first.sync.close()
    second = SyncBench(container, switch, ("m", "never"), settings=SyncSettings(hold_s=30))
    new = Flow("egress", 77, (), drop())
    await second.want("m", [ROWS[0], new])
    assert len(switch.dump()) == 3
    await second.run(31)
    assert len(switch.dump()) == 4
    await second.want("never", ())
    assert len(switch.dump()) == 2


@on_manual_clock
async def test_tables_with_other_numbers_than_in_the_last_run_wait_for_all_modules(container):
    switch = FakeSwitch()
    first = SyncBench(container, switch)
    await first.want("m", ROWS)
    first.sync.close()
    before = switch.dump()
    layout = LAYOUT._replace(tables={name: number + 1 for name, number in LAYOUT.tables.items()})
    second = SyncBench(container, switch, ("m", "late"), layout, SyncSettings(hold_s=5))
    await second.want("m", ROWS)
    await second.run(60)
    assert switch.dump() == before
    await second.want("late", ())
    assert {row[0] for row in switch.dump()} == {1, 5}


@on_manual_clock
async def test_tables_with_other_numbers_are_flushed_where_there_are_no_bundles(container):
    switch = FakeSwitch(bundles=False)
    first = SyncBench(container, switch)
    await first.want("m", ROWS)
    first.sync.close()
    layout = LAYOUT._replace(tables={name: number + 1 for name, number in LAYOUT.tables.items()})
    second = SyncBench(container, switch, ("m", "late"), layout)
    await second.want("m", ROWS)
    assert {row[0] for row in switch.dump()} == {1, 5}


def refusing(priority, times=None):
    """Refuse flow mods of one priority, at most ``times`` times."""
    left = [times]

    def refuse(kind, xid, message):
        if kind == FLOW_MOD and struct.unpack_from(">H", message, 30)[0] == priority and left[0] != 0:
            left[0] = None if left[0] is None else left[0] - 1
            return 2, 10
        return None

    return refuse


@on_manual_clock
async def test_a_refused_row_is_owed_with_the_reason_and_the_others_are_installed(container):
    for bundles in (True, False):
        switch = FakeSwitch(bundles=bundles)
        switch.refuse = refusing(666)
        bench = SyncBench(container, switch)
        await bench.want("m", [*ROWS, Flow("egress", 666, (), (output(9),))])
        assert len(switch.dump()) == 3
        status = bench.sync.describe()
        assert status["owed"] == 1
        assert status["refused"][0]["row"] == "egress priority=666"
        assert status["refused"][0]["owners"] == ["m"]
        assert "OFPET_BAD_ACTION/" in status["refused"][0]["reason"]
        bench.sync.close()


@on_manual_clock
async def test_a_group_of_an_earlier_run_whose_removal_is_refused_goes_later(container):
    switch = FakeSwitch()
    before = SyncBench(container, switch)
    await before.want("m", [*ROWS, Group(2, "all", ((output(5),),))])
    before.sync.close()
    # A group mod with the command "delete" of group 2.
    switch.refuse = lambda kind, xid, message: (6, 0) if kind == GROUP_MOD and message[8:16] == GONE else None
    bench = SyncBench(container, switch)
    await bench.want("m", ROWS)
    await bench.run(5)
    assert [number for number, _, _ in switch.dump_groups()] == [1, 2]
    assert bench.sync.describe()["owed"] == 1
    switch.refuse = lambda kind, xid, message: None
    await bench.run(40)
    assert [number for number, _, _ in switch.dump_groups()] == [1]
    assert bench.sync.describe()["owed"] == 0


@on_manual_clock
async def test_a_refused_row_is_sent_again_after_thirty_seconds(container):
    switch = FakeSwitch()
    switch.refuse = refusing(666, 1)
    bench = SyncBench(container, switch)
    await bench.want("m", [Flow("egress", 666, (), drop())])
    await bench.run(20)
    assert switch.dump() == []
    await bench.run(11)
    assert len(switch.dump()) == 1
    assert bench.sync.describe()["refused"] == []


@on_manual_clock
async def test_a_group_whose_change_is_refused_once_has_the_wanted_buckets_in_the_end_also_none(container):
    switch = FakeSwitch()
    bench = SyncBench(container, switch)
    await bench.want("m", [Group(1, "all", ((output(3),),))])
    full = switch.dump_groups()
    switch.refuse = lambda kind, xid, message: (6, 0) if kind == GROUP_MOD else None
    await bench.want("m", [Group(1, "all", ())])
    assert switch.dump_groups() == full and bench.sync.describe()["owed"] == 1
    switch.refuse = lambda kind, xid, message: None
    await bench.run(40)
    assert switch.dump_groups() == [(1, 0, b"")] and bench.sync.describe()["owed"] == 0


@on_manual_clock
async def test_a_row_refused_inside_a_bundle_does_not_fail_the_bundle_for_the_others(container):
    switch = FakeSwitch()
    first = SyncBench(container, switch)
    await first.want("m", ROWS)
    first.sync.close()
    switch.refuse = refusing(666)
    second = SyncBench(container, switch)
    await second.want("m", [*ROWS, Flow("egress", 666, (), drop()), Flow("egress", 5, (), drop())])
    assert len(switch.dump()) == 4
    assert epochs(switch) == {second.sync.layout.epoch}
    assert [row["row"] for row in second.sync.describe()["refused"]] == ["egress priority=666"]


@on_manual_clock
async def test_a_row_that_cannot_be_encoded_is_refused_by_name_and_the_rest_is_sent(container):
    switch = FakeSwitch()
    bench = SyncBench(container, switch)
    await bench.want("m", [*ROWS, Flow("nowhere", 1, (), drop())])
    assert len(switch.dump()) == 3
    assert "no such flow table: 'nowhere'" in bench.sync.describe()["refused"][0]["reason"]


@on_manual_clock
async def test_a_replacement_is_one_bundle_and_an_addition_needs_none(container):
    switch = FakeSwitch()
    bench = SyncBench(container, switch)
    await bench.want("m", ROWS)
    sent = len(switch.received)
    await bench.want("m", [*ROWS, Flow("egress", 9, (), drop())])
    assert EXPERIMENTER not in [kind for kind, _, _ in switch.received[sent:]]
    sent = len(switch.received)
    await bench.want("m", [*ROWS, Flow("egress", 8, (), drop())])
    assert {kind for kind, _, _ in switch.received[sent:]} & {EXPERIMENTER, FLOW_MOD} == {EXPERIMENTER}


@on_manual_clock
async def test_renumbered_tables_change_in_one_bundle(container):
    switch = FakeSwitch()
    bench = SyncBench(container, switch)
    await bench.want("m", ROWS)
    tables = {name: number + 1 for name, number in LAYOUT.tables.items()}
    sizes = []
    switch.refuse = lambda kind, xid, message: sizes.append(len(switch.tables.flows)) or None
    assert bench.sync.relayout(LAYOUT._replace(tables=tables), ["m", "new"])
    await bench.run()
    assert {row[0] for row in switch.dump()} == {0, 4}
    await bench.want("new", ())
    assert {row[0] for row in switch.dump()} == {1, 5}
    assert not bench.sync.relayout(LAYOUT._replace(tables=tables), ["m"])


@on_manual_clock
async def test_renumbered_tables_without_bundles_are_flushed_and_written_again(container):
    switch = FakeSwitch(bundles=False)
    bench = SyncBench(container, switch)
    await bench.want("m", ROWS)
    bench.sync.relayout(LAYOUT._replace(tables={name: n + 1 for name, n in LAYOUT.tables.items()}), ["m"])
    await bench.run()
    assert {row[0] for row in switch.dump()} == {1, 5}
    assert len(switch.dump_groups()) == 1


@on_manual_clock
async def test_a_deleted_row_and_group_are_repaired_within_thirty_seconds_and_counted(container):
    switch = FakeSwitch()
    bench = SyncBench(container, switch)
    await bench.want("m", ROWS)
    before = switch.dump(), switch.dump_groups()
    hand_flow(switch, lambda flow: flow.priority == 0x8000)
    switch.tables.groups.clear()
    await bench.run(30)
    assert (switch.dump(), switch.dump_groups()) == before
    assert bench.sync.describe()["drift"]["repaired"] == 2


@on_manual_clock
async def test_an_altered_row_and_an_altered_group_are_repaired_and_counted(container):
    switch = FakeSwitch()
    bench = SyncBench(container, switch)
    await bench.want("m", ROWS)
    before = switch.dump(), switch.dump_groups()
    hand_flow(switch, lambda flow: flow.table == 4, instructions=b"")
    switch.tables.groups[1] = (0, b"")
    await bench.run(30)
    assert (switch.dump(), switch.dump_groups()) == before
    assert bench.sync.describe()["drift"]["repaired"] == 2


@on_manual_clock
async def test_a_foreign_row_and_group_are_removed_and_counted(container):
    switch = FakeSwitch()
    bench = SyncBench(container, switch)
    await bench.want("m", ROWS)
    before = switch.dump(), switch.dump_groups()
    stranger = bench.sync.encoder
    switch.feed(stranger.flow_add(Flow("l2output", 77, match(in_port=9), drop())))
    switch.feed(stranger.group_set(Group(55, "all", ()), False))
    await bench.run(30)
    assert (switch.dump(), switch.dump_groups()) == before
    assert bench.sync.describe()["drift"]["repaired"] == 2


@on_manual_clock
async def test_rows_that_the_switch_learned_are_no_drift_until_their_sweep_goes(container):
    switch = FakeSwitch()
    bench = SyncBench(container, switch)
    learner = learn("l2learning", [learn_match_field("out_net", "in_net"), learn_load_field("out_port", "in_port")], cookie=2)
    rows = [Flow("l2input", 0, (), (learner, goto_next())), Sweep("l2learning", match(out_net=1))]
    await bench.want("m", rows)
    switch.feed(bench.sync.encoder.flow_add(Flow("l2learning", 1, match(out_net=1, eth_dst="02:00:00:00:00:01"), drop())))
    await bench.run(60)
    assert len(switch.dump()) == 2
    assert bench.sync.describe()["drift"]["repaired"] == 0
    await bench.want("m", rows[:1])
    assert len(switch.dump()) == 1


@on_manual_clock
async def test_an_unchanged_switch_is_checked_and_nothing_is_sent_to_it(container):
    switch = FakeSwitch()
    bench = SyncBench(container, switch)
    await bench.want("m", ROWS)
    sent = len(switch.received)
    await bench.run(100)
    assert bench.sync.status.checks >= 9
    assert not {kind for kind, _, _ in switch.received[sent:]} & {FLOW_MOD, GROUP_MOD, EXPERIMENTER}


@on_manual_clock
async def test_rows_of_a_module_that_is_reloaded_stay(container):
    switch = FakeSwitch()
    bench = SyncBench(container, switch)
    await bench.want("m", ROWS)
    before = switch.dump()
    bench.ledger.arrive("m")
    bench.sync.wake()
    await bench.run(5)
    assert switch.dump() == before
    await bench.want("m", ROWS[:2])
    assert len(switch.dump()) == 2


@on_manual_clock
async def test_a_lost_connection_ends_the_sender_quietly(container):
    bench = SyncBench(container, FakeSwitch())
    await bench.want("m", ROWS)
    bench.connection.protocol.lost = True
    await bench.want("m", ROWS[:1])
    assert bench.ledger.owed() > 0


@on_manual_clock
async def test_rows_sent_to_a_switch_that_does_not_answer_are_sent_again(container):
    switch = FakeSwitch()
    bench = SyncBench(container, switch)
    await bench.want("m", ROWS[:1])
    bench.connection.protocol.silent = True
    await bench.want("m", ROWS)
    assert len(switch.dump()) == 1
    bench.connection.protocol.silent = False
    await bench.run(2)
    assert len(switch.dump()) == 3
    assert bench.ledger.owed() == 0


@on_manual_clock
async def test_what_a_switch_did_without_an_answer_is_undone_when_nobody_wants_it_any_more(container):
    for bundles in (True, False):
        switch = FakeSwitch(bundles=bundles)
        bench = SyncBench(container, switch, settings=SyncSettings(audit_s=None))
        await bench.want("m", ROWS[:2])
        before = switch.dump()
        bench.connection.protocol.unheard = True
        await bench.want("m", [*ROWS[1:], ROWS[0]._replace(cookie=5)])
        assert len(switch.dump()) == 3 and len(switch.dump_groups()) == 1
        bench.ledger.want("m", ROWS[:2])
        bench.connection.protocol.unheard = False
        await bench.run(3)
        assert [row[:3] for row in switch.dump()] == [row[:3] for row in before]
        assert [row[3] & (1 << 49) - 1 for row in switch.dump()] == [row[3] & (1 << 49) - 1 for row in before]
        assert switch.dump_groups() == [] and bench.ledger.owed() == 0
        bench.sync.close()


@on_manual_clock
async def test_a_group_that_a_switch_took_without_an_answer_is_changed_and_not_added_again(container):
    switch = FakeSwitch()
    bench = SyncBench(container, switch, settings=SyncSettings(audit_s=None))
    await bench.want("m", ROWS[:1])
    bench.connection.protocol.unheard = True
    await bench.want("m", ROWS)
    bench.connection.protocol.unheard = False
    await bench.run(3)
    assert bench.sync.describe()["refused"] == [] and bench.ledger.owed() == 0
    assert len(switch.dump()) == 3 and len(switch.dump_groups()) == 1


@on_manual_clock
async def test_drift_is_repaired_while_a_row_is_refused(container):
    switch = FakeSwitch()
    switch.refuse = refusing(666)
    bench = SyncBench(container, switch)
    await bench.want("m", [*ROWS, Flow("egress", 666, (), drop())])
    before = switch.dump()
    hand_flow(switch, lambda flow: flow.table == 4)
    await bench.run(30)
    assert switch.dump() == before


@on_manual_clock
async def test_while_a_module_has_not_declared_drift_is_repaired_and_old_rows_stay(container):
    switch = FakeSwitch()
    first = SyncBench(container, switch)
    await first.want("m", ROWS)
    first.sync.close()
    second = SyncBench(container, switch, ("m", "never"))
    await second.want("m", ROWS[:1])
    await second.run(31)
    assert len(epochs(switch)) == 2
    before = switch.dump(), switch.dump_groups()
    hand_flow(switch, lambda flow: flow.priority == 0)
    await second.run(30)
    assert (switch.dump(), switch.dump_groups()) == before
