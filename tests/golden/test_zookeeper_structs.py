"""The jute structs: bytes of empty ones, against kazoo's serializer, and damaged replies."""

from __future__ import annotations

import pathlib
import random
import struct

import pytest
from kazoo.protocol import serialization as kazoo
from kazoo.security import OPEN_ACL_UNSAFE, make_digest_acl
from namedstruct.namedstruct import ParseError

from vlcp.utils import zookeeper as zk

TABLE = pathlib.Path(__file__).parent.parent / "data" / "zookeeper_structs.tsv"
ROWS = [line.split("\t") for line in TABLE.read_text().splitlines()]
DIGEST = make_digest_acl("user", "secret", read=True)


@pytest.mark.parametrize(("name", "empty"), ROWS)
def test_a_new_struct_has_the_documented_bytes(name, empty):
    assert getattr(zk, name)()._tobytes().hex() == empty


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (zk.create("/ü", "text", True, True), kazoo.Create("/ü", b"text", OPEN_ACL_UNSAFE, 3)),
        (
            zk.create("/a", None, acl=[zk.ACL(perms=1, id=zk.Id(scheme=b"digest", id=DIGEST.id.id.encode()))]),
            kazoo.Create("/a", None, [DIGEST], 0),
        ),
        (zk.delete("/a", 3), kazoo.Delete("/a", 3)),
        (zk.exists("/a", True), kazoo.Exists("/a", lambda event: None)),
        (zk.getdata("/a"), kazoo.GetData("/a", None)),
        (zk.setdata("/a", b"x", 2), kazoo.SetData("/a", b"x", 2)),
        (zk.getchildren("/a"), kazoo.GetChildren("/a", None)),
        (zk.getchildren2("/a", True), kazoo.GetChildren2("/a", lambda event: None)),
        (zk.getacl("/a"), kazoo.GetACL("/a")),
        (zk.setacl("/a", zk.default_acl(), 1), kazoo.SetACL("/a", OPEN_ACL_UNSAFE, 1)),
        (zk.sync("/a"), kazoo.Sync("/a")),
        (
            zk.multi(zk.multi_check("/a", 2), zk.multi_create("/b", b"x"), zk.multi_setdata("/c", b"y"), zk.multi_delete("/d")),
            kazoo.Transaction(
                [
                    kazoo.CheckVersion("/a", 2),
                    kazoo.Create("/b", b"x", OPEN_ACL_UNSAFE, 0),
                    kazoo.SetData("/c", b"y", -1),
                    kazoo.Delete("/d", -1),
                ]
            ),
        ),
    ],
)
def test_requests_are_the_bytes_of_an_independent_serializer(ours, theirs):
    data = ours._tobytes()
    assert struct.unpack_from(">ii", data, 4) == (0, theirs.type)
    assert data[12:] == bytes(theirs.serialize())
    assert struct.unpack_from(">i", data)[0] == len(data) - 4


def test_a_connect_request_is_the_bytes_of_an_independent_serializer():
    ours = zk.ConnectRequest(lastZxidSeen=5, timeOut=20000, sessionId=9, passwd=b"p" * 16, readOnly=True)
    assert ours._tobytes()[4:] == bytes(kazoo.Connect(0, 5, 20000, 9, b"p" * 16, True).serialize())


def reply(record: bytes, err: int = 0) -> bytes:
    body = struct.pack(">iqi", 3, 44, err) + record
    return struct.pack(">i", len(body)) + body


STAT = struct.pack(">qqqqiiiqiiq", *range(1, 12))


