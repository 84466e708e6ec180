"""Whatever a caller sends, the check of a call answers with converted parameters or with one line of text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlcp.service.sdn._resources import RESOURCES, requests
from vlcp.service.sdn._viperflow_types import encodable_options
from vlcp.service.sdn.viperflow import ViperFlow
from vlcp.utils.exceptions import APIParameterException, TypeMismatchException
from vlcp.utils.typelib import ApiSignature, Mismatch

NAMES = [resource.cls.__name__.lower() for resource in RESOURCES]
METHODS = [f"{verb}{name}{many}" for name in NAMES for verb in ("create", "update", "delete") for many in ("", "s")]
SIGNATURES = {name: ApiSignature(getattr(object.__new__(ViperFlow), name)) for name in METHODS}
KEYS = sorted(
    {"networks", "ports", "subnets", "router", "note", "_x", "kvdb_createtime", "getkey", "", "a\nb"}
    | {part for signature in SIGNATURES.values() for part in json.dumps(signature.describe()).replace("?", "").split('"')}
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=3),
    st.sampled_from(["1.2.3.4", "10.0.0.0/24", "02:00:00:00:00:01", "vlan", "infinite", "5", "`", "\ud800"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=3), st.integers()), inner, max_size=4),
    ),
    max_leaves=12,
)
PARAMETERS = st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=5)), VALUES, max_size=6)


def assert_plain(value):
    json.loads(json.dumps(value, allow_nan=False))
    assert "<vlcpjsonencode/" not in json.dumps(value)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=25, deadline=None)
@given(PARAMETERS)
def test_any_parameters_are_converted_or_refused_in_one_line(name, params):
    signature = SIGNATURES[name]
    required = {p["name"]: "x" for p in signature.describe()["parameters"] if not p["optional"]}
    for sent in (params, {**required, **params}):
        try:
            checked = signature.check(sent)
        except (TypeMismatchException, APIParameterException) as exc:
            assert str(exc) and "\n" not in str(exc) and len(str(exc)) < 2000
            continue
        assert set(checked) <= set(sent)
        assert_plain(checked)


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.kind)
@settings(max_examples=50, deadline=None)
@given(PARAMETERS)
def test_what_passes_the_check_becomes_a_request_or_a_value_error(resource, params):
    noun = resource.cls.__name__.lower()
    signature = SIGNATURES[f"create{noun}s"]
    argument = signature.describe()["parameters"][0]["name"]
    try:
        items = signature.check({argument: [params]})[argument]
        found = requests(resource, items, create=True)
    except ValueError:
        return
    (key,) = found
    assert resource.cls.create_from_key(key).getkey() == key


@pytest.mark.parametrize(
    "options", [[["no-such-option", 1]], [[26, "x"]], {"3": "300.1.1.1"}, [["mtu", 1400], [121, [["10.0.0.0/8"]]]], [[255, None]]]
)
def test_dhcp_options_that_no_message_can_carry_are_refused(options):
    with pytest.raises(Mismatch, match="DHCP"):
        encodable_options(options)


def test_dhcp_options_that_can_be_encoded_are_kept_by_tag():
    given = [[26, 1400], ["ntp-servers", ["10.0.0.1"]], ["252", "http://x"], [3, None]]
    assert encodable_options(given) == {"26": 1400, "ntp-servers": ["10.0.0.1"], "252": "http://x", "3": None}
