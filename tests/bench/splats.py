"""How fast kernel logs are looked through: MB of log per second of processor time.

python -m tests.bench.splats
"""

from __future__ import annotations

import time

from kdeploy_gui.engine.splats.recogniser import Recogniser
from tests.engine.splats.corpus import recording

ORDINARY = b"[%5d.%06d] usb %d-%d: new high-speed USB device number %d using xhci_hcd\n"


def speed(data: bytes, piece: int) -> float:
    """MB/s of processor time when fed in pieces of so many bytes."""
    recogniser = Recogniser()
    begun = time.process_time()
    for at in range(0, len(data), piece):
        recogniser.feed(data[at : at + piece])
    recogniser.settle()
    return len(data) / (time.process_time() - begun) / 1e6


def main() -> None:
    """Print one line per log and size of the pieces."""
    logs = {
        "ordinary lines": b"".join(ORDINARY % (n // 10, n, n % 4, n % 7, n % 100) for n in range(100_000)),
        "nothing but KASAN reports": recording("kasan-kunit-6.1"),
        "nothing but KCSAN reports": recording("kcsan-kunit-6.1"),
    }
    for name, data in logs.items():
        for piece in (1024, 65536):
            print(f"{name:<26} pieces of {piece:>6}: {speed(data, piece):6.1f} MB/s")


if __name__ == "__main__":
    main()
