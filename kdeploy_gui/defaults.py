"""Numbers that decide behaviour, each measured or bounded by what servers allow."""

CONNECT_TIMEOUT = 10.0
"""Seconds for the TCP connection."""
LOGIN_TIMEOUT = 20.0
"""Seconds from the connection to the end of authentication."""
KEEPALIVE_INTERVAL = 5.0
"""Seconds between keepalives; a dead link is noticed after (count + 1) intervals."""
KEEPALIVE_COUNT = 3
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
CANCEL_GRACE = 3.0
"""Seconds a remote command gets to end by itself after TERM."""
LOG_CAP = 64 * 1024 * 1024
"""Bytes of output kept per environment and run."""
CAPTURE_CAP = 32 * 1024 * 1024
"""Bytes of a command's output kept in memory."""
CHUNK = 256 * 1024
"""Bytes per read of a local file."""
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
