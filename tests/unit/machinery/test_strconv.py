"""Numbers and booleans as Go reads them."""

from __future__ import annotations

import pytest

from longboat.machinery import strconv


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("+5", 5), ("-5", -5), ("007", 7), (str((1 << 63) - 1), (1 << 63) - 1)]
)
def test_integers(text: str, value: int) -> None:
    assert strconv.integer(text) == value


@pytest.mark.parametrize("text", ["", "x", "1_000", " 1", "1 ", "٣", "0x1", "1.0", "--1", '"'])
def test_what_is_no_integer(text: str) -> None:
    for read, name in ((strconv.integer, "ParseInt"), (strconv.unsigned, "ParseUint")):
        with pytest.raises(ValueError, match=rf"^strconv\.{name}: parsing \".*\": invalid syntax$"):
            read(text)


def test_ranges() -> None:
    with pytest.raises(ValueError, match=f'strconv.ParseInt: parsing "{1 << 63}": value out of range'):
        strconv.integer(str(1 << 63))
    with pytest.raises(ValueError, match="value out of range"):
        strconv.unsigned("9" * 5000)  # Python itself would not read so many
    assert strconv.unsigned("0" * 5000 + "1") == 1
    with pytest.raises(ValueError, match="invalid syntax"):
        strconv.unsigned("-0")


@pytest.mark.parametrize("text", ["", "1", "true", "TRUE", "yes", "no", "f", "00", " false"])
def test_true(text: str) -> None:
    assert strconv.flag(text)


@pytest.mark.parametrize("text", ["0", "false", "False", "FALSE"])
def test_false(text: str) -> None:
    assert not strconv.flag(text)
