"""The fault matrix: for each fault what people are told of it, how often it is tried again, and what is left there.

`ROWS` are the faults of a deployment over SSH by their numbers; every one has at least one test that is marked with it,
here or beside what it is about. Each runs the real engine against a real peer.
"""

from __future__ import annotations

import ast
import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kdeploy_gui import defaults
from kdeploy_gui.artifacts.content import LocalContent
from kdeploy_gui.environments.ssh_host import SshConnector
from kdeploy_gui.errors import Category
from kdeploy_gui.model.abi import AARCH64, X86_64, Abi
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import Event, RetryScheduled
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.plan import Artifact, ArtifactType, Backoff, Policy, Rollback
from kdeploy_gui.model.stage import Status
from kdeploy_gui.ports import Connector
from tests.elves import module, program
from tests.engine.steps import HookedConnector
from tests.environments.test_ssh_host import LOGIN, answering, eventually, visits, write_key
from tests.lab.chaos import Chaos, Direction, Mischief
from tests.lab.fixtures import MakeDisk, MakeSshd
from tests.lab.processes import is_alive
from tests.lab.sshd import Sshd
from tests.properties.peers import deploy, leftovers, nothing_left, plan_of, ssh, write_files

pytestmark = pytest.mark.sshd

ROWS: dict[int, str] = {
    1: "host key unknown",
    2: "host key changed",
    3: "type of the host key changed",
    4: "login refused",
    5: "passphrase wrong or missing",
    6: "key file missing or open to others",
    7: "name cannot be resolved",
    8: "port closed",
    9: "no answer at all",
    10: "no SSH server",
    11: "no common algorithm",
    12: "server full (MaxStartups)",
    13: "no channel (MaxSessions)",
    14: "connection reset in a transfer",
    15: "session killed in a transfer",
    16: "listener restarted in a transfer",
    17: "link or machine frozen",
    18: "link slow",
    25: "disk full",
    26: "no inodes",
    27: "file system read-only",
    28: "permission denied",
    29: "parent folder missing",
    30: "symbolic link in the way",
    31: "program in use",
    32: "sudo does not let us in",
    33: "sudo's password wrong",
    36: "program for another machine",
    37: "module for another kernel",
    38: "artifact changed on the way",
}
PATIENT = Policy(retries=1, backoff=Backoff(0.05, 1.0, 0.05, 0.0))
NOTHING_SENT = "Nothing was sent."
UNCHANGED = "Unchanged: nothing was sent."
CLEAN = "The previous version is intact; temporary files were removed."
UNKNOWN = "Not known: it is verified at the next contact."
OLD = {"one": b"old one", "kept": b"of somebody else"}
SIZE = 400_000


def marked_rows() -> Iterator[int]:
    """Every number that a test is marked with."""
    for file in Path(__file__).parent.rglob("test_*.py"):
        text = file.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "mark.fault(" in text else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
                yield from (int(ast.unparse(each)) for each in node.args)


def test_every_row_has_a_test_and_every_mark_a_row() -> None:
    assert set(marked_rows()) == ROWS.keys()


@dataclass
class Ending:
    """How a deployment of two files to `~/suite/` (or elsewhere) ended at one machine."""

    status: Status
    error: Failure | None
    events: Sequence[Event]

    @property
    def retries(self) -> list[Failure]:
        """What was tried again."""
        return [each.body.because for each in self.events if isinstance(each.body, RetryScheduled)]

    @property
    def failure(self) -> Failure:
        """What people are told."""
        assert self.error is not None, self.status
        assert self.status is Status.FAILED
        return self.error


async def attempt(
    folder: Path,
    environment: Environment,
    connector: Connector | None = None,
    *,
    target: str = "~/suite/",
    policy: Policy = PATIENT,
    mode: int = 0o640,
    kind: ArtifactType = ArtifactType.DATA,
    files: Mapping[str, bytes] | None = None,
) -> Ending:
    """Deploy files to a folder of a machine."""
    write_files(folder, {f"suite/{name}": data for name, data in (files or {"one": os.urandom(SIZE)}).items()})
    plan = plan_of([environment], [Artifact(source="suite/*", type=kind, target=target, mode=mode)], folder, policy)
    state, events = await deploy(folder / "history", plan, connector)
    (end,) = state.environments.values()
    return Ending(end.status, end.error, events)


