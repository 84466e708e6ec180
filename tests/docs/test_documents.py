"""What the documents say holds: links lead somewhere, named files and make targets exist, code blocks are whole."""

from __future__ import annotations

import ast
import pathlib
import re
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
names = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


@names
def test_links_to_files_lead_somewhere(document):
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)\)", document.read_text()) if "://" not in target]
    assert [target for target in targets if not (document.parent / target).exists()] == []


@names
def test_files_named_in_the_text_exist(document):
    text = document.read_text()
    paths = set(re.findall(r"`((?:vlcp|tests|docs|example|benchmarks)/[\w./*]+)`", text))
    assert sorted(path for path in paths if not list(ROOT.glob(path.rstrip("/")))) == []


def test_modules_named_in_the_request_table_exist():
    table = re.findall(r"^\| \d+ \| ([^|]+)\|", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    places = [ROOT / "vlcp", ROOT / "vlcp/service/sdn", *(ROOT / "vlcp/service").iterdir(), ROOT / "vlcp/server"]
    paths = [path for cell in table for path in re.findall(r"`([\w/.*]+\.py|[\w/]+/)`", cell)]
    assert len(paths) > 20
    assert [path for path in paths if not any(list(place.glob(path.rstrip("/"))) for place in places if place.is_dir())] == []


def test_make_targets_named_in_the_readme_exist():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make (\w+)`", (ROOT / "README.md").read_text())) <= targets


@names
def test_python_blocks_are_whole(document):
    for block in re.findall(r"^ *```python\n(.*?)^ *```", document.read_text(), re.DOTALL | re.MULTILINE):
        ast.parse(textwrap.dedent(block))


def test_the_site_is_built_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (built.returncode, built.stderr) == (0, "")
    assert (tmp_path / "site" / "tutorial" / "index.html").exists()
