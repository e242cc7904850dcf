"""The artifact store: versions that never change, contents that are checked, pruning that takes only what may go."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kdeploy_gui.artifacts import objects
from kdeploy_gui.artifacts.dependencies import with_dependencies
from kdeploy_gui.artifacts.store import ArtifactStore
from kdeploy_gui.artifacts.store_lock import StoreLock
from kdeploy_gui.artifacts.stored_content import StoredContent
from kdeploy_gui.errors import ArtifactError, Cancelled, ContentChanged, KdeployError, LocalError
from kdeploy_gui.model.plan import ArtifactType, SourceFile
from kdeploy_gui.model.stored import PruneRule, VersionRef
from tests.artifacts.stores import START, add, check_whole, digest, new, run_files, source


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def code_of(error: pytest.ExceptionInfo[KdeployError]) -> str:
    return error.value.code


def no_runs() -> dict[int, datetime]:
    return {}


Files = dict[str, bytes]
FILES = st.dictionaries(st.sampled_from("abc"), st.sampled_from([b"", b"one", b"two", b"x" * 5000]), min_size=1)


class Model(RuleBasedStateMachine):
    """Random work on a store beside a model of plain dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.store = ArtifactStore(self.home / "artifacts")
        self.versions: dict[tuple[str, str], Files] = {}
        self.order: dict[str, list[str]] = {}
        self.runs: dict[int, Files] = {}
        self.history: dict[int, datetime] = {}
        self.damaged: set[str] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.home)

    @rule(name=st.sampled_from("pq"), version=st.sampled_from(["", "1", "2", "3"]), files=FILES)
    def add(self, name: str, version: str, files: Files) -> None:
        there = self.versions.get((name, version))
        if there is not None and there != files:
            with pytest.raises(ArtifactError, match="a version never changes"):
                add(self.store, name, files, version)
            return
        added = add(self.store, name, files, version)
        self.damaged -= {digest(each) for each in files.values()}
        names = self.order.setdefault(name, [])
        same_as_newest = bool(names) and self.versions[name, names[0]] == files
        assert added.new == (not same_as_newest if not version else there is None)
        if added.new:
            names.insert(0, added.version.version)
            self.versions[name, added.version.version] = files

    @rule(files=FILES, in_history=st.booleans())
    def run(self, files: Files, in_history: bool) -> None:
        number = len(self.runs) + len(self.history) + 1
        while number in self.runs:
            number += 1
        self.store.keep(run_files(self.home / "sources", number, files))
        self.damaged -= {digest(each) for each in files.values()}
        self.runs[number] = files
        if in_history:
            self.history[number] = START

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def damage(self, data: st.DataObject) -> None:
        files = data.draw(st.sampled_from(sorted(self.versions.values(), key=repr)))
        content = data.draw(st.sampled_from(sorted(set(files.values()))))
        path = self.store.objects.path(digest(content))
        if data.draw(st.booleans()):
            path.write_bytes(content + b"!")
        else:
            path.unlink(missing_ok=True)
        self.damaged.add(digest(content))

    @rule(keep=st.none() | st.integers(0, 2), preview=st.booleans())
    def prune(self, keep: int | None, preview: bool) -> None:
        pruning = self.store.prune(PruneRule(keep), lambda: self.history, START, preview=preview)
        going = (
            {(name, each) for name, all_ in self.order.items() for each in all_[keep:]} if keep is not None else set()
        )
        assert {(each.name, each.version) for each in pruning.versions} == going
        assert set(pruning.runs) == self.runs.keys() - self.history.keys()
        if preview:
            return
        for name, version in going:
            del self.versions[name, version]
            self.order[name].remove(version)
        self.runs = {run: files for run, files in self.runs.items() if run in self.history}
        self.damaged &= self.needed()
        assert set(self.store.objects.all()) | self.damaged == self.needed()

    @rule()
    def verify(self) -> None:
        found = self.store.verify()
        assert {each.sha256 for each in found.damaged} >= self.damaged & self.needed()
        assert {each.sha256 for each in found.damaged} <= self.damaged
        assert found.problems == ()

    def needed(self) -> set[str]:
        return {digest(each) for files in (*self.versions.values(), *self.runs.values()) for each in files.values()}

    @invariant()
    def documents_are_what_the_model_says(self) -> None:
        shelf = self.store.shelf()
        assert [(name, each) for name in sorted(self.order) for each in self.order[name]] == [
            (each.name, each.version) for each in shelf.versions
        ]
        assert {each.run for each in shelf.runs} == self.runs.keys()

    @invariant()
    def what_is_handed_out_is_right(self) -> None:
        for files in (*self.versions.values(), *self.runs.values()):
            for content in files.values():
                if digest(content) in self.damaged:
                    with pytest.raises(LocalError, match="needs it"):
                        b"".join(self.store.read(digest(content)))
                else:
                    assert b"".join(self.store.read(digest(content))) == content

    @invariant()
    def nothing_is_left_on_its_way(self) -> None:
        assert list(self.store.objects.incoming.glob("*")) == []


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=30)


