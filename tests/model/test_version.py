"""Versions as kernels and packages write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.model.version import Version, VersionRange

ORDER = [
    "6.1-rc1",
    "6.1-rc2",
    "6.1-rc10",
    "6.1",
    "6.1.1",
    "6.1.9",
    "6.1.10",
    "6.2-rc1",
    "6.10",
    "6.13.0-rc3",
    "6.13",
    "7",
]

texts = st.builds(
    lambda numbers, candidate: ".".join(map(str, numbers)) + (f"-rc{candidate}" if candidate else ""),
    st.lists(st.integers(0, 30), min_size=1, max_size=4),
    st.integers(0, 9),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6.1.192-debug+", Version((6, 1, 192))),
        ("6.1.0-13-amd64", Version((6, 1, 0))),
        ("v6.13-rc3", Version((6, 13), 3)),
        ("6.13.0-rc3+", Version((6, 13, 0), 3)),
        ("6.13~rc3", Version((6, 13), 3)),
        ("6.13rc3", Version((6, 13), 3)),
        ("6.13.0-rc3-next-20241220", Version((6, 13, 0), 3)),
        ("6.13.0-0.rc3.29.fc42.x86_64", Version((6, 13, 0), 3)),
        ("6.13.0-061300rc3-generic", Version((6, 13, 0), 3)),
        ("6.12.0-rcu-debug", Version((6, 12, 0))),
        ("4.4.302-rt-rc1", Version((4, 4, 302))),
        (" 5.10 ", Version((5, 10))),
    ],
)
def test_kernel_releases(text: str, expected: Version) -> None:
    assert Version.parse(text) == expected


@pytest.mark.parametrize("text", ["", "latest", "-6.1", "rc3", ".1", "v"])
def test_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        Version.parse(text)


def test_order() -> None:
    versions = [Version.parse(each) for each in ORDER]
    for index, version in enumerate(versions):
        assert version.compare(version) == 0
        assert all(version.compare(newer) < 0 < newer.compare(version) for newer in versions[index + 1 :])


def test_missing_numbers_are_zero() -> None:
    assert Version.parse("6.1").compare(Version.parse("6.1.0.0")) == 0


@given(texts, texts, texts)
def test_order_is_total(one: str, other: str, third: str) -> None:
    first, second, last = (Version.parse(each) for each in (one, other, third))
    assert first.compare(second) == -second.compare(first)
    if first.compare(second) <= 0 and second.compare(last) <= 0:
        assert first.compare(last) <= 0


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">=6.1,<6.13", ["6.1", "6.1.0-debug", "6.12.99", "6.13-rc1"], ["6.0.99", "6.1-rc8", "6.13", "6.13.0"]),
        ("6.1", ["6.1", "6.1.0-amd64"], ["6.1.1", "6.1-rc1"]),
        ("!= 6.1.5 , > 6.1", ["6.1.4", "6.1.6"], ["6.1.5", "6.1"]),
        ("<=6.1-rc2", ["6.1-rc2", "6.0"], ["6.1-rc3", "6.1"]),
    ],
)
def test_ranges(text: str, inside: list[str], outside: list[str]) -> None:
    wanted = VersionRange.parse(text)
    assert all(wanted.contains(Version.parse(each)) for each in inside)
    assert not any(wanted.contains(Version.parse(each)) for each in outside)


@pytest.mark.parametrize("text", ["", ">=", ">=6.1,", ",", "about six"])
def test_bad_ranges(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        VersionRange.parse(text)