def test_replies_become_structs_by_the_type_of_their_request():
    got = zk.parse_reply(reply(struct.pack(">i", 3) + b"abc" + STAT), zk.ZOO_GETDATA_OP)
    assert (got.xid, got.zxid, got.err, got.data, got.stat.pzxid) == (3, 44, 0, b"abc", 11)
    got = zk.parse_reply(reply(struct.pack(">ii", 2, 1) + b"x" + struct.pack(">i", 0) + STAT), zk.ZOO_GETCHILDREN2_OP)
    assert got.children == [b"x", b""]
    got = zk.parse_reply(reply(b"", zk.ZOO_ERR_NONODE), zk.ZOO_GETDATA_OP)
    assert got.err == zk.ZOO_ERR_NONODE and not hasattr(got, "data")
    parts = struct.pack(">i?ii", 1, False, 0, 2) + b"/a" + struct.pack(">i?i", 2, False, 0)
    parts += struct.pack(">i?i", 5, False, 0) + STAT + struct.pack(">i?ii", -1, False, -101, -101)
    got = zk.parse_reply(reply(parts + struct.pack(">i?i", -1, True, -1)), zk.ZOO_MULTI_OP)
    assert [part.type for part in got.responses] == [1, 2, 5, -1, -1]
    assert (got.responses[0].path, got.responses[2].stat.czxid, got.responses[3].err2) == (b"/a", 1, -101)


def test_the_answer_to_a_connect_request_may_lack_the_last_field_of_newer_servers():
    record = struct.pack(">iiqi", 0, 4000, 77, 16) + b"p" * 16
    got = zk.parse_reply(struct.pack(">i", len(record)) + record, zk.ZOO_CREATE_SESSION_OP)
    assert (got.timeOut, got.sessionId, got.passwd) == (4000, 77, b"p" * 16)
    got = zk.parse_reply(struct.pack(">i", len(record) + 1) + record + b"\1", zk.ZOO_CREATE_SESSION_OP)
    assert got.readOnly is True


def test_a_watch_event_is_recognised_by_its_xid():
    body = struct.pack(">iqi", -1, -1, 0) + struct.pack(">iii", 4, 3, 2) + b"/a"
    got = zk.parse_reply(struct.pack(">i", len(body)) + body, None)
    assert (got.type, got.state, got.path) == (zk.CHILD_EVENT_DEF, zk.ZOO_SYNC_CONNECTED_STATE, b"/a")


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (struct.pack(">i", 2**31 - 1), zk.ZOO_GETDATA_OP),
        (struct.pack(">i", -2), zk.ZOO_GETDATA_OP),
        (b"", zk.ZOO_EXISTS_OP),
        (struct.pack(">i", 2**31 - 1) + b"\0" * 100, zk.ZOO_GETCHILDREN_OP),
        (struct.pack(">i", -3), zk.ZOO_GETCHILDREN_OP),
        (b"", zk.ZOO_MULTI_OP),
        (struct.pack(">i?i", 2, False, 0), zk.ZOO_MULTI_OP),
        (struct.pack(">i?i", -1, True, -1) * 2, zk.ZOO_MULTI_OP),
    ],
)
def test_a_damaged_reply_is_an_error(record, kind):
    with pytest.raises(ParseError):
        zk.parse_reply(reply(record), kind)


def test_noise_is_parsed_or_refused_and_nothing_else():
    rng = random.Random(11)
    kinds = [zk.ZOO_GETDATA_OP, zk.ZOO_GETCHILDREN2_OP, zk.ZOO_MULTI_OP, zk.ZOO_GETACL_OP, zk.ZOO_CREATE_SESSION_OP, None]
    for turn in range(1500):
        noise = bytes(rng.choice((0, 0, 0, 1, 2, 255, rng.randrange(256))) for _ in range(rng.randrange(50)))
        try:
            zk.parse_reply(reply(noise) if turn % 3 else struct.pack(">i", len(noise)) + noise, rng.choice(kinds))
        except ParseError:
            continue


def test_strings_and_vectors_are_checked_alone():
    parser = zk.ustring.parser()
    assert parser.parse(b"\0\0\0\2ab!") == (b"ab", 6)
    assert parser.parse(b"\0\0\0\2a") is None
    assert parser.create(b"\xff\xff\xff\xff") is None
    assert (parser.tobytes(None), parser.tobytes("ü")) == (b"\xff" * 4, b"\0\0\0\2\xc3\xbc")
    vector = zk.vector(zk.ustring)
    assert vector.create(b"\0\0\0\1\0\0\0\1x") == [b"x"]
    assert vector.tobytes([b"x", "y"]) == b"\0\0\0\2\0\0\0\1x\0\0\0\1y"
    with pytest.raises(ParseError):
        vector.create(b"\0\0\0\1\0\0\0\1xy")
