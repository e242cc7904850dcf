"""Servers that mean harm, or are broken: they are told as what they are, in time, and take no memory from us."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from kdeploy_gui import defaults
from kdeploy_gui.errors import Category, KdeployError
from kdeploy_gui.model.command import Command
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.facts import FactsQuery
from kdeploy_gui.model.plan import Policy
from kdeploy_gui.model.run import EnvironmentState
from kdeploy_gui.model.stage import Stage, Status
from tests.cli.program import Lab, kdeploy
from tests.engine.steps import over_ssh
from tests.environments.test_ssh_host import connected, refusal, write_key
from tests.lab.chaos import Chaos
from tests.lab.sshd import Sshd
from tests.rehearsal import MemoryContent, memory_file, memory_plan, rehearsal

PIN = "SHA256:" + "A" * 43
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[Environment]:
    """A server that does what `serve` says, until the client has gone."""
    visits: set[asyncio.Task[None]] = set()

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        visits.add(task)
        try:
            with suppress(OSError):
                await serve(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(visit, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Environment(name="hostile", host="127.0.0.1", port=port, host_keys=(PIN,))
    for each in visits:
        each.cancel()
    await asyncio.gather(*visits, return_exceptions=True)


async def flood(writer: asyncio.StreamWriter, block: bytes) -> None:
    """Write until the client hangs up."""
    while True:
        writer.write(block)
        await writer.drain()


async def endless_greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await flood(writer, b"x" * 65536)


async def endless_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await flood(writer, b"welcome\r\n" * 8192)


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-evil\r\n")
    await flood(writer, os.urandom(65536))


async def huge_packet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-evil\r\n\x7f\xff\xff\xff\x04")
    await flood(writer, b"\0" * 65536)


async def escape_sequences(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-\x1b]0;owned\x07\x1b[2J\r\n")
    await reader.read()


async def one_byte_a_while(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in b"SSH-2.0-slow" * 1000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


HOSTILE = [endless_greeting, endless_lines, garbage, huge_packet, escape_sequences, one_byte_a_while]


@pytest.mark.parametrize("serve", HOSTILE, ids=[each.__name__ for each in HOSTILE])
async def test_a_hostile_server_is_given_up_in_time_and_costs_no_memory(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defaults, "LOGIN_TIMEOUT", 1.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with listening(serve) as environment, asyncio.timeout(20):
        error = await refusal(environment)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert error.code in {"E-TIMEOUT", "E-PROTO", "E-LOST"}
    assert grown * 1024 < 60_000_000


async def test_a_machine_that_may_boot_slowly_may_log_in_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "LOGIN_TIMEOUT", 0.2)
    async with listening(one_byte_a_while) as environment:
        error = await refusal(replace(environment, boot_timeout=6.0))
    assert error.message.endswith("does not finish the login within 0.6 s")


class Liar(asyncssh.SSHServer):
    """Lets everybody in."""

    def begin_auth(self, username: str) -> bool:
        return False


Answer = Callable[[asyncssh.SSHServerProcess[bytes]], Awaitable[None]]


@asynccontextmanager
async def lying(answer: Answer, server: type[Liar] = Liar) -> AsyncIterator[Environment]:
    """A server that answers every command with what it likes."""
    key = asyncssh.generate_private_key("ssh-ed25519")

    async def process(channel: asyncssh.SSHServerProcess[bytes]) -> None:
        with suppress(OSError, asyncssh.Error):
            await answer(channel)

    listener = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=server, server_host_keys=[key], process_factory=process, encoding=None
    )
    async with listener:
        yield Environment(name="liar", host="127.0.0.1", port=listener.get_port(), host_keys=(key.get_fingerprint(),))


async def says(channel: asyncssh.SSHServerProcess[bytes], stdout: bytes, stderr: bytes = b"kdeploy-pid:4711\n") -> None:
    channel.stderr.write(stderr)
    channel.stdout.write(stdout)
    channel.exit(0)


LIES = {
    "nothing": (b"", b""),
    "garbage": (os.urandom(10_000), os.urandom(10_000)),
    "init": (b"", b"kdeploy-pid:1\n"),
    "numbers": (b"kernel_release\tx\nhome\t/\nuid\t1e999\nmemory_total_kib\tnan\n", b"kdeploy-pid:4711\n"),
    "control": (b"kernel_release\t\x1b[2J\x1b]0;x\x07\n", b"kdeploy-pid:4711\n"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_lying_machine_is_an_error_of_that_machine(lie: str) -> None:
    async with lying(lambda channel: says(channel, *LIES[lie])) as environment, connected(environment) as target:
        with pytest.raises(KdeployError) as caught:
            await target.facts(FactsQuery())
    assert caught.value.code in {"E-SHELL", "E-LOST", "E-TOOL-MISSING"}


async def test_a_machine_that_never_stops_talking_is_kept_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "CAPTURE_CAP", 1 << 20)

    async def talk(channel: asyncssh.SSHServerProcess[bytes]) -> None:
        channel.stderr.write(b"kdeploy-pid:4711\n")
        while True:
            channel.stdout.write(b"y\n" * 32768)
            await channel.stdout.drain()

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with lying(talk) as environment, connected(environment) as target:
        with pytest.raises(KdeployError) as caught:
            await target.execute(Command("yes", title="yes", timeout=2.0))
    assert caught.value.code == "E-COMMAND"
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 80_000_000


@pytest.mark.sshd
async def test_a_link_of_a_few_bytes_a_second_is_slow_and_not_broken(sshd: Sshd, chaos: Chaos) -> None:
    async with connected(chaos.environment(sshd.environment())) as target:
        chaos.rate = 20_000
        assert (await target.facts(FactsQuery())).kernel_release


# Liars in a whole deployment: the real engine, and the program itself


async def honestly(channel: asyncssh.SSHServerProcess[bytes], command: str, home: Path) -> None:
    """Run a command as a real machine would."""
    told, complaints, status = await honest_answer(channel, command, home)
    channel.stdout.write(told)
    channel.stderr.write(complaints)
    channel.exit(status)


async def honest_answer(
    channel: asyncssh.SSHServerProcess[bytes], command: str, home: Path
) -> tuple[bytes, bytes, int]:
    """What a real machine says to a command, and its status."""
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"HOME": str(home), "PATH": os.defpath},
    )
    told, complaints = await process.communicate(await channel.stdin.read())
    return told, complaints, process.returncode or 0


MARKS = {"facts": "# Facts about this machine", "place": "# Bring a set of files", "survey": "# What stands at"}


def script_of(command: str) -> str:
    """Which of our scripts a command is: `facts` (with files or without), `survey`, `place` or another."""
    return next((name for name, mark in MARKS.items() if mark in command), "")


def lying_about(script: str, home: Path, lie: Answer) -> Answer:
    """A machine that is honest but for one of our scripts."""

    async def answer(channel: asyncssh.SSHServerProcess[bytes]) -> None:
        command = channel.command or ""
        if script_of(command) == script:
            await channel.stdin.read()
            await lie(channel)
        else:
            await honestly(channel, command, home)

    return answer


def lying_about_files(home: Path, sweep: bytes | None, look: bytes) -> Answer:
    """A machine that says of files `sweep`, if anything, before they come, and `look` to facts that ask for them."""

    async def answer(channel: asyncssh.SSHServerProcess[bytes]) -> None:
        command = channel.command or ""
        told, complaints, status = await honest_answer(channel, command, home)
        if script_of(command) == "facts" and MARKS["survey"] in command:
            told = told.partition(b"\nc\t")[0] + b"\nc\t1\n" + look
        elif script_of(command) == "survey" and sweep is not None:
            told = sweep
        channel.stdout.write(told)
        channel.stderr.write(complaints)
        channel.exit(status)

    return answer


def saying(stdout: bytes, status: int = 0, stderr: bytes = b"") -> Answer:
    """One answer to everything."""

    async def answer(channel: asyncssh.SSHServerProcess[bytes]) -> None:
        channel.stderr.write(b"kdeploy-pid:4711\n" + stderr)
        for at in range(0, len(stdout), 1 << 20):
            channel.stdout.write(stdout[at : at + (1 << 20)])
            await channel.stdout.drain()
        channel.exit(status)

    return answer


async def dripping(channel: asyncssh.SSHServerProcess[bytes]) -> None:
    """A byte now and then, for ever."""
    channel.stderr.write(b"kdeploy-pid:4711\n")
    while True:
        channel.stdout.write(b"k")
        await channel.stdout.drain()
        await asyncio.sleep(0.05)


async def deployed_to(
    environment: Environment, folder: Path, stage_timeout: float = 60.0
) -> tuple[EnvironmentState, bool]:
    """How a deployment of two files ends there, and whether the machine is marked READY."""
    content = MemoryContent()
    files = [memory_file(content, f"{folder}/target/{name}", b"#!/bin/sh\n", 0o755) for name in ("one", "two")]
    plan = replace(
        memory_plan([], files), environments=(environment,), policy=Policy(retries=0, stage_timeout=stage_timeout)
    )
    async with rehearsal(folder / "history", {}, content, connector=over_ssh(content)) as run:
        state, _ = await run.run(plan)
        mark = run.history.readiness.latest(environment.name)
    return state.environments[environment.name], bool(mark and mark.ready)


ELSEWHERE = b"k\tfile\t../../../etc/passwd\nk\tsymlink\t/root/.ssh\nl\t/root/.ssh\t../../x\n"


def about(path: str, *lines: str) -> bytes:
    return "".join(line.format(path=path) + "\n" for line in lines).encode()


SURVEYS: dict[str, Callable[[str], bytes]] = {
    "two hashes": lambda path: about(
        path, "k\tfile\t{path}", "s\t755\t10\troot:root\t{path}", f"{'0' * 64}  {{path}}", f"{'1' * 64}  {{path}}"
    ),
    "twice": lambda path: about(path, "k\tfile\t{path}", "k\tmissing\t{path}"),
    "numbers": lambda path: about(path, "k\tfile\t{path}", "s\t-1e9\t\x1b[2J\troot\t{path}"),
    "far too much": lambda path: b"k\tfile\t/x\n" * 1_000_000,
    "one line": lambda path: b"k" * 20_000_000,
}


@pytest.mark.parametrize("lie", SURVEYS)
async def test_lies_about_files_end_that_machine_only(lie: str, tmp_path: Path) -> None:
    text = SURVEYS[lie](f"{tmp_path}/target/one")
    async with lying(lying_about("survey", tmp_path, saying(text))) as environment:
        board, ready = await deployed_to(environment, tmp_path)
    assert board.error is not None
    assert (board.error.category, board.error.code, ready) == (Category.TARGET, "E-SHELL", False), board.error
    assert board.error.on_target
    assert board.error.remedy
    assert len(board.error.message) < 500
    assert not (tmp_path / "target").exists()


async def test_answers_about_what_nobody_asked_for_change_nothing(tmp_path: Path) -> None:
    """The machine then says nothing of the files, so they are sent, and found missing in the end."""
    async with lying(lying_about_files(tmp_path, ELSEWHERE, ELSEWHERE)) as environment:
        board, ready = await deployed_to(environment, tmp_path)
    assert board.error is not None
    assert (board.error.code, ready) == ("E-CHECK", False)
    assert "passwd" not in str(board)


@pytest.mark.parametrize("lie", SURVEYS)
async def test_lies_about_files_that_came_make_no_machine_ready(lie: str, tmp_path: Path) -> None:
    text = SURVEYS[lie](f"{tmp_path}/target/one")
    async with lying(lying_about_files(tmp_path, None, text)) as environment:
        board, ready = await deployed_to(environment, tmp_path)
    assert board.error is not None
    assert (board.error.category, board.error.code, ready) == (Category.TARGET, "E-SHELL", False), board.error
    assert board.error.where.stage == Stage.VALIDATING
    assert not list((tmp_path / "target").iterdir()), "taken back"


@pytest.mark.parametrize("status", [0, 12, 75, 255])
async def test_a_machine_that_did_nothing_is_not_ready_whatever_it_says(status: int, tmp_path: Path) -> None:
    async with lying(lying_about("place", tmp_path, saying(b"done\n", status))) as environment:
        board, ready = await deployed_to(environment, tmp_path)
    expected = {0: "E-CHECK", 12: "E-HASH", 75: "E-LOCKED", 255: "E-COMMAND"}
    assert board.error is not None
    assert (board.status, board.error.code, ready) == (Status.FAILED, expected[status], False)
    if status == 0:
        assert "is missing" in board.error.message


FLOOD = b"kernel_release\tx\nhome\t/\n" + b"".join(b"tool\t%d\t\n" % number for number in range(900_000))
FACTS = {
    "flood": FLOOD,
    "one line": b"kernel_release\t" + b"x" * 30_000_000,
    "no text": b"\xff\xfe\x80" * 2_000_000,
    "control": b"kernel_release\t\x1b]0;owned\x07\x1b[2J\r\nhome\t../../..\nboot_id\t\x00\n",
}


@pytest.mark.parametrize("lie", FACTS)
async def test_lies_about_the_machine_cost_neither_memory_nor_time(lie: str, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with lying(lying_about("facts", tmp_path, saying(FACTS[lie]))) as environment:
        async with asyncio.timeout(120):
            board, ready = await deployed_to(environment, tmp_path)
    assert board.error is not None
    assert board.error.category is Category.TARGET
    assert (board.error.code in {"E-SHELL", "E-TOOL-MISSING"}, ready) == (True, False)
    assert len(board.error.message) < 500
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 150_000_000


@pytest.mark.parametrize("script", ["facts", "survey", "place"])
async def test_a_byte_now_and_then_ends_with_the_stage(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defaults, "CANCEL_GRACE", 0.2)
    async with lying(lying_about(script, tmp_path, dripping)) as environment:
        async with asyncio.timeout(30):
            board, ready = await deployed_to(environment, tmp_path, stage_timeout=1.0)
    assert board.error is not None
    assert (board.error.code, ready) == ("E-STAGE-TIMEOUT", False)
    assert "1 s" in board.error.message


async def test_banners_of_ten_mebibytes_are_let_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "LOGIN_TIMEOUT", 120.0)

    class Talkative(Liar):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            self.connection = conn

        def begin_auth(self, username: str) -> bool:
            for _ in range(160):
                self.connection.send_auth_banner("\x1b[2J" + "welcome " * 8192)
            return False

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = lying_about("", tmp_path, saying(b""))
    async with lying(answer, Talkative) as environment, connected(environment) as target:
        assert (await target.facts(FactsQuery())).kernel_release
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 100_000_000


async def test_a_liar_writes_nothing_here_and_steers_no_terminal(
    kdeploy_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(kdeploy_home, tmp_path / "plan")
    places = {name: tmp_path / name for name in ("HOME", "TMPDIR", "PWD")}
    for name, place in places.items():
        place.mkdir()
        monkeypatch.setenv(name, str(place))
    lie = saying(FACTS["control"], stderr=b"\x1b[31m../../etc\x07\n" + b"\xff" * 100)
    async with lying(lying_about("facts", tmp_path, lie)) as environment:
        key = write_key(tmp_path / "key")
        lab.add(replace(environment, identity_file=str(key)))
        lab.write_plan()
        before = {str(each) for each in lab.folder.rglob("*")}
        done = await asyncio.to_thread(kdeploy, "deploy", lab.plan)
    assert done.status == 1
    assert "E-TOOL-MISSING" in done.stdout + done.stderr
    assert not any(ord(each) < 32 and each != "\n" for each in done.stdout + done.stderr)
    assert {str(each) for each in lab.folder.rglob("*")} == before
    assert [str(each) for place in places.values() for each in place.rglob("*")] == []
