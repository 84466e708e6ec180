# ruff: noqa: F821 - the enumerations export their names into this module
"""Jute structs of the ZooKeeper protocol (manual 5.7.25; field orders as in ``zookeeper.jute`` of ZooKeeper 3.x).

A packet is a 4 byte length and a record. Which record a reply holds is not written in it: it depends on the request
with the same xid, so whoever parses a reply passes the type of that request to :func:`parse_reply`.
"""

from __future__ import annotations

import struct as _struct
from typing import Any, Callable, Optional, Sequence

from namedstruct.namedstruct import (
    BadFormatError,
    BadLenError,
    enum,
    nstruct,
    nvariant,
    packvalue,
    sizefromlen,
)
from namedstruct.stdprim import boolean, int32, int64, uint32

from vlcp.utils._jutetypes import UStringParser, VectorParser, as_bytes, ustring, ustringtype, vector, z_buffer  # noqa: F401

_MAX_PACKET = 1 << 30


#: Kinds of packets: a session is opened with the first, everything else has a header.
CONNECT_PACKET = 1
HEADER_PACKET = 2

zk_xid = enum("zk_xid", globals(), int32, False, WATCHER_EVENT_XID=-1, PING_XID=-2, AUTH_XID=-4, SET_WATCHES_XID=-8)
zk_watch_event = enum(
    "zk_watch_event",
    globals(),
    int32,
    False,
    CREATED_EVENT_DEF=1,
    DELETED_EVENT_DEF=2,
    CHANGED_EVENT_DEF=3,
    CHILD_EVENT_DEF=4,
    SESSION_EVENT_DEF=-1,
    NOTWATCHING_EVENT_DEF=-2,
)
zk_request_type = enum(
    "zk_request_type",
    globals(),
    int32,
    False,
    ZOO_NOTIFY_OP=0,
    ZOO_CREATE_OP=1,
    ZOO_DELETE_OP=2,
    ZOO_EXISTS_OP=3,
    ZOO_GETDATA_OP=4,
    ZOO_SETDATA_OP=5,
    ZOO_GETACL_OP=6,
    ZOO_SETACL_OP=7,
    ZOO_GETCHILDREN_OP=8,
    ZOO_SYNC_OP=9,
    ZOO_PING_OP=11,
    ZOO_GETCHILDREN2_OP=12,
    ZOO_CHECK_OP=13,
    ZOO_MULTI_OP=14,
    ZOO_CREATE_SESSION_OP=-10,
    ZOO_CLOSE_SESSION_OP=-11,
    ZOO_SETAUTH_OP=100,
    ZOO_SETWATCHES_OP=101,
    ZOO_SASL_OP=102,
    ZOO_ERROR_TYPE=-1,
)
zk_client_state = enum(
    "zk_client_state",
    globals(),
    int32,
    False,
    ZOO_DISCONNECTED_STATE=0,
    ZOO_NOSYNC_CONNECTED_STATE=1,
    ZOO_SYNC_CONNECTED_STATE=3,
    ZOO_AUTH_FAILED_STATE=4,
    ZOO_CONNECTED_READONLY_STATE=5,
    ZOO_SASL_AUTHENTICATED_STATE=6,
    ZOO_EXPIRED_STATE=-112,
)
zk_err = enum(
    "zk_err",
    globals(),
    int32,
    False,
    ZOO_ERR_OK=0,
    ZOO_ERR_SYSTEMERROR=-1,
    ZOO_ERR_RUNTIMEINCONSISTENCY=-2,
    ZOO_ERR_DATAINCONSISTENCY=-3,
    ZOO_ERR_CONNECTIONLOSS=-4,
    ZOO_ERR_MARSHALLINGERROR=-5,
    ZOO_ERR_UNIMPLEMENTED=-6,
    ZOO_ERR_OPERATIONTIMEOUT=-7,
    ZOO_ERR_BADARGUMENTS=-8,
    ZOO_ERR_APIERROR=-100,
    ZOO_ERR_NONODE=-101,
    ZOO_ERR_NOAUTH=-102,
    ZOO_ERR_BADVERSION=-103,
    ZOO_ERR_NOCHILDRENFOREPHEMERALS=-108,
    ZOO_ERR_NODEEXISTS=-110,
    ZOO_ERR_NOTEMPTY=-111,
    ZOO_ERR_SESSIONEXPIRED=-112,
    ZOO_ERR_INVALIDCALLBACK=-113,
    ZOO_ERR_INVALIDACL=-114,
    ZOO_ERR_AUTHFAILED=-115,
)
zk_perm = enum(
    "zk_perm",
    globals(),
    int32,
    True,
    ZOO_PERM_READ=1,
    ZOO_PERM_WRITE=2,
    ZOO_PERM_CREATE=4,
    ZOO_PERM_DELETE=8,
    ZOO_PERM_ADMIN=16,
    ZOO_PERM_ALL=31,
)
zk_create_flag = enum("zk_create_flag", globals(), int32, True, ZOO_EPHEMERAL=1, ZOO_SEQUENCE=2)

