"""The place index agrees with tomllib on what there is, and with the text on where it stands."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.documents.positions import KeyPath, field_path, outline

TEXT = """\
name = 'x'            # [not.a.table]
environments = [
    "a",  # first ]
    "b", 'c',
]
"quoted key".inner = 1
long = \"\"\"
[[artifacts]]
source = "fake"
escaped \\\"""\"\"\"
raw = '''
[policy]''
'''
[policy]
backoff = { initial = "1s", list = [1, { deep = 2 }] }
when = 1979-05-27 07:32:00 # done
[[artifacts]]
mode = "0755"

[[artifacts]]
[artifacts.extra]
on = true
[[artifacts.kernel]]
name = "a"
[[artifacts.kernel]]
name = "b"
"""


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("name", 1),
        ("environments", 2),
        ("environments[0]", 3),
        ("environments[2]", 4),
        ('"quoted key"', 6),
        ('"quoted key".inner', 6),
        ("long", 7),
        ("raw", 11),
        ("policy", 14),
        ("policy.backoff.initial", 15),
        ("policy.backoff.list[1].deep", 15),
        ("policy.when", 16),
        ("artifacts", 17),
        ("artifacts[0]", 17),
        ("artifacts[0].mode", 18),
        ("artifacts[1]", 20),
        ("artifacts[1].extra.on", 22),
        ("artifacts[1].kernel[0].name", 24),
        ("artifacts[1].kernel[1].name", 26),
    ],
)
def test_line_of_every_kind_of_key(field: str, line: int) -> None:
    tomllib.loads(TEXT)
    assert outline(TEXT).line(field) == line


@pytest.mark.parametrize(
    ("field", "line"),
    [("artifacts[1].mode", 20), ("policy.retries", 14), ("artifacts[1].kernel[1].image", 25), ("nothing", 0), ("", 0)],
)
def test_key_that_is_not_there_gets_the_line_of_its_table(field: str, line: int) -> None:
    assert outline(TEXT).line(field) == line


def test_field_paths_quote_keys_that_are_not_bare() -> None:
    assert field_path(("validation", "disk", "/opt")) == 'validation.disk."/opt"'
    assert field_path(("artifacts", 2, "depends_on", 0)) == "artifacts[2].depends_on[0]"


keys = st.sampled_from(["a", "b", "key-1", "'literal key'", '"quoted \\" key"', '"[x]"', "1"])
scalars = st.sampled_from(
    [
        "1",
        "-0.5e3",
        "true",
        "inf",
        '"text # no comment"',
        "'single ]'",
        '""',
        '"""one\n[two]\nthree = 3"""',
        "'''\n# four'''",
        '"""five""\\\n  six"""',
        "1979-05-27 07:32:00Z",
        "07:32:00",
        "0xdead_beef",
    ]
)
gaps = st.sampled_from(["", " ", "\n", "\n  # comment ] } \" '\n", "\t"])
ends = st.sampled_from(["\n", "  # end\n", "\n\n", "\r\n", "\n# [header]\n# a = 1\n"])


def arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    element = st.tuples(gaps, values, gaps).map("".join)
    return st.lists(element, max_size=3).map(lambda each: "[" + ",".join(each) + "]")


def inline_tables(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    one_line = values.filter(lambda text: "\n" not in text)
    pairs = st.dictionaries(keys, one_line, max_size=3)
    return pairs.map(lambda each: "{ " + ", ".join(f"{key} = {value}" for key, value in each.items()) + " }")


values = st.recursive(scalars, lambda inner: arrays(inner) | inline_tables(inner), max_leaves=6)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[KeyPath, int]]:
    """A TOML text, and the line of every key that is written at the start of one."""
    text = draw(st.sampled_from(["", "# top\n", "\n\n"]))
    lines: dict[KeyPath, int] = {}
    counts: dict[str, int] = {}

    def add(statement: str, path: KeyPath) -> None:
        nonlocal text
        text += draw(st.sampled_from(["", "  "]))
        lines[path] = text.count("\n") + 1
        text += statement + draw(ends)

    headers = draw(st.lists(st.sampled_from(["[[list]]", "[[list.inner]]", "[plain]"]), max_size=5))
    for header in ["", *headers]:
        path: KeyPath = ()
        if header == "[plain]":
            path = (f"plain{len(lines)}",)
            add(f"[{path[0]}]", path)
        elif header:
            if header == "[[list.inner]]" and "list" not in counts:
                continue
            name = header.strip("[]")
            if name == "list":
                counts = {"list": counts.get("list", -1) + 1}
                path = ("list", counts["list"])
            else:
                counts["inner"] = counts.get("inner", -1) + 1
                path = ("list", counts["list"], "inner", counts["inner"])
            add(header, path)
        for key, value in draw(st.dictionaries(keys, values, max_size=3)).items():
            add(f"{key} = {value}", (*path, next(iter(tomllib.loads(f"{key} = 1")))))
    return text, lines


def leaves(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))


@given(documents())
def test_index_of_any_document(document: tuple[str, dict[KeyPath, int]]) -> None:
    text, lines = document
    data = tomllib.loads(text)
    found = outline(text)
    assert set(found.values) == {path for path, _ in leaves(data) if path}
    assert {path: found.values[path].line for path in lines} == lines
    headers = {each.path for each in found.tables}
    for path, value in leaves(data):
        span = found.values.get(path)
        if span is not None and path not in headers and (*path, 0) not in headers:
            written = tomllib.loads(f"value = {text[span.start : span.end]}")["value"]
            assert repr(written) == repr(value)
