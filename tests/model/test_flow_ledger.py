"""The ledger, the diff and the parts against ten-line models, under random changes."""

from __future__ import annotations

import random

import pytest

from vlcp.service.sdn._flows.diff import Changes, RowConflict, Table, apply, diff, table_of
from vlcp.service.sdn._flows.ledger import RETRY_S, Ledger
from vlcp.service.sdn._flows.parts import Part, PartRows
from vlcp.service.sdn._flows.spec import Flow, Group, Sweep, match, output


def random_row(rng):
    kind = rng.randrange(6)
    if kind == 0:
        return Group(rng.randrange(5), "all", ((output(rng.randrange(3)),),))
    if kind == 1:
        return Sweep("learned", match(out_net=rng.randrange(4)))
    return Flow("t", rng.randrange(3), match(in_port=rng.randrange(4)), (output(rng.randrange(3)),))


def random_table(rng):
    rows = {}
    for _ in range(rng.randrange(25)):
        row = random_row(rng)
        rows[type(row), row.key] = row
    return list(rows.values())


@pytest.mark.parametrize("seed", range(200))
def test_a_table_after_its_diff_is_the_wanted_table(seed):
    rng = random.Random(seed)
    old, new = random_table(rng), random_table(rng)
    result, wanted = apply(table_of(old), diff(table_of(old), new)), table_of(new)
    assert (result.flows, result.groups) == (wanted.flows, wanted.groups)
    assert set(result.sweeps) == set(table_of(old).sweeps) & set(wanted.sweeps)


def test_equal_tables_differ_in_nothing():
    rows = random_table(random.Random(5))
    assert diff(table_of(rows), rows) == Changes()


def test_two_different_rows_of_one_key_are_a_conflict_that_names_both():
    with pytest.raises(RowConflict, match="two rows for"):
        table_of([Flow("t", 1, (), (output(1),)), Flow("t", 1, (), (output(2),))])


class SwitchModel:
    """Obeys all it is told, but for keys that it refuses."""

    def __init__(self):
        self.table = Table({}, {}, {})
        self.refusing = set()

    def send(self, changes):
        errors = {}
        accepted = {name: list(getattr(changes, name)) for name in Changes._fields}
        for name in ("flows_set", "groups_set"):
            for row in getattr(changes, name):
                if row.key in self.refusing:
                    errors[name, row.key] = "refused by the model"
                    accepted[name].remove(row)
        self.table = apply(self.table, Changes(**{name: tuple(rows) for name, rows in accepted.items()}))
        return errors


def wanted_table(owners):
    """What the switch should hold: the earliest claim of each key, but for sweeps, which a switch does not see."""
    return {row.key: row.data for rows in owners.values() for row in rows if isinstance(row, Flow)}


def deliver(ledger, switch, now):
    changes = ledger.pending(now)
    ledger.settle(changes, switch.send(changes), now)
    return changes


@pytest.mark.parametrize("seed", range(60))
def test_after_random_wants_refusals_and_new_epochs_the_switch_holds_what_is_wanted(seed):
    rng = random.Random(seed)
    ledger, switch, owners, now = Ledger(), SwitchModel(), {}, 0.0
    for _ in range(60):
        now += rng.random() * RETRY_S
        owner = rng.choice("abc")
        rows = [row._replace(table=owner) if isinstance(row, Flow) else row for row in random_table(rng)]
        owners[owner] = [row for row in rows if isinstance(row, Flow)]
        ledger.want(owner, owners[owner])
        switch.refusing = {("a", 1, match(in_port=1))} if rng.random() < 0.3 else set()
        if rng.random() < 0.1:
            ledger.new_epoch()
            switch.table = Table({}, {}, {})
        deliver(ledger, switch, now)
    switch.refusing = set()
    ledger.want("d", ())
    deliver(ledger, switch, now + RETRY_S)
    assert switch.table.flows == wanted_table(owners)
    assert ledger.owed() == 0


def test_a_refused_row_is_owed_with_its_reason_and_sent_again_after_thirty_seconds():
    ledger, switch = Ledger(), SwitchModel()
    row = Flow("t", 1, (), (output(1),))
    ledger.want("owner", [row])
    switch.refusing = {row.key}
    deliver(ledger, switch, 100.0)
    assert ledger.owed() == 1
    assert ledger.refused() == [(row.key, "refused by the model", (("owner", None),))]
    assert deliver(ledger, switch, 129.0) == Changes()
    switch.refusing = set()
    assert deliver(ledger, switch, 130.0).flows_set == (row,)
    assert (ledger.owed(), ledger.refused()) == (0, [])


