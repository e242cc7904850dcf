"""Semantic patches run by the engine with the real spatch, and what it says read."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.clock import SystemClock
from kdeploy_gui.engine.source_check import SourceChecking
from kdeploy_gui.errors import KdeployError, LocalError, PlanError
from kdeploy_gui.history.source_log import MemorySourceLog
from kdeploy_gui.instruments.semantic_patches import include_options, read_patch
from kdeploy_gui.instruments.spatch import Spatch
from kdeploy_gui.instruments.spatch_output import findings, parse_error
from kdeploy_gui.model.source_check import (
    CheckProgress,
    CheckRequest,
    Mode,
    PatchFound,
    PatchOutcome,
    PatchReport,
    PatchResult,
    SourceFinding,
    changes,
)
from kdeploy_gui.remedies import bundled
from tests.lab.processes import descendants, name_of
from tests.lab.source_tree import FREED, MASKED, NEGATED, REPORTS, SourceTree, needs_spatch
from tests.strategies import START


@pytest.fixture
def tree(tmp_path: Path) -> SourceTree:
    return SourceTree.made(tmp_path / "linux")


def checking(log: MemorySourceLog | None = None, told: list[CheckProgress] | None = None) -> SourceChecking:
    heard = told if told is not None else []
    return SourceChecking(SystemClock(), bundled(), Spatch(), log or MemorySourceLog(), heard.append)


async def reports(request: CheckRequest) -> dict[str, PatchReport]:
    """What became of each semantic patch, by its name."""
    report = await checking().run(request)
    return {Path(each.patch).stem: each for each in report.patches}


def found(report: PatchReport) -> tuple[SourceFinding, ...]:
    assert report.result is not None, report
    return report.result.found.findings


@needs_spatch
@pytest.mark.parametrize(
    ("mode", "column", "text"),
    [
        (Mode.REPORT, 9, "WARNING: negated before it is masked"),
        (Mode.ORG, 9, "WARNING: negated before it is masked"),
        (Mode.CONTEXT, 0, "-\treturn !flags & 4;"),
        (Mode.PATCH, 0, "-\treturn !flags & 4;\n+\treturn !(flags & 4);"),
        (Mode.CHAIN, 0, "-\treturn !flags & 4;\n+\treturn !(flags & 4);"),
    ],
)
async def test_each_mode_finds_the_place(tree: SourceTree, mode: Mode, column: int, text: str) -> None:
    ran = await reports(CheckRequest(source=tree.root, mode=mode, jobs=2))
    assert found(ran["negated"]) == (SourceFinding("drivers/masked.c", 3, column, text),)
    assert ran["negated"].confidence == "High"
    has_it = mode in {Mode.REPORT, Mode.CHAIN}
    assert ran["freed"].outcome is (PatchOutcome.DONE if has_it else PatchOutcome.LEFT_OUT)
    assert ran["freed"].mode is (Mode.REPORT if has_it else mode)


@needs_spatch
async def test_cpus_that_are_left_share_the_files_of_one_semantic_patch(tree: SourceTree) -> None:
    for number in range(6):
        tree.write(f"drivers/{number}.c", MASKED)
    tree.write("include/of_a_folder_that_counts.h", MASKED)
    told: list[CheckProgress] = []
    report = await checking(told=told).run(
        CheckRequest(source=tree.root, patches=(Path("scripts/coccinelle/misc"),), jobs=3)
    )
    assert len(found(report.patches[0])) == 8
    assert report.files == 10
    assert [each.handled for each in told if each.ended is not None] == [10]
    assert [each.handled for each in told[:-1]] == list(range(11))
    assert (told[-1].done, told[-1].total) == (1, 1)


@needs_spatch
async def test_a_folder_has_a_baseline_of_its_own(tree: SourceTree) -> None:
    log = MemorySourceLog()
    misc = Path("scripts/coccinelle/misc")
    request = CheckRequest(source=tree.root, patches=(misc,), folder="lib/../drivers")
    (negated,) = (await checking(log).run(request)).patches
    assert len(found(negated)) == 1
    whole = await checking(log).run(replace(request, folder=""))
    assert all(each.baseline is None for each in whole.patches)
    again = await checking(log).run(request)
    assert all(each.baseline is not None and not each.new + each.gone for each in again.patches)


@needs_spatch
async def test_one_that_fails_does_not_stop_the_others(tree: SourceTree) -> None:
    own = tree.root.parent / "own patches"
    own.mkdir()
    (own / "broken.cocci").write_text("virtual report\n@r@\nexpression E\n@@\n- E\n")
    (own / "newer.cocci").write_text("// Requires: 99.1\n" + NEGATED)
    (own / "unsaid.cocci").write_text("// Requires: something\n" + NEGATED)
    (own / "odd.cocci").write_text("// Options: --no-such-option\n" + REPORTS + "pass\n")
    (own / "plain.cocci").write_text("@@\nexpression E;\n@@\n- kfree(E);\n")

    ran = await reports(CheckRequest(source=tree.root, patches=(own, Path("scripts/coccinelle")), jobs=2))

    codes = {name: each.failure.code for name, each in ran.items() if each.failure is not None}
    assert codes == {"broken": "E-COCCI-PARSE", "odd": "E-COCCI-FAILED"}
    assert all(each.failure.remedy for each in ran.values() if each.failure is not None)
    assert ran["newer"].why.startswith("it requires spatch 99.1, this one is ")
    assert ran["plain"].why == "it has none of the modes"
    assert [len(found(ran[name])) for name in ("unsaid", "negated", "freed")] == [1, 1, 1]


@needs_spatch
async def test_one_that_takes_too_long_is_stopped_with_all_that_it_started(tree: SourceTree) -> None:
    slow = tree.write("slow.cocci", REPORTS + "import time\ntime.sleep(600)\n")
    ran = await reports(CheckRequest(source=tree.root, patches=(slow,), jobs=2, limit=0.3))
    assert ran["slow"].failure is not None
    assert ran["slow"].failure.code == "E-COCCI-TIMEOUT"
    assert ran["slow"].failure.message == "slow.cocci did not end within 0.3 s and was stopped"
    assert not [pid for pid in descendants(os.getpid()) if name_of(pid) == "spatch"]


@needs_spatch
async def test_one_without_modes_is_a_difference(tree: SourceTree) -> None:
    plain = tree.write("plain.cocci", "@@\nexpression E;\n@@\n- kfree(E);\n")
    ran = await reports(CheckRequest(source=tree.root, mode=Mode.PATCH, patches=(plain,)))
    assert found(ran["plain"]) == (SourceFinding("lib/twice.c", 5, 0, "-\tkfree(p);\n-\tkfree(p);"),)


@needs_spatch
@pytest.mark.parametrize("name", ["$(touch RUN)/x.c", "a b.h", "line\nend.c", "\udcff.h"])
async def test_names_that_a_shell_would_act_on_are_refused(tree: SourceTree, name: str) -> None:
    tree.write(f"drivers/{name}", MASKED)
    with pytest.raises(PlanError, match="E-COCCI-NAMES"):
        await checking().run(CheckRequest(source=tree.root, mode=Mode.PATCH))
    assert not list(tree.root.rglob("RUN"))


@needs_spatch
async def test_many_such_names_are_not_all_told(tree: SourceTree) -> None:
    for number in range(5):
        tree.write(f"drivers/{number} x.c", MASKED)
    with pytest.raises(PlanError, match=r"'drivers/2 x\.c' and 2 more"):
        await Spatch().survey(CheckRequest(source=tree.root))


@needs_spatch
@pytest.mark.parametrize("mode", [Mode.REPORT, Mode.PATCH])
async def test_strange_but_harmless_names_are_read_back(tree: SourceTree, mode: Mode) -> None:
    tree.write("drivers/ü-5:3-4:@x=y,+.c", MASKED)
    tree.write("scripts/coccinelle/$(touch RUN); x.cocci", NEGATED)
    ran = await reports(CheckRequest(source=tree.root, mode=mode, jobs=2))
    (odd,) = (each for name, each in ran.items() if "RUN" in name)
    assert [each.file for each in found(odd)] == ["drivers/masked.c", "drivers/ü-5:3-4:@x=y,+.c"]
    assert not list(tree.root.parent.rglob("RUN"))


@needs_spatch
@pytest.mark.parametrize(
    ("source", "folder", "patches", "code"),
    [
        ("nowhere", "", (), "E-COCCI-SOURCE"),
        ("linux/lib/twice.c", "", (), "E-COCCI-SOURCE"),
        ("linux", "scripts", (), "E-COCCI-SOURCE"),
        ("linux", "../other", (), "E-COCCI-SOURCE"),
        ("linux/lib", "", (), "E-COCCI-PATCHES"),
        ("linux", "", ("none.cocci",), "E-COCCI-PATCHES"),
        ("linux", "", ("lib",), "E-COCCI-PATCHES"),
        ("linux", "", ("quotes.cocci",), "E-COCCI-PATCHES"),
        ("linux", "", ("/proc/self/mem",), "E-COCCI-PATCHES"),
    ],
)
async def test_what_cannot_be_used_is_named(
    tree: SourceTree, source: str, folder: str, patches: tuple[str, ...], code: str
) -> None:
    (tree.root.parent / "other").mkdir()
    tree.write("quotes.cocci", '// Options: "--open\nvirtual report\n')
    request = CheckRequest(source=tree.root.parent / source, folder=folder, patches=tuple(map(Path, patches)))
    with pytest.raises(PlanError) as caught:
        await Spatch().survey(request)
    assert caught.value.code == code
    assert caught.value.path


@pytest.mark.parametrize("program", ["#!/bin/sh\necho of no version\n", "\x7fELF"])
async def test_a_spatch_that_does_not_work_is_told(
    tree: SourceTree, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    path = tree.write("bin/spatch", program)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(path.parent))
    with pytest.raises(LocalError, match="E-COCCI-FAILED"):
        await Spatch().survey(CheckRequest(source=tree.root))


async def test_more_than_fits_is_an_error(tree: SourceTree, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tree.write("bin/spatch", "#!/bin/sh\n[ $# = 1 ] && exec echo spatch version 9.9\nexec cat /dev/zero\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    monkeypatch.setattr("kdeploy_gui.defaults.CAPTURE_CAP", 1 << 20)
    ran = await reports(CheckRequest(source=tree.root, jobs=2))
    messages = [each.failure.message for each in ran.values() if each.failure is not None]
    assert len(messages) == 2
    assert all(each.endswith("finds more than fits into 1.0 MiB") for each in messages)


@needs_spatch
async def test_a_full_history_ends_it(tree: SourceTree) -> None:
    class Full(MemorySourceLog):
        def add(self, result: PatchResult, *, baseline: bool) -> None:
            raise LocalError("E-HISTORY-FULL", "no space", path="kdeploy.db")

    with pytest.raises(KdeployError, match="E-HISTORY-FULL"):
        await checking(Full()).run(CheckRequest(source=tree.root, jobs=2))


def test_a_semantic_patch_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.cocci"
    path.write_text(
        "// virtual no\n/*\nvirtual neither\n*/\nvirtual org , other\nvirtual patch\n// Options: -a 'b c'\n"
    )
    patch = read_patch(path, Path("/elsewhere"))
    assert (patch.name, patch.options, patch.plain) == (str(path), ("-a", "b c"), False)
    assert patch.modes == {Mode.ORG, Mode.PATCH}
    assert patch.runs_as(Mode.REPORT) is None
    path.write_text(FREED)
    assert read_patch(path, tmp_path).name == "x.cocci"


def test_headers_are_found_where_a_kernel_has_them(tmp_path: Path) -> None:
    for name in ("arch/arm64/include/uapi", "arch/x86/include", "include/linux"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "include/linux/kconfig.h").touch()
    assert include_options(tmp_path, "arm64") == (
        *("-I", "./arch/arm64/include", "-I", "./include", "-I", "./arch/arm64/include/uapi"),
        *("--include", "./include/linux/kconfig.h"),
    )
    assert include_options(tmp_path / "arch", "") == ()


def test_the_file_decides_where_a_name_ends() -> None:
    text = "a.c:3:4-5: b.c:7: text\nnone.c:1:2-3: x\n\n  \nb.c:9: only a line"
    known = {"a.c:3:4-5: b.c", "b.c"}.__contains__
    assert findings(Mode.REPORT, text, known) == (
        (SourceFinding("a.c:3:4-5: b.c", 7, 0, "text"), SourceFinding("b.c", 9, 0, "only a line")),
        ("none.c:1:2-3: x",),
    )


def test_places_that_belong_to_a_finding_are_none_of_their_own() -> None:
    place = "view:./a.c::face=ovl-face{}::linb={}::colb=1::cole=6"
    text = f"* TODO [[{place.format(1, 5)}][kfree ./a.c::5]]\n[[{place.format(2, 9)}][ref ./a.c::9]]\n"
    (found,), rest = findings(Mode.ORG, text, lambda name: name == "a.c")
    assert (found, rest) == (SourceFinding("a.c", 5, 1, "kfree ./a.c::5"), ())
    assert found.key == SourceFinding("a.c", 8, 1, "kfree ./a.c::8").key


def test_differences_of_unknown_files_are_no_findings() -> None:
    text = "diff -u -p a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,3 @@\n a\n+b\n c\n@@ -8 +9 @@\n-d\n+e\nnoise\n"
    one, two = SourceFinding("x.c", 2, 0, "+b"), SourceFinding("x.c", 8, 0, "-d\n+e")
    assert findings(Mode.PATCH, text, lambda name: True)[0] == (one, two)
    assert findings(Mode.PATCH, text, lambda name: False)[0] == ()


@settings(max_examples=40)
@given(st.text(max_size=80), st.sampled_from([Mode.REPORT, Mode.ORG, Mode.CONTEXT, Mode.PATCH]), st.booleans())
def test_whatever_is_said_can_be_read(text: str, mode: Mode, there: bool) -> None:
    some, rest = findings(mode, text, lambda name: there)
    assert len(some) + len(rest) <= len(text.splitlines())
    assert parse_error(text) == ""


PLACES = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 3), st.sampled_from(["x", "on line 4", "on line 5"])))


@given(PLACES, PLACES, st.booleans())
def test_new_and_gone_are_the_differences(
    now: list[tuple[str, int, str]], before: list[tuple[str, int, str]], skips: bool
) -> None:
    def of(places: list[tuple[str, int, str]], skipped: tuple[str, ...] = ()) -> PatchResult:
        some = tuple(SourceFinding(file, line, 0, text) for file, line, text in places)
        return PatchResult(source="/s", mode=Mode.REPORT, patch="p", time=START, found=PatchFound(some, skipped))

    new, gone = changes(of(now, ("a",) if skips else ()), of(before))
    assert len(now) - len(before) == len(new) - len(gone) or skips
    assert not {each.key for each in new} & {each.key for each in gone}
    assert not (skips and any(each.file == "a" for each in new + gone))
    assert changes(of(now), of([(file, line + 1, text) for file, line, text in now])) == ((), ())
