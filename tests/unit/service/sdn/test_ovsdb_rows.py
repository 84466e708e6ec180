"""Monitored rows of both update formats, ports from them, and the books of connections and ports."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vlcp.service.sdn._connections import ConnectionBook, Station, endpoint_of
from vlcp.service.sdn._ovsdb_ports import PortBook, PortChanges, PortTable, record_of
from vlcp.service.sdn._ovsdb_rows import (
    BRIDGE_COLUMNS,
    PORT_COLUMNS,
    Bridge,
    OvsdbFormatError,
    Rows,
    bridges,
    datapath_number,
    system_id,
)


def uuids(*values):
    return ["set", [["uuid", value] for value in values]]


def interface(name, ofport, iface_id=None, **more):
    ids = ["map", [["iface-id", iface_id]] if iface_id else []]
    row = {"name": name, "ofport": ofport, "external_ids": ids, "ifindex": ["set", []], "type": "dummy"}
    return {**row, "options": ["map", []], **more}


def bridge_row(name, number, *ports):
    return {"name": name, "datapath_id": f"{number:016x}", "ports": uuids(*ports)}


INITIAL = {
    "Bridge": {"b1": {"new": bridge_row("br0", 0x10, "p1", "p2")}},
    "Port": {"p1": {"new": {"interfaces": ["uuid", "i1"]}}, "p2": {"new": {"interfaces": uuids("i2")}}},
    "Interface": {"i1": {"new": interface("eth1", 1, "lp-1")}, "i2": {"new": interface("eth2", ["set", []], "lp-2")}},
}


def loaded(names=None):
    table = PortTable(names)
    changes = table.apply(INITIAL)
    return (table, changes)


def test_ports_with_a_number_appear_with_their_record():
    _table, changes = loaded()
    record = {
        "name": "eth1",
        "ofport": 1,
        "_uuid": "i1",
        "external_ids": {"iface-id": "lp-1"},
        "ifindex": 0,
        "type": "dummy",
        "id": "lp-1",
    }
    assert changes == {0x10: PortChanges([record], [])}


def test_a_port_appears_when_the_switch_numbers_it_and_never_with_minus_one():
    table, _ = loaded()
    assert table.apply({"Interface": {"i2": {"modify": {"ofport": -1}}}}) == {}
    changes = table.apply({"Interface": {"i2": {"modify": {"ofport": 2}}}})
    assert [port["ofport"] for port in changes[0x10].add] == [2]


def test_an_iface_id_that_changes_later_is_a_new_port():
    table, _ = loaded()
    update = {"Interface": {"i1": {"old": {}, "new": interface("eth1", 1, "other")}}}
    (changes,) = table.apply(update).values()
    assert (changes.remove[0]["id"], changes.add[0]["id"]) == ("lp-1", "other")


def test_what_no_flow_depends_on_changes_in_the_record_without_notice():
    table, changes = loaded()
    record = changes[0x10].add[0]
    assert table.apply({"Interface": {"i1": {"modify": {"ifindex": 7}}}}) == {}
    assert record["ifindex"] == 7


def test_ports_go_with_their_port_row_bridge_row_and_when_the_datapath_id_changes():
    table, _ = loaded()
    moved = table.apply({"Bridge": {"b1": {"modify": {"datapath_id": f"{0x20:016x}"}}}})
    assert len(moved[0x10].remove) == 1 and len(moved[0x20].add) == 1
    detached = table.apply({"Bridge": {"b1": {"modify": {"ports": ["uuid", "p1"]}}}})
    assert len(detached[0x20].remove) == 1
    back = table.apply({"Bridge": {"b1": {"modify": {"ports": ["uuid", "p1"]}}}})
    assert len(back[0x20].add) == 1
    gone = table.apply({"Bridge": {"b1": {"old": {}}}})
    assert len(gone[0x20].remove) == 1 and not table.places


def test_only_wanted_bridges_count():
    assert loaded(["other"])[1] == {}
    assert list(loaded(["br0"])[1]) == [0x10]


def test_differences_of_sets_and_maps_are_applied():
    rows = Rows({"T": {"s": "set", "m": "map", "o": "optional", "x": "scalar"}})
    rows.apply({"T": {"r": {"initial": {"s": ["set", ["a", "b"]], "m": ["map", [["k", "1"], ["l", "2"]]], "x": 5}}}})
    assert rows.tables["T"]["r"] == {"s": {"a", "b"}, "m": {"k": "1", "l": "2"}, "o": None, "x": 5}
    difference = {"s": ["set", ["b", "c"]], "m": ["map", [["k", "1"], ["l", "3"], ["n", "4"]]], "o": 9}
    rows.apply({"T": {"r": {"modify": difference}}})
    assert rows.tables["T"]["r"] == {"s": {"a", "c"}, "m": {"l": "3", "n": "4"}, "o": 9, "x": 5}
    rows.apply({"T": {"r": {"modify": {"o": ["set", []]}}}})
    assert rows.tables["T"]["r"]["o"] is None
    rows.apply({"T": {"r": {"delete": None}}})
    assert rows.tables["T"] == {}


@pytest.mark.parametrize(
    "updates",
    [
        [],
        {"Nothing": {}},
        {"Bridge": []},
        {"Bridge": {"b": []}},
        {"Bridge": {"b": {"new": []}}},
        {"Bridge": {"b": {"modify": {}}}},
        {"Bridge": {"b": {"new": {"ports": ["set", 3]}}}},
        {"Bridge": {"b": {"new": {"ports": ["set", [[1]]]}}}},
        {"Bridge": {"b": {"new": {"datapath_id": ["set", ["1", "2"]]}}}},
        {"Interface": {"i": {"new": {"external_ids": ["map", [["one"]]]}}}},
    ],
)
def test_updates_that_do_not_fit_are_refused(updates):
    with pytest.raises(OvsdbFormatError):
        PortTable().apply(updates)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["set", "map", "uuid", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["new", "old", "modify", "ports", "name", "interfaces", "ofport"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@example({"Port": {"": {"new": {"interfaces": {}}}}})
@given(st.dictionaries(st.sampled_from(["Bridge", "Port", "Interface"]), st.dictionaries(st.text(max_size=1), JSON, max_size=2)))
def test_any_update_is_applied_or_refused(updates):
    try:
        PortTable().apply(updates)
    except OvsdbFormatError:
        pass


def everything(table):
    """What the ports are, computed from nothing."""
    found = {}
    rows = table.rows.tables
    for bridge in rows["Bridge"].values():
        number = datapath_number(bridge["datapath_id"])
        for port in bridge["ports"]:
            for uuid in rows["Port"].get(port, {"interfaces": ()})["interfaces"]:
                if number is None or uuid not in rows["Interface"]:
                    continue
                record = record_of(uuid, rows["Interface"][uuid])
                if record is not None:
                    found[uuid] = (number, record)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_step_by_step_gives_the_same_ports_as_from_nothing(seed):
    choose = random.Random(seed)
    table, told = PortTable(), {}
    ports = [f"p{number}" for number in range(8)]
    members = {"b1": set(), "b2": set()}
    for _ in range(120):
        kind = choose.choice(["Bridge", "Port", "Interface"])
        number = choose.randrange(8)
        if kind == "Bridge":
            name, other = choose.sample(["b1", "b2"], 2)
            members[name] = set(choose.sample(ports, choose.randrange(9))) - members[other]
            row = bridge_row(name, 1 if name == "b1" else choose.choice([2, 3]), *sorted(members[name]))
            update = {name: {"new": row}}
        elif kind == "Port":
            gone = {"old": {}}
            update = {f"p{number}": choose.choice([gone, {"new": {"interfaces": ["uuid", f"i{number}"]}}])}
        else:
            ofport = choose.choice([["set", []], -1, number + 1, number + 10])
            row = interface(f"eth{number}", ofport, choose.choice([None, "a", "b"]), ifindex=choose.randrange(3))
            update = {f"i{number}": choose.choice([{"old": {}}, {"new": row}, {"new": row}])}
        result = table.apply({kind: update})
        for datapathid, changes in result.items():
            for record in changes.remove:
                assert told.pop(record["_uuid"])[0] == datapathid
        for datapathid, changes in result.items():
            for record in changes.add:
                assert record["_uuid"] not in told
                told[record["_uuid"]] = (datapathid, record)
        assert told == everything(table), f"seed {seed}"


def test_one_change_among_many_ports_looks_at_one_port(monkeypatch):
    table = PortTable()
    names = [f"p{number}" for number in range(1000)]
    table.apply(
        {
            "Bridge": {"b": {"new": bridge_row("br0", 1, *names)}},
            "Port": {name: {"new": {"interfaces": ["uuid", "i" + name]}} for name in names},
            "Interface": {"i" + name: {"new": interface(name, number)} for number, name in enumerate(names)},
        }
    )
    looked = []
    original = table._place
    monkeypatch.setattr(table, "_place", lambda uuid: looked.append(uuid) or original(uuid))
    table.apply({"Bridge": {"b": {"modify": {"ports": ["uuid", "p7"]}}}, "Port": {"p7": {"delete": None}}})
    assert looked == ["ip7"]


def test_bridges_need_a_datapath_id_and_a_wanted_name():
    rows = Rows(BRIDGE_COLUMNS)
    rows.apply(
        {
            "Open_vSwitch": {"o": {"new": {"external_ids": ["map", [["system-id", "sys"]]]}}},
            "Bridge": {
                "b1": {"new": {"name": "br0", "datapath_id": "00000000000000ff", "external_ids": ["map", []]}},
                "b2": {"new": {"name": "br1", "datapath_id": ["set", []], "external_ids": ["map", []]}},
            },
        }
    )
    assert bridges(rows) == {"b1": Bridge("b1", "br0", 255, {})}
    assert bridges(rows, ["br1"]) == {}
    assert system_id(rows) == "sys" and system_id(Rows(BRIDGE_COLUMNS)) == ""
    assert sorted(Rows(PORT_COLUMNS).request()) == ["Bridge", "Interface", "Port"]


def station(systemid="s", vhost="", endpoint="10.0.0.1", **found):
    return Station(vhost, systemid, endpoint, {uuid: Bridge(uuid, name, number, {}) for uuid, (name, number) in found.items()})


def test_bridges_come_go_and_are_renewed_when_the_system_id_changes():
    book = ConnectionBook()
    gone, come = book.put("c1", station(u1=("br0", 1), u2=("br1", 2)))
    assert (gone, sorted(one.name for one in come)) == ([], ["br0", "br1"])
    gone, come = book.put("c1", station(u1=("br0", 1), u2=("br1", 3)))
    assert [one.datapathid for one in gone] == [2] and [one.datapathid for one in come] == [3]
    gone, come = book.put("c1", station("t", u1=("br0", 1), u2=("br1", 3)))
    assert len(gone) == len(come) == 2
    assert book.datapaths() == [("", 1), ("", 3)] and book.systems() == [("", "t")]
    assert book.drop("c1").systemid == "t" and book.drop("c1") is None
    assert book.datapaths() == [] and book.connections() == []


def test_connections_are_found_by_datapath_system_and_endpoint_in_their_vhost():
    book = ConnectionBook()
    book.put("c1", station("s1", "a", "10.0.0.1", u1=("br0", 1)))
    book.put("c2", station("s2", "b", "10.0.0.2", u2=("br0", 1)))
    assert book.of_datapath("a", 1) == "c1" and book.of_datapath("b", 1) == "c2" and book.of_datapath("", 1) is None
    assert book.of_system("b", "s2") == "c2" and book.of_system("a", "s2") is None
    assert book.of_endpoint("a", "10.0.0.1") == ["c1"] and book.of_endpoint("a", "10.0.0.2") == []
    assert book.endpoints("b") == [("b", "10.0.0.2")] and book.connections("a") == ["c1"]
    assert book.find_bridge("c2", "name", "br0").uuid == "u2" and book.find_bridge("c3", "name", "br0") is None
    found, bridge = book.bridge_of_datapath("b", 1)
    assert (found.systemid, bridge.uuid) == ("s2", "u2")
    assert len(book.bridges()) == 2 and len(book.bridges("a")) == 1


def test_a_datapath_on_two_connections_stays_when_one_goes():
    book = ConnectionBook()
    book.put("old", station(u1=("br0", 1)))
    book.put("new", station(u1=("br0", 1)))
    assert book.of_datapath("", 1) == "new"
    book.drop("new")
    assert book.of_datapath("", 1) == "old"
    book.drop("old")
    assert book.of_datapath("", 1) is None


@pytest.mark.parametrize(
    "address, expected",
    [
        (("10.0.0.1", 5), "10.0.0.1"),
        (("::1", 5, 0, 0), "::1"),
        ("/run/db.sock", "/run/db.sock"),
        (b"/x", "/x"),
        ("", ""),
        (None, ""),
    ],
)
def test_the_endpoint_of_an_address_is_its_host_or_path(address, expected):
    assert endpoint_of(address) == expected


def test_the_port_book_finds_ports_and_tells_differences():
    def record(uuid, ofport, identifier=None):
        return {
            "_uuid": uuid,
            "name": "n" + uuid,
            "ofport": ofport,
            "id": identifier,
            "type": "",
            "ifindex": 0,
            "external_ids": {},
        }

    book = PortBook()
    one, two = record("1", 1, "lp"), record("2", 2)
    book.change("", 5, PortChanges([one, two], []))
    assert book.find("", 5, "ofport", 2) is two and book.find("", 5, "name", "n1") is one
    assert book.find("", 6, "ofport", 2) is None
    assert book.find_id("", "lp") == (5, one) and book.find_id("v", "lp") is None
    changes = book.difference("", 5, [record("1", 1, "lp"), record("2", 3), record("3", 4)])
    assert [port["ofport"] for port in changes.add] == [3, 4] and changes.remove == [two]
    book.change("", 5, changes)
    assert sorted(port["ofport"] for port in book.ports("", 5)) == [1, 3, 4]
    moved = record("1", 1, "lp")
    book.change("", 6, PortChanges([moved], []))
    book.change("", 5, PortChanges([], [record("1", 1, "lp")]))
    assert book.find_id("", "lp") == (6, moved)
    book.change("", 6, book.difference("", 6, []))
    book.change("", 5, book.difference("", 5, []))
    assert book.switches() == [] and book.find_id("", "lp") is None
