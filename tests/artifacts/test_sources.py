"""Sources of artifacts: which files they stand for, and what is refused."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdeploy_gui.artifacts import sources
from kdeploy_gui.artifacts.sources import REPORTED, Listed, list_sources
from kdeploy_gui.model.plan import Artifact, ArtifactType, Listing


def artifact(source: str) -> Artifact:
    return Artifact(source=source, type=ArtifactType.DATA, target="/opt/x/", mode=0o644)


def listed(folder: Path, *patterns: str) -> Listed:
    return list_sources([artifact(each) for each in patterns], folder)


def listing(folder: Path, source: str) -> Listing:
    found = listed(folder, source)
    assert not found.problems
    return found.listings[0]


def names(folder: Path, source: str) -> list[str]:
    return [each.name for each in listing(folder, source).files]


def refusal(folder: Path, source: str) -> str:
    found = listed(folder, source)
    assert found.listings == {}
    assert [each.field for each in found.problems] == ["artifacts[0].source"]
    return found.problems[0].message


def plant(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    plant(
        tmp_path,
        "run.sh",
        "scripts/b.sh",
        "scripts/a.sh",
        "scripts/.hidden.sh",
        "scripts/notes.txt",
        "scripts/net/ping.sh",
        "scripts/net/deep/trace.sh",
        "scripts/.git/hook.sh",
        "other/net/a.sh",
    )
    return tmp_path


def test_file(tree: Path) -> None:
    (file,) = listing(tree, "scripts/a.sh").files
    assert (file.source.path, file.source.relative) == (str(tree / "scripts/a.sh"), "scripts/a.sh")
    assert (file.source.size, file.name) == (len("scripts/a.sh"), "a.sh")
    assert not listing(tree, "scripts/a.sh").folder


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("scripts/*.sh", ["a.sh", "b.sh"]),
        ("scripts/*", ["a.sh", "b.sh", "notes.txt"]),
        ("scripts/.*.sh", [".hidden.sh"]),
        ("scripts/[!b]*.sh", ["a.sh"]),
        ("./scripts/?.sh", ["a.sh", "b.sh"]),
        ("*/net/*.sh", ["a.sh", "ping.sh"]),
        ("**/a.sh", ["other/net/a.sh", "scripts/a.sh"]),
        ("scripts/**/*.sh", ["a.sh", "b.sh", "net/ping.sh", "net/deep/trace.sh"]),
        ("scripts/**", ["a.sh", "b.sh", "notes.txt", "net/ping.sh", "net/deep/trace.sh"]),
        ("scripts/**/net/*", ["net/ping.sh"]),
        ("scripts/**/**/trace.sh", ["net/deep/trace.sh"]),
    ],
)
def test_patterns(tree: Path, pattern: str, expected: list[str]) -> None:
    assert names(tree, pattern) == expected
    assert not listing(tree, pattern).folder


@pytest.mark.parametrize("source", ["scripts", "scripts/", "./scripts", "other/../scripts"])
def test_folder_keeps_its_tree_and_hidden_files(tree: Path, source: str) -> None:
    found = listing(tree, source)
    assert found.folder
    assert [each.name for each in found.files] == [
        ".hidden.sh",
        "a.sh",
        "b.sh",
        "notes.txt",
        ".git/hook.sh",
        "net/ping.sh",
        "net/deep/trace.sh",
    ]
    assert found.files[-1].source.relative == "scripts/net/deep/trace.sh"


def test_absolute_source_and_home_folder(tree: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    elsewhere = tmp_path / "plans"
    elsewhere.mkdir()
    monkeypatch.setenv("HOME", str(tree))
    for source in (str(tree / "run.sh"), "~/run.sh", "../run.sh"):
        (file,) = listing(elsewhere, source).files
        assert (file.source.path, file.source.relative) == (str(tree / "run.sh"), str(tree / "run.sh"))


def test_name_with_wildcard_characters_is_taken_literally_where_it_exists(tmp_path: Path) -> None:
    plant(tmp_path, "data[1].txt", "data1.txt")
    assert names(tmp_path, "data[1].txt") == ["data[1].txt"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("rum.sh", "'rum.sh' does not exist - did you mean 'run.sh'?"),
        ("script/a.sh", "'script' does not exist - did you mean 'scripts'?"),
        ("scripts/net/pong.sh", "'scripts/net/pong.sh' does not exist - did you mean 'ping.sh'?"),
        ("nothing/at/all", "'nothing' does not exist"),
        ("run.sh/", "'run.sh/' is a file, not a folder: write it without the last slash"),
        ("run.sh/x", "'run.sh/x' is a file, not a folder: write it without the last slash"),
        ("scripts/*.py", "'scripts/*.py' matches no files"),
        ("nothing/*.py", "'nothing/*.py' matches no files"),
        ("run.sh/*", "'run.sh/*' matches no files"),
        ("oth*", "'oth*' matches no files"),
    ],
)
def test_refusals(tree: Path, source: str, message: str) -> None:
    assert refusal(tree, source) == message


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    assert refusal(tmp_path, "empty") == "'empty' holds no files"


def test_links_to_files_are_followed(tree: Path) -> None:
    (tree / "scripts/link.sh").symlink_to("../run.sh")
    (file,) = listing(tree, "scripts/link.sh").files
    assert (file.name, file.source.size) == ("link.sh", len("run.sh"))
    assert "link.sh" in names(tree, "scripts/*.sh")
    assert "link.sh" in names(tree, "scripts")


def test_links_to_folders_are_never_walked(tree: Path) -> None:
    (tree / "scripts/net/loop").symlink_to("..")
    assert "is a link to a folder, which is not followed" in refusal(tree, "scripts")
    assert names(tree, "scripts/**/*.sh") == ["a.sh", "b.sh", "net/ping.sh", "net/deep/trace.sh"]


def test_link_to_nothing(tree: Path) -> None:
    (tree / "scripts/gone.sh").symlink_to("nowhere")
    for source in ("scripts/gone.sh", "scripts/*.sh", "scripts"):
        assert refusal(tree, source) == "'scripts/gone.sh' is a link to something that does not exist"


def test_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("a")
    for source in ("a", "*", "*/x"):
        assert "cannot be read: Too many levels of symbolic links" in refusal(tmp_path, source), source


def test_pipes_sockets_and_devices_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "sock"))
        assert refusal(tmp_path, "sock") == "'sock' is a socket, not a file"
        assert len(listed(tmp_path, "*").problems) == 3
    assert refusal(tmp_path, "pipe") == "'pipe' is a named pipe, not a file"
    assert refusal(tmp_path, "null") == "'null' is a device, not a file"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"caf\xe9.sh", r"'caf\xe9.sh' has a name that is not UTF-8: rename it"),
        (b"a\nb.sh", r"'a\nb.sh' has control characters in its name: rename it"),
        (b"\x1b[31m.sh", r"'\x1b[31m.sh' has control characters in its name: rename it"),
        ("\u202egnp.sh".encode(), r"'\u202egnp.sh' has control characters in its name: rename it"),
    ],
)
@pytest.mark.parametrize("source", ["*.sh", "."])
def test_names_that_cannot_be_shown(tmp_path: Path, name: bytes, shown: str, source: str) -> None:
    (Path(os.fsencode(tmp_path).decode()) / os.fsdecode(name)).touch()
    assert refusal(tmp_path, source) == shown


def test_odd_but_good_names(tmp_path: Path) -> None:
    odd = ["-rf.sh", " a b .sh", "$(id).sh", "'q\".sh", "\u00fc\u4e2d.sh", "a\\b.sh"]
    plant(tmp_path, *odd)
    assert sorted(names(tmp_path, "*.sh")) == sorted(odd)


def test_many_bad_files_are_counted(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"{number:02}.sh").symlink_to("nowhere")
    problems = listed(tmp_path, "*.sh").problems
    assert len(problems) == REPORTED + 1
    assert problems[-1].message == "40 more files have mistakes of this kind"


@contextmanager
def as_somebody_else() -> Iterator[None]:
    """Without root's right to read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach; the one of pytest is closed."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_files_and_folders_that_cannot_be_read(open_folder: Path) -> None:
    plant(open_folder, "secret.sh", "closed/a.sh", "open/closed/a.sh")
    (open_folder / "secret.sh").chmod(0)
    (open_folder / "closed").chmod(0)
    (open_folder / "open/closed").chmod(0)
    with as_somebody_else():
        found = listed(open_folder, "secret.sh", "closed", "closed/a.sh", "open/**/*.sh", "*.sh")
    for folder in ("closed", "open/closed"):
        (open_folder / folder).chmod(0o700)
    assert [(each.field, each.message) for each in found.problems] == [
        ("artifacts[0].source", "'secret.sh' cannot be read: permission denied"),
        ("artifacts[1].source", "'closed' cannot be read: Permission denied"),
        ("artifacts[2].source", "'closed/a.sh' cannot be read: Permission denied"),
        ("artifacts[3].source", "'open/closed' cannot be read: Permission denied"),
        ("artifacts[4].source", "'secret.sh' cannot be read: permission denied"),
    ]


