"""Types of API parameters: conversions, paths in messages, and what discover shows."""

from __future__ import annotations

import pytest

from vlcp.utils.exceptions import APIParameterException, TypeMismatchException
from vlcp.utils.typelib import (
    ApiSignature,
    DhcpOptions,
    Identifier,
    Integer,
    IPv4Address,
    IPv4Destination,
    IPv4Network,
    LeaseTime,
    MacAddress,
    NumberRanges,
    Pair,
    Vni,
)

PORT = {"logicalnetwork": Identifier, "?mac_address": MacAddress, "?dns": ([IPv4Address], None), "?vni": Vni}

OPTIONS = {"?mac": MacAddress}


class Module:
    async def createport(self, logicalnetwork: Identifier, id: (str, None) = None, **kwargs: OPTIONS):
        """Create."""

    async def createports(self, ports: [PORT]):
        """Create."""

    def plain(self, key, timeout=30):
        """No types."""


def value_of(check, value):
    def function(value):
        pass

    function.__annotations__["value"] = check
    return ApiSignature(function).check({"value": value})["value"]


@pytest.mark.parametrize(
    "check, value, expected",
    [
        (MacAddress, "02:0A:b:0:0:1", "02:0a:0b:00:00:01"),
        (IPv4Address, "192.168.001.1", "192.168.1.1"),
        (IPv4Address, "1.2.3", "1.2.0.3"),
        (IPv4Network, "192.168.1.7/24", "192.168.1.0/24"),
        (IPv4Network, "1.2.3.4/0", "0.0.0.0/0"),
        (IPv4Destination, "10.0.0.1", "10.0.0.1/32"),
        (Integer, "10010", 10010),
        (Integer, -3, -3),
        (int, "7", 7),
        (float, "1.5", 1.5),
        (LeaseTime, "infinite", "infinite"),
        (LeaseTime, "3600", 3600),
        (LeaseTime, None, None),
        ([IPv4Address], "1.2.3.4", ["1.2.3.4"]),
        ([IPv4Address], ("1.2.3.4",), ["1.2.3.4"]),
        (([IPv4Address], None), None, None),
        (NumberRanges, [[5, 9]], [[5, 9]]),
        (NumberRanges, (5, 9), [[5, 9]]),
        ((str, None), None, None),
        ((int, str), "a", "a"),
        (DhcpOptions, [[15, "a.example"], ["252", "http://x"], ["ntp-servers", ["1.1.1.1"]], [3, None]], None),
        (DhcpOptions, {"15": "a.example"}, {"15": "a.example"}),
    ],
)
def test_values_are_converted(check, value, expected):
    if expected is None and value is not None:
        expected = {"15": "a.example", "252": "http://x", "ntp-servers": ["1.1.1.1"], "3": None}
    assert value_of(check, value) == expected


