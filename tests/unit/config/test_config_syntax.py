"""The text form of configurations (manual 3.1.1)."""

import pytest

from vlcp.config import Manager
from vlcp.config._syntax import parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1", [("a", 1)]),
        ("a.b_2.c = 'x'", [("a.b_2.c", "x")]),
        ("a\t=\t-1.5", [("a", -1.5)]),
        ("a = 1 # remark", [("a", 1)]),
        ("a = 'x # no remark'", [("a", "x # no remark")]),
        ("# remark\n\n   # indented remark\na = 1\n", [("a", 1)]),
        ("a = 1\r\nb = 2\r\n", [("a", 1), ("b", 2)]),
        ("a = (1,\n  2,\n\t3)", [("a", (1, 2, 3))]),
        ("a = [1,\n\n# remark\n    # remark\n  2]", [("a", [1, 2])]),
        ("a = {'x': b'y', 'z': {1, 2}, 'n': None, 't': True}", [("a", {"x": b"y", "z": {1, 2}, "n": None, "t": True})]),
        ("a = \\\n  5", [("a", 5)]),
        ("a =\n  (1,\n  2)", [("a", (1, 2))]),
        ("a = 'x' \\\n  'y'", [("a", "xy")]),
        ("\ufeffa = 1", [("a", 1)]),
        ("a = 'b=c'", [("a", "b=c")]),
        ("a = 1\na = 2", [("a", 1), ("a", 2)]),
        ("", []),
    ],
)
def test_a_text_gives_its_pairs(text, expected):
    assert parse(text.splitlines(keepends=True)) == expected


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("  a = 1", 1, "continuation line"),
        ("\n\n\ta = 1", 3, "continuation line"),
        ("a", 1, "expected 'key = value'"),
        ("a 1", 1, "expected 'key = value'"),
        ("1a = 1", 1, "expected 'key = value'"),
        (".a = 1", 1, "expected 'key = value'"),
        ("a. = 1", 1, "expected 'key = value'"),
        ("a-b = 1", 1, "expected 'key = value'"),
        ("a..b = 1", 1, "expected 'key = value'"),
        ("x = 1\nkey.one =", 2, "key.one: the value is missing"),
        ("x = 1\nkey.one = # remark", 2, "key.one"),
        ("key.one = foo", 1, "key.one: not a Python literal (ValueError"),
        ("key.one = open('/etc/passwd')", 1, "only constants are allowed"),
        ("key.one = (1,\n  2", 1, "key.one: not a Python literal (SyntaxError"),
        ("ok = 1\n\nkey.one = [1\n # remark\n  ,,2]\n", 3, "key.one: not a Python literal (SyntaxError"),
        ("key.one = {[]: 1}", 1, "key.one: not a Python literal (TypeError"),
        ("key.one = " + "(" * 500 + ")" * 500, 1, "key.one: not a Python literal"),
        ("key.one = " + "-" * 100000 + "1", 1, "key.one: not a Python literal"),
        ("key.one = '\0'", 1, "key.one: not a Python literal"),
    ],
)
def test_an_error_names_file_line_and_key_in_one_line(text, line, said):
    with pytest.raises(ValueError) as raised:
        parse(text.splitlines(), "some.conf")
    message = str(raised.value)
    assert message.startswith(f"some.conf:{line}: ")
    assert said in message
    assert "\n" not in message and len(message) < 300


def test_a_file_with_an_error_changes_nothing_and_is_named(tmp_path):
    path = tmp_path / "vlcp.conf"
    path.write_text("a = 1\nb = oops\n")
    manager = Manager()
    with pytest.raises(ValueError, match=r"vlcp\.conf:2: b: "):
        manager.loadfrom(str(path))
    assert len(manager) == 0


def test_a_file_that_is_not_text_is_refused_with_its_name(tmp_path):
    path = tmp_path / "vlcp.conf"
    path.write_bytes(b"a = '\xff\xfe'\n")
    with pytest.raises(ValueError, match=r"vlcp\.conf: not UTF-8 text"):
        Manager().loadfrom(str(path))


def test_a_missing_file_is_an_os_error():
    with pytest.raises(FileNotFoundError):
        Manager().loadfrom("/nonexistent/vlcp.conf")


def test_what_is_saved_can_be_loaded_again(tmp_path):
    manager = Manager()
    values = {"b.c": {"x": [1, (2, 3)]}, "b.a": "line\nbreak 'quote'", "a": b"\x00\xff", "d.e.f": None}
    for key, value in values.items():
        manager[key] = value
    assert manager.save() == sorted(manager.save())
    path = str(tmp_path / "saved.conf")
    manager.saveto(path)
    again = Manager()
    again.loadfrom(path)
    assert dict(again.config_items()) == values
    third = Manager()
    third.loadfromstr(manager.savetostr(False))
    assert third.todict() == manager.todict()