Id = nstruct((ustring, "scheme"), (ustring, "id"), name="Id", padding=1)
ACL = nstruct((zk_perm, "perms"), (Id, "id"), name="ACL", padding=1)

_PERSISTED_V1 = (
    (int64, "czxid"),
    (int64, "mzxid"),
    (int64, "ctime"),
    (int64, "mtime"),
    (int32, "version"),
    (int32, "cversion"),
    (int32, "aversion"),
    (int64, "ephemeralOwner"),
)
Stat = nstruct(*_PERSISTED_V1, (int32, "dataLength"), (int32, "numChildren"), (int64, "pzxid"), name="Stat", padding=1)
StatPersisted = nstruct(*_PERSISTED_V1, (int64, "pzxid"), name="StatPersisted", padding=1)
StatPersistedV1 = nstruct(*_PERSISTED_V1, name="StatPersistedV1", padding=1)


def _pack_zookeeper_length(packet: Any) -> None:
    packet.length = packet._realsize() - 4


ZooKeeperRequest = nstruct(
    (uint32, "length"),
    name="ZooKeeperRequest",
    size=lambda packet: sizefromlen(_MAX_PACKET, "length")(packet) + 4,
    prepack=_pack_zookeeper_length,
    padding=1,
)
ZooKeeperReply = nstruct(
    (uint32, "length"),
    name="ZooKeeperReply",
    size=lambda packet: sizefromlen(_MAX_PACKET, "length")(packet) + 4,
    prepack=_pack_zookeeper_length,
    padding=1,
)


def _is_kind(kind: Optional[int]) -> Callable[[Any], bool]:
    return lambda packet: getattr(packet, "zookeeper_type", None) == kind


def _new_kind(kind: int) -> Callable[[Any], None]:
    return packvalue(kind, "zookeeper_type")