@pytest.mark.parametrize(
    "check, value, message",
    [
        (MacAddress, "aabbcc", "value: expected a MAC address, got 'aabbcc'"),
        (MacAddress, "02:00:00:00:00:01\n", "value: expected a MAC address, got '02:00:00:00:00:01\\n'"),
        (IPv4Address, "1.2.3.256", "value: expected an IPv4 address, got '1.2.3.256'"),
        (IPv4Address, "1.2.3.4 x", "value: expected an IPv4 address"),
        (IPv4Network, "192.168.1.0", "value: expected an IPv4 network like '192.168.1.0/24', got '192.168.1.0'"),
        (IPv4Network, "192.168.1.0/33", "value: expected an IPv4 network"),
        (Integer, True, "value: expected an integer, got True"),
        (Integer, "1_0", "value: expected an integer, got '1_0'"),
        (Integer, 1 << 70, "value: expected an integer of at most 64 bits"),
        (float, "nan", "value: expected a finite number"),
        (float, True, "value: expected a number, got True"),
        (bool, "true", "value: expected True or False, got 'true'"),
        (bool, 1, "value: expected True or False, got 1"),
        (Vni, 1 << 24, "value: expected a VNI in 1 .. 16777215, got 16777216"),
        (LeaseTime, "soon", "value: expected a lease time"),
        (LeaseTime, -1, "value: expected a lease time"),
        (Identifier, "", "value: expected a name that is not empty"),
        (Identifier, "a\x00b", "value: expected a name without control characters, got 'a\\x00b'"),
        (Identifier, "a" * 256, "value: expected a name of at most 255 characters"),
        (str, 5, "value: expected a string, got 5"),
        (str, None, "value: expected a string, got None"),
        (Pair(int, int), [1, 2, 3], "value: expected a pair, got [1, 2, 3]"),
        (NumberRanges, [[1, 2], [3, "x"]], "value[1][1]: expected an integer, got 'x'"),
        ([{"?a": int}], [{"a": 1}, 3], "value[1]: expected a valid dictionary, got 3"),
        ([{"a": int}], [{}], "value[0].a: this key is missing"),
        ({"?a": int}, {1: 2}, "value[1]: Keys should be strings, got 1"),
        (DhcpOptions, [[256, 1]], "value[0][0]: expected the number or name of a DHCP option, got 256"),
        (DhcpOptions, [[1, {"a": 1}]], "value[0][1]: expected a value that a DHCP option can carry"),
        (DhcpOptions, [[1, 1], ["1", 2]], "value[1][0]: expected each DHCP option once, got '1'"),
        (DhcpOptions, [[1]], "value[0]: expected a [tag, value] pair, got [1]"),
        (DhcpOptions, 7, "value: expected a list of [tag, value] pairs, got 7"),
    ],
)
def test_wrong_values_are_refused_with_their_path(check, value, message):
    with pytest.raises(TypeMismatchException) as error:
        value_of(check, value)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "key, value, path",
    [
        ("note", {1, 2}, "ports[1].note:"),
        ("note", {"a": [1, b"x"]}, "ports[1].note.a[1]:"),
        ("note", float("inf"), "ports[1].note:"),
        ("note", 1 << 64, "ports[1].note:"),
        ("note", {1: 2}, "ports[1].note:"),
        ("note", {"<vlcpjsonencode/x.y>": 1}, "ports[1].note:"),
        ("note", nested(40), "ports[1].note[0]"),
        ("note", "x" * 70000, "ports[1].note:"),
        ("note", 1j, "ports[1].note:"),
        ("_key", 1, "ports[1]._key:"),
        ("kvdb_createtime", 1, "ports[1].kvdb_createtime:"),
        ("", 1, "ports[1]['']:"),
        ("a\nb", 1, "ports[1]['a\\nb']:"),
    ],
)
def test_unknown_attributes_that_cannot_be_stored_are_refused(key, value, path):
    signature = ApiSignature(Module().createports)
    with pytest.raises(TypeMismatchException) as error:
        signature.check({"ports": [{"logicalnetwork": "a"}, {"logicalnetwork": "a", key: value}]})
    assert str(error.value).startswith(path)
    assert len(str(error.value)) < 400 and "\n" not in str(error.value)


def test_unknown_attributes_are_kept_as_given():
    extra = {"note": {"a": [1, None, True, 1.5, "x"]}, "subnet:x": "y"}
    checked = ApiSignature(Module().createports).check({"ports": {"logicalnetwork": "a", **extra}})
    assert checked == {"ports": [{"logicalnetwork": "a", **extra}]}


def test_missing_and_unexpected_parameters_are_named():
    create, plain = ApiSignature(Module().createport), ApiSignature(Module().plain)
    for signature, params, name in [(create, {}, "logicalnetwork"), (plain, {}, "key"), (plain, {"key": 1, "x": 2}, "x")]:
        with pytest.raises(APIParameterException, match=name):
            signature.check(params)
    assert plain.check({"key": b"1"}) == {"key": b"1"}


def test_defaults_stay_with_the_function_and_the_given_dict_is_unchanged():
    params = {"logicalnetwork": "a", "mac": "2:0:0:0:0:1"}
    checked = ApiSignature(Module().createport).check(params)
    assert checked == {"logicalnetwork": "a", "mac": "02:00:00:00:00:01"}
    assert params["mac"] == "2:0:0:0:0:1"


def test_discover_prints_types_as_the_original_does():
    assert ApiSignature(Module().createport).describe() == {
        "parameters": [
            {"name": "logicalnetwork", "optional": False, "type": "<class 'str'>"},
            {"name": "id", "optional": True, "default": None, "type": ["<class 'str'>", None]},
        ],
        "extraparameters": True,
        "extraparameters_type": {"?mac": "extra(<class 'str'>)"},
    }
    assert ApiSignature(Module().plain).describe() == {
        "parameters": [{"name": "key", "optional": False}, {"name": "timeout", "optional": True, "default": 30}],
        "extraparameters": False,
    }
    assert repr(NumberRanges) == "[tuple_((<class 'int'>, <class 'int'>))]"
    assert repr(Pair((int, Integer), object)).startswith("tuple_(((<class 'int'>, ")


def test_annotations_of_other_kinds_are_not_checked():
    def function(keys: list[str], queue: SomeName, many: dict = None) -> list:  # noqa: F821
        pass

    signature = ApiSignature(function)
    assert signature.check({"keys": (1,), "queue": 2, "many": 3}) == {"keys": (1,), "queue": 2, "many": 3}
    assert signature.describe()["return_type"] == "<class 'list'>"


def test_criteria_decide_whether_a_public_api_answers():
    signature = ApiSignature(lambda type: None, criteria=lambda type: type == "vlan")
    assert signature.accepts({"type": "vlan"})
    assert not signature.accepts({"type": "native"})
    assert not signature.accepts({"type": "vlan", "other": 1})
    assert ApiSignature(lambda type: None).accepts({"anything": 1})
