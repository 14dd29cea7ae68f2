"""What is remembered is bounded in entries and in bytes, whatever is put in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from longboat.aio.cache import ENTRY, BoundedCache, short_lru

SIZE = 40 * ENTRY


def sized(key: str, value: str) -> int:
    return len(key) + len(value)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 8 * ENTRY)), max_size=60))
def test_never_more_than_it_may_hold(puts: list[tuple[str, int]]) -> None:
    cache = BoundedCache[str, str](6, SIZE, sized)
    last: dict[str, str] = {}
    for key, length in puts:
        last[key] = "x" * length
        cache.put(key, last[key])
        assert len(cache) <= 6
        assert cache.bytes <= SIZE
        assert cache.bytes == sum(1 + len(last[k]) + ENTRY for k in "abcdefgh" if cache.get(k) is not None)
        assert all(cache.get(k) in (None, last[k]) for k in last)


def test_what_has_not_been_asked_for_longest_goes_first() -> None:
    cache = BoundedCache[str, str](2, SIZE, sized)
    cache.put("a", "1")
    cache.put("b", "2")
    assert cache.get("a") == "1"
    cache.put("c", "3")
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("1", None, "3")
    cache.pop("a")
    cache.clear()
    assert (len(cache), cache.bytes, cache.get("c")) == (0, 0, None)


def test_a_giant_pushes_nobody_out() -> None:
    cache = BoundedCache[str, str](10, SIZE, sized)
    cache.put("a", "1")
    cache.put("b", "x" * (SIZE // 8))
    assert (cache.get("a"), cache.get("b")) == ("1", None)


def test_long_texts_are_worked_out_each_time() -> None:
    asked = []

    @short_lru(maxsize=4, longest=3)
    def upper(text: str, *, times: int = 1) -> str:
        asked.append(text)
        return text.upper() * times

    assert [upper("abc"), upper("abc"), upper("abcd"), upper("abcd"), upper("abc", times=2)] == [
        "ABC", "ABC", "ABCD", "ABCD", "ABCABC",
    ]  # fmt: skip
    assert asked == ["abc", "abcd", "abcd", "abc"]