def test_wildcard_characters_in_the_plans_own_folder(tmp_path: Path) -> None:
    plant(tmp_path, "[lab] *?/net/a.sh", "[lab] *?/net/b/c.sh", "l/net/wrong.sh")
    assert names(tmp_path / "[lab] *?", "net/*.sh") == ["a.sh"]
    assert names(tmp_path / "[lab] *?", "n*/**/*.sh") == ["a.sh", "b/c.sh"]
    assert names(tmp_path / "l", "../n*/../l/*/*.sh") == ["wrong.sh"]


def test_more_files_than_anybody_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, "t/a", "t/b/c")
    monkeypatch.setattr(sources, "FILE_LIMIT", 2)
    assert names(tmp_path, "t") == ["a", "b/c"]
    monkeypatch.setattr(sources, "FILE_LIMIT", 1)
    for source in ("t", "t/**"):
        assert refusal(tmp_path, source) == f"'{source}' stands for more than 1 files: name what is needed"


def test_suggestions_are_fit_to_be_shown(tmp_path: Path) -> None:
    (tmp_path / "in\x1bstall.sh").touch()
    (tmp_path / os.fsdecode(b"caf\xe9s.txt")).touch()
    assert refusal(tmp_path, "install.sh") == r"'install.sh' does not exist - did you mean 'in\x1bstall.sh'?"
    assert refusal(tmp_path, "cafes.txt").encode()


