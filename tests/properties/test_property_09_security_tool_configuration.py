"""Property 09: security tool configuration

For any machines the set-up of syzkaller is a configuration that syz-manager takes, or the refusal says why there is
none; a scanner or a semantic patch that ran has its findings stored, and exactly what differs from the time before is
called new or gone. The real peers are an OpenSSH sshd and spatch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.clock import SystemClock
from kdeploy_gui.engine.fuzzing import FuzzPreparing
from kdeploy_gui.engine.scan import Scanning
from kdeploy_gui.engine.source_check import SourceChecking
from kdeploy_gui.environments.memory_guests import MemoryGuest, MemoryGuests
from kdeploy_gui.environments.memory_machine import MemoryMachine
from kdeploy_gui.environments.memory_target import MemoryConnector
from kdeploy_gui.errors import LocalError, PlanError
from kdeploy_gui.history.source_log import MemorySourceLog
from kdeploy_gui.instruments.spatch import Spatch
from kdeploy_gui.instruments.syz_config import is_ours
from kdeploy_gui.instruments.syzkaller import Syzkaller
from kdeploy_gui.model.environment import Environment, Kind
from kdeploy_gui.model.fuzzing import LIMITS, FuzzRequest, Sandbox
from kdeploy_gui.model.guest import BootSource
from kdeploy_gui.model.instrument import Where
from kdeploy_gui.model.scan import ScanFinding, Scanner
from kdeploy_gui.model.source_check import CheckRequest, PatchOutcome
from kdeploy_gui.ports import Connector, Target
from kdeploy_gui.remedies import bundled
from tests.engine.steps import over_ssh
from tests.instruments.test_syzkaller import BOARD_FIELDS, FIELDS, GUEST_FIELDS
from tests.lab.source_tree import MASKED, SourceTree, needs_spatch
from tests.lab.sshd import Sshd
from tests.rehearsal import MemoryContent, ports, quick_folder, rehearsal

TARGETS = {"x86_64": "linux/amd64", "aarch64": "linux/arm64", "armv7l": "linux/arm", "riscv64": "linux/riscv64"}
"""Machines, and syzkaller's word for each; it has none for the last of `MACHINES`."""
MACHINES = (*TARGETS, "sparc64")


@dataclass(frozen=True)
class Lab:
    """Environments that shall be fuzzed together, and what each of them is."""

    environments: tuple[Environment, ...]
    machines: tuple[str, ...]

    def refusal(self, request: FuzzRequest) -> set[str]:
        """Codes of which one must be the answer; empty: there is a set-up."""
        guests = [each for each in self.environments if each.kind is Kind.QEMU]
        codes = set()
        if guests:
            codes |= {"E-SYZ-MIX"} if len(self.environments) > 1 else set()
            codes |= {"E-SYZ-IMAGE"} if request.image is None else set()
        else:
            ways = {(each.user, each.identity_file) for each in self.environments}
            codes |= {"E-SYZ-MIX"} if len(ways) > 1 or len(set(self.machines)) > 1 else set()
            codes |= {"E-SYZ-WAY"} if any(each.jump or ":" in each.host for each in self.environments) else set()
        if "sparc64" in self.machines:
            codes.add("E-SYZ-ARCH")
        return codes


def environment(number: int, kind: Kind, host: str, port: int, user: str, jump: str) -> Environment:
    name = f"machine-{number}"
    if kind is Kind.QEMU:
        return Environment(name=name, host="", kind=kind, domain=name)
    return Environment(name=name, host=host, port=port, user=user, jump=jump, identity_file="/keys/lab")


