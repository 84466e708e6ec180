"""docs/configuration.md says what the sources say."""

from __future__ import annotations

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


def test_every_setting_has_a_meaning():
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    assert len(rows) > 150
    assert [row for row in rows if not row.split(" | ")[2].strip(" |")] == []