def told(
    failure: Failure,
    category: Category,
    code: str,
    *words: str,
    on_target: str = NOTHING_SENT,
    stage: str = "connecting",
) -> None:
    """A failure says what happened with both values, where, what is there now, and one remedy without gaps."""
    assert (failure.category, failure.code) == (category, code), failure
    assert [each for each in words if each not in failure.message] == [], failure.message
    assert failure.on_target.startswith(on_target)
    assert (failure.where.environment, failure.where.stage) == ("board", stage)
    assert failure.remedy
    assert not re.search(r"<[a-z_]+>", failure.remedy), failure.remedy


def stand(home: Path) -> Path:
    """The old version, where the suite goes."""
    write_files(home / "suite", OLD)
    return home / "suite"


def found(suite: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in suite.iterdir() if each.is_file()}


def at(call: str, act: Callable[[], object]) -> HookedConnector:
    """Over SSH, and something happens before one call of the machine: `connect`, `place`, ..."""

    async def hook(_: str, done: str) -> None:
        if done == call:
            await asyncio.to_thread(act)

    return HookedConnector(ssh(), hook)


def during(meanwhile: Callable[[], Awaitable[None]]) -> tuple[HookedConnector, list[asyncio.Task[None]]]:
    """Over SSH, and something goes on while files are placed for the first time."""
    tasks: list[asyncio.Task[None]] = []

    async def go_on() -> None:
        await meanwhile()

    async def hook(_: str, call: str) -> None:
        if call == "place" and not tasks:
            tasks.append(asyncio.create_task(go_on()))

    return HookedConnector(ssh(), hook), tasks


# Before anything is sent: identity, login, the way there


@pytest.fixture
def talkative(make_sshd: MakeSshd) -> Sshd:
    """A server whose log tells every step of every visitor."""
    return make_sshd(host_key_types=("ed25519", "rsa"), options={"LogLevel": "DEBUG1"})


async def refused_unseen(folder: Path, server: Sshd, environment: Environment) -> Failure:
    """How a machine is refused that was not even asked to let us in."""
    seen = visits(server)
    ending = await attempt(folder, environment)
    await eventually(lambda: visits(server) > seen, "the visit has ended")
    assert LOGIN not in server.log
    assert ending.retries == []
    assert list(server.home().iterdir()) == []
    return ending.failure


@pytest.mark.fault(1)
async def test_an_unknown_key_is_shown_and_nothing_is_sent(tmp_path: Path, talkative: Sshd) -> None:
    offered = talkative.fingerprints[0]
    failure = await refused_unseen(tmp_path, talkative, replace(talkative.environment("board"), host_keys=()))
    told(failure, Category.TRUST, "E-HOSTKEY-UNKNOWN", "board", offered)
    assert f"--fingerprint {offered}" in failure.remedy


@pytest.mark.fault(2)
async def test_a_changed_key_is_told_with_both_and_nothing_is_sent(tmp_path: Path, talkative: Sshd) -> None:
    environment = talkative.environment("board")
    offered, _ = talkative.change_host_keys()
    failure = await refused_unseen(tmp_path, talkative, environment)
    told(failure, Category.TRUST, "E-HOSTKEY-CHANGED", offered, *environment.host_keys)
    assert "attack" in failure.remedy


@pytest.mark.fault(3)
async def test_a_type_that_is_gone_is_no_network_failure(tmp_path: Path, talkative: Sshd) -> None:
    pin, offered = talkative.fingerprints
    environment = replace(talkative.environment("board"), host_keys=(pin,), host_key_type=("ED25519",))
    talkative.host_key_types = ("rsa",)
    talkative.restart()
    failure = await refused_unseen(tmp_path, talkative, environment)
    told(failure, Category.TRUST, "E-HOSTKEY-TYPE", "ED25519", pin, offered)