_TypedZooKeeperRequest = nstruct(
    base=ZooKeeperRequest, name="_TypedZooKeeperRequest", criteria=lambda packet: hasattr(packet, "zookeeper_type")
)
_TypedZooKeeperReply = nstruct(
    base=ZooKeeperReply, name="_TypedZooKeeperReply", criteria=lambda packet: hasattr(packet, "zookeeper_type")
)
ConnectRequest = nstruct(
    (int32, "protocolVersion"),
    (int64, "lastZxidSeen"),
    (int32, "timeOut"),
    (int64, "sessionId"),
    (z_buffer, "passwd"),
    (boolean, "readOnly"),
    name="ConnectRequest",
    base=_TypedZooKeeperRequest,
    criteria=_is_kind(CONNECT_PACKET),
    init=_new_kind(CONNECT_PACKET),
)
_ConnectResponseOptional = nstruct(name="_ConnectResponseOptional", padding=1, inline=False)
_ConnectResponseReadOnly = nstruct(
    (boolean, "readOnly"),
    name="_ConnectResponseReadOnly",
    base=_ConnectResponseOptional,
    criteria=lambda packet: packet._realsize() > 0,
)
ConnectResponse = nstruct(
    (int32, "protocolVersion"),
    (int32, "timeOut"),
    (int64, "sessionId"),
    (z_buffer, "passwd"),
    (_ConnectResponseOptional,),
    name="ConnectResponse",
    base=_TypedZooKeeperReply,
    criteria=_is_kind(CONNECT_PACKET),
    init=_new_kind(CONNECT_PACKET),
    lastextra=True,
)
RequestHeader = nstruct(
    (zk_xid, "xid"),
    (zk_request_type, "type"),
    name="RequestHeader",
    base=_TypedZooKeeperRequest,
    criteria=_is_kind(HEADER_PACKET),
    init=_new_kind(HEADER_PACKET),
    classifier=lambda packet: packet.type,
)
ReplyHeader = nstruct(
    (int32, "xid"),
    (int64, "zxid"),
    (zk_err, "err"),
    name="ReplyHeader",
    base=_TypedZooKeeperReply,
    criteria=_is_kind(HEADER_PACKET),
    init=_new_kind(HEADER_PACKET),
)
_TypedReply = nstruct(
    name="_TypedReply",
    base=ReplyHeader,
    criteria=lambda packet: packet.xid != WATCHER_EVENT_XID and packet.err == ZOO_ERR_OK and _request_type(packet) is not None,
    classifier=lambda packet: packet.zookeeper_request_type,
)


def _request_type(packet: Any) -> Optional[int]:
    return getattr(packet, "zookeeper_request_type", None)


def _part(name: str, *fields: Any) -> Any:
    return nstruct(*fields, name=name, padding=1)


_PATH, _VERSION, _WATCH = (ustring, "path"), (int32, "version"), (boolean, "watch")
_DATA, _ACLS, _STAT = (z_buffer, "data"), (vector(ACL), "acl"), (Stat, "stat")
_CHILDREN = (vector(ustring), "children")

MultiHeader = _part("MultiHeader", (zk_request_type, "type"), (boolean, "done"), (zk_err, "err"))
_GetDataRequest = _part("_GetDataRequest", _PATH, _WATCH)
_SetDataRequest = _part("_SetDataRequest", _PATH, _DATA, _VERSION)
_SetDataResponse = _part("_SetDataResponse", _STAT)
_GetSASLRequest = _part("_GetSASLRequest", (z_buffer, "token"))
_SetSASLRequest = _part("_SetSASLRequest", (z_buffer, "token"))
_SetSASLResponse = _part("_SetSASLResponse", (z_buffer, "token"))
_CreateRequest = _part("_CreateRequest", _PATH, _DATA, _ACLS, (zk_create_flag, "flags"))
_DeleteRequest = _part("_DeleteRequest", _PATH, _VERSION)
_GetChildrenRequest = _part("_GetChildrenRequest", _PATH, _WATCH)
_GetChildren2Request = _part("_GetChildren2Request", _PATH, _WATCH)
_CheckVersionRequest = _part("_CheckVersionRequest", _PATH, _VERSION)
_GetMaxChildrenRequest = _part("_GetMaxChildrenRequest", _PATH)
_GetMaxChildrenResponse = _part("_GetMaxChildrenResponse", (int32, "max"))
_SetMaxChildrenRequest = _part("_SetMaxChildrenRequest", _PATH, (int32, "max"))
_SyncRequest = _part("_SyncRequest", _PATH)
_SyncResponse = _part("_SyncResponse", _PATH)
_GetACLRequest = _part("_GetACLRequest", _PATH)
_SetACLRequest = _part("_SetACLRequest", _PATH, _ACLS, _VERSION)
_SetACLResponse = _part("_SetACLResponse", _STAT)
_WatcherEvent = _part("_WatcherEvent", (zk_watch_event, "type"), (zk_client_state, "state"), _PATH)
_ErrorResponse = _part("_ErrorResponse", (zk_err, "err2"))
_CreateResponse = _part("_CreateResponse", _PATH)
_ExistsRequest = _part("_ExistsRequest", _PATH, _WATCH)
_ExistsResponse = _part("_ExistsResponse", _STAT)
_GetDataResponse = _part("_GetDataResponse", _DATA, _STAT)
_GetChildrenResponse = _part("_GetChildrenResponse", _CHILDREN)
_GetChildren2Response = _part("_GetChildren2Response", _CHILDREN, _STAT)
_GetACLResponse = _part("_GetACLResponse", _ACLS, _STAT)


