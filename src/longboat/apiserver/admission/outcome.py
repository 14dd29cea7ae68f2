"""What has come of match conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """`errors`: of the conditions that have no value; where there are any, none has been false."""

    matches: bool
    errors: Sequence[str] = ()
    failed: str = ""  # the name of the condition that is false

    @property
    def error(self) -> str:
        """As upstream tells of several."""
        distinct = list(dict.fromkeys(self.errors))
        return distinct[0] if len(distinct) == 1 else f"[{', '.join(distinct)}]"