@pytest.mark.fault(4)
@pytest.mark.parametrize("what", ["user", "key"])
async def test_a_refused_login_says_who_with_what_and_what_would_do(tmp_path: Path, talkative: Sshd, what: str) -> None:
    sound = talkative.environment("board")
    other = str(write_key(tmp_path / "other"))
    environment = replace(sound, user="nobody-here") if what == "user" else replace(sound, identity_file=other)
    seen = visits(talkative)
    ending = await attempt(tmp_path, environment)
    words = (environment.user, environment.identity_file, "it accepts publickey")
    told(ending.failure, Category.AUTH, "E-AUTH", *words)
    assert ending.retries == []
    await eventually(lambda: visits(talkative) > seen, "the visit has ended")
    assert talkative.log.count("method publickey") == 1
    assert list(talkative.home().iterdir()) == []


class Drawer:
    """A keyring with one passphrase for everything."""

    def __init__(self, passphrase: str) -> None:
        self.passphrase = passphrase

    def get(self, name: str) -> str:
        return self.passphrase


@pytest.mark.fault(5)
@pytest.mark.parametrize("given", ["", "wrong-passphrase"])
async def test_a_passphrase_is_missing_or_wrong_before_any_contact(
    tmp_path: Path, sshd: Sshd, chaos: Chaos, given: str
) -> None:
    key = write_key(tmp_path / "locked key", "right-passphrase")
    environment = replace(chaos.environment(sshd.environment("board")), identity_file=str(key))
    environment = replace(environment, credential="lab-key" if given else "")
    connector = SshConnector(LocalContent(), Drawer(given), lambda name: None)
    ending = await attempt(tmp_path, environment, connector)
    told(ending.failure, Category.AUTH, "E-PASSPHRASE", str(key), "assphrase")
    assert given not in str(ending.failure) or not given
    assert (ending.retries, chaos.connections, ending.failure.where.path) == ([], 0, str(key))


@pytest.mark.fault(6)
@pytest.mark.parametrize(("mode", "words"), [(None, "No such file"), (0o640, "can be read by others")])
async def test_a_key_file_that_cannot_be_used_is_named_before_any_contact(
    tmp_path: Path, sshd: Sshd, chaos: Chaos, mode: int | None, words: str
) -> None:
    key = tmp_path / "a key"
    if mode is not None:
        write_key(key).chmod(mode)
    ending = await attempt(tmp_path, replace(chaos.environment(sshd.environment("board")), identity_file=str(key)))
    told(ending.failure, Category.CONFIG, "E-KEYFILE", str(key), words)
    assert (ending.retries, chaos.connections) == ([], 0)
    if mode is not None:
        assert f"chmod 600 '{key}'" in ending.failure.remedy


@pytest.mark.fault(7)
async def test_a_name_that_is_not_known_is_asked_for_again(tmp_path: Path, sshd: Sshd) -> None:
    ending = await attempt(tmp_path, replace(sshd.environment("board"), host="no-such-board.invalid"))
    told(ending.failure, Category.NET, "E-DNS", "no-such-board.invalid")
    assert "`getent hosts no-such-board.invalid`" in ending.failure.remedy
    assert [each.code for each in ending.retries] == ["E-DNS"]


@pytest.mark.fault(8)
async def test_a_closed_port_may_open_soon(tmp_path: Path, sshd: Sshd, chaos: Chaos) -> None:
    environment = chaos.environment(sshd.environment("board"))
    chaos.refuse()
    ending = await attempt(tmp_path, environment)
    told(ending.failure, Category.NET, "E-REFUSED", f"127.0.0.1:{chaos.port}", "refuse")
    assert [each.code for each in ending.retries] == ["E-REFUSED"]


