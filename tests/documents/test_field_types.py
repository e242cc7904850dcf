"""Durations, sizes, modes, paths and ranges as people write them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.documents import field_types, lab_tables
from kdeploy_gui.documents.field_types import BYTES, SECONDS
from kdeploy_gui.model.plan import Want
from kdeploy_gui.model.visible import is_visible

numbers = st.integers(0, 10**9).map(Fraction) | st.integers(1, 10**9).map(lambda each: Fraction(each, 1000))


def decimal(number: Fraction) -> str:
    """A number with at most three digits after the point, written out."""
    whole, rest = divmod(number.numerator * 1000 // number.denominator, 1000)
    return f"{whole}.{rest:03}" if rest else str(whole)


def refusal(read: Callable[[str], object], text: str) -> str:
    with pytest.raises(ValueError, match=r"^(must|has|is|names|leads|as|\")") as caught:
        read(text)
    return str(caught.value)


@given(numbers.filter(bool), st.sampled_from(sorted(SECONDS)), st.sampled_from(["", " "]))
def test_durations_are_number_times_unit(number: Fraction, unit: str, gap: str) -> None:
    assert field_types.duration(f"{decimal(number)}{gap}{unit}") == pytest.approx(float(number) * SECONDS[unit])


@given(numbers, st.sampled_from(sorted(BYTES)), st.sampled_from(["", " "]))
def test_sizes_are_number_times_unit_rounded_down(number: Fraction, unit: str, gap: str) -> None:
    assert field_types.size(f"{decimal(number)}{gap}{unit}") == int(number * BYTES[unit])


@given(st.integers(0, 2**70))
def test_sizes_may_be_plain_numbers(number: int) -> None:
    assert field_types.size(number) == number


@given(st.text(max_size=8).filter(lambda text: not any(text.strip().endswith(unit) for unit in "smhB")))
def test_anything_else_is_no_duration_and_no_size(text: str) -> None:
    assert "duration" in refusal(field_types.duration, text)
    assert "size" in refusal(field_types.size, text)


@pytest.mark.parametrize(
    "value", ["0s", "-1s", "1", "s", "1 day", "1s ", "1e3s", "1.s", "\u0661s", 600, 1.5, True, None]
)
def test_bad_durations(value: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        field_types.duration(value)


@pytest.mark.parametrize("value", [-1, True, 1.5, "1 mib", "1MIB", "256", "MiB", "-1MiB", [], {}])
def test_bad_sizes(value: object) -> None:
    with pytest.raises(ValueError, match="must"):
        field_types.size(value)


@given(st.integers(0, 0o7777))
def test_modes_are_read_back(mode: int) -> None:
    assert field_types.mode(f"{mode:04o}") == mode
    assert field_types.mode(f"0{mode:04o}") == mode


@pytest.mark.parametrize(
    "value", [755, "", "75", "0o755", "u+x", "rwxr-xr-x", "0888", "17777", "0755 ", True, 493, "\u0667\u0665\u0665"]
)
def test_bad_modes(value: object) -> None:
    with pytest.raises(ValueError, match='must be an octal string such as "0755", not'):
        field_types.mode(value)


@pytest.mark.parametrize("value", ["root", "root:root", "www-data:adm", ":video", "_apt", "svc$:g", "a.b:c.d"])
def test_good_owners(value: str) -> None:
    assert field_types.owner(value) == value


@pytest.mark.parametrize("value", ["", ":", "root:", "0:0", "1000", "-R", "a b", "root:a:b", "root;id", "$(id)", "a\n"])
def test_bad_owners(value: str) -> None:
    refusal(field_types.owner, value)


@pytest.mark.parametrize("value", ["/", "/opt/x", "/opt/net/", "~/x", "~/", "/opt/...", "/a b/'c'/\u00fc", "/opt/~/x"])
def test_good_targets(value: str) -> None:
    assert field_types.target(value) == value


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("", "must not be empty"),
        ("   ", "must not be empty"),
        ("opt/x", "must be absolute"),
        ("~", "must be absolute"),
        ("~root/x", "must be absolute"),
        ("./x", "must be absolute"),
        ("../x", "must be absolute"),
        ("/opt/../etc/passwd", 'must not contain ".."'),
        ("/opt/..", 'must not contain ".."'),
        ("~/../x", 'must not contain ".."'),
        ("/opt/./x", 'must not contain "."'),
        ("/opt/.", 'must not contain "."'),
        ("//opt/x", 'must not contain "//"'),
        ("/opt//", 'must not contain "//"'),
        ("~//etc", 'must not contain "//"'),
        ("/opt/a\nb", "control characters"),
        ("/opt/a\0b", "control characters"),
        ("/opt/\x1b[31m", "control characters"),
        ("/opt/\x85", "control characters"),
        ("/opt/\u202egnp.sh", "control characters"),
        ("/opt/" + "x" * 256, "longer than 255 bytes"),
        ("/opt/" + "\u00fc" * 128, "longer than 255 bytes"),
        ("/opt" + "/abcdefghi" * 410, "longer than 4095 bytes"),
    ],
)
def test_bad_targets(value: str, part: str) -> None:
    message = refusal(field_types.target, value)
    assert part in message
    assert message.isprintable()


@pytest.mark.parametrize("value", [">=6.1,<6.13", "6.1", ">= 6.1 , != 6.1.3", "==6.13-rc3", "<6.13~rc1", ">v5"])
def test_good_ranges(value: str) -> None:
    assert field_types.version_range(value) == value


@pytest.mark.parametrize(
    "value", ["", ",", ">=", ">=6.x", "=>6.1", "~=6.1", "6.1 6.2", ">=6.1,", "1:2.3-4", "6.1-amd64", "latest"]
)
def test_bad_ranges(value: str) -> None:
    assert "must be a version range" in refusal(field_types.version_range, value)


@pytest.mark.parametrize(("value", "right"), [("arm64", "aarch64"), ("amd64", "x86_64")])
def test_machine_names_of_other_projects_are_corrected(value: str, right: str) -> None:
    assert f'"{right}"' in refusal(field_types.machine, value)


def test_choices_suggest_the_nearest() -> None:
    assert refusal(field_types.one_of(Want), "requird") == (
        "must be one of required, wanted, off, not \"requird\" - did you mean 'required'?"
    )


@pytest.mark.parametrize(
    "value", ["board", "192.0.2.10", "lab-3.example.org", "::1", "fe80::1%eth0", "2001:db8::7", "_x"]
)
def test_good_hosts(value: str) -> None:
    assert lab_tables.host(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "-oProxyCommand=id",
        "a b",
        "a;b",
        "a\n",
        "$(id)",
        "a/b",
        "user@host",
        "host:22",
        "[::1]",
        "fe80::1%e;x",
        "b\u00f6rd",
    ],
)
def test_bad_hosts(value: str) -> None:
    refusal(lab_tables.host, value)


@given(st.text())
def test_no_text_breaks_a_check(text: str) -> None:
    for check in (
        field_types.target,
        field_types.owner,
        field_types.version_range,
        field_types.source,
        lab_tables.host,
    ):
        try:
            check(text)
        except ValueError as error:
            assert is_visible(str(error))  # noqa: PT017 - a refusal is as good an end as none
