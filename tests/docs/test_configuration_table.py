"""The generated pages say what the sources say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "configuration.md"


def test_the_table_of_settings_is_that_of_the_sources():
    script = "import generate_configuration as g, sys; sys.stdout.write(g.document())"
    made = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT / "docs", env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    stale = set(DOCUMENT.read_text().splitlines()) ^ set(made.stdout.splitlines())
    assert not stale, "run 'make docs': " + "\n".join(sorted(stale)[:10])


def test_the_pages_of_calls_and_metrics_are_those_of_the_sources():
    script = "import generate_apis as g, json, sys; json.dump({p.name: t for p, t in g.documents().items()}, sys.stdout)"
    made = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT / "docs", env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    for name, text in json.loads(made.stdout).items():
        stale = set((ROOT / "docs" / name).read_text().splitlines()) ^ set(text.splitlines())
        assert not stale, "run 'make docs': " + "\n".join(sorted(stale)[:10])


def test_every_setting_has_a_meaning():
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    assert len(rows) > 150
    assert [row for row in rows if not row.split(" | ")[2].strip(" |")] == []
