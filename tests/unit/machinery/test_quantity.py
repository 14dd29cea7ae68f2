"""Quantities are exact, ordered, and print as the API prints them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.machinery.quantity import MISMATCH, NO_NUMBER, NO_SUFFIX, parse

CANONICAL = [
    ("0", "0"), ("00", "0"), ("0Ki", "0"), ("1000", "1k"), ("1024", "1024"), ("1000m", "1"), ("1500m", "1500m"),
    ("0.5", "500m"), (".5", "500m"), ("5.", "5"), ("+5", "5"), ("-1.5", "-1500m"), ("100000k", "100M"),
    ("1.5Gi", "1536Mi"), ("1024Mi", "1Gi"), ("0.1Ki", "102400m"), ("1023Ki", "1023Ki"), ("0.5Ki", "512"),
    ("1e3", "1e3"), ("1E3", "1e3"), ("12e6", "12e6"), ("1e-3", "1e-3"), ("100e-2", "1"), ("1E", "1E"),
    ("0.1n", "1n"), ("-0.1n", "-1n"), ("1.0000000001", "1000000001n"),
    ("100E", "9223372036854775807"), ("-100E", "-9223372036854775807"), ("1" * 3000, "9223372036854775807"),
]  # fmt: skip
REFUSED = [
    ("", MISMATCH), ("abc", MISMATCH), ("1 ", MISMATCH), (" 1", MISMATCH), ("1.1.1", MISMATCH), ("1x", MISMATCH),
    ("1+1.0M", MISMATCH), ("1mi", NO_SUFFIX), ("1i", NO_SUFFIX), ("1e-", NO_SUFFIX), ("1KI", MISMATCH),
    ("m", NO_NUMBER), (".", NO_NUMBER), ("٣", MISMATCH),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), CANONICAL)
def test_canonical_form(text: str, shown: str) -> None:
    assert str(parse(text)) == shown


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_is_no_quantity(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value) == message


def test_values_are_rounded_away_from_zero() -> None:
    assert (parse("1.0001").value, parse("1.0001").milli) == (2, 1001)
    assert (parse("-1.0001").value, parse("-1.0001").milli) == (-2, -1001)
    assert parse("1Gi").value == 2**30


def test_equal_amounts_are_equal_however_written() -> None:
    assert parse("1Gi") == parse("1024Mi") == parse("1073741824")
    assert len({parse("1"), parse("1000m"), parse("1e0")}) == 1
    assert parse("1Gi") > parse("1G")


def test_a_sum_keeps_the_format_of_its_first_part() -> None:
    assert str(parse("1Gi") + parse("1G")) == "2073741824"
    assert str(parse("1Gi") + parse("1Mi")) == "1025Mi"
    assert str(parse("0") + parse("1Mi")) == "1Mi"
    assert str(parse("1") - parse("1500m")) == "-500m"


SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9}
decimals = st.builds(
    lambda number, suffix: (f"{number}{suffix}", Fraction(number) * Fraction(10) ** SUFFIXES[suffix]),
    st.integers(-(10**8), 10**8), st.sampled_from(sorted(SUFFIXES)),
)  # fmt: skip


@given(decimals, decimals)
def test_arithmetic_is_exact(one: tuple[str, Fraction], other: tuple[str, Fraction]) -> None:
    (a, exact_a), (b, exact_b) = (parse(one[0]), one[1]), (parse(other[0]), other[1])
    assert Fraction((a + b).amount) == exact_a + exact_b
    assert Fraction((a - b).amount) == exact_a - exact_b
    assert (a < b) == (exact_a < exact_b)


@given(st.from_regex(r"[+-]?[0-9]{1,12}(\.[0-9]{1,12})?(Ki|Mi|Gi|[numkMG]|[eE]-?[0-9])?", fullmatch=True))
def test_the_canonical_form_reads_back_as_the_same(text: str) -> None:
    once = parse(text)
    again = parse(str(once))
    assert again == once
    assert str(again) == str(once)