def _request(name: str, kind: int, *fields: Any, xid: Optional[int] = None) -> Any:
    def init(packet: Any) -> None:
        packet.type = kind
        if xid is not None:
            packet.xid = xid

    return nstruct(*fields, name=name, base=RequestHeader, classifyby=(kind,), init=init)


def _reply(name: str, kind: int, *fields: Any) -> Any:
    return nstruct(*fields, name=name, base=_TypedReply, classifyby=(kind,), init=packvalue(kind, "zookeeper_request_type"))


SetWatches = _request(
    "SetWatches",
    ZOO_SETWATCHES_OP,
    (int64, "relativeZxid"),
    (vector(ustring), "dataWatches"),
    (vector(ustring), "existWatches"),
    (vector(ustring), "childWatches"),
    xid=SET_WATCHES_XID,
)
AuthPacket = _request("AuthPacket", ZOO_SETAUTH_OP, (int32, "auth_type"), (ustring, "scheme"), (z_buffer, "auth"), xid=AUTH_XID)
CreateRequest = _request("CreateRequest", ZOO_CREATE_OP, (_CreateRequest,))
CreateResponse = _reply("CreateResponse", ZOO_CREATE_OP, (_CreateResponse,))
DeleteRequest = _request("DeleteRequest", ZOO_DELETE_OP, (_DeleteRequest,))
ExistsRequest = _request("ExistsRequest", ZOO_EXISTS_OP, (_ExistsRequest,))
ExistsResponse = _reply("ExistsResponse", ZOO_EXISTS_OP, (_ExistsResponse,))
GetDataRequest = _request("GetDataRequest", ZOO_GETDATA_OP, (_GetDataRequest,))
GetDataResponse = _reply("GetDataResponse", ZOO_GETDATA_OP, (_GetDataResponse,))
SetDataRequest = _request("SetDataRequest", ZOO_SETDATA_OP, (_SetDataRequest,))
SetDataResponse = _reply("SetDataResponse", ZOO_SETDATA_OP, (_SetDataResponse,))
SetSASLRequest = GetSASLRequest = _request("SetSASLRequest", ZOO_SASL_OP, (_SetSASLRequest,))
SetSASLResponse = GetSASLResponse = _reply("SetSASLResponse", ZOO_SASL_OP, (_SetSASLResponse,))
GetACLRequest = _request("GetACLRequest", ZOO_GETACL_OP, (_GetACLRequest,))
GetACLResponse = _reply("GetACLResponse", ZOO_GETACL_OP, (_GetACLResponse,))
SetACLRequest = _request("SetACLRequest", ZOO_SETACL_OP, (_SetACLRequest,))
SetACLResponse = _reply("SetACLResponse", ZOO_SETACL_OP, (_SetACLResponse,))
GetChildrenRequest = _request("GetChildrenRequest", ZOO_GETCHILDREN_OP, (_GetChildrenRequest,))
GetChildrenResponse = _reply("GetChildrenResponse", ZOO_GETCHILDREN_OP, (_GetChildrenResponse,))
SyncRequest = _request("SyncRequest", ZOO_SYNC_OP, (_SyncRequest,))
SyncResponse = _reply("SyncResponse", ZOO_SYNC_OP, (_SyncResponse,))
GetChildren2Request = _request("GetChildren2Request", ZOO_GETCHILDREN2_OP, (_GetChildren2Request,))
GetChildren2Response = _reply("GetChildren2Response", ZOO_GETCHILDREN2_OP, (_GetChildren2Response,))


