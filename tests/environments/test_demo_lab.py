"""The embedded lab's boards, met by a plain SSH client."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from kdeploy_gui.documents.lab_file import read_lab
from kdeploy_gui.environments.demo_lab import DROP_AFTER, DemoLab
from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.environment import Environment
from tests.lab.client import client, offered_key, output_of
from tests.lab.processes import is_alive, wait_until

BLOCK = bytes(range(256)) * 16384
NAMES = ("board-1", "board-2", "board-3-flaky", "board-4-reflashed", "board-5-locked", "board-6-bare")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[DemoLab]:
    with DemoLab(root=tmp_path / "lab") as lab:
        yield lab
        trouble = lab.trouble
    assert not trouble


def board(lab: DemoLab, name: str) -> Environment:
    found = lab.lab.get(name)
    assert found is not None
    return found


async def started_pid(process: asyncssh.SSHClientProcess[str]) -> int:
    return int(await process.stdout.readline())


async def ended(*pids: int) -> None:
    await asyncio.to_thread(wait_until, lambda: not any(map(is_alive, pids)), f"processes {pids} have ended")


def test_six_boards_then_healthy_ones(tmp_path: Path) -> None:
    with DemoLab(boards=8, root=tmp_path / "many") as lab:
        assert tuple(each.name for each in lab.lab.environments) == (*NAMES, "board-7", "board-8")
        assert all(each.host == "127.0.0.1" for each in lab.lab.environments)
        assert len({each.host_keys for each in lab.lab.environments}) == 8
        assert {each.name for each in lab.lab.select(["group:demo/rack-2"])} == set(NAMES[2:])
    with DemoLab(boards=2, root=tmp_path / "few") as lab:
        assert tuple(each.name for each in lab.lab.environments) == NAMES[:2]


def test_a_lab_needs_a_board() -> None:
    with pytest.raises(ValueError, match="at least one board"):
        DemoLab(boards=0)


def test_keys_and_homes_are_private_also_under_an_open_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with DemoLab(root=tmp_path / "lab") as lab:
            modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (lab.root, lab.home("board-1"))}
            assert set(modes.values()) == {0o700}
            assert stat.S_IMODE(lab.identity_file.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_a_temporary_root_goes_with_the_lab_and_a_given_one_stays(tmp_path: Path) -> None:
    with DemoLab(boards=1) as lab:
        temporary = lab.root
        assert temporary.is_dir()
    assert not temporary.exists()
    with DemoLab(boards=1, root=tmp_path / "kept") as lab:
        (lab.home("board-1") / "result").write_text("kept")
    assert (tmp_path / "kept/board-1/home/result").read_text() == "kept"


def test_a_root_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalError, match="embedded lab cannot be set up") as caught:
        DemoLab(root=tmp_path / "file" / "lab").start()
    assert caught.value.code == "E-WRITE"
    assert str(tmp_path / "file") in caught.value.path


def test_a_lab_starts_and_stops_from_other_threads(tmp_path: Path) -> None:
    lab = DemoLab(boards=2, root=tmp_path / "lab")
    for action in (lab.start, lab.start, lab.stop, lab.stop, lab.start):
        thread = threading.Thread(target=action)
        thread.start()
        thread.join()
    assert len(lab.lab.environments) == 2
    assert asyncio.run(output_of(lab.lab.environments[0], "echo up")) == "up"
    lab.stop()
    assert not lab.lab.environments


def test_the_lab_file_describes_the_same_boards(lab: DemoLab, tmp_path: Path) -> None:
    lab.write_lab_file(tmp_path / "lab.toml")
    file = read_lab(tmp_path / "lab.toml")
    assert not file.problems
    assert file.lab == lab.lab


async def test_commands_run_at_home_with_little_else(lab: DemoLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDEPLOY_CANARY", "must not be seen")
    shown = await output_of(board(lab, "board-1"), "pwd; echo ~; umask; env")
    home, tilde, umask, *variables = shown.splitlines()
    assert home == tilde == str(lab.home("board-1"))
    assert umask == "0022"
    assert "KDEPLOY_CANARY" not in "".join(variables)
    assert f"HOME={home}" in variables


async def test_every_byte_passes_both_ways(lab: DemoLab) -> None:
    async with client(board(lab, "board-1")) as connection:
        done = await connection.run("tee /dev/stderr", input=BLOCK, encoding=None)
    assert done.stdout == BLOCK
    assert done.stderr == BLOCK
    assert done.exit_status == 0


async def test_output_waits_for_a_slow_reader(lab: DemoLab) -> None:
    copy = lab.home("board-1") / "copy"
    sizes = [-1]

    def settled() -> bool:
        sizes.append(copy.stat().st_size)
        return len(sizes) > 20 and sizes[-1] == sizes[-20]

    async with client(board(lab, "board-1")) as connection:
        process = await connection.create_process("yes | head -c 50000000 | tee ~/copy", encoding=None)
        received = len(await process.stdout.readexactly(1000))
        await asyncio.to_thread(wait_until, settled, "the command waits")
        assert sizes[-1] < 20_000_000
        while data := await process.stdout.read(65536):
            received += len(data)
        assert received == 50_000_000
        assert (await process.wait()).exit_status == 0


async def test_input_that_nobody_reads_harms_nobody(lab: DemoLab) -> None:
    async with client(board(lab, "board-1")) as connection:
        process = await connection.create_process("sleep 600", encoding=None)
        process.stdin.write(BLOCK)
        other = await connection.run("echo up")
        assert other.stdout == "up\n"
        quitter = await connection.run("exec < /dev/null; sleep 0.1; echo done", input=BLOCK, encoding=None)
        assert (quitter.stdout, quitter.exit_status) == (b"done\n", 0)


async def test_a_command_stuck_on_its_input_ends_with_its_channel(lab: DemoLab) -> None:
    async with client(board(lab, "board-1")) as connection:
        process = await connection.create_process("echo $$; exec sleep 600")
        pid = await started_pid(process)
        process.stdin.write("x" * 1_500_000)
        process.close()
        await ended(pid)


@pytest.mark.parametrize(("command", "status"), [("exit 7", 7), ("exit 0", 0), ("no-such-command", 127)])
async def test_exit_status(lab: DemoLab, command: str, status: int) -> None:
    async with client(board(lab, "board-1")) as connection:
        assert (await connection.run(command)).exit_status == status


async def test_a_command_that_cannot_be_started_says_so(lab: DemoLab) -> None:
    async with client(board(lab, "board-1")) as connection:
        done = await connection.run("true " + "x" * 200_000)
    assert done.exit_status == 126
    assert "cannot be started" in str(done.stderr)


async def test_the_end_by_a_signal_is_reported(lab: DemoLab) -> None:
    async with client(board(lab, "board-1")) as connection:
        done = await connection.run("kill -SEGV $$")
    assert done.exit_signal is not None
    assert done.exit_signal[0] == "SEGV"


async def test_a_signal_reaches_the_whole_process_group(lab: DemoLab) -> None:
    async with client(board(lab, "board-1")) as connection:
        process = await connection.create_process(
            "sleep 600 & child=$!; trap '' TERM; echo $child; wait; echo trapped; exec sleep 601"
        )
        child = await started_pid(process)
        process.send_signal("TERM")
        assert await process.stdout.readline() == "trapped\n"
        await ended(child)
        process.send_signal("KILL")
        done = await process.wait()
    assert done.exit_signal is not None
    assert done.exit_signal[0] == "KILL"


async def test_a_signal_before_the_process_started_is_not_lost(lab: DemoLab) -> None:
    async with client(board(lab, "board-1")) as connection:
        processes = [await connection.create_process("sleep 600") for _ in range(5)]
        for process in processes:
            process.send_signal("KILL")
        async with asyncio.timeout(30):
            assert all([(await process.wait()).exit_signal is not None for process in processes])


async def test_a_lost_connection_leaves_no_orphan(lab: DemoLab) -> None:
    script = "trap '' TERM HUP; sleep 600 & echo $!; (trap '' TERM; exec sleep 601) & echo $!; echo $$; wait; wait"
    async with client(board(lab, "board-1")) as connection:
        process = await connection.create_process(script)
        pids = [await started_pid(process) for _ in range(3)]
        assert all(map(is_alive, pids))
        connection.abort()
    await ended(*pids)


async def test_a_lost_connection_gives_a_command_time_to_clean_up(
    lab: DemoLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kdeploy_gui.environments.demo_lab.GRACE", 30.0)
    async with client(board(lab, "board-1")) as connection:
        process = await connection.create_process(
            "trap 'rm staged; exit' TERM; touch staged; sh -c 'echo $PPID; exec sleep 600' & wait"
        )
        await ended_after_abort(connection, await started_pid(process))
    assert not (lab.home("board-1") / "staged").exists()


async def ended_after_abort(connection: asyncssh.SSHClientConnection, pid: int) -> None:
    connection.abort()
    await ended(pid)


async def test_stop_is_prompt_and_nothing_survives_it(tmp_path: Path) -> None:
    lab = DemoLab(root=tmp_path / "lab")
    await asyncio.to_thread(lab.start)
    port = board(lab, "board-1").port
    async with client(board(lab, "board-1")) as first, client(board(lab, "board-2")) as second:
        running = await first.create_process("echo $$; exec sleep 600")
        detached = await second.run("setsid sleep 600 > /dev/null 2>&1 < /dev/null & echo $!")
        pids = (await started_pid(running), int(str(detached.stdout)))
        assert all(map(is_alive, pids))
        started = time.monotonic()
        await asyncio.to_thread(lab.stop)
        assert time.monotonic() - started < 30
    assert not any(map(is_alive, pids))
    assert not lab.trouble
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_twenty_connections_at_once(lab: DemoLab) -> None:
    async def is_copied(number: int) -> bool:
        data = BLOCK[: 1_000_000 + number]
        async with client(board(lab, NAMES[number % 2])) as connection:
            return (await connection.run("cat", input=data, encoding=None, check=True)).stdout == data

    assert await asyncio.gather(*map(is_copied, range(20))) == [True] * 20


async def test_many_commands_over_one_connection(lab: DemoLab) -> None:
    async with client(board(lab, "board-1")) as connection:
        results = await asyncio.gather(*(connection.run(f"echo {number}") for number in range(40)))
    assert [each.stdout for each in results] == [f"{number}\n" for number in range(40)]


@pytest.mark.parametrize("name", ["board-1", "board-2", "board-3-flaky", "board-6-bare"])
async def test_boards_show_their_pinned_key(lab: DemoLab, name: str) -> None:
    async with client(board(lab, name)) as connection:
        assert (offered_key(connection),) == board(lab, name).host_keys


async def test_the_flaky_board_drops_the_first_transfer_and_recovers(lab: DemoLab) -> None:
    flaky = board(lab, "board-3-flaky")
    async with client(flaky) as connection:
        for _ in range(10):
            small = await connection.run("cat", input=BLOCK[: DROP_AFTER // 2], encoding=None, check=True)
            assert len(small.stdout or b"") == DROP_AFTER // 2
        process = await connection.create_process("cat > received", encoding=None)
        process.stdin.write(BLOCK)
        process.stdin.write_eof()
        await process.wait_closed()
        assert process.exit_status is None
        async with asyncio.timeout(30):
            await connection.wait_closed()
    for _ in range(2):
        async with client(flaky) as connection:
            done = await connection.run("cat > received", input=BLOCK, encoding=None, check=True)
            assert done.exit_status == 0
    assert (lab.home("board-3-flaky") / "received").read_bytes() == BLOCK


async def test_the_reflashed_board_shows_another_key_than_the_pinned_one(lab: DemoLab) -> None:
    reflashed = board(lab, "board-4-reflashed")
    async with client(reflashed) as connection:
        assert offered_key(connection) not in reflashed.host_keys


async def test_the_locked_board_refuses_the_key(lab: DemoLab) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        await output_of(board(lab, "board-5-locked"), "true")


async def test_the_bare_board_lacks_awk_and_nothing_else(lab: DemoLab) -> None:
    tools = "awk gawk mawk nawk busybox sh tar sha256sum uname"
    look = f"for tool in {tools}; do command -v $tool > /dev/null && echo $tool; done"
    assert (await output_of(board(lab, "board-6-bare"), look)).split() == ["sh", "tar", "sha256sum", "uname"]
    assert "awk" in (await output_of(board(lab, "board-1"), look)).split()


async def test_only_the_labs_own_key_gets_in(lab: DemoLab, tmp_path: Path) -> None:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "stranger")
    with pytest.raises(asyncssh.PermissionDenied):
        await output_of(replace(board(lab, "board-1"), identity_file=str(tmp_path / "stranger")), "true")


async def test_only_the_current_user_gets_in(lab: DemoLab) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        await output_of(replace(board(lab, "board-1"), user="nobody-else"), "true")


async def test_keys_are_the_only_way_to_log_in(lab: DemoLab) -> None:
    environment = board(lab, "board-1")
    methods = await asyncssh.get_server_auth_methods(environment.host, environment.port, environment.user, config=None)
    assert methods == ["publickey"]


async def test_terminals_shells_subsystems_and_forwarding_are_refused(lab: DemoLab) -> None:
    async with client(board(lab, "board-1")) as connection:
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process()
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process("true", term_type="xterm")
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.start_sftp_client()
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_connection("127.0.0.1", board(lab, "board-2").port)
        with pytest.raises(asyncssh.ChannelListenError):
            await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 1)
