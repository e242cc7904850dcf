"""Starts of lines, however the output comes in pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.ui.log import lines as module
from kdeploy_gui.ui.log.lines import LineIndex, find_lines

outputs = st.lists(st.sampled_from([b"\n", b"a", b"\r", b"\x1b[m", b"long line\n"]), max_size=60).map(b"".join)


@given(outputs, st.lists(st.integers(0, 300)), st.integers(1, 20))
def test_lines_do_not_depend_on_how_they_came(data: bytes, cuts: list[int], chunk: int) -> None:
    index = LineIndex(0)
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        for begin, end in pairwise(places):
            index.extend(find_lines(lambda at, size: data[at : at + size], begin, end, index.fresh))

    found = [data[slice(*index.place(line))] for line in range(len(index))]

    assert found == [line for line in data.replace(b"\n", b"\n\0").split(b"\0") if line]
    assert all(index.line_at(start) == line for line, start in enumerate(index.starts))


def test_what_the_store_does_not_have_is_not_there() -> None:
    found = find_lines(lambda at, size: b"ab\ncd"[at : at + size], 0, 1000)

    assert (list(found.starts), found.end, found.fresh) == ([0, 3], 5, False)


def test_the_tail_stands_in_until_everything_is_found() -> None:
    data = b"".join(b"line %d\n" % number for number in range(100))
    index = LineIndex(0)

    def read(at: int, size: int) -> bytes:
        return data[at : at + size]

    index.show_tail(find_lines(read, len(data) - 20, len(data), False))

    assert data[slice(*index.place(len(index) - 1))] == b"line 99\n"
    assert len(index) == 2

    index.extend(find_lines(read, 0, len(data)))

    assert len(index) == 100
    assert data[slice(*index.place(42))] == b"line 42\n"
