"""The updater of a flow module on one switch: what changed in the switch's view -> parts -> rows -> ledger."""

from __future__ import annotations

import logging
from typing import Any, Callable, Iterable, Mapping, Optional, Set, Tuple

from vlcp.protocol.openflow import OpenflowAsyncMessageEvent
from vlcp.protocol.openflow.openflow import OpenflowProtocolException
from vlcp.utils.flowupdater import FlowUpdater
from vlcp.utils.walkerlib import Walkers

from .decode import match_of_structures
from .encode import cookie_of
from .packets import TYPE_PACKET_IN, Upload
from .parts import Part, PartRows
from .spec import Row
from .sync import SwitchFlowsEvent, SwitchSync
from .view import NO_CHANGE, SwitchView, ViewChange

_logger = logging.getLogger(__name__)

_RETRY_S = 1.0
_PATIENT_TURNS = 4
"""So many turns of the scheduler an update waits for a view that is about to change, to be one update for both."""
_MOST_WALKS = 8


class RowUpdater(FlowUpdater):
    """Keeps the rows of one module on one switch.

    A subclass has two pure functions: :meth:`parts`, which says for changed objects of the view which entities have
    rows, and :meth:`rows`, the rows of one entity. It has no code for "added", "changed" or "removed".

    :param connection: a connection that the OpenFlow manager serves
    :param parent: the module
    :ivar switch: the switch's flow engine
    """

    _wants_everything = False
    follows_view = True
    """False for an updater that calls :meth:`refresh` by itself."""

    def __init__(self, connection: Any, parent: Any) -> None:
        owner = parent.get_service_name()
        super().__init__(connection, (), (owner, connection, id(self)), _logger)
        self._parent = parent
        self._owner: str = owner
        self.switch: SwitchSync = connection.switchflows
        self._part_rows = PartRows(self.switch.ledger, owner, self.rows)
        self._seen_version = -1
        self._unfinished = self._taken = NO_CHANGE
        self._declared = False
        self.switch.ledger.arrive(owner)

    @property
    def view(self) -> SwitchView:
        """The objects of the switch."""
        return self.switch.view

    def parts(self, view: SwitchView, change: ViewChange) -> Iterable[Tuple[Any, Optional[Any]]]:
        """Return ``(key, inputs)`` of every entity that ``change`` concerns; inputs None: it has no rows.

        :param change: keys of what changed; at the first call all keys
        """
        return ()

    def rows(self, part: Part) -> Iterable[Row]:
        """Return the rows of one part; must depend on nothing but the part."""
        return ()

    def hear_change(self) -> None:
        """Count from now how long the switch takes to follow."""
        self.switch.status.hear(self.scheduler.current_time)

    async def main(self) -> None:
        """Main coroutine"""
        if self.follows_view:
            self.start_helper(self._follow_view())
        await super().main()

    async def _follow_view(self) -> None:
        changed = SwitchFlowsEvent.createMatcher(self._connection, SwitchFlowsEvent.VIEW)
        while True:
            try:
                if self._is_behind():
                    self.refresh()
            except Exception:
                _logger.exception("%s: rows on %r cannot be computed, they stay as they are", self._owner, self._connection)
                self.look_at_all()
                await self.wait_with_timeout(_RETRY_S)
            else:
                await changed

    def _is_behind(self) -> bool:
        """Tell whether there is something in the view that the rows do not show."""
        return not self._declared or self._seen_version != self.view.version or self._unfinished is not NO_CHANGE

    async def before_update(self) -> None:
        """Let the view change first, when the objects that have changed concern it, too."""
        for _ in range(_PATIENT_TURNS if self.follows_view else 0):
            if not self.switch.view_due:
                return
            await self.do_events()

    async def updateflow(self, connection: Any, addvalues: Set[Any], removevalues: Set[Any], updatedvalues: Set[Any]) -> None:
        """Bring the rows up to date with the view; the three sets do not matter."""
        self.refresh()

    def refresh(self) -> None:
        """Compute the rows of entities that changed since the last call, and wake the sender."""
        view = self.view
        if not view.ready:
            return
        for key, inputs in self.parts(view, self.take_changes()):
            self.put(key, inputs)
        self.finish_changes()
        self.declare()

    def take_changes(self) -> ViewChange:
        """Return the keys of what has changed in the view since the last call, and of what an earlier call has returned and
        nobody has finished; at first those of everything."""
        change = self.view.changes_since(self._seen_version)
        self._seen_version = self.view.version
        self._unfinished = self._taken = self._unfinished.union(self.view.everything() if change is None else change)
        return self._taken

    def finish_changes(self) -> None:
        """The rows of what :meth:`take_changes` has returned last are right; it will not return that again, unless somebody has
        asked for it meanwhile."""
        if self._unfinished is self._taken:
            self._unfinished = self._taken = NO_CHANGE

    def look_at_all(self) -> None:
        """Let the next call of :meth:`take_changes` return everything: what is there, and what has gone meanwhile."""
        self._unfinished = self.take_changes().union(self.view.everything())

    def declare(self) -> None:
        """Say that all rows are declared, when it is the first time, and wake the sender."""
        if not self._declared:
            self._declared = True
            self.switch.ledger.complete(self._owner)
        self.switch.wake()

    def put(self, key: Any, inputs: Optional[Any]) -> None:
        """Want the rows of one part, None for none; an error keeps the old rows and is logged."""
        if inputs is None:
            self._part_rows.drop(key)
            return
        try:
            self._part_rows.put(Part(key, inputs))
        except Exception:
            _logger.exception("%s: rows of %r on %r cannot be computed", self._owner, key, self._connection)

    async def uploads(self, table: str, cookie: int, take: Callable[[Upload], None]) -> None:
        """Hand packets that a row of this module sends up to ``take``, without end; it may raise ValueError.

        :param table: name of the row's table
        :param cookie: the row's cookie
        """
        packets = OpenflowAsyncMessageEvent.createMatcher(
            TYPE_PACKET_IN,
            connection=self._connection,
            _ismatch=lambda event: event.tableid == self.switch.layout.tables.get(table) and cookie_of(event.cookie) == cookie,
        )
        while True:
            event = await packets
            event.canignore = True
            message = event.message
            try:
                conditions = match_of_structures(message.match.oxm_fields)
                take(Upload(conditions, bytes(message.data), message.total_len, message.buffer_id))
            except ValueError as error:
                _logger.debug("%s: packet of %r is not taken: %s", self._owner, self._connection, error)

    def send_packets(self, messages: Iterable[bytes]) -> None:
        """Send packet-outs, without waiting; what the switch refuses is logged."""
        packed = list(messages)
        if packed:
            self.subroutine(self._send_packets(packed))

    async def _send_packets(self, messages: Any) -> None:
        try:
            errors, _ = await self._connection.protocol.batch_packed(messages, self._connection, self)
        except OpenflowProtocolException as error:
            _logger.info("%s: %d packets are lost with %r: %s", self._owner, len(messages), self._connection, error)
            return
        for refusal in errors.values():
            _logger.warning("%s: %r refuses a packet: %r", self._owner, self._connection, refusal)


