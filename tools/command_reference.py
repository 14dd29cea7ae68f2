"""Write docs/commands.md from the commands themselves: `python tools/command_reference.py`. A test compares the two."""

from __future__ import annotations

import argparse
import textwrap
from importlib import import_module
from pathlib import Path

from longboat.cli import flags
from longboat.cli.main import COMMANDS

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"
HEAD = """\
# Commands

What `longboat --help` and `longboat COMMAND --help` say, in one page, made by `tools/command_reference.py`. Every flag
is also a key of the file that `--config` names, and an environment variable (`--api-port` is `LONGBOAT_API_PORT`); the
command line goes first, then the environment, then the file. Exit codes: 0 done, 1 failed, 2 bad usage, and what a
command says of itself.
"""


def page() -> str:
    sections = [_section(name, module, said) for name, (module, said) in COMMANDS.items() if said]
    return "\n".join([HEAD, *sections])


def _section(name: str, module: str, said: str) -> str:
    found = import_module(module)
    options, actions = found.Options, getattr(found, "ACTIONS", ())
    parser = flags.parser_of(options, f"longboat {name}")
    positional = [action for action in parser._actions if not action.option_strings]
    words = [f"longboat {name}"]
    for argument in positional:
        if actions and argument is positional[0]:
            words.append("|".join(actions))
        else:
            words.append(f"[{argument.dest.upper()}{'…' if argument.nargs == '*' else ''}]")
    lines = [f"## longboat {name}", "", f"{said[0].upper()}{said[1:]}.", "", f"    {' '.join(words)} [FLAGS]", ""]
    lines += [*textwrap.wrap(" ".join((options.__doc__ or "").split()), 130), ""]
    rows = [(_names(action), _text(action)) for action in parser._actions if action.dest != "help"]
    lines += ["| | |", "|---|---|", *(f"| {names} | {text} |" for names, text in rows), ""]
    return "\n".join(lines)


def _names(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.dest.upper()}`"
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    return ", ".join(f"`{name}{value}`" for name in action.option_strings)


def _text(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
