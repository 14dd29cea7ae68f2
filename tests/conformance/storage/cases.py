"""Tables of entries that differ only in parameters: each row claims one, and is a case of the table's test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import pytest

from conformance.report import MARK


@dataclass(frozen=True)
class Case:
    """`entry` is the claim: `Conformance: <testname>`."""

    entry: str

    @property
    def name(self) -> str:
        """For its objects."""
        return re.sub(r"[^a-z0-9]+", "-", self.entry.removeprefix(MARK).lower()).strip("-")


def each(table: Sequence[Case]) -> pytest.MarkDecorator:
    """Parametrize a test with the `case`s of a table."""
    return pytest.mark.parametrize("case", table, ids=attrgetter("entry"))