@st.composite
def labs(draw: st.DrawFn) -> Lab:
    count = draw(st.integers(1, 4))
    mixed = draw(st.integers(0, 3)) == 0
    kinds = st.sampled_from(Kind) if mixed or count == 1 else st.just(Kind.BOARD)
    hosts = st.sampled_from(["board.lab", "192.0.2.1", *(["2001:db8::1"] if mixed else [])])
    users = st.sampled_from(["root", "lab"]) if mixed else st.just("root")
    jumps = st.sampled_from(["", "gate"]) if mixed else st.just("")
    machine = draw(st.sampled_from(MACHINES))
    others = st.sampled_from(MACHINES) if mixed else st.just(machine)
    return Lab(
        tuple(
            environment(number, draw(kinds), draw(hosts), draw(st.integers(1, 65535)), draw(users), draw(jumps))
            for number in range(count)
        ),
        tuple(draw(others) for _ in range(count)),
    )


def limits(name: str) -> st.SearchStrategy[int]:
    return st.integers(*LIMITS[name])


requests = st.builds(
    FuzzRequest,
    workdir=st.sampled_from([Path("work dir"), Path("/srv/ö"), Path('/srv/\\"x')]),
    file=st.just(Path("/srv/x.cfg")),
    syzkaller=st.just(Path("/opt/syzkaller")),
    image=st.sampled_from([None, Path("disk.img"), Path("/srv/disk image")]),
    reboot=st.booleans(),
    count=limits("count"),
    memory=limits("memory"),
    cores=limits("cores"),
    procs=limits("procs"),
    sandbox=st.sampled_from(Sandbox),
    cover=st.booleans(),
)


@given(labs(), requests)
async def test_a_set_up_is_one_that_syz_manager_takes_or_is_refused(lab: Lab, request: FuzzRequest) -> None:
    machines = {}
    for each, machine in zip(lab.environments, lab.machines, strict=True):
        machines[each.name] = MemoryMachine()
        machines[each.name].facts = replace(machines[each.name].facts, machine=machine)
    guests = MemoryGuests(
        {
            each.name: MemoryGuest(source=BootSource(machine))
            for each, machine in zip(lab.environments, lab.machines, strict=True)
            if each.is_guest
        }
    )
    content = MemoryContent()
    refusal = lab.refusal(request)
    with quick_folder() as folder:
        async with rehearsal(Path(folder) / "data", {}, content) as run:
            outside = ports(run.history, Path(folder) / "data", MemoryConnector(machines, content), content)
            preparing = FuzzPreparing(replace(outside, guests=guests), Syzkaller())
            if refusal:
                with pytest.raises(PlanError) as caught:
                    await preparing.prepare(lab.environments, request)
                assert caught.value.code in refusal
                return
            setup = await preparing.prepare(lab.environments, request)
    written = json.loads(setup.text)
    assert is_ours(setup.text)
    assert set(written) <= FIELDS
    assert written["target"] == TARGETS[lab.machines[0]]
    assert (written["procs"], written["cover"], written["sandbox"]) == (request.procs, request.cover, request.sandbox)
    assert written["workdir"] == str(request.workdir.absolute())
    if written["type"] == "qemu":
        assert set(written["vm"]) <= GUEST_FIELDS
        assert [written["vm"][each] for each in ("count", "mem", "cpu")] == [
            request.count,
            request.memory,
            request.cores,
        ]
    else:
        assert set(written["vm"]) == BOARD_FIELDS
        assert written["vm"]["targets"] == [f"{each.host}:{each.port}" for each in lab.environments]
        assert written["vm"]["target_reboot"] is request.reboot


@pytest.mark.sshd
async def test_a_set_up_for_an_sshd(tmp_path: Path, sshd: Sshd) -> None:
    board = sshd.environment("board")
    content = MemoryContent()
    async with rehearsal(tmp_path / "data", {}, content) as run:
        outside = ports(run.history, tmp_path / "data", over_ssh(content), content)
        request = FuzzRequest(workdir=tmp_path, file=tmp_path / "x.cfg", syzkaller=tmp_path)
        setup = await FuzzPreparing(outside, Syzkaller()).prepare((board,), request)
    written = json.loads(setup.text)
    assert written["vm"]["targets"] == [f"{board.host}:{board.port}"]
    assert written["sshkey"] == board.identity_file
    met = {each.subject: each.met for each in setup.preconditions}
    assert (met["reached"], met["ssh key"], met["syz-manager"]) == (True, True, False)