def test_all_problems_at_once_and_good_artifacts_listed(tree: Path) -> None:
    found = listed(tree, "gone", "run.sh", "", "no/*")
    assert [each.field for each in found.problems] == ["artifacts[0].source", "artifacts[3].source"]
    assert list(found.listings) == [1]


def test_ten_thousand_files_take_less_than_a_second(tmp_path: Path) -> None:
    for number in range(10_000):
        (tmp_path / f"{number:05}.sh").touch()

    def spent() -> float:
        start = time.process_time()
        assert names(tmp_path, "*.sh") == [f"{number:05}.sh" for number in range(10_000)]
        return time.process_time() - start

    assert min(spent() for _ in range(3)) < 1


parts = st.sampled_from(["a", "b", "ab", ".h", "c.sh", "d.sh"])
paths = st.lists(parts, min_size=1, max_size=4).map("/".join)
patterns = st.lists(st.sampled_from(["*", "**", "a*", "?", "*.sh", "a", "[ab]", ".*"]), min_size=1, max_size=3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(paths, max_size=8), patterns.filter(lambda each: any(set("*?[") & set(part) for part in each)))
def test_patterns_agree_with_pathlib(
    tmp_path_factory: pytest.TempPathFactory, files: set[str], parts: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    for file in sorted(files, key=len, reverse=True):
        if not (folder / file).exists():
            plant(folder, file)
    pattern = "/".join(parts)
    found = listed(folder, pattern)
    ours = {each.source.relative for each in found.listings[0].files} if found.listings else set()
    assert ours == {each for each in oracle(folder, parts) if (folder / each).is_file()}


def oracle(folder: Path, parts: list[str]) -> set[str]:
    """What pathlib finds, without the hidden names that no dot in the pattern asks for."""
    parts = [*parts, "*"] if parts[-1] == "**" else parts
    found = {str(each.relative_to(folder)) for each in folder.glob("/".join(parts))}
    return {each for each in found if any(hidden_fits(each.split("/"), way) for way in unfolded(each, parts))}


def unfolded(path: str, parts: list[str]) -> list[list[str]]:
    """The pattern with each `**` written as as many `*` as the path may need."""
    if "**" not in parts:
        return [parts] if len(parts) == path.count("/") + 1 else []
    place = parts.index("**")
    return [
        way
        for count in range(path.count("/") + 2)
        for way in unfolded(path, [*parts[:place], *["*"] * count, *parts[place + 1 :]])
    ]


def hidden_fits(names: list[str], parts: list[str]) -> bool:
    matching = all(Path(name).match(part) for name, part in zip(names, parts, strict=True))
    return matching and all(part.startswith(".") for name, part in zip(names, parts, strict=True) if name[0] == ".")