def _kind_of_part(part: Any) -> Optional[int]:
    return None if part.done else part.type


MultiOpRequest = nvariant("MultiOpRequest", MultiHeader, classifier=_kind_of_part)
MultiOpResponse = nvariant("MultiOpResponse", MultiHeader, classifier=_kind_of_part)


def _multi_part(base: Any, name: str, kind: int, *fields: Any) -> Any:
    return nstruct(*fields, name=name, base=base, classifyby=(kind,), init=packvalue(kind, "type"))


MultiOpCheck = _multi_part(MultiOpRequest, "MultiOpCheck", ZOO_CHECK_OP, (_CheckVersionRequest,))
MultiOpCreate = _multi_part(MultiOpRequest, "MultiOpCreate", ZOO_CREATE_OP, (_CreateRequest,))
MultiOpDelete = _multi_part(MultiOpRequest, "MultiOpDelete", ZOO_DELETE_OP, (_DeleteRequest,))
MultiOpSetData = _multi_part(MultiOpRequest, "MultiOpSetData", ZOO_SETDATA_OP, (_SetDataRequest,))
MultiOpCreateResponse = _multi_part(MultiOpResponse, "MultiOpCreateResponse", ZOO_CREATE_OP, (_CreateResponse,))
MultiOpSetDataResponse = _multi_part(MultiOpResponse, "MultiOpSetDataResponse", ZOO_SETDATA_OP, (_SetDataResponse,))
MultiOpErrorResponse = _multi_part(MultiOpResponse, "MultiOpErrorResponse", ZOO_ERROR_TYPE, (_ErrorResponse,))

MultiRequest = _request("MultiRequest", ZOO_MULTI_OP, (MultiOpRequest[0], "requests"))
MultiResponse = _reply("MultiResponse", ZOO_MULTI_OP, (MultiOpResponse[0], "responses"))


def _init_watcher_event(packet: Any) -> None:
    packet.xid = WATCHER_EVENT_XID


WatcherEvent = nstruct(
    (_WatcherEvent,),
    name="WatcherEvent",
    base=ReplyHeader,
    criteria=lambda packet: packet.xid == WATCHER_EVENT_XID,
    init=_init_watcher_event,
)


def parse_reply(data: bytes, request_type: Optional[int]) -> Any:
    """Return the struct of one whole reply packet, its length included.

    :param data: the packet
    :param request_type: a ``zk_request_type``: of the request that it answers; None for a watcher event, and for a
        reply that is only a header; ``ZOO_CREATE_SESSION_OP`` for the answer to a :data:`ConnectRequest`
    :raises BadLenError: the packet is too short or too long for its type
    :raises BadFormatError: the packet is damaged
    """
    parser = ZooKeeperReply.parser()
    try:
        reply = parser._create(data)
        if request_type == ZOO_CREATE_SESSION_OP:
            reply.zookeeper_type = CONNECT_PACKET
        else:
            reply.zookeeper_type = HEADER_PACKET
            reply.zookeeper_request_type = request_type
        parser.subclass(reply)
    except (_struct.error, UnicodeError) as error:
        raise BadFormatError("bad packet: %s" % (error,)) from error
    if request_type == ZOO_MULTI_OP and reply.err == ZOO_ERR_OK:
        _check_multi(reply.responses)
    return reply


def _check_multi(parts: Sequence[Any]) -> None:
    if not parts or not parts[-1].done or any(part.done for part in parts[:-1]):
        raise BadLenError("the %d parts of a multi packet do not end as they should" % (len(parts),))


def default_acl() -> list:
    """Return the list of ACLs that opens a node to everybody."""
    return [ACL(perms=ZOO_PERM_ALL, id=Id(scheme=b"world", id=b"anyone"))]


def _flags(ephemeral: bool, sequence: bool) -> int:
    return (ZOO_EPHEMERAL if ephemeral else 0) | (ZOO_SEQUENCE if sequence else 0)