@pytest.fixture
def silent() -> Iterator[int]:
    """A port at which the kernel drops every further connection without a word: nobody takes those that wait."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.fault(9)
async def test_silence_ends_in_time(tmp_path: Path, sshd: Sshd, silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "CONNECT_TIMEOUT", 0.4)
    ending = await attempt(tmp_path, replace(sshd.environment("board"), host="127.0.0.1", port=silent))
    told(ending.failure, Category.NET, "E-TIMEOUT", f"127.0.0.1:{silent}", "within 0.4 s")
    assert [each.code for each in ending.retries] == ["E-TIMEOUT"]


@pytest.mark.fault(10)
async def test_a_web_server_is_told_by_what_it_says(tmp_path: Path, sshd: Sshd) -> None:
    async with answering(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n") as port:
        ending = await attempt(tmp_path, replace(sshd.environment("board"), host="127.0.0.1", port=port))
    told(ending.failure, Category.CONFIG, "E-PROTO", f"127.0.0.1:{port}", "HTTP/1.1 400")
    assert ending.retries == []


@pytest.mark.fault(11)
async def test_without_a_common_algorithm_both_sides_are_listed(tmp_path: Path, make_sshd: MakeSshd) -> None:
    server = make_sshd(options={"Ciphers": "aes128-cbc"})
    ending = await attempt(tmp_path, server.environment("board"))
    told(ending.failure, Category.CONFIG, "E-KEX", "received aes128-cbc", "sent ", "aes256-gcm@openssh.com")
    assert "`legacy = true`" in ending.failure.remedy
    assert ending.retries == []


def the_last_place(environment: Environment) -> socket.socket:
    """A visit that goes no further than the greeting; the server may still count the one before it."""
    while True:
        somebody = socket.create_connection((environment.host, environment.port))
        if somebody.recv(4) == b"SSH-":
            return somebody
        somebody.close()


@pytest.mark.fault(12)
async def test_a_full_server_is_waited_for_and_told_only_where_it_stays_full(
    tmp_path: Path, make_sshd: MakeSshd
) -> None:
    server = make_sshd(max_startups="1:100:1")
    environment = server.environment("board")
    with the_last_place(environment) as somebody:
        ending = await attempt(tmp_path, environment)
        told(ending.failure, Category.NET, "E-FULL", environment.host, "takes no more logins")
        assert [each.code for each in ending.retries] == ["E-FULL"]
        visitors = 0

        def leave() -> None:
            nonlocal visitors
            visitors += 1
            if visitors == 2:
                somebody.close()

        ending = await attempt(
            tmp_path, environment, at("connect", leave), policy=Policy(retries=9, backoff=Backoff(0.05, 2.0, 5.0, 0.0))
        )
    assert ending.status is Status.COMPLETED
    codes = [each.code for each in ending.retries]
    assert codes[0] == "E-FULL"
    assert {*codes} <= {"E-FULL", "E-LOST"}, "turned away a moment before a place was free, it cannot say why"


@pytest.mark.fault(13)
async def test_a_server_without_channels_is_not_asked_again(tmp_path: Path, make_sshd: MakeSshd) -> None:
    server = make_sshd(options={"MaxSessions": "0"})
    ending = await attempt(tmp_path, server.environment("board"))
    on_target = "Unchanged by the command that could not be run."
    told(ending.failure, Category.TARGET, "E-CHANNELS", str(server.port), "open failed", on_target=on_target)
    assert "MaxSessions" in ending.failure.remedy
    assert ending.retries == []


# In the middle of a transfer


@pytest.mark.parametrize(
    "fault", [pytest.param("cut", marks=pytest.mark.fault(14)), pytest.param("kill", marks=pytest.mark.fault(15))]
)
async def test_a_link_that_is_lost_each_time_tells_how_far_it_came(
    tmp_path: Path, sshd: Sshd, chaos: Chaos, fault: str
) -> None:
    suite = stand(sshd.home())
    environment = chaos.environment(sshd.environment("board"))
    chaos.rate = SIZE // 3

    def strike() -> None:
        before = chaos.passed[Direction.TO_SERVER]
        if fault == "cut":
            chaos.trap(Mischief.CUT, Direction.TO_SERVER, 150_000)
            return

        async def kill() -> None:
            await eventually(lambda: chaos.passed[Direction.TO_SERVER] > before + 100_000, "bytes move")
            assert sshd.kill_sessions() > 0

        tasks.append(asyncio.run_coroutine_threadsafe(kill(), loop))

    loop = asyncio.get_running_loop()
    tasks: list[Future[None]] = []
    ending = await attempt(tmp_path, environment, at("place", strike))
    for each in tasks:
        await asyncio.wrap_future(each)
    words = (f"127.0.0.1:{chaos.port}", "lost", "of 391 KiB had gone out")
    for failure in (ending.failure, *ending.retries):
        told(failure, Category.NET, "E-LOST", *words, on_target=UNKNOWN, stage="deploying_scripts")
    assert len(ending.retries) == 1
    assert found(suite) == OLD
    chaos.rate = 0
    ending = await attempt(tmp_path, environment)
    assert ending.status is Status.COMPLETED
    assert found(suite)["one"] == (tmp_path / "suite/one").read_bytes()
    assert leftovers(sshd.home()) == []


@pytest.mark.fault(16)
async def test_a_listener_that_starts_over_disturbs_nobody(tmp_path: Path, sshd: Sshd, chaos: Chaos) -> None:
    suite = stand(sshd.home())
    chaos.rate = SIZE

    async def restart() -> None:
        before = chaos.passed[Direction.TO_SERVER]
        await eventually(lambda: chaos.passed[Direction.TO_SERVER] > before + 100_000, "bytes move")
        sshd.reload()
        await eventually(lambda: "Received SIGHUP" in sshd.log, "the listener starts over")

    connector, tasks = during(restart)
    ending = await attempt(tmp_path, chaos.environment(sshd.environment("board")), connector)
    await asyncio.gather(*tasks)
    assert (ending.status, ending.retries) == (Status.COMPLETED, [])
    assert found(suite)["one"] == (tmp_path / "suite/one").read_bytes()


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The patience with a link that is up, a tenth of the real one."""
    monkeypatch.setattr(defaults, "KEEPALIVE_INTERVAL", defaults.KEEPALIVE_INTERVAL / 10)
    monkeypatch.setattr(defaults, "STALL_TIMEOUT", defaults.STALL_TIMEOUT / 10)


