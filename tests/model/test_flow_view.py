"""The view's journal and indices, network numbers and table numbers, against brute force."""

from __future__ import annotations

import random

import pytest

from vlcp.service.sdn._flows.ids import FIRST, LAST, Numbers
from vlcp.service.sdn._flows.tables import allocate
from vlcp.service.sdn._flows.view import JOURNAL_LIMIT, NetRecord, PhysicalPortRecord, PortRecord, SwitchView


def port(key, number, network="net_a"):
    return PortRecord(key, number, network, 1, number, None, None, 1)


@pytest.mark.parametrize("seed", range(40))
def test_the_journal_names_every_key_that_changed_since_a_version(seed):
    rng, view, model, marks = random.Random(seed), SwitchView(), {}, {-1: {}, 0: {}}
    for _ in range(100):
        key = f"p{rng.randrange(9)}"
        record = None if rng.random() < 0.3 else port(key, rng.randrange(3), rng.choice("ab"))
        view.update({key: record}, {}, {})
        model = {name: known for name, known in {**model, key: record}.items() if known is not None}
        marks.setdefault(view.version, model)
        since = rng.choice([version for version in marks if version >= 0])
        change = view.changes_since(since)
        really = {name for name in {**model, **marks[since]} if model.get(name) != marks[since].get(name)}
        assert really <= change.ports
        assert {record.key for record in view.ports_of("a")} == {n for n, r in model.items() if r.network == "a"}
    assert view.changes_since(-1) is None


def test_who_is_too_far_behind_looks_at_everything():
    view = SwitchView()
    for n in range(JOURNAL_LIMIT + 2):
        view.update({"p": port("p", n)}, {}, {})
    assert view.changes_since(0) is None
    assert view.changes_since(view.version - 1).ports == {"p"}
    assert not view.changes_since(view.version)


def test_the_same_record_again_is_no_change():
    view = SwitchView()
    assert view.update({"p": port("p", 1)}, {}, {})
    assert not view.update({"p": port("p", 1), "q": None}, {}, {})
    assert view.version == 1


def test_networks_and_physical_ports_are_found_by_their_physical_network():
    view = SwitchView()
    view.update({}, {"n": NetRecord("n", 1, "phys", "vlan", 1)}, {"b": PhysicalPortRecord("b", 2, "phys", "vlan", 1)})
    assert [record.key for record in view.networks_of("phys")] == ["n"]
    assert [record.key for record in view.physical_ports_of("phys")] == ["b"]
    assert view.physical_ports_of(None) == []
    view.update({}, {"n": None}, {"b": None})
    assert (view.networks_of("phys"), view.physical_ports_of("phys")) == ([], [])


def test_numbers_are_given_in_the_order_of_first_sight_and_kept():
    numbers = Numbers()
    assert [numbers.assign(key) for key in "abca"] == [1, 2, 3, 1]
    numbers.release("b")
    assert numbers.assign("d") == 4


def test_stored_numbers_survive_and_wrong_ones_are_left_out():
    numbers = Numbers({"a": 7, "b": 7, "c": 0, "d": LAST + 1, "e": "5"})
    assert numbers.frozen() == {"a": 7}
    assert numbers.assign("x") == 8


def test_when_numbers_have_run_out_the_smallest_free_one_is_given():
    numbers = Numbers({f"n{n}": n for n in range(FIRST, LAST + 1)})
    with pytest.raises(ValueError, match="no number is left for 'x': 65534 are in use"):
        numbers.assign("x")
    numbers.release(["n5", "n9"])
    assert [numbers.assign("x"), numbers.assign("y")] == [5, 9]


L2 = (
    ("l2input", ("ingress",), ""),
    ("l2output", ("l2input",), ""),
    ("egress", ("l2output", "l2learning"), ""),
    ("l2learning", ("l2output",), "l2learning"),
)
IO = (("ingress", (), ""), ("egress", ("ingress",), ""))
ALL = {
    "ioprocessing": (IO, [""]),
    "l2switch": (L2, [""]),
    "arpresponder": (
        (("arp", ("l2input",), ""), ("l3input", ("arp",), ""), ("l2output", ("l3input",), ""), ("egress", ("l2output",), "")),
        [""],
    ),
    "icmpresponder": ((("l3input", ("l2input",), ""), ("l2output", ("l3input",), "")), [""]),
    "l3router": (
        (("l3router", ("l3input",), "router"), ("l3output", ("l3router",), "l3"), ("l2output", ("l3output",), "")),
        [""],
    ),
    "vxlancast": (
        (
            ("vxlaninput", ("l2input",), ""),
            ("l3input", ("vxlaninput",), ""),
            ("l2output", ("l3input",), ""),
            ("vxlanoutput", ("l2output", "vxlaninput"), ""),
            ("egress", ("vxlanoutput", "vxlanlearning"), ""),
            ("vxlanlearning", ("vxlanoutput",), "vxlanlearning"),
        ),
        [""],
    ),
    "vxlanvtep": ((), [""]),
}


def test_all_modules_of_the_manual_get_the_numbers_of_the_captured_dumps():
    result = allocate(ALL)[""]
    assert [name for name, _ in result.tables] == (
        "ingress l2input vxlaninput arp l3input l3router l3output l2output vxlanoutput vxlanlearning l2learning egress"
    ).split()
    assert [number for _, number in result.paths[""]] == [0, 1, 2, 3, 4, 7, 8, 11]
    assert result.next_tables()["l2output"] == "vxlanoutput"
    assert "egress" not in result.next_tables()


@pytest.mark.parametrize("seed", range(50))
def test_ancestors_come_first_and_the_order_of_loading_does_not_matter(seed):
    rng = random.Random(seed)
    names = [f"t{n}" for n in range(12)]
    requests = {
        f"m{m}": ([(names[n], rng.sample(names[:n], min(n, 2)), "") for n in rng.sample(range(12), 6)], [""]) for m in range(4)
    }
    shuffled = dict(rng.sample(sorted(requests.items()), 4))
    result = allocate(requests)[""]
    assert result == allocate(shuffled)[""]
    number = dict(result.tables)
    for rows, _ in requests.values():
        for name, before, _ in rows:
            assert all(number[other] < number[name] for other in before if other in number)


def test_a_table_requested_for_two_paths_is_refused_with_both_named():
    with pytest.raises(ValueError, match="'a' is requested for two paths: '' and 'x'"):
        allocate({"m": ([("a", (), ""), ("a", (), "x")], [""])})


def test_a_cycle_is_refused_with_its_tables_and_the_vhost():
    with pytest.raises(ValueError, match="vHost 'v' are ancestors of each other: a -> b -> a"):
        allocate({"m": ([("a", ("b",), ""), ("b", ("a",), ""), ("c", ("a",), "")], ["v"])})


def test_too_many_tables_are_refused_with_the_number():
    with pytest.raises(ValueError, match="256 tables are requested in vHost ''"):
        allocate({"m": ([(f"t{n}", (), "") for n in range(256)], [""])})


def test_a_module_of_all_vhosts_takes_part_in_those_that_others_name():
    result = allocate({"io": (IO, None), "l2": (L2, ["", "v"])})
    assert sorted(result) == ["", "v"]
    assert dict(result["v"].tables) == {"ingress": 0, "l2input": 1, "l2output": 2, "l2learning": 3, "egress": 4}
