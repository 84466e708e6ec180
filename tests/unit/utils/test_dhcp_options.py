"""DHCP options as bytes and back (RFC 2132, 3396, 3442)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlcp.utils import dhcp


def message(**fields):
    return dhcp.dhcp_payload(magic_cookie=dhcp.BOOTP_MAGIC_COOKIE, **fields)


@pytest.mark.parametrize(
    ("tag", "value", "packed"),
    [
        (1, "255.255.255.0", "0104ffffff00"),
        ("OPTION_MTU", 1450, "1a0205aa"),
        ("mtu", "1450", "1a0205aa"),
        ("26", 1450, "1a0205aa"),
        (3, "10.0.0.1", "03040a000001"),
        ("ntp-servers", ["10.0.0.1", "10.0.0.2"], "2a080a0000010a000002"),
        (15, "example.org", "0f0b6578616d706c652e6f7267"),
        (51, "infinite", "3304ffffffff"),
        (51, 3600, "330400000e10"),
        (121, [["10.0.0.0/8", "10.0.0.1"], ["0.0.0.0/0", "10.0.0.2"]], "790b080a0a000001000a000002"),
        (121, [["10.20.30.0/23", "10.0.0.1"]], "790817 0a141e 0a000001"),
        (252, [1, 2, 3], "fc03010203"),
        (19, True, "130101"),
        (55, [1, "mtu"], "3702011a"),
    ],
)
def test_a_value_as_people_write_it_becomes_the_bytes_of_the_rfc(tag, value, packed):
    assert dhcp.create_option_from_value(tag, value)._tobytes() == bytes.fromhex(packed)


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (0, 1),
        (255, 1),
        (256, 1),
        ("nonsense", 1),
        (1, "300.1.1.1"),
        (3, []),
        (26, 70000),
        (15, 7),
        (121, [["10.0.0.0/8"]]),
        (121, 5),
    ],
)
def test_a_value_that_an_option_cannot_carry_is_refused_with_its_name(tag, value):
    with pytest.raises(ValueError, match="DHCP option"):
        dhcp.create_option_from_value(tag, value)


def test_invalid_options_can_be_ignored_and_none_can_be_kept():
    given_options = {"mtu": 1450, "15": None, 1: "x"}
    assert sorted(dhcp.create_dhcp_options(given_options, ignoreError=True)) == [26]
    kept = dhcp.create_dhcp_options(given_options, ignoreError=True, generateNone=True)
    assert kept[15] is None and sorted(kept) == [15, 26]
    with pytest.raises(ValueError):
        dhcp.create_dhcp_options(given_options)


def test_options_that_fit_are_sent_without_overload():
    payload = message()
    option = dhcp.create_option_from_value(252, "x" * 250)
    assert dhcp.build_options(payload, [option]) == 0
    assert [piece.tag for piece in payload.options] == [252, 255]
    assert payload.file.strip(b"\0") == b""


def test_what_does_not_fit_goes_to_file_and_sname_and_comes_back():
    payload = message()
    sizes = {224: 100, 225: 100, 226: 100, 227: 40}
    options = [dhcp.create_option_from_value(tag, chr(tag - 160) * size) for tag, size in sizes.items()]
    assert dhcp.build_options(payload, options) == 0
    assert payload.options[0].tag == 52
    assert len(payload._tobytes()) <= 576 - 28
    assert {o.tag: o.value for o in dhcp.reassemble_options(payload)} == {o.tag: o.value for o in options}


def test_the_last_options_are_dropped_when_nothing_has_room_and_counted():
    payload = message()
    options = [dhcp.create_option_from_value(tag, "x" * 200) for tag in (224, 225, 226, 227)]
    assert dhcp.build_options(payload, options) == 3
    assert [o.tag for o in dhcp.reassemble_options(payload)] == [224]
    assert dhcp.build_options(message(), options, maxsize=1500) == 0
    with pytest.raises(ValueError, match="do not fit"):
        dhcp.build_options(message(), options, allowpartial=False)


def test_a_long_option_is_cut_into_pieces_and_joined():
    payload = message()
    option = dhcp.create_option_from_value(252, "".join(chr(65 + n % 26) for n in range(700)))
    assert dhcp.build_options(payload, [option], maxsize=1400) == 0
    assert [(p.tag, len(p.data)) for p in payload.options[:-1]] == [(252, 255), (252, 255), (252, 190)]
    (joined,) = dhcp.reassemble_options(dhcp.dhcp_payload.create(payload._tobytes()))
    assert joined.value == option.value


@given(st.binary(max_size=600))
def test_any_bytes_after_the_cookie_are_read_in_bounded_time(data):
    fixed = bytes(236) + dhcp.BOOTP_MAGIC_COOKIE.to_bytes(4, "big")
    found = dhcp.options_of(fixed + data)
    assert sum(map(len, found.values())) <= len(data)


def test_a_message_without_the_cookie_is_refused():
    with pytest.raises(ValueError, match="not a DHCP message"):
        dhcp.options_of(bytes(300))


@given(st.dictionaries(st.integers(1, 254).filter(lambda tag: tag != 52), st.binary(max_size=300), max_size=8))
def test_everything_that_is_not_dropped_is_read_back(values):
    payload = message()
    pairs = list(values.items())
    left = dhcp.put_options(payload, pairs, 1400)
    assert dhcp.options_of(payload._tobytes()) == dict(pairs[: len(pairs) - left])