def test_dependencies_come_first_and_each_once(store: ArtifactStore) -> None:
    add(store, "base", {"base": b"b"})
    add(store, "left", {"left": b"l"}, "1", "base@1")
    add(store, "right", {"right": b"r"}, "1", "base")
    top = add(store, "top", {"top": b"t"}, "1", "left", "right@1").version
    assert [str(each.ref) for each in with_dependencies(store.shelf(), top)] == ["base@1", "left@1", "right@1", "top@1"]


def test_a_cycle_is_named_and_not_stored(store: ArtifactStore) -> None:
    add(store, "a", {"a": b"1"})
    add(store, "b", {"b": b"1"}, "1", "a")
    add(store, "c", {"c": b"1"}, "1", "b@1")
    with pytest.raises(ArtifactError, match="a@2 -> c@1 -> b@1 -> a@2") as error:
        add(store, "a", {"a": b"2"}, "", "c")
    assert code_of(error) == "E-ARTIFACT-CYCLE"
    assert [each.version for each in store.shelf().named("a")] == ["1"]
    with pytest.raises(ArtifactError, match="d@1 -> d@1"):
        add(store, "d", {"d": b"1"}, "1", "d@1")
    check_whole(store)


def test_what_a_version_that_stays_needs_stays(store: ArtifactStore) -> None:
    add(store, "lib", {"lib": b"1"})
    add(store, "lib", {"lib": b"2"})
    add(store, "lib", {"lib": b"3"})
    add(store, "suite", {"suite": b"1"}, "1", "lib@1")
    went = store.prune(PruneRule(keep=1), no_runs, START)
    assert [str(each) for each in went.versions] == ["lib@2"]
    assert went.objects == (digest(b"2"),)
    went = store.prune(PruneRule(keep=0, spared=(VersionRef("suite"),)), no_runs, START)
    assert [str(each) for each in went.versions] == ["lib@3"]
    check_whole(store)


def test_age_counts_from_when_a_version_was_added(store: ArtifactStore) -> None:
    folder = store.folder.parent / "sources"
    for day in range(3):
        store.add(new(folder, "a", {"a": bytes([day])}), START + timedelta(days=day))
    now = START + timedelta(days=2, hours=1)
    old = store.prune(PruneRule(older=1), no_runs, now, preview=True)
    assert [str(each) for each in old.versions] == ["a@2", "a@1"]
    both = store.prune(PruneRule(keep=1, older=1.5), no_runs, now, preview=True)
    assert [str(each) for each in both.versions] == ["a@1"]


def test_the_newest_is_what_was_added_last_whatever_the_clock_says(store: ArtifactStore) -> None:
    folder = store.folder.parent / "sources"
    store.add(new(folder, "a", {"a": b"1"}), START)
    store.add(new(folder, "a", {"a": b"2"}), START - timedelta(days=1))
    assert [each.version for each in store.shelf().named("a")] == ["2", "1"]


def test_runs_pin_what_they_deployed(store: ArtifactStore, tmp_path: Path) -> None:
    files = run_files(tmp_path / "sources", 7, {"a": b"a", "b": b"b", "again": b"a"})
    store.keep(files)
    shutil.rmtree(tmp_path / "sources")
    assert store.files_of(7) == files
    assert store.prune(PruneRule(keep=0), lambda: {7: START}, START).objects == ()
    assert b"".join(store.read(digest(b"a"))) == b"a"
    older_history = store.prune(PruneRule(), lambda: {7: START + timedelta(days=1)}, START)
    assert (older_history.runs, len(older_history.objects)) == ((7,), 2)
    assert store.files_of(7) is None


