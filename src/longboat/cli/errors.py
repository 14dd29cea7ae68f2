"""How a command fails."""

from __future__ import annotations

from longboat.assembly.errors import Failure as Failure


class Usage(Failure):
    """The command line makes no sense (exit code 2)."""

    code = 2
