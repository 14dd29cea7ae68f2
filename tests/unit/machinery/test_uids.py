"""UIDs: UUIDs of version 4, none twice."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from longboat.machinery import uids


@given(st.binary(min_size=16, max_size=16))
def test_any_bytes_make_a_uuid_of_version_4(drawn: bytes) -> None:
    found = uuid.UUID(uids.spelled(drawn))
    assert (found.version, found.variant) == (4, uuid.RFC_4122)
    assert str(found) == uids.spelled(drawn)


def test_none_comes_twice_over_several_draws_from_the_system() -> None:
    assert len({uids.fresh() for _ in range(4 * uids.AT_ONCE)}) == 4 * uids.AT_ONCE
