"""Telnet as serial servers speak it: nothing in the data is changed, nothing in the negotiation goes on for ever."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kdeploy_gui.environments.telnet import (
    BINARY,
    COM_PORT,
    DO,
    DONT,
    ECHO,
    IAC,
    SB,
    SE,
    SUPPRESS_GO_AHEAD,
    WILL,
    WONT,
    Telnet,
)

NAWS, TERMINAL_TYPE = 31, 24
commands = st.one_of(
    st.tuples(st.sampled_from([DO, DONT, WILL, WONT]), st.integers(0, 255)).map(lambda each: bytes((IAC, *each))),
    st.sampled_from([241, 242, 243, 246, 249]).map(lambda each: bytes((IAC, each))),
    st.binary(max_size=20).map(lambda each: bytes((IAC, SB)) + each.replace(b"\xff", b"\xff\xff") + bytes((IAC, SE))),
)


def fed(telnet: Telnet, line: bytes, cuts: list[int]) -> tuple[bytes, bytes]:
    places = [0, *sorted(cut % (len(line) + 1) for cut in cuts), len(line)]
    pieces = [telnet.receive(line[a:b]) for a, b in itertools.pairwise(places)]
    return b"".join(data for data, _ in pieces), b"".join(answer for _, answer in pieces)


def binary() -> Telnet:
    """A connection on which both sides send binary."""
    telnet = Telnet(com_port=True)
    telnet.opening()
    telnet.receive(bytes((IAC, DO, BINARY, IAC, WILL, BINARY)))
    return telnet


@given(st.lists(st.tuples(st.binary(), commands)), st.lists(st.integers(min_value=0), max_size=8))
def test_data_arrives_unchanged_between_commands_however_it_is_cut(
    parts: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    kept = [each for each in parts if each[1][:1] + each[1][2:] != bytes((IAC, BINARY))]
    line = b"".join(data.replace(b"\xff", b"\xff\xff") + command for data, command in kept)
    data, _ = fed(binary(), line, cuts)
    assert data == b"".join(data for data, _ in kept)


@given(st.binary(), st.lists(st.integers(min_value=0), max_size=8))
def test_any_bytes_give_the_same_however_they_are_cut(line: bytes, cuts: list[int]) -> None:
    assert fed(Telnet(com_port=True), line, cuts) == fed(Telnet(com_port=True), line, [])


@given(st.binary())
def test_what_one_end_sends_the_other_receives(data: bytes) -> None:
    assert binary().receive(binary().send(data)) == (data, b"")
    plain = Telnet(com_port=False)
    assert plain.receive(Telnet(com_port=False).send(data)) == (data, b"")


@given(st.lists(commands, max_size=30))
@example([bytes((IAC, DONT, BINARY)), bytes((IAC, DO, BINARY))])
def test_two_ends_come_to_rest(requests: list[bytes]) -> None:
    here, there = Telnet(com_port=True), Telnet(com_port=True)
    to_there, to_here = here.opening(), there.opening() + b"".join(requests)
    for _ in range(20):
        _, answer = here.receive(to_here)
        _, to_here = there.receive(to_there)
        to_there = answer
    assert (to_here, to_there) == (b"", b"")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ((DO, BINARY, WILL, BINARY, DO, COM_PORT, WILL, SUPPRESS_GO_AHEAD), ()),
        ((WILL, ECHO), (DO, ECHO)),
        ((DO, ECHO), (WONT, ECHO)),
        ((DO, NAWS, DO, TERMINAL_TYPE), (WONT, NAWS, WONT, TERMINAL_TYPE)),
        ((WILL, COM_PORT), (DONT, COM_PORT)),
        ((WONT, BINARY, DONT, BINARY), ()),
        ((DO, BINARY, DONT, BINARY), (WONT, BINARY)),
        ((WILL, ECHO, WONT, ECHO), (DO, ECHO, DONT, ECHO)),
    ],
)
def test_answers(said: tuple[int, ...], answer: tuple[int, ...]) -> None:
    telnet = Telnet(com_port=True)
    opening = telnet.opening()
    assert bytes((IAC, WILL, COM_PORT)) in opening
    pairs = zip(said[::2], said[1::2], strict=True)
    wanted = b"".join(bytes((IAC, *each)) for each in zip(answer[::2], answer[1::2], strict=True))
    assert telnet.receive(b"".join(bytes((IAC, *each)) for each in pairs)) == (b"", wanted)


def test_a_carriage_return_has_its_filler_only_in_text() -> None:
    text = Telnet(com_port=False)
    assert text.send(b"a\r") == b"a\r\0"
    assert text.receive(b"a\r\0b\r\n")[0] == b"a\rb\r\n"
    assert binary().send(b"a\r") == b"a\r"
    assert binary().receive(b"a\r\0b")[0] == b"a\r\0b"


def test_an_option_that_never_ends_takes_no_memory() -> None:
    telnet = Telnet(com_port=True)
    telnet.receive(bytes((IAC, SB, COM_PORT)))
    for _ in range(100):
        assert telnet.receive(b"x" * 65536) == (b"", b"")
    assert telnet.receive(bytes((IAC, SE)) + b"on") == (b"on", b"")
