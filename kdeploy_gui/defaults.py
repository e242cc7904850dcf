"""Numbers that decide behaviour, each measured or bounded by what servers allow."""

CONNECT_TIMEOUT = 10.0
"""Seconds for the TCP connection."""
LOGIN_TIMEOUT = 20.0
"""Seconds from the connection to the end of authentication."""
LOGINS_PER_BOOT = 10
"""A login may take that part of a `boot_timeout`: KASAN in an emulated guest on a busy host needs more than 20 s."""
KEEPALIVE_INTERVAL = 10.0
"""Seconds of silence before a keepalive; a dead link is noticed after (count + 1) intervals.

Only an answer to a keepalive counts as a sign of life, and on a slow link it waits behind up to 2 MiB of a transfer.
So no keepalive may be due while the server takes bytes: OpenSSH says so every 96 KiB.
"""
KEEPALIVE_COUNT = 1
STALL_TIMEOUT = 60.0
"""Seconds a transfer may stand still."""
UNAUTHENTICATED_CONNECTS = 8
"""Per host and port: sshd drops connections above 10 by default (MaxStartups)."""
REFUSAL_PAUSE = 5.0
"""Seconds in which a server that refused a login is left alone: it counts failures (PerSourcePenalties)."""
CONNECTION_KEPT = 60.0
"""Seconds that a connection stays open after its last use."""
ALIVE_TIMEOUT = 5.0
"""Seconds in which a connection that was kept must answer before it is used again."""
CANCEL_GRACE = 2.0
"""Seconds a remote command gets to end by itself after TERM."""
BOOT_TIMEOUT = 180.0
"""Seconds that a run waits for a machine that was switched on, unless the lab file says otherwise."""
MONITOR_INTERVAL = 60.0
"""Seconds between two looks at a READY environment, unless the lab file says otherwise."""
BOOT_POLL = 5.0
"""Seconds between two tries to reach a machine that boots: servers count connections without a login."""
POWER_TIMEOUT = 60.0
"""Seconds for a command that switches a supply; a reset may wait for capacitors."""
POWER_PAUSE = 2.0
"""Seconds between off and on of a reset that is made of the two."""
POWER_OUTPUT = 16 * 1024
"""Bytes of what such a command says that are kept, the last ones."""
CONSOLE_FILE = 16 * 1024 * 1024
"""Bytes of one recording of a serial console."""
CONSOLE_FILES = 128 * 1024 * 1024
"""Bytes of all recordings of one serial console."""
CONSOLE_PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before a serial console that has ended is opened again, for the first, second ... time."""
CONSOLE_STEADY = 30.0
"""Seconds for which a console must have been open to begin with the shortest pause again."""
HYPERVISOR_TIMEOUT = 10.0
"""Seconds for an answer of libvirt about a state."""
HYPERVISOR_OPEN_TIMEOUT = 30.0
"""Seconds to connect to libvirt, over SSH too."""
WATCH_PAUSES = (0.5, 1.0, 2.0, 5.0, 15.0)
"""Seconds before a hypervisor whose guests are watched is connected again, for the first, second ... time in a row."""
WATCH_KEEPALIVE = 5
"""Seconds of silence before a keepalive to it; without answers it counts as gone after (count + 1) of them."""
WATCH_KEEPALIVE_COUNT = 3
GUEST_ANSWER = 20.0
"""Seconds for an answer of a guest's QEMU; without one it counts as frozen."""
GUEST_END_SEEN = 5.0
"""Seconds within which libvirt sees that a QEMU has ended."""
GUEST_TIMEOUT = 30.0
"""Seconds to start a guest or switch it off, not those that it takes to boot or to shut down."""
SHUTDOWN_TIMEOUT = 60.0
"""Seconds that a guest has to shut down after its power button was pressed."""
SHUTDOWN_POLL = 0.5
"""Seconds between two looks at a guest that shuts down."""
SNAPSHOT_TIMEOUT = 300.0
"""Seconds to keep or bring back the memory and disks of a guest."""
LOG_CAP = 64 * 1024 * 1024
"""Bytes of output kept per environment and run."""
CAPTURE_CAP = 32 * 1024 * 1024
"""Bytes of a command's output kept in memory."""
CHUNK = 256 * 1024
"""Bytes per read of a local file."""
RESUME_FROM = 8 * 1024 * 1024
"""Bytes of a file from which on a transfer that was cut short goes on where it was, and does not begin again."""
PARALLEL_ENVIRONMENTS = 64
"""Environments active at once over all runs of this process."""
ASK_ATTEMPTS = 3
"""How often somebody is asked for one secret."""
KEYRING_TIMEOUT = 30.0
"""Seconds for an answer of the OS keyring, which may be waiting for a prompt."""
SPARE_BYTES = 64 * 1024 * 1024
"""Bytes that stay free on a target besides what is sent and a tenth of it."""
SPARE_INODES = 10
"""Inodes that must be free on a target before anything is sent."""
PACKAGE_LOCK_STEP = 10.0
"""Seconds between two tries to install packages while another package manager is at work."""
PACKAGE_LOCK_PATIENCE = 300.0
"""Seconds for which it is waited for."""
