"""The diff of two texts: it tells every change, and it ends in time."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.engine.diff import diff_lines
from kdeploy_gui.model.preview import DiffLine

lines = st.lists(st.sampled_from(["a", "b", "c()", "  d", "", "e\r", "\u2028", "f\x0c"]), max_size=40)
texts = st.builds(lambda parts, end: "\n".join(parts) + end, lines, st.sampled_from(["", "\n"]))


def said(old: str, new: str) -> list[str]:
    signs = {"context": " ", "added": "+", "removed": "-", "hunk": ""}
    return [signs[each.kind] + each.text for each in diff_lines(old, new)]


@given(texts, texts)
def test_a_diff_applied_gives_the_new_text(old: str, new: str) -> None:
    found = diff_lines(old, new)
    before, after = old.split("\n"), new.split("\n")
    assert bool(found) is (old != new)
    for each in found:
        if each.old:
            assert before[each.old - 1] == each.text
        if each.new:
            assert after[each.new - 1] == each.text
    numbers = [each.old for each in found if each.old]
    assert numbers == sorted(set(numbers))
    removed = {each.old for each in found if each.kind == "removed"}
    added = {each.new: each.text for each in found if each.kind == "added"}
    kept = iter([line for number, line in enumerate(before, 1) if number not in removed])
    result = [added[number] if number in added else next(kept, "") for number in range(1, len(after) + 1)]
    assert "\n".join(result).rstrip("\n") == new.rstrip("\n")
    assert all(any(each.kind != "context" for each in found[max(0, at - 3) : at + 4]) for at in range(len(found)))


def test_changes_come_in_groups_with_their_place() -> None:
    old = "".join(f"{number}\n" for number in range(1, 31)).replace("12\n", "run_case()\n")
    new = old.replace("15\n", "fifteen\n").replace("30\n", "30\nend\n")
    assert said(old, new) == [
        "@@ -12,7 +12,7 @@",
        *(" run_case()", " 13", " 14", "-15", "+fifteen", " 16", " 17", " 18"),
        "@@ -28,3 +28,4 @@ run_case()",
        *(" 28", " 29", " 30", "+end"),
    ]
    assert diff_lines(old, new)[4] == DiffLine("removed", 15, 0, "15")


def test_only_the_last_line_feed_differs() -> None:
    assert said("a", "a\n") == ["@@ -1,1 +1,1 @@", "-a", "No line feed at the end of the file", "+a"]


def test_all_new_and_all_gone() -> None:
    assert said("", "a\nb\n") == ["@@ -0,0 +1,2 @@", "+a", "+b"]
    assert said("a\n", "") == ["@@ -1,1 +0,0 @@", "-a"]


def test_texts_made_to_take_for_ever_do_not() -> None:
    old = "".join(f"{number % 90}\n" for number in range(60_000))
    new = "".join(f"{number % 89}\n" for number in range(60_000))
    started = time.process_time()
    found = diff_lines(f"same\n{old}", f"same\n{new}")
    assert time.process_time() - started < 5
    assert found[1] == DiffLine("context", 88, 88, "86")
    assert sum(each.kind == "removed" for each in found) == 60_000 - 89
