"""Command lines of kernels: words with quotes, what stands there in the end, and what a plan may not set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.model.kernel import merged
from kdeploy_gui.model.kernel_params import is_parameter, lacking, locks_out, name_of, repeated, split, words
from tests.strategies import kernel_params

LINES = st.lists(
    st.sampled_from(["quiet", "a=1", "a_b=2", "a-b=3", 'dyndbg="file x +p"', "console=ttyS0", "--", "root=/dev/vda1"])
).map(" ".join)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", []),
        ("  a\tb=1 \n", ["a", "b=1"]),
        ('a dyndbg="file x.c +p" b', ["a", 'dyndbg="file x.c +p"', "b"]),
        ('"a b=c d" e', ['"a b=c d"', "e"]),
        ('a="b c', ['a="b c']),
        ('a=b"c d"e f', ['a=b"c d"e', "f"]),
    ],
)
def test_white_space_in_quotes_ends_no_word(line: str, expected: list[str]) -> None:
    assert words(line) == expected


@pytest.mark.parametrize(
    ("params", "line", "expected"),
    [
        (["a=1"], "b a=1", []),
        (["a=1"], "a=1 a=2", ["a=1"]),
        (["a=2"], "a=1 a=2", []),
        (["a"], "a=1", ["a"]),
        (["a="], "a", ["a="]),
        (["a-b=1"], "a_b=1", []),
        (['a="1"'], "a=1", []),
        (["a=1"], "b -- a=1", ["a=1"]),
        (["earlycon", "earlycon=x"], "earlycon=x earlycon=y", ["earlycon"]),
        (["kasan_multi_shot", "panic=1"], "", ["kasan_multi_shot", "panic=1"]),
    ],
)
def test_the_last_word_of_a_name_counts(params: list[str], line: str, expected: list[str]) -> None:
    assert lacking(params, line) == tuple(expected)


@pytest.mark.parametrize(
    "param",
    [
        *("root=/dev/sda", '"root=/dev/sda"', "rootfstype=ext4", "ro", "rw", "init=/bin/sh", "rdinit=/x", "single"),
        *("S", "1", "emergency", "systemd.unit=rescue.target", "BOOT_IMAGE=/x", "console=tty0", "ip=dhcp"),
        "net.ifnames=0",
    ],
)
def test_what_may_lock_everybody_out_is_known(param: str) -> None:
    assert is_parameter(param)
    assert locks_out(param)


@pytest.mark.parametrize("param", ["rootdelay=1", "initcall_debug", "ipv6.disable=1", "panic=1", "kasan_multi_shot"])
def test_what_only_looks_like_it_is_allowed(param: str) -> None:
    assert is_parameter(param)
    assert not locks_out(param)


@pytest.mark.parametrize("text", ["", " a", "a ", "a b", "a\nb", "=1", "--", "-x", 'a="', "a=\xe9", '"', "a=\x7f"])
def test_what_is_no_parameter(text: str) -> None:
    assert not is_parameter(text)


def test_a_second_value_is_told_with_the_first() -> None:
    assert list(repeated(["a=1", "earlycon=x", "b", "earlycon=y", "a", "earlycon=x"])) == [(4, 0), (5, 1)]


@given(LINES, kernel_params())
def test_a_merged_line_has_what_was_asked_for_and_all_else_of_before(line: str, params: tuple[str, ...]) -> None:
    found = merged(line, params, "root=/dev/vda2 ro quiet")
    asked = {name_of(each) for each in params}
    (before, for_init), (kernel, rest) = split(words(line)), split(words(found))
    kept = [each for each in before if name_of(each) not in asked]
    assert lacking(params, found) == ()
    assert [each for each in kernel if each in kept] == kept
    assert rest == for_init
    assert sum(name_of(each) == "root" for each in kernel) >= 1
    assert merged(found, params) == found


@given(kernel_params())
def test_parameters_are_words_of_their_own(params: tuple[str, ...]) -> None:
    assert words(" ".join(params)) == list(params)
    assert all(map(is_parameter, params))