@pytest.mark.fault(17)
@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize("what", ["link", "machine"])
async def test_what_stands_still_is_noticed_and_made_up_for_later(
    tmp_path: Path, sshd: Sshd, chaos: Chaos, what: str
) -> None:
    suite = stand(sshd.home())
    environment = chaos.environment(sshd.environment("board"))
    chaos.rate = SIZE // 3

    async def freeze() -> None:
        before = chaos.passed[Direction.TO_SERVER]
        await eventually(lambda: chaos.passed[Direction.TO_SERVER] > before + 50_000, "bytes move")
        if what == "link":
            chaos.freeze()
        else:
            sshd.pause()

    connector, tasks = during(freeze)
    try:
        ending = await attempt(tmp_path, environment, connector, policy=Policy(retries=0, rollback=Rollback.NONE))
    finally:
        await asyncio.gather(*tasks)
        chaos.rate = 0
        chaos.thaw()
        sshd.resume()
    told(
        ending.failure,
        Category.NET,
        "E-STALLED",
        f"no reply from 127.0.0.1:{chaos.port} for 2 s",
        "of 391 KiB had gone out",
        on_target=UNKNOWN,
        stage="deploying_scripts",
    )
    assert found(suite) == OLD
    ending = await attempt(tmp_path, environment, policy=replace(PATIENT, retries=9))
    assert ending.status is Status.COMPLETED
    assert found(suite)["one"] == (tmp_path / "suite/one").read_bytes()
    assert leftovers(sshd.home()) == []


@pytest.mark.fault(18)
@pytest.mark.usefixtures("brisk")
async def test_a_slow_link_takes_its_time(tmp_path: Path, sshd: Sshd, chaos: Chaos) -> None:
    """As 256 kbit/s are to the real patience: longer than a dead link would be given, and never silent for long."""
    chaos.rate = 320_000
    big = os.urandom(1_280_000)
    ending = await attempt(tmp_path, chaos.environment(sshd.environment("board")), files={"big": big})
    assert (ending.status, ending.retries) == (Status.COMPLETED, [])
    assert (sshd.home() / "suite/big").read_bytes() == (tmp_path / "suite/big").read_bytes()
    moved = [each for each in ending.events if each.type == "stage_progress"]
    assert len(moved) > 3, "the rate can be seen"


# What the target cannot do


@dataclass
class Volume:
    """A file system of its own on the machine, with the old version of the suite on it."""

    root: Path

    def __post_init__(self) -> None:
        self.suite = stand(self.root)

    def fill(self) -> None:
        """Somebody takes all the space."""
        with (self.root / "of somebody").open("wb") as file:
            free = os.statvfs(self.root)
            os.posix_fallocate(file.fileno(), 0, (free.f_bavail - 60) * free.f_frsize)

    def use_up(self) -> None:
        """Somebody takes all but a few inodes."""
        for number in range(os.statvfs(self.root).f_favail - 3):
            (self.root / f"of somebody {number}").touch()

    def close(self) -> None:
        """As after an error of the disk."""
        subprocess.run(["mount", "-o", "remount,ro", self.root], check=True)


