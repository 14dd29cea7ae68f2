from __future__ import annotations

import difflib
import time

from hypothesis import given
from hypothesis import strategies as st

from longboat.machinery import unified

LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n", "{\n"]), max_size=40)


@given(LINES, LINES)
def test_small_differences_are_told_as_difflib_does(before: list[str], after: list[str]) -> None:
    assert unified.diff(before, after) == "".join([*difflib.unified_diff(before, after)][2:])


def test_what_differs_everywhere_is_one_change_and_found_in_time() -> None:
    """difflib takes minutes for that: each second line is another."""
    before, after = ([f"{i}{mark if i % 2 else ''}\n" for i in range(40_000)] for mark in "ab")
    began = time.perf_counter()
    told = unified.diff(before, after)
    assert time.perf_counter() - began < 3
    assert told.startswith("@@ -1,40000 +1,40000 @@\n 0\n-1a\n-2\n")
    assert told.endswith("+39998\n+39999b\n")