@dataclass
class Told:
    """Scanners that find what they are told; None: the tool is not there."""

    says: dict[str, Sequence[ScanFinding] | None]

    def all(self) -> tuple[Scanner, ...]:
        """See `Scanners.all`."""
        return tuple(Scanner(each, each, Where.TARGET) for each in self.says)

    async def scan(self, target: Target, name: str) -> tuple[ScanFinding, ...]:
        """See `Scanners.scan`."""
        said = self.says[name]
        if said is None:
            raise LocalError("E-SCAN-MISSING", f"{name} is not there")
        return tuple(said)


findings = st.lists(
    st.builds(
        ScanFinding, st.sampled_from(["PKGS-1", "SSH-2", "CVE-3", "KRNL-4", "\x1b[31m", "ö"]), st.text(max_size=9)
    ),
    unique_by=lambda each: each.id,
)


@given(
    st.lists(
        st.fixed_dictionaries({"lynis": st.none() | findings, "debsecan": st.none() | findings}), min_size=1, max_size=4
    )
)
async def test_what_a_scanner_finds_is_stored_and_only_differences_are_called_new(
    rounds: list[dict[str, Sequence[ScanFinding] | None]],
) -> None:
    board = Environment(name="board", host="board.invalid")
    content = MemoryContent()
    machines = {"board": MemoryMachine()}
    known: dict[str, set[str]] = {}
    with quick_folder() as folder:
        async with rehearsal(Path(folder) / "data", {}, content) as run:
            connector: Connector = MemoryConnector(machines, content)
            outside = ports(run.history, Path(folder) / "data", connector, content)
            for says in rounds:
                reports = await Scanning(outside, Told(says), run.history.scans).run(board, tuple(says))
                for report in reports:
                    said = says[report.scanner]
                    assert report.missing is (said is None)
                    if said is None:
                        assert report.failure is not None
                        assert report.failure.remedy
                        continue
                    stored = run.history.scans.latest("board", report.scanner)
                    assert stored is not None
                    assert stored.findings == tuple(said)
                    now, before = {each.id for each in said}, known.get(report.scanner)
                    new = set() if before is None else now - before
                    gone = set() if before is None else before - now
                    assert ({each.id for each in report.new}, {each.id for each in report.gone}) == (new, gone)
                    known[report.scanner] = now


@needs_spatch
@pytest.mark.parametrize(("before", "now"), [((), (3,)), ((1, 4), (4, 6)), ((2, 5, 9), ())])
async def test_faults_that_are_planted_in_a_source_are_found_and_told_from_the_baseline(
    tmp_path: Path, before: Sequence[int], now: Sequence[int]
) -> None:
    tree = SourceTree.made(tmp_path / "linux")
    (tree.root / "drivers/masked.c").unlink()
    log = MemorySourceLog()
    checking = SourceChecking(SystemClock(), bundled(), Spatch(), log)

    async def found_in(faulty: Sequence[int]) -> tuple[set[str], set[str], set[str]]:
        for number in range(10):
            tree.write(
                f"drivers/d{number}.c", MASKED if number in faulty else MASKED.replace("!flags & 4", "!(flags & 4)")
            )
        report = await checking.run(CheckRequest(source=tree.root, jobs=2))
        (ended,) = (each for each in report.patches if each.patch.endswith("negated.cocci"))
        assert ended.outcome is PatchOutcome.DONE, ended
        assert ended.result is not None
        parts = (ended.result.found.findings, ended.new, ended.gone)
        first, second, third = ({Path(each.file).name for each in part} for part in parts)
        return first, second, third

    def names(numbers: set[int]) -> set[str]:
        return {f"d{each}.c" for each in numbers}

    assert await found_in(before) == (names(set(before)), set(), set())
    expected = (names(set(now)), names(set(now) - set(before)), names(set(before) - set(now)))
    assert await found_in(now) == expected
