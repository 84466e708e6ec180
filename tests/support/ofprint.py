"""What Open vSwitch reads in an OpenFlow message, and tables of it.

``python -m support.ofprint`` in ``tests`` writes the tables of ``golden/data`` anew, for changed vectors.
"""

from __future__ import annotations

import importlib
import pathlib
import subprocess

DATA = pathlib.Path(__file__).resolve().parents[1] / "golden" / "data"


def ofp_print(data: bytes) -> str:
    """Return what ``ovs-ofctl ofp-print`` says of a message; of what it cannot read the lines up to its error."""
    done = subprocess.run(["ovs-ofctl", "ofp-print", "-"], input=data.hex() + "\n", capture_output=True, text=True, timeout=20)
    text = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
    return text[: text.index("***\n") + 3] if "***decode error" in text and "***\n" in text else text


def write_table(version: str) -> None:
    """Write name, bytes and text of every message of ``support.ofvectors<version>``."""
    messages = importlib.import_module(f"support.ofvectors{version}").messages()
    rows = [(name, message._tobytes()) for name, message in messages.items()]
    lines = ["\t".join((name, data.hex(), ofp_print(data).replace("\n", "\\n"))) for name, data in rows]
    (DATA / f"openflow{version}-vectors.tsv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    for version in ("10", "13"):
        write_table(version)
