"""The picture of a host key is the one that ssh-keygen draws."""

from __future__ import annotations

import subprocess
from base64 import b64decode
from pathlib import Path

import pytest

from kdeploy_gui.model.host_key import HostKey, randomart


@pytest.mark.parametrize("kind", [("ed25519", "256"), ("rsa", "2048"), ("rsa", "3072"), ("ecdsa", "521")])
def test_the_picture_is_that_of_ssh_keygen(tmp_path: Path, kind: tuple[str, str]) -> None:
    for number in range(3):
        key = tmp_path / str(number)
        subprocess.run(["ssh-keygen", "-q", "-t", kind[0], "-b", kind[1], "-N", "", "-f", key], check=True)
        told = subprocess.run(["ssh-keygen", "-lvf", key], check=True, capture_output=True, text=True).stdout
        first, *picture = told.splitlines()
        _, fingerprint, *_, algorithm = first.split()
        drawn = HostKey.read(b64decode((tmp_path / f"{number}.pub").read_text().split()[1]))
        assert (drawn.fingerprint, drawn.algorithm) == (fingerprint, algorithm.strip("()"))
        assert drawn.randomart.splitlines() == picture
        assert drawn.file == f"/etc/ssh/ssh_host_{kind[0]}_key.pub"


def test_a_pin_whose_algorithm_nobody_knows_has_a_picture_too() -> None:
    assert randomart(f"SHA256:{'A' * 43}").splitlines()[0] == f"+{'-' * 17}+"


def test_what_is_no_fingerprint_has_no_picture() -> None:
    with pytest.raises(ValueError, match=r"base64|padd"):
        randomart("SHA256:not a key")


@pytest.mark.parametrize("blob", [b"", b"\0", b"\0\0\0\x0bssh-ed25519\0\0\1\0short"])
def test_what_is_no_key_is_refused(blob: bytes) -> None:
    with pytest.raises(ValueError, match="no public key"):
        HostKey.read(blob)
