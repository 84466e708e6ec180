"""The one routine of a switch that sends flow and group mods.

It waits until wanted and acknowledged rows differ, sends the difference, settles, and begins again; at most one exchange
is in flight. A lost connection ends it, and nothing needs undoing. When a switch that is still connected does not answer,
nobody knows what it has done: it is taken over again.

On a (re)connection nothing is flushed: wanted rows are written with a new epoch in the high bits of the cookie, which
replaces the same rows in place, and what is left of older epochs is removed when every module that has tables has said
that its set is complete. Where the switch takes bundles, all of that is one atomic step; see :meth:`SwitchSync.holding`.
"""

from __future__ import annotations

import logging
from typing import Any, Dict, Iterable, Mapping, Optional, Sequence, Set, Tuple

from vlcp.event.event import Event, withIndices
from vlcp.event.runnable import RoutineContainer
from vlcp.protocol.openflow.openflow import OpenflowErrorResultException, OpenflowProtocolException

from . import queries
from .audit import Auditor, Drift, expected_counts
from .decode import WireError, flow_entries, group_entries
from .diff import Changes
from .encode import BUNDLE_DISCARD, Encoder, Layout, bundle_control, first_epoch, next_epoch
from .exchange import (
    Cleanup,
    Plan,
    bundled,
    committed,
    describe_drift,
    describe_refusals,
    describe_refused,
    ordered,
    parts_of,
    plan,
    reason_of,
    refusals,
    without,
)
from .ids import Numbers
from .ledger import Ledger
from .status import SwitchStatus, SyncSettings
from .takeover import answers, questions
from .view import SwitchView

_logger = logging.getLogger(__name__)

_BUNDLE_ATTEMPTS = 5
_GATHERING_TURNS = 3
"""So many turns of the scheduler the modules have to want rows for the same change, which are sent together."""
_RETRY_S = 1.0
_REFUSED_RETRY_S = 30.0
_AUDIT_SLICE = 500


@withIndices("connection", "kind")
class SwitchFlowsEvent(Event):
    """Something about a switch changed; ``kind`` says what: :data:`WANTED` tells the sender that rows are wanted,
    :data:`SETTLED` that the switch has answered, :data:`VIEW` that the objects of the switch are others, :data:`DRIVERS`
    that a network driver would answer otherwise now."""

    WANTED = "wanted"
    SETTLED = "settled"
    VIEW = "view"
    DRIVERS = "drivers"


