"""What an updater is told about a view: everything that is there, and what has gone since it looked."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from vlcp.service.sdn._flows.updater import RowUpdater
from vlcp.service.sdn._flows.view import NO_CHANGE, NetRecord, SwitchView, ViewChange


class Looking(RowUpdater):
    """An updater without a switch."""

    def __init__(self, view):
        self.switch = SimpleNamespace(view=view)
        self._seen_version = -1
        self._unfinished = self._taken = NO_CHANGE


@pytest.fixture
def view():
    made = SwitchView()
    made.update({}, {name: NetRecord(name, number, None, None, 1) for number, name in enumerate("ab", 1)}, {})
    return made


def networks(*names):
    return ViewChange(set(), set(names), set())


def test_each_change_is_told_until_it_is_finished(view):
    updater = Looking(view)
    assert updater.take_changes() == networks("a", "b")
    assert updater.take_changes() == networks("a", "b"), "the first time did not finish"
    updater.finish_changes()
    assert updater.take_changes() == NO_CHANGE
    view.update({}, {"a": None}, {})
    assert updater.take_changes() == networks("a")


def test_what_has_gone_is_told_also_when_everything_is_looked_at_again(view):
    updater = Looking(view)
    updater.take_changes()
    updater.finish_changes()
    view.update({}, {"a": None}, {})
    updater.look_at_all()
    assert updater.take_changes() == networks("a", "b")


def test_what_is_asked_for_while_rows_are_made_is_not_lost(view):
    updater = Looking(view)
    updater.take_changes()
    updater.look_at_all()
    updater.finish_changes()
    assert updater.take_changes() == networks("a", "b")