def _created(kind: Any, path: Any, data: Any, ephemeral: bool, sequence: bool, acl: Optional[list]) -> Any:
    return kind(
        path=as_bytes(path),
        data=as_bytes(data),
        acl=default_acl() if acl is None else acl,
        flags=_flags(ephemeral, sequence),
    )


def multi(*ops: Any) -> Any:
    """Return a request that carries out all of ``ops`` or none.

    :param ops: results of :func:`multi_create`, :func:`multi_delete`, :func:`multi_check`, :func:`multi_setdata`
    """
    for part in ops:
        # What other clients send there; servers do not look at it.
        part.err = -1
    return MultiRequest(requests=[*ops, MultiOpRequest(type=ZOO_ERROR_TYPE, done=True, err=-1)])


def create(path: Any, data: Any, ephemeral: bool = False, sequence: bool = False, acl: Optional[list] = None) -> Any:
    """Return a request that creates a node.

    :param path: str or bytes
    :param data: content, str or bytes; None for null
    :param ephemeral: the node goes with the session
    :param sequence: a number is appended to the name
    :param acl: list of :data:`ACL`; None opens it to everybody
    """
    return _created(CreateRequest, path, data, ephemeral, sequence, acl)


def delete(path: Any, version: int = -1) -> Any:
    """Return a request that deletes a node; ``version`` -1 means any version."""
    return DeleteRequest(path=as_bytes(path), version=version)


def exists(path: Any, watch: bool = False) -> Any:
    """Return a request for the :data:`Stat` of a node; with ``watch``, its creation, change and deletion are told."""
    return ExistsRequest(path=as_bytes(path), watch=watch)


def getdata(path: Any, watch: bool = False) -> Any:
    """Return a request for the content of a node; with ``watch``, its change and deletion are told."""
    return GetDataRequest(path=as_bytes(path), watch=watch)


def setdata(path: Any, data: Any, version: int = -1) -> Any:
    """Return a request that writes the content of a node; ``version`` -1 means any version."""
    return SetDataRequest(path=as_bytes(path), data=as_bytes(data), version=version)


def getchildren(path: Any, watch: bool = False) -> Any:
    """Return a request for the names of children; with ``watch``, a change of this list is told."""
    return GetChildrenRequest(path=as_bytes(path), watch=watch)


def getchildren2(path: Any, watch: bool = False) -> Any:
    """Return a request for the names of children and the :data:`Stat` of the node."""
    return GetChildren2Request(path=as_bytes(path), watch=watch)


def multi_create(path: Any, data: Any, ephemeral: bool = False, sequence: bool = False, acl: Optional[list] = None) -> Any:
    """Return a part of :func:`multi` like :func:`create`."""
    return _created(MultiOpCreate, path, data, ephemeral, sequence, acl)


def multi_delete(path: Any, version: int = -1) -> Any:
    """Return a part of :func:`multi` like :func:`delete`."""
    return MultiOpDelete(path=as_bytes(path), version=version)


def multi_check(path: Any, version: int) -> Any:
    """Return a part of :func:`multi` that fails unless the node has this version."""
    return MultiOpCheck(path=as_bytes(path), version=version)


def multi_setdata(path: Any, data: Any, version: int = -1) -> Any:
    """Return a part of :func:`multi` like :func:`setdata`."""
    return MultiOpSetData(path=as_bytes(path), data=as_bytes(data), version=version)


def getacl(path: Any) -> Any:
    """Return a request for the ACLs of a node."""
    return GetACLRequest(path=as_bytes(path))


def setacl(path: Any, acl: list, version: int = -1) -> Any:
    """Return a request that sets the ACLs of a node; ``version`` is that of the ACLs, -1 means any."""
    return SetACLRequest(path=as_bytes(path), acl=acl, version=version)


def sync(path: Any) -> Any:
    """Return a request that makes what others wrote before visible to the following reads."""
    return SyncRequest(path=as_bytes(path))