@dataclass(frozen=True)
class Shortage:
    """A file system that does not do, how it comes to that in the middle, and the words in which it is told."""

    code: str
    disk: tuple[int, *tuple[str, ...]]
    spoil: Callable[[Volume], None]
    before: tuple[str, ...]
    after: tuple[str, ...]


FULL = Shortage(
    "E-NOSPC", (16,), Volume.fill, ("no room on", "64.4 MiB are needed", "are free"), ("391 KiB are needed",)
)
NO_INODES = Shortage(
    "E-INODES",
    (128, "-N", "32"),
    Volume.use_up,
    ("no inodes on", "10 are needed", "3 are free"),
    ("about 17 are needed",),
)
CLOSED = Shortage("E-ROFS", (16,), Volume.close, ("is mounted read-only",), ("Read-only file system",))
SHORTAGES = [
    pytest.param(FULL, marks=pytest.mark.fault(25)),
    pytest.param(NO_INODES, marks=pytest.mark.fault(26)),
    pytest.param(CLOSED, marks=pytest.mark.fault(27)),
]


@pytest.mark.parametrize("shortage", SHORTAGES)
async def test_a_file_system_that_does_not_do_is_refused_before_the_first_byte(
    tmp_path: Path, sshd: Sshd, disk: MakeDisk, shortage: Shortage
) -> None:
    volume = Volume(disk(*shortage.disk))
    shortage.spoil(volume)
    ending = await attempt(tmp_path, sshd.environment("board"), target=f"{volume.suite}/")
    told(
        ending.failure,
        Category.TARGET,
        shortage.code,
        str(volume.root),
        *shortage.before,
        on_target=UNCHANGED,
        stage="deploying_scripts",
    )
    assert ending.retries == []
    assert found(volume.suite) == OLD
    assert leftovers(volume.root, sshd.home()) == []


@pytest.mark.parametrize("shortage", SHORTAGES)
async def test_a_file_system_that_gives_out_in_a_transfer_keeps_the_old_version(
    tmp_path: Path, sshd: Sshd, disk: MakeDisk, shortage: Shortage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defaults, "SPARE_BYTES", 0)
    volume = Volume(disk(*shortage.disk))
    connector = at("place", lambda: shortage.spoil(volume))
    ending = await attempt(tmp_path, sshd.environment("board"), connector, target=f"{volume.suite}/")
    told(
        ending.failure,
        Category.TARGET,
        shortage.code,
        str(volume.root),
        *shortage.after,
        on_target=CLEAN,
        stage="deploying_scripts",
    )
    assert ending.failure.where.path == str(volume.suite)
    assert ending.failure.evidence.exit_status in {10, 11}
    assert ending.retries == []
    assert found(volume.suite) == OLD
    assert leftovers(volume.root, sshd.home()) == []


@pytest.mark.fault(28)
async def test_who_may_not_write_where_is_told_with_both(tmp_path: Path, make_sshd: MakeSshd) -> None:
    server = make_sshd(accounts=True)
    closed = server.home().parent / "closed"
    closed.mkdir(mode=0o755)
    suite = stand(closed)
    ending = await attempt(tmp_path, server.environment("board"), target=f"{suite}/")
    words = (f"{server.user()} cannot write {suite} (user 0, group 0, mode 0755)", "Permission denied")
    told(ending.failure, Category.TARGET, "E-PERM", *words, on_target=CLEAN, stage="deploying_scripts")
    assert ending.retries == []
    assert found(suite) == OLD
    assert leftovers(closed, server.home()) == []


@pytest.mark.fault(29)
async def test_missing_parents_are_made_for_all_to_enter_and_for_nobody_to_change(
    tmp_path: Path, make_sshd: MakeSshd
) -> None:
    server = make_sshd(accounts=True)
    ending = await attempt(tmp_path, server.environment("board"), target="~/not/there/yet/")
    assert ending.status is Status.COMPLETED
    for part in ("not", "not/there", "not/there/yet"):
        assert (server.home() / part).stat().st_mode & 0o7777 == 0o755