class SwitchSync(RoutineContainer):
    """Keeps one connected switch as its modules want it.

    :param connection: an OpenFlow connection that is set up
    :param layout: tables and field layout; its epoch is where the search for an unused one begins
    :param owners: service names of the modules that have acquired tables
    :ivar ledger: what modules want; call :meth:`wake` after changing it
    :ivar view: the objects of the switch, filled by ``ioprocessing``
    :ivar view_due: True while ``view`` is about to change, because objects have
    :ivar numbers: numbers of its logical networks
    """

    def __init__(
        self,
        connection: Any,
        layout: Layout,
        owners: Iterable[str],
        settings: SyncSettings = SyncSettings(),
        scheduler: Any = None,
    ) -> None:
        super().__init__(scheduler)
        self.connection = connection
        self.ledger = Ledger()
        self.ledger.expect(owners)
        self.view = SwitchView()
        self.view_due = False
        self.numbers: Optional[Numbers] = None
        self.status = SwitchStatus()
        self.bundles = False
        self.encoder = Encoder(layout)
        self._settings = settings
        self._auditor = Auditor(self.encoder)
        self._known_groups: Set[int] = set()
        self._stale = True
        self._atomic = False
        self._same_tables = True
        self._hold_until = 0.0
        self._audit_at = 0.0
        self._bundle_id = 0
        self._woken = False
        self._next_layout: Optional[Layout] = None

    @property
    def layout(self) -> Layout:
        """Tables and field layout of the rows that are sent."""
        return self.encoder.layout

    @property
    def holding(self) -> bool:
        """True while nothing is sent because the switch still forwards by rows of an earlier epoch, and not every
        module has declared its set yet."""
        return self._atomic and bool(self.ledger.waiting_for())

    def wake(self) -> None:
        """Look at the ledger again, at the scheduler's next turn."""
        if not self._woken:
            self._woken = True
            self.scheduler.emergesend(SwitchFlowsEvent(self.connection, SwitchFlowsEvent.WANTED))

    def view_changed(self) -> None:
        """Tell the flow modules that ``view`` has changed."""
        self.scheduler.emergesend(SwitchFlowsEvent(self.connection, SwitchFlowsEvent.VIEW))

    def drivers_changed(self) -> None:
        """Let network drivers be asked again for the parts of this switch's flows."""
        self.scheduler.emergesend(SwitchFlowsEvent(self.connection, SwitchFlowsEvent.DRIVERS))

    def relayout(self, layout: Layout, owners: Iterable[str]) -> bool:
        """Take the tables of a new allocation; return True when numbers changed, so that all rows are written again."""
        self.ledger.expect(owners)
        before = self._next_layout or self.layout
        changed = (layout.tables, layout.next_tables) != (before.tables, before.next_tables)
        if changed:
            self._next_layout = layout
        self.wake()
        return changed

    def _now(self) -> float:
        now: float = self.scheduler.current_time
        return now

    async def main(self) -> None:
        """Take over the switch, then send whenever something differs."""
        taken = False
        while self.connection.connected:
            try:
                if not taken:
                    await self._take_over()
                    taken = True
                for _ in range(_GATHERING_TURNS):
                    await self.do_events()
                self._woken = False
                await self._turn()
                await self._wait()
            except OpenflowProtocolException as error:
                _logger.warning("flows of %r: %s", self.connection, error)
                taken = False
                await self.wait_with_timeout(_RETRY_S)
            except (OpenflowErrorResultException, WireError) as error:
                _logger.error("flows of %r: the switch cannot be served: %s", self.connection, error)
                await self.wait_with_timeout(_REFUSED_RETRY_S)

    async def _turn(self) -> None:
        self._log_conflicts()
        if self._next_layout is not None:
            await self._renumber(self._next_layout)
        if self.holding and self._now() >= self._hold_until:
            self._end_hold()
        if not self.holding:
            await self._send_pending()
            if self._audit_due():
                await self._audit()

    def _end_hold(self) -> None:
        """Some module has not declared its rows for long. Rows of an earlier run with the same tables can stand beside
        new ones; with other tables nothing can be done but wait."""
        self._hold_until = self._now() + self._settings.hold_s
        what = "rows of earlier runs stay" if self._same_tables else "nothing is sent, tables have other numbers"
        waiting = ", ".join(self.ledger.waiting_for())
        _logger.warning("flows of %r: %s, while waiting for %s", self.connection, what, waiting)
        self._atomic = not self._same_tables

    async def _wait(self) -> None:
        if self._woken:
            return
        deadlines = [self.ledger.retry_at()]
        if self.holding:
            deadlines = [self._hold_until]
        elif self._settings.audit_s is not None:
            deadlines.append(self._audit_at)
        times = [deadline for deadline in deadlines if deadline is not None]
        timeout = None if not times else max(min(times) - self._now(), 0) + 0.001
        wanted = SwitchFlowsEvent.createMatcher(self.connection, SwitchFlowsEvent.WANTED)
        if timeout is None:
            await wanted
        else:
            await self.wait_with_timeout(timeout, wanted)

    async def _take_over(self) -> None:
        """Find out what the switch holds, choose an epoch, and decide whether rows may be sent one by one."""
        epoch = first_epoch(self.layout)
        wanted = self._settings.use_bundles
        found = answers(*await self._ask(questions(epoch, wanted)), wanted)
        self._bundle_id = 1
        self.bundles = found.bundles
        self._known_groups = set(found.groups)
        self._begin_epoch(self.layout._replace(epoch=next_epoch(epoch) if found.epoch_used else epoch))
        self._atomic = found.bundles and found.ours
        self._same_tables = found.same_tables
        if not (self._same_tables or self.bundles):
            await self._ask(self.encoder.delete_everything())
            self._known_groups.clear()
        _logger.info("flows of %r: epoch %d, found %r", self.connection, self.layout.epoch, found)

    def _begin_epoch(self, layout: Layout) -> None:
        self.encoder = Encoder(layout)
        self._auditor = Auditor(self.encoder)
        self.ledger.new_epoch()
        self._stale = True
        self._hold_until = self._now() + self._settings.hold_s
        self._audit_at = self._now() + (self._settings.audit_s or 0)

    async def _renumber(self, layout: Layout) -> None:
        """Tables have other numbers: everything is written again, atomically where the switch can."""
        self._next_layout = None
        _logger.info("flows of %r: tables are renumbered: %r", self.connection, dict(layout.tables))
        if not self.bundles:
            await self._ask(self.encoder.delete_everything())
            self._known_groups.clear()
        self._begin_epoch(layout._replace(epoch=next_epoch(first_epoch(layout._replace(epoch=self.layout.epoch)))))
        self._atomic = self.bundles
        self._same_tables = False

    async def _send_pending(self) -> None:
        changes = self.ledger.pending(self._now())
        cleanup = self._cleanup(changes)
        heard = self.status.take_heard()
        if not changes.total and not cleanup.other_epochs:
            return
        self.status.in_flight = changes.total
        try:
            errors = await self._exchange(changes, cleanup)
        except BaseException:
            self.ledger.put_back(changes)
            raise
        finally:
            self.status.in_flight = 0
        self.ledger.settle(changes, errors, self._now())
        self.status.acknowledged(heard, self._now())
        self._settle_groups(changes, cleanup, errors)
        for refusal in describe_refusals(errors):
            _logger.warning("flows of %r: %s", self.connection, refusal)
        if cleanup.other_epochs:
            self._stale = self._atomic = False
        self.scheduler.emergesend(SwitchFlowsEvent(self.connection, SwitchFlowsEvent.SETTLED))

    def _cleanup(self, changes: Changes) -> Cleanup:
        if not self._stale:
            return Cleanup()
        if self.ledger.waiting_for():
            return Cleanup()
        gone = set(changes.groups_gone)
        stale = {number for number in self._known_groups if self.ledger.groups.wanted(number) is None}
        return Cleanup(True, tuple(sorted(stale - gone)))

    def _settle_groups(self, changes: Changes, cleanup: Cleanup, errors: Mapping[Any, str]) -> None:
        for row in changes.groups_set:
            if ("groups_set", row.group_id) not in errors:
                self._known_groups.add(row.group_id)
            elif row.group_id in self._known_groups:
                self.ledger.groups.altered(row.group_id)
        self._known_groups.difference_update(number for number in changes.groups_gone if ("groups_gone", number) not in errors)
        self._known_groups.difference_update(number for number in cleanup.groups if ("group", number) not in errors)
        for number in cleanup.groups:
            if ("group", number) in errors:
                self.ledger.still_has_group(number, errors["group", number], self._now())

    async def _exchange(self, changes: Changes, cleanup: Cleanup) -> Dict[Tuple[str, Any], str]:
        """Send, and return ``{(part, key): reason}`` of what was refused."""
        steps = plan(changes, self.encoder, self._known_groups, cleanup)
        replaces = bool(changes.flows_set or changes.groups_set) and len(steps.stages) > 1
        if self.bundles and (self._atomic or cleanup.other_epochs or replaces):
            done = await self._exchange_bundled(steps)
            if done is not None:
                return done
        self.status.batches += 1
        exchange = ordered(steps)
        if not exchange.messages:
            return steps.refused
        errors, _ = await self._ask(exchange.messages)
        return {**steps.refused, **refusals(exchange, errors)}

    async def _exchange_bundled(self, steps: Plan) -> Optional[Dict[Tuple[str, Any], str]]:
        """Commit one bundle; a row that makes it fail is left out and the rest sent again.

        Return None when the switch does not say which row is to blame: ordered messages will find it.
        """
        for _ in range(_BUNDLE_ATTEMPTS):
            self._bundle_id = self._bundle_id % 0x7FFFFFFF + 1
            try:
                exchange = bundled(steps, self._bundle_id)
            except ValueError as error:
                _logger.info("flows of %r: sent without a bundle: %s", self.connection, error)
                return None
            errors, _ = await self._ask(exchange.messages)
            culprits = refusals(exchange, errors)
            if committed(exchange, errors):
                self.status.bundles += 1
                return {**steps.refused, **culprits}
            _logger.warning("flows of %r: bundle failed: %s", self.connection, sorted(set(errors.values())))
            await self._ask([bundle_control(self._bundle_id, BUNDLE_DISCARD)])
            if not culprits:
                return None
            steps = without(steps, culprits)
        return None

    async def _ask(self, messages: Sequence[bytes]) -> Tuple[Dict[int, str], Dict[int, bytes]]:
        """Send messages; return reasons of refusal and bodies of multipart replies, by index."""
        protocol = self.connection.protocol
        errors, replies = await protocol.batch_packed(list(messages), self.connection, self)
        reasons = {index: reason_of(error, self.connection.openflowdef) for index, error in errors.items()}
        return reasons, {index: queries.reply_body(parts_of(reply)) for index, reply in replies.items()}

    def _audit_due(self) -> bool:
        return self._settings.audit_s is not None and self._now() >= self._audit_at

    async def _audit(self) -> None:
        """Compare the switch with the ledger and make good what differs."""
        self._audit_at = self._now() + (self._settings.audit_s or 0)
        self.status.checks += 1
        full = self.status.checks % self._settings.full_audit == 0
        if not full and await self._counts_agree():
            return
        _, replies = await self._ask([queries.flow_dump(), queries.group_dump()])
        if 0 not in replies or 1 not in replies:
            _logger.warning("flows of %r: the switch does not tell what it holds", self.connection)
            return
        drift = await self._compare(replies[0], replies[1])
        if drift.total:
            await self._repair(drift)

    async def _counts_agree(self) -> bool:
        """True when every table holds as many rows as it should; tables with rows of the switch's own do not count."""
        expected = expected_counts(self.ledger.installed(), self.layout.tables)
        names = sorted(expected)
        _, replies = await self._ask([queries.flow_count(self.layout.tables[name]) for name in names])
        return all(index in replies and queries.counted(replies[index]) == expected[name] for index, name in enumerate(names))

    async def _compare(self, flows: bytes, groups: bytes) -> Drift:
        installed = self.ledger.installed()
        keys = list(installed.flows)
        self._auditor.begin(self._stale)
        for start in range(0, len(keys), _AUDIT_SLICE):
            self._auditor.index(keys[start : start + _AUDIT_SLICE])
            await self.do_events()
        entries = list(flow_entries(flows))
        for start in range(0, len(entries), _AUDIT_SLICE):
            self._auditor.look(entries[start : start + _AUDIT_SLICE], installed)
            await self.do_events()
        return self._auditor.end(installed, group_entries(groups))

    async def _repair(self, drift: Drift) -> None:
        _logger.warning("flows of %r: drift: %s", self.connection, describe_drift(drift))
        self._known_groups = self._known_groups.difference(drift.groups_missing).union(drift.groups_extra)
        self.ledger.drifted((drift.missing, drift.altered), (drift.groups_missing, drift.groups_altered))
        removals = [self.encoder.flow_delete_raw(row.table_id, row.priority, row.match) for row in drift.extra]
        removals += [self.encoder.group_delete(number) for number in drift.groups_extra]
        if removals:
            await self._ask(removals)
            self._known_groups.difference_update(drift.groups_extra)
        self.status.repaired += drift.total
        await self._send_pending()

    def _log_conflicts(self) -> None:
        while self.ledger.conflicts:
            _logger.error("flows of %r: %s", self.connection, self.ledger.conflicts.pop(0))

    def describe(self) -> Dict[str, Any]:
        """Return the state for people: see ``openflowmanager/flowstatus``."""
        return {
            "epoch": self.layout.epoch,
            "bundles": self.bundles,
            "holding": self.holding,
            "waiting_for": self.ledger.waiting_for(),
            "installed": {"flows": len(self.ledger.flows.installed), "groups": len(self.ledger.groups.installed)},
            "owed": self.ledger.owed() + self.status.in_flight,
            "refused": describe_refused(self.ledger),
            "drift": {"checks": self.status.checks, "repaired": self.status.repaired},
        }
