"""Which connection counts when several claim the same vHost, datapath id and auxiliary id."""

from __future__ import annotations

from types import SimpleNamespace

from vlcp.service.sdn._switchbook import SwitchBook


class Connection(SimpleNamespace):
    """What the book needs of a connection."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__

    def __init__(self, datapath=1, auxiliary=0, vhost="", address="10.0.0.1"):
        protocol = SimpleNamespace(vhost=vhost)
        super().__init__(
            protocol=protocol, openflow_datapathid=datapath, openflow_auxiliaryid=auxiliary, remoteaddr=(address, 5000)
        )


def test_the_newest_counts_and_the_others_wait_in_line():
    book, first, second, third = SwitchBook(), Connection(), Connection(), Connection()
    assert [book.add(one) for one in (first, second, third)] == [[], [first], [second]]
    assert (book.find("", 1), book.connections("")) == (third, [third])
    assert book.remove(third) == (True, [second])
    assert book.add(second) == [] and book.find("", 1) is second
    assert book.remove(second) == (True, [first])


def test_one_that_waits_and_ends_is_not_asked_again():
    book, first, second = SwitchBook(), Connection(), Connection()
    book.add(first)
    book.add(second)
    assert book.remove(first) == (False, [])
    assert book.remove(second) == (True, [])
    assert book.connections() == []


def test_one_that_waits_and_comes_back_as_another_switch_leaves_the_line():
    book, first, second = SwitchBook(), Connection(), Connection()
    book.add(first)
    book.add(second)
    first.openflow_datapathid = 2
    assert book.add(first) == []
    assert (book.find("", 1), book.find("", 2)) == (second, first)
    assert book.remove(second) == (True, [])


def test_other_datapaths_auxiliary_connections_and_vhosts_do_not_disturb_each_other():
    book = SwitchBook()
    several = [Connection(), Connection(2), Connection(1, 1), Connection(vhost="other", address="::ffff:10.0.0.2")]
    assert [book.add(one) for one in several] == [[]] * 4
    assert book.of_datapath("", 1) == [several[0], several[2]]
    assert (book.datapaths(""), book.vhosts(), book.endpoints("other")) == ([1, 2], ["", "other"], ["10.0.0.2"])
    assert book.of_endpoint("", "10.0.0.1") == several[:3]
