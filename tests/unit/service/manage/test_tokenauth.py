"""The file of tokens, and which token grants what."""

from __future__ import annotations

import hashlib

import pytest

from vlcp.service.manage.tokenauth import find_grant, parse_grants, read_grants

DIGEST = hashlib.sha256(b"secret").hexdigest()


def test_a_line_names_holder_token_and_calls():
    text = f"# who may what\nalice {DIGEST.upper()}  # everything\n\nbob {DIGEST} viperflow/* manager/activemodules\n"
    alice, bob = parse_grants(text, "tokens")
    assert (alice.name, alice.digest, alice.calls) == ("alice", DIGEST, ("*",))
    assert bob.calls == ("viperflow/*", "manager/activemodules")
    assert bob.allows("viperflow", "createlogicalport")
    assert bob.allows("manager", "activemodules")
    assert not bob.allows("manager", "unloadmodule")
    assert alice.allows("manager", "unloadmodule")


@pytest.mark.parametrize(
    "line", ["alice", "alice secret", f"alice {DIGEST[:-1]}", f"alice {DIGEST} viperflow", f"a {DIGEST} a/b/c"]
)
def test_a_wrong_line_is_named(line):
    with pytest.raises(ValueError, match="tokens, line 2: expected"):
        parse_grants("\n" + line, "tokens")


def test_a_token_is_found_by_its_digest_only():
    grants = parse_grants(f"alice {DIGEST}", "tokens")
    assert find_grant(grants, "secret").name == "alice"
    assert find_grant(grants, DIGEST) is None
    assert find_grant(grants, "") is None
    assert find_grant(grants, "sch\xfcssel") is None


def test_a_file_that_others_may_write_is_refused(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"alice {DIGEST}")
    path.chmod(0o640)
    assert [grant.name for grant in read_grants(str(path))] == ["alice"]
    path.chmod(0o666)
    with pytest.raises(ValueError, match="others may write"):
        read_grants(str(path))
