"""A private certificate authority, made with the openssl program."""

from __future__ import annotations

import pathlib
import subprocess
from typing import NamedTuple


class Identity(NamedTuple):
    """Files of one certificate."""

    certificate: str
    key: str


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)


class Authority:
    """A certificate authority with its files in a directory.

    :param directory: where to put all files
    :param name: common name, and beginning of the file names
    """

    def __init__(self, directory: pathlib.Path, name: str) -> None:
        self._directory = directory
        self._name = name
        self.key = str(directory / f"{name}.key")
        self.certificate = str(directory / f"{name}.pem")
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        files = ("-keyout", self.key, "-out", self.certificate)
        _openssl("req", "-x509", *curve, *usage, *files, "-days", "2", "-subj", f"/CN={name}")

    def issue(self, name: str, alternative: str = "IP:127.0.0.1,DNS:localhost") -> Identity:
        """Return a new certificate with the given subject alternative names."""
        base = self._directory / f"{self._name}-{name}"
        key, request, certificate = f"{base}.key", f"{base}.csr", f"{base}.pem"
        extensions = pathlib.Path(f"{base}.ext")
        identifiers = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        extensions.write_text(f"subjectAltName={alternative}\n{identifiers}")
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        _openssl("req", *curve, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        signing = ("-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-days", "2")
        _openssl("x509", "-req", "-in", request, *signing, "-extfile", str(extensions), "-out", certificate)
        return Identity(certificate, key)
