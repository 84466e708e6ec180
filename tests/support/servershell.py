"""A shell on a hypervisor of a laboratory, as on a server of its own."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Sequence

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


class Shell:
    """Runs blocks of shell commands one after another, with process ids and mounts of its own.

    :param within: command that runs another one in some place
    :param variables: environment variables to add
    :param directory: where to begin; None for the present one
    :ivar keeps: True lets the next block have this one's variables and jobs; else a block ends at its first failing command
    """

    def __init__(
        self, within: Sequence[str], variables: dict[str, str], directory: str | None = None, keeps: bool = False
    ) -> None:
        argv = [*within, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash"]
        environment = {**os.environ, **variables}
        pipe = subprocess.PIPE
        self.keeps = keeps
        self._process = subprocess.Popen(argv, env=environment, cwd=directory, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)

    def _write(self, text: str) -> None:
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def run(self, block: str, timeout_s: float = 90) -> str:
        """Run a block, and return what it printed.

        :raises RuntimeError: a command failed or a call was refused; the message has the output
        """
        commands = f"{{\n{block}\n}} </dev/null" if self.keeps else f"( set -e\n{block}\n) </dev/null"
        self._write(f"{commands}; status=$?; echo; echo '{_END}'$status\n")
        output = self._read(time.monotonic() + timeout_s)
        text, _, status = output.rpartition(_END)
        if status.strip() != "0" or ('"error"' in text and not self.keeps):
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


class ServerShell(Shell):
    """A shell on a hypervisor; a block ends at its first failing command or refused call.

    Bridges get the userspace datapath, which is what a laboratory has.

    :param host: the hypervisor
    :param variables: environment variables to add
    """

    def __init__(self, host: Hypervisor, variables: dict[str, str]) -> None:
        super().__init__(["ip", "netns", "exec", host.namespace], {**host.environment, **variables})
        self._write(_PREPARE)