class WalkingUpdater(RowUpdater):
    """A :class:`RowUpdater` whose rows depend on objects beyond the view.

    A subclass says with :meth:`walkers` what to walk, and gets in :meth:`parts` the keys of changed objects as
    ``self.changed``; ``self._values`` has the objects. All work is done in :meth:`updateflow`, one at a time, and rows
    are not declared complete before every walker has run.
    """

    def __init__(self, connection: Any, parent: Any) -> None:
        super().__init__(connection, parent)
        self.changed: Set[str] = set()
        self._wanted: Optional[Mapping[str, Callable[..., None]]] = None
        self._waiting: Set[str] = set()

    def walkers(self, view: SwitchView) -> Mapping[str, Callable[..., None]]:
        """Return ``{key: walker}`` for the objects of the view; the very same mapping as before when it has not changed, or
        always the same :class:`~vlcp.utils.walkerlib.Walkers`."""
        return {}

    async def settle(self) -> None:
        """Do what has to be done between computing rows and declaring them."""

    def refresh(self) -> None:
        """Look at the view at the next turn."""
        self.request_update()

    async def updateflow(self, connection: Any, addvalues: Set[Any], removevalues: Set[Any], updatedvalues: Set[Any]) -> None:
        """Bring walkers and rows up to date with the view and with changed objects."""
        for values in (addvalues, removevalues, updatedvalues):
            self._waiting.update(value.getkey() for value in values)
        if not self.view.ready:
            return
        for _ in range(_MOST_WALKS):
            if not self._want_walkers():
                break
            self._waiting |= await self.walk_now()
        else:
            self.request_update()
            return
        self.changed, self._waiting = self._waiting, set()
        try:
            self.compute()
            await self.settle()
        except BaseException:
            self._waiting |= self.changed
            self.look_at_all()
            raise
        self.finish_changes()
        self.declare()

    def _want_walkers(self) -> bool:
        """Choose the walkers; return whether some are new, or gone."""
        wanted = self.walkers(self.view)
        if isinstance(wanted, Walkers):
            self._walkers_changed = self._walkers_changed or wanted is not self._walkerdict
            self._walkerdict = wanted
            return not self.walked_all() or bool(wanted.changed)
        same = wanted is self._wanted or wanted.keys() == self._walkerdict.keys()
        self._wanted = wanted
        if not same:
            self._walkerdict = dict(wanted)
        return not same or not self.walked_all()

    def compute(self) -> None:
        """Want the rows of what has changed in the view or among the objects."""
        for key, inputs in self.parts(self.view, self.take_changes()):
            self.put(key, inputs)
