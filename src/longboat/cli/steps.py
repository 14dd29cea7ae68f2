"""What a person sees while a command works: one ticked line for each step that is done."""

from __future__ import annotations

import sys


class Steps:
    """Prints ticks, or nothing where the output is to be JSON."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet

    def done(self, text: str) -> None:
        if not self.quiet:
            print(f" ✓ {text}", flush=True)

    def note(self, text: str) -> None:
        """A line that is not a step: a hint, a warning."""
        print(f"   {text}", file=sys.stderr if self.quiet else sys.stdout, flush=True)
