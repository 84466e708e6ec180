"""Changes -> the messages of one exchange with a switch, and the switch's answers -> what was refused.

Two shapes: *ordered* (groups, rows, removals, with barriers between) and *bundled* (one atomic bundle, ONF extension
230). Both carry the same steps in the same order.
"""

from __future__ import annotations

from typing import Any, Callable, Container, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from .audit import Drift
from .decode import structure_bytes
from .diff import Changes
from .encode import BUNDLE_CLOSE, BUNDLE_COMMIT, BUNDLE_OPEN, Encoder, bundle_add, bundle_control
from .fields import format_value
from .ledger import Ledger
from .queries import barrier
from .spec import Sweep

_SHOWN_ROWS = 20

Tag = Optional[Tuple[str, Any]]
Step = Tuple[Tag, bytes]


class Plan(NamedTuple):
    """Steps in stages; ``refused`` are rows that could not even be encoded, with the reason."""

    stages: Tuple[Tuple[Step, ...], ...]
    refused: Dict[Tuple[str, Any], str]


class Exchange(NamedTuple):
    """Messages, what each is for, and which message has the transaction id of which other one."""

    messages: List[bytes]
    tags: List[Tag]
    commit: Optional[int] = None


class Cleanup(NamedTuple):
    """What is removed because nobody wants it any more: rows of other epochs, and groups."""

    other_epochs: bool = False
    groups: Tuple[int, ...] = ()


def plan(changes: Changes, encoder: Encoder, known_groups: Container[int], cleanup: Cleanup = Cleanup()) -> Plan:
    """Return the steps for ``changes``.

    :param known_groups: numbers of groups that the switch has, which are changed and not added
    """
    refused: Dict[Tuple[str, Any], str] = {}

    def steps(part: str, rows: Iterable[Any], encode: Callable[[Any], bytes]) -> Tuple[Step, ...]:
        return tuple(_encode_all(part, rows, encode, refused))

    groups = steps("groups_set", changes.groups_set, lambda row: encoder.group_set(row, row.group_id in known_groups))
    flows = steps("flows_set", changes.flows_set, encoder.flow_add)
    gone = steps("flows_gone", changes.flows_gone, encoder.flow_delete) + steps("swept", changes.swept, encoder.sweep)
    if cleanup.other_epochs:
        gone += tuple((None, message) for message in encoder.delete_other_epochs())
    groups_gone = steps("groups_gone", changes.groups_gone, encoder.group_delete)
    groups_gone += tuple((("group", number), encoder.group_delete(number)) for number in cleanup.groups)
    return Plan(tuple(stage for stage in (groups, flows, gone, groups_gone) if stage), refused)


def _encode_all(
    part: str, rows: Iterable[Any], encode: Callable[[Any], bytes], refused: Dict[Tuple[str, Any], str]
) -> Iterable[Step]:
    for row in rows:
        tag = (part, row.key if part in ("groups_set", "flows_set", "swept") else row)
        try:
            yield tag, encode(row)
        except (ValueError, OverflowError) as error:
            refused[tag] = f"cannot be encoded: {error}"


def ordered(steps: Plan) -> Exchange:
    """Return the messages stage by stage, with barriers between the stages."""
    messages: List[bytes] = []
    tags: List[Tag] = []
    for stage in steps.stages:
        if messages:
            messages.append(barrier())
            tags.append(None)
        for tag, message in stage:
            messages.append(message)
            tags.append(tag)
    return Exchange(messages, tags)


def bundled(steps: Plan, bundle_id: int) -> Exchange:
    """Return the messages of one atomic bundle.

    :raises ValueError: a message is too long for a bundle
    """
    messages = [bundle_control(bundle_id, BUNDLE_OPEN)]
    tags: List[Tag] = [None]
    for stage in steps.stages:
        for tag, message in stage:
            messages.append(bundle_add(bundle_id, message))
            tags.append(tag)
    messages.append(bundle_control(bundle_id, BUNDLE_CLOSE))
    messages.append(bundle_control(bundle_id, BUNDLE_COMMIT))
    return Exchange(messages, [*tags, None, None], len(messages) - 1)