@pytest.mark.fault(30)
@pytest.mark.parametrize("where", ["file", "folder"])
async def test_a_symbolic_link_is_told_with_its_owner_and_not_followed(tmp_path: Path, sshd: Sshd, where: str) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    suite = sshd.home() / "suite"
    if where == "file":
        suite.mkdir()
        (suite / "one").symlink_to(elsewhere / "file")
        words = (f"{suite}/one (to {elsewhere}/file, of root:root)",)
    else:
        suite.symlink_to(elsewhere)
        words = (f"{suite} is a symbolic link of",)
    ending = await attempt(tmp_path, sshd.environment("board"))
    stage = "deploying_scripts" if where == "file" else "connecting"
    told(ending.failure, Category.TARGET, "E-SYMLINK", *words, on_target=UNCHANGED, stage=stage)
    assert ending.retries == []
    assert list(elsewhere.iterdir()) == []
    assert leftovers(sshd.home()) == []


@pytest.mark.fault(31)
async def test_a_program_in_use_is_replaced_and_runs_on(tmp_path: Path, sshd: Sshd) -> None:
    suite = sshd.home() / "suite"
    suite.mkdir()
    shutil.copy("/bin/sleep", suite / "tool")
    with subprocess.Popen([suite / "tool", "600"]) as running:
        try:
            tool = Path("/bin/true").read_bytes()
            ending = await attempt(
                tmp_path, sshd.environment("board"), mode=0o755, kind=ArtifactType.BINARY, files={"tool": tool}
            )
            assert ending.status is Status.COMPLETED
            assert (suite / "tool").read_bytes() == tool
            assert is_alive(running.pid)
        finally:
            running.send_signal(signal.SIGKILL)


FOREIGN = Abi(AARCH64, 64, True) if os.uname().machine == "x86_64" else Abi(X86_64, 64, True)
OWN = Abi(X86_64, 64, True) if os.uname().machine == "x86_64" else Abi(AARCH64, 64, True)
WRONG = {
    "E-ARCH": (program(FOREIGN), os.uname().machine),
    "E-VERMAGIC": (module(OWN, "2.6.32-board SMP mod_unload"), os.uname().release),
}


@pytest.mark.parametrize(
    "code",
    [pytest.param("E-ARCH", marks=pytest.mark.fault(36)), pytest.param("E-VERMAGIC", marks=pytest.mark.fault(37))],
)
async def test_what_was_built_for_something_else_is_refused_with_both(tmp_path: Path, sshd: Sshd, code: str) -> None:
    data, ours = WRONG[code]
    needed = "aarch64" if FOREIGN.machine == AARCH64 else "x86_64"
    ending = await attempt(
        tmp_path, sshd.environment("board"), mode=0o755, kind=ArtifactType.BINARY, files={"built.ko": data}
    )
    words = (ours, needed if code == "E-ARCH" else "2.6.32-board SMP mod_unload")
    told(ending.failure, Category.ARTIFACT, code, *words, on_target=UNCHANGED)
    assert ending.failure.where.path == f"{sshd.home()}/suite/built.ko"
    assert ending.retries == []
    assert list(sshd.home().iterdir()) == []


@pytest.mark.fault(38)
@pytest.mark.parametrize("change", [b"other bytes of the same size", b"fewer"], ids=["bytes", "size"])
async def test_an_artifact_that_changes_on_the_way_is_tried_once_more(
    tmp_path: Path, sshd: Sshd, change: bytes
) -> None:
    suite = stand(sshd.home())
    planned = b"x" * len(b"other bytes of the same size")
    source = tmp_path / "suite/one"
    connector = at("place", lambda: source.write_bytes(change))
    ending = await attempt(
        tmp_path, sshd.environment("board"), connector, files={"one": planned}, policy=replace(PATIENT, retries=3)
    )
    failure = ending.failure
    assert (failure.category, failure.code, failure.where.stage) == (Category.ARTIFACT, "E-HASH", "deploying_scripts")
    assert failure.on_target.startswith("The previous version is intact")
    assert failure.remedy
    assert [each.code for each in ending.retries] == ["E-HASH"]
    if len(change) == len(planned):
        assert f"{suite}/one, planned SHA-256 " in failure.message
        assert failure.where.path == f"{suite}/one"
    assert found(suite) == OLD
    await nothing_left(sshd.home())
