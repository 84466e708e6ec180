"""The files and commands of the guides, executed in their order; what they print is what the guides say."""

from __future__ import annotations

import pathlib
import re
import sys

import pytest
from support.servershell import Shell

pytestmark = pytest.mark.ovs  # It needs network namespaces: the guides use fixed ports.

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
GUIDES = ("framework", "operations")
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(guide):
    """Return (kind, name, content) of each code block of a guide."""
    return [match.groups() for match in BLOCK.finditer((DOCS / f"{guide}.md").read_text())]


@pytest.mark.parametrize("guide", GUIDES)
def test_a_guide_does_what_it_says(guide, tmp_path):
    programs = str(pathlib.Path(sys.executable).parent)
    place = {"PATH": f"{programs}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    place["PYTHONPATH"] = f"{DOCS.parent}:{tmp_path}"
    shell = Shell(["unshare", "--net"], place, str(tmp_path), keeps=True)
    found, output = blocks(guide), ""
    try:
        shell.run("ip link set lo up; exec 2>>log")
        for kind, name, content in found:
            if kind == "sh":
                output = shell.run(content, 60)
            elif kind == "text":
                wanted = content.strip()
                assert wanted.replace("\n", "") in output.replace("\n", ""), f"{output}\n{(tmp_path / 'log').read_text()[-3000:]}"
            else:
                (tmp_path / name).write_text(content)
    finally:
        shell.close()
    assert "Traceback" not in (tmp_path / "log").read_text()
    kinds = [kind for kind, _, _ in found]
    assert set(kinds) <= {"sh", "text", "python", "conf"}
    assert min(kinds.count("sh"), kinds.count("text")) >= 4