def without(steps: Plan, culprits: Mapping[Tuple[str, Any], str]) -> Plan:
    """Return the plan without the rows of ``culprits``, which count as refused."""
    stages = tuple(tuple(step for step in stage if step[0] not in culprits) for stage in steps.stages)
    return Plan(tuple(stage for stage in stages if stage), {**steps.refused, **culprits})


def refusals(exchange: Exchange, errors: Mapping[int, str]) -> Dict[Tuple[str, Any], str]:
    """Return ``{tag: reason}`` of the rows that an error message named."""
    found: Dict[Tuple[str, Any], str] = {}
    for index, reason in errors.items():
        tag = exchange.tags[index] if index < len(exchange.tags) else None
        if tag is not None:
            found[tag] = reason
    return found


def committed(exchange: Exchange, errors: Mapping[int, str]) -> bool:
    """True when the switch has taken the bundle: no control message failed."""
    return not any(exchange.tags[index] is None for index in errors if index < len(exchange.tags))


def describe_key(key: Any) -> str:
    """Write the key of a row for people: ``l2output priority=32770 out_net=1,eth_dst=02:00:00:00:00:01``."""
    if not isinstance(key, tuple):
        return f"group {key}"
    if len(key) == 2:
        return f"sweep {key[0]} {_describe_match(key[1])}"
    return f"{key[0]} priority={key[1]} {_describe_match(key[2])}".rstrip()


def _describe_match(conditions: Iterable[Tuple[str, int, Optional[int]]]) -> str:
    return ",".join(
        f"{name}={format_value(name, value)}" + ("" if mask is None else f"/{format_value(name, mask)}")
        for name, value, mask in conditions
    )


def describe_drift(drift: Drift) -> str:
    """Write what differs between a switch and the ledger for people."""
    names = [describe_key(key) for key in (*drift.missing, *drift.altered, *drift.groups_missing, *drift.groups_altered)]
    missing, altered = len(drift.missing) + len(drift.groups_missing), len(drift.altered) + len(drift.groups_altered)
    extra = len(drift.extra) + len(drift.groups_extra)
    more = "" if len(names) <= _SHOWN_ROWS else f" and {len(names) - _SHOWN_ROWS} more"
    shown = "; ".join(names[:_SHOWN_ROWS])
    return f"{missing} missing, {altered} altered, {extra} not ours; {shown}{more}"


def describe_refusals(errors: Mapping[Tuple[str, Any], str]) -> List[str]:
    """Write what :func:`refusals` returns for people: a line for each row, but not too many."""
    lines = []
    for (part, key), reason in list(errors.items())[:_SHOWN_ROWS]:
        lines.append(f"{describe_key(key.key if isinstance(key, Sweep) else key)} refused ({part}): {reason}")
    return lines if len(errors) <= _SHOWN_ROWS else [*lines, f"{len(errors)} rows refused in all"]


def describe_refused(ledger: Ledger) -> List[Dict[str, Any]]:
    """Return ``row``, ``reason`` and ``owners`` of every refused row, for people."""
    return [
        {"row": describe_key(key), "reason": reason, "owners": sorted({owner for owner, _ in sources})}
        for key, reason, sources in ledger.refused()
    ]


def parts_of(reply: Any) -> List[bytes]:
    """Return the bytes of a reply: one message, or the parts of a multipart reply."""
    messages = reply if isinstance(reply, (list, tuple)) else [reply]
    return [structure_bytes(message) for message in messages]


def reason_of(error: Any, definitions: Any) -> str:
    """Write an OpenFlow error message with the names of its type and code.

    :param definitions: module of the connection's OpenFlow version
    """
    kind, code = getattr(error, "type", None), getattr(error, "code", None)
    kind_name = definitions.ofp_error_type.getName(kind, str(kind))
    codes = getattr(definitions, f"ofp_{kind_name[len('OFPET_') :].lower()}_code", None)
    code_name = str(code) if codes is None else codes.getName(code, str(code))
    return f"{kind_name}/{code_name}"