def test_sensitive_files_are_not_kept(store: ArtifactStore, tmp_path: Path) -> None:
    store.keep(run_files(tmp_path / "sources", 1, {"secret": b"canary"}, sensitive=True))
    assert not any(b"canary" in each.read_bytes() for each in store.folder.rglob("*") if each.is_file())
    assert list(store.objects.all()) == []
    check_whole(store)


def test_a_source_that_changed_meanwhile_is_not_kept(store: ArtifactStore, tmp_path: Path) -> None:
    files = run_files(tmp_path / "sources", 1, {"a": b"a"})
    Path(files.files[0].source).write_bytes(b"b")
    with pytest.raises(ContentChanged):
        store.keep(files)
    Path(files.files[0].source).unlink()
    with pytest.raises(ArtifactError):
        store.keep(files)
    with pytest.raises(Cancelled):
        store.keep(run_files(tmp_path / "sources", 1, {"a": b"a"}), lambda: True)
    assert (list(store.objects.all()), list(store.objects.incoming.iterdir()), store.files_of(1)) == ([], [], None)


def test_sources_are_copied_not_linked(store: ArtifactStore, tmp_path: Path) -> None:
    files = run_files(tmp_path / "sources", 1, {"a": b"before"})
    store.keep(files)
    Path(files.files[0].source).write_bytes(b"after!")
    assert b"".join(store.read(digest(b"before"))) == b"before"
    check_whole(store)


def test_an_object_that_was_seen_whole_is_read_again_only_after_somebody_wrote_to_it(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(2_000_000)
    files, path = run_files(tmp_path / "sources", 1, {"a": data}), store.objects.path(digest(data))
    monkeypatch.setattr(objects, "SETTLES", 3600)
    store.keep(files)
    store.keep(replace(files, run=2))
    with monkeypatch.context() as patch:
        patch.setattr(store.objects, "check", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):  # it is read: its times need not move with the next write
            store.keep(replace(files, run=2))
    monkeypatch.setattr(objects, "SETTLES", 0)
    store.keep(replace(files, run=2))
    with monkeypatch.context() as patch:
        patch.setattr(store.objects, "check", lambda *_: pytest.fail("it was read"))
        store.keep(replace(files, run=3))
    before = path.stat()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    store.keep(replace(files, run=4))
    assert path.read_bytes() == data
    path.unlink()
    store.keep(replace(files, run=5))
    assert path.read_bytes() == data
    check_whole(store)


def test_a_damaged_object_is_never_handed_out_whole(store: ArtifactStore) -> None:
    data = os.urandom(700_000)
    add(store, "a", {"a": data})
    path = store.objects.path(digest(data))
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    handed: list[bytes] = []
    with pytest.raises(LocalError, match="a@1 needs it") as error:
        handed.extend(store.read(digest(data)))
    assert code_of(error) == "E-STORE-DAMAGED"
    assert len(b"".join(handed)) < len(data)
    content = StoredContent(store)
    with pytest.raises(LocalError):
        content.digest(SourceFile(str(path), "a", len(data)))
    add(store, "a", {"a": data})
    assert content.digest(SourceFile(str(path), "a", len(data))) == digest(data)
    assert b"".join(content.read(str(path))) == data
    with pytest.raises(Cancelled):
        content.digest(SourceFile(str(path), "a", len(data)), lambda: True)
    other = source(store.folder.parent / "sources", b"local")
    assert content.digest(SourceFile(other, "b", 5)) == digest(b"local")
    assert b"".join(content.read(other)) == b"local"


def test_documents_that_make_no_sense_are_named(store: ArtifactStore) -> None:
    add(store, "a", {"a": b"1"})
    store.keep(run_files(store.folder.parent / "sources", 1, {"a": b"1"}))
    version, run = store.folder / "index" / "a" / "1.json", store.folder / "runs" / "1.json"
    good, good_run = version.read_text(), run.read_text()
    wrong = {
        "[]": "no document",
        "[" * 100_000: "nested too deeply",
        "{": "",
        good.replace('"format": 1', '"format": 2'): "format 1",
        good.replace('"name": "a"', '"name": "b"'): "about b@1",
        good.replace('"path": "a"', '"path": "../a"'): "no proper path",
        good.replace(digest(b"1"), "../../etc"): "no proper path",
        good.replace('"mode": 420', '"mode": "x"'): "mode",
    }
    for text, why in wrong.items():
        version.write_text(text)
        problems = store.shelf().problems
        assert len(problems) == 1
        assert str(version) in problems[0]
        assert why in problems[0]
        with pytest.raises(LocalError) as error:
            add(store, "a", {"a": b"1"}, "1")
        assert code_of(error) == "E-STORE-INDEX"
        with pytest.raises(LocalError) as error:
            store.prune(PruneRule(), no_runs, START)
        assert code_of(error) == "E-STORE-INDEX"
    version.write_text(good)
    for text in (good_run.replace('"run": 1', '"run": 2'), good_run.replace(digest(b"1"), "0")):
        run.write_text(text)
        with pytest.raises(LocalError) as error:
            store.files_of(1)
        assert code_of(error) == "E-STORE-INDEX"
        assert not store.verify().good


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A disk that takes no longer file than that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_takes_no_more_leaves_nothing_half_there(store: ArtifactStore, tmp_path: Path) -> None:
    add(store, "small", {"a": b"1"})
    made = new(tmp_path / "sources", "large", {"a": b"2", "b": os.urandom(300_000)})
    before = sorted(store.folder.rglob("*"))
    with files_of_at_most(100_000), pytest.raises(LocalError) as error:
        store.add(made, START)
    assert code_of(error) in {"E-STORE-FULL", "E-STORE-IO"}
    assert sorted(store.folder.rglob("*")) == before
    check_whole(store)
    assert store.add(made, START).new


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="only root can mount a small disk")
def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    small = tmp_path / "disk"
    small.mkdir()
    if os.system(f"mount -t tmpfs -o size=1m tmpfs {small} 2>/dev/null") != 0:  # noqa: S605 - a path of pytest's own
        pytest.skip("no tmpfs can be mounted here")
    try:
        store = ArtifactStore(small / "artifacts")
        add(store, "small", {"a": b"1"})
        made = new(tmp_path / "sources", "large", {"a": b"2", "b": os.urandom(2_000_000)})
        with pytest.raises(LocalError, match="nothing of this was stored") as error:
            store.add(made, START)
        assert code_of(error) == "E-STORE-FULL"
        assert list(store.objects.incoming.iterdir()) == []
        check_whole(store)
    finally:
        os.system(f"umount {small}")  # noqa: S605