def test_a_refused_row_is_sent_at_once_when_its_owner_wants_something_new():
    ledger, switch = Ledger(), SwitchModel()
    row, other = Flow("t", 1, (), (output(1),)), Flow("t", 1, (), (output(2),))
    switch.refusing = {row.key}
    ledger.want("owner", [row])
    deliver(ledger, switch, 0.0)
    switch.refusing = set()
    ledger.want("owner", [other])
    assert deliver(ledger, switch, 1.0).flows_set == (other,)


def test_one_refused_row_does_not_hold_up_the_others():
    ledger, switch = Ledger(), SwitchModel()
    rows = [Flow("t", n, (), (output(1),)) for n in range(5)]
    switch.refusing = {rows[2].key}
    ledger.want("owner", rows)
    deliver(ledger, switch, 0.0)
    assert len(switch.table.flows) == 4
    assert len(ledger.installed().flows) == 4


def test_the_same_row_of_two_owners_stays_until_both_have_left():
    ledger, switch = Ledger(), SwitchModel()
    row = Flow("t", 1, (), (output(1),))
    ledger.want("a", [row])
    ledger.want("b", [row])
    deliver(ledger, switch, 0.0)
    ledger.leave("a")
    assert deliver(ledger, switch, 0.0) == Changes()
    ledger.leave("b")
    assert deliver(ledger, switch, 0.0).flows_gone == (row.key,)


def test_of_two_conflicting_rows_the_earlier_stays_and_the_later_follows_it():
    ledger, switch = Ledger(), SwitchModel()
    first, second = Flow("t", 1, (), (output(1),)), Flow("t", 1, (), (output(2),))
    ledger.want("a", [first])
    ledger.want("b", [second])
    assert [conflict.key for conflict in ledger.conflicts] == [first.key]
    deliver(ledger, switch, 0.0)
    assert switch.table.flows == {first.key: first.data}
    ledger.leave("a")
    deliver(ledger, switch, 0.0)
    assert switch.table.flows == {second.key: second.data}


def test_rows_of_an_earlier_instance_stay_until_the_new_one_is_complete():
    ledger, switch = Ledger(), SwitchModel()
    old, both = Flow("t", 1, (), (output(1),)), Flow("t", 2, (), (output(1),))
    ledger.want_part("m", "old", [old])
    ledger.want_part("m", "both", [both])
    ledger.complete("m")
    deliver(ledger, switch, 0.0)
    ledger.arrive("m")
    ledger.expect(["m"])
    assert ledger.waiting_for() == ["m"]
    ledger.want_part("m", "both", [both])
    assert deliver(ledger, switch, 0.0) == Changes()
    assert ledger.complete("m")
    assert deliver(ledger, switch, 0.0).flows_gone == (old.key,)
    assert ledger.waiting_for() == []


def test_a_new_epoch_owes_every_wanted_row():
    ledger, switch = Ledger(), SwitchModel()
    rows = [Flow("t", n, (), (output(1),)) for n in range(5)] + [Group(1, "all", ())]
    ledger.want("owner", rows)
    deliver(ledger, switch, 0.0)
    ledger.new_epoch()
    assert ledger.owed() == 6
    changes = deliver(ledger, switch, 0.0)
    assert len(changes.flows_set) == 5
    assert changes.groups_set == (rows[-1],)


def test_what_was_taken_and_not_sent_is_owed_again():
    ledger = Ledger()
    ledger.want("owner", [Flow("t", 1, (), (output(1),))])
    changes = ledger.pending(0.0)
    ledger.put_back(changes)
    assert ledger.pending(0.0) == changes


def test_rows_are_sent_in_the_order_in_which_they_were_wanted():
    ledger = Ledger()
    rows = [Flow("t", 1, match(in_port=number), (output(number),)) for number in (5, 3, 9, 1, 7)]
    ledger.want("owner", rows)
    assert ledger.pending(0.0).flows_set == tuple(rows)


def test_the_dump_says_why_each_row_is_there():
    ledger = Ledger()
    ledger.want_part("l2switch", "port-1", [Flow("t", 1, (), (output(1),))])
    assert [(row["kind"], row["sources"], row["state"]) for row in ledger.dump()] == [("flow", [("l2switch", "port-1")], "owed")]


