"""A shell on a hypervisor of a laboratory, as on a server of its own."""

from __future__ import annotations

import os
import selectors
import subprocess
import time

from vlcp.lab.hypervisor import Hypervisor

# Own process ids and mounts: namespaces, leases and pid files of two servers do not meet, and all of it ends with the shell.
_PREPARE = """
mount -t tmpfs tmpfs /run; mkdir -p /run/netns /var/lib/dhclient; mount -t tmpfs tmpfs /var/lib/dhclient
touch /run/resolv.conf; mount --bind /run/resolv.conf /etc/resolv.conf
ovs-vsctl() {
    command ovs-vsctl "$@" && { [ "$1" != add-br ] || command ovs-vsctl set Bridge "$2" datapath_type=netdev; }
}
"""
_END = "=== end of block "


class ServerShell:
    """Runs blocks of shell commands one after another, each until its first failing command.

    Bridges get the userspace datapath, which is what a laboratory has.

    :param host: the hypervisor
    :param variables: environment variables to add
    """

    def __init__(self, host: Hypervisor, variables: dict[str, str]) -> None:
        argv = ["ip", "netns", "exec", host.namespace, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self._process = subprocess.Popen(
            [*argv, "bash"],
            env={**os.environ, **host.environment, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._write(_PREPARE)

    def _write(self, text: str) -> None:
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def run(self, block: str, timeout_s: float = 90) -> str:
        """Run a block, and return what it printed.

        :raises RuntimeError: a command failed or a call was refused; the message has the output
        """
        self._write(f"( set -e\n{block}\n) </dev/null; status=$?; echo; echo '{_END}'$status\n")
        output = self._read(time.monotonic() + timeout_s)
        text, _, status = output.rpartition(_END)
        if status.strip() != "0" or '"error"' in text:
            raise RuntimeError(f"status {status.strip()}: {block}\n{text}")
        return text

    def _read(self, deadline: float) -> str:
        data = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while _END.encode() not in data or not data.endswith(b"\n"):
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    raise RuntimeError(f"no end of the block; it printed:\n{data.decode(errors='replace')}")
                piece = os.read(self._process.stdout.fileno(), 65536)
                if not piece:
                    raise RuntimeError(f"the shell ended; it printed:\n{data.decode(errors='replace')}")
                data += piece
        return data.decode(errors="replace")

    def close(self) -> None:
        """End the shell and everything it started."""
        self._process.kill()
        self._process.wait()