def test_a_store_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("a file")
    with pytest.raises(LocalError) as error:
        add(ArtifactStore(tmp_path / "artifacts"), "a", {"a": b"1"})
    assert code_of(error) == "E-STORE-IO"


def test_pruning_waits_for_those_who_add_and_they_for_it(store: ArtifactStore) -> None:
    impatient = ArtifactStore(store.folder)
    impatient._lock = StoreLock(store.folder / "lock", patience=0)
    other = StoreLock(store.folder / "lock")
    with other.shared(), pytest.raises(LocalError) as error:
        impatient.prune(PruneRule(), no_runs, START)
    assert code_of(error) == "E-STORE-BUSY"
    with other.exclusive(), pytest.raises(LocalError) as error:
        add(impatient, "a", {"a": b"1"})
    assert code_of(error) == "E-STORE-BUSY"
    with other.shared():
        assert add(impatient, "a", {"a": b"1"}).new
        assert impatient.verify().good


def test_leftovers_are_swept_when_nobody_else_is_there(store: ArtifactStore) -> None:
    add(store, "a", {"a": b"1"})
    leftover = store.objects.incoming / "dead-0.part"
    leftover.write_bytes(b"half")
    with StoreLock(store.folder / "lock").shared():
        add(store, "a", {"a": b"2"})
        assert leftover.exists()
    add(store, "a", {"a": b"3"})
    assert not leftover.exists()
    leftover.write_bytes(b"half")
    store.prune(PruneRule(), no_runs, START)
    assert not leftover.exists()


def test_a_type_or_dependency_of_its_own_is_another_version(store: ArtifactStore) -> None:
    add(store, "lib", {"lib": b"l"})
    add(store, "a", {"a": b"1"}, "1")
    with pytest.raises(ArtifactError, match="other dependencies"):
        add(store, "a", {"a": b"1"}, "1", "lib")
    script = replace(new(store.folder.parent / "sources", "a", {"a": b"1"}, "1"), type=ArtifactType.SCRIPT)
    with pytest.raises(ArtifactError, match="other type"):
        store.add(script, START)