def rows_of(part):
    """Rows of a random part: a number decides how many and what."""
    yield Flow(part.key, 0, (), (output(part.inputs),))
    for n in range(part.inputs % 3):
        yield Flow(part.key, n + 1, (), (output(n),))


@pytest.mark.parametrize("seed", range(60))
def test_parts_changed_one_by_one_give_the_same_rows_as_parts_from_nothing(seed):
    rng = random.Random(seed)
    ledger, switch, entities = Ledger(), SwitchModel(), {}
    parts = PartRows(ledger, "owner", rows_of)
    for _ in range(80):
        key = f"port{rng.randrange(8)}"
        if rng.random() < 0.3:
            entities.pop(key, None)
            parts.drop(key)
        else:
            entities[key] = rng.randrange(9)
            parts.put(Part(key, entities[key]))
        if rng.random() < 0.4:
            deliver(ledger, switch, 0.0)
    deliver(ledger, switch, 0.0)
    fresh = table_of(row for key, inputs in entities.items() for row in rows_of(Part(key, inputs)))
    assert switch.table.flows == fresh.flows


def test_a_part_with_the_same_inputs_is_not_computed_again():
    calls = []
    parts = PartRows(Ledger(), "owner", lambda part: calls.append(part) or ())
    parts.put(Part("a", 1))
    parts.put(Part("a", 1))
    parts.replace([Part("a", 1), Part("b", 1)])
    assert calls == [Part("a", 1), Part("b", 1)]


def test_a_part_whose_rows_cannot_be_computed_keeps_the_old_ones():
    ledger, switch = Ledger(), SwitchModel()

    def compute(part):
        if part.inputs == 2:
            raise ValueError("no")
        return [Flow("t", 1, (), (output(part.inputs),))]

    parts = PartRows(ledger, "owner", compute)
    parts.put(Part("a", 1))
    with pytest.raises(ValueError, match="no"):
        parts.put(Part("a", 2))
    deliver(ledger, switch, 0.0)
    assert len(switch.table.flows) == 1
    assert parts.put(Part("a", 3))


def test_a_group_whose_change_was_refused_is_removed_when_nobody_wants_it_any_more():
    ledger = Ledger()
    ledger.want_part("io", "net", [Group(2, "all", ((output(5),),))])
    ledger.new_epoch()
    changes = ledger.pending(0.0)
    ledger.settle(changes, {("groups_set", 2): "full"}, 0.0)
    ledger.groups.altered(2)
    assert ledger.pending(1.0) == Changes() and ledger.owed() == 1
    ledger.want_part("io", "net", [])
    assert ledger.pending(1.0).groups_gone == (2,)


def test_a_group_that_the_switch_has_altered_is_set_again_or_removed_and_a_missing_one_is_set_again():
    ledger = Ledger()
    rows = [Group(number, "all", ((output(5),),)) for number in (1, 2, 3)]
    for row in rows:
        ledger.want_part("io", row.group_id, [row])
    ledger.settle(ledger.pending(0.0), {}, 0.0)
    ledger.drifted(((), ()), ([1], [2, 3]))
    ledger.want_part("io", 3, [])
    changes = ledger.pending(0.0)
    assert changes.groups_set == tuple(rows[:2]) and changes.groups_gone == (3,)


def test_a_row_that_is_altered_or_renewed_is_removed_when_nobody_wants_it_any_more():
    ledger = Ledger()
    rows = [Flow("t", priority, (), (output(1),)) for priority in (1, 2)] + [Sweep("t", ())]
    for row in rows:
        ledger.want_part("io", row.key, [row])
    ledger.settle(ledger.pending(0.0), {}, 0.0)
    ledger.drifted(((), [rows[0].key]), ((), ()))
    ledger.renew("io", rows[1].key)
    ledger.renew("io", rows[2].key)
    assert not ledger.settled("io", rows[1].key) and ledger.owed() == 3
    for row in rows:
        ledger.want_part("io", row.key, [])
    changes = ledger.pending(0.0)
    assert changes.flows_gone == (rows[0].key, rows[1].key) and changes.swept == (rows[2],)


def test_a_group_without_buckets_is_owed_again_when_the_switch_has_others():
    ledger = Ledger()
    ledger.want_part("io", "net", [Group(2, "all", ())])
    ledger.settle(ledger.pending(0.0), {}, 0.0)
    ledger.groups.altered(2)
    assert ledger.pending(0.0).groups_set == (Group(2, "all", ()),)
