"""The documents name the commands and flags that there are: all of them in the reference, and no others anywhere."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from longboat.cli import flags
from longboat.cli.main import COMMANDS, usage

ROOT = Path(__file__).parents[3]
REFERENCE, ARCHITECTURE = ROOT / "docs" / "commands.md", ROOT / "docs" / "architecture.md"
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
SHOWN = [name for name, (_, said) in COMMANDS.items() if said]
FLAG = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


@cache
def known(command: str) -> frozenset[str]:
    """Every flag the command's parser takes."""
    parser = flags.parser_of(import_module(COMMANDS[command][0]).Options, command)
    return frozenset(name for action in parser._actions for name in action.option_strings)


@cache
def actions(command: str) -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(import_module(COMMANDS[command][0]), "ACTIONS", ())
    return found


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("command_reference", ROOT / "tools" / "command_reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_what_the_commands_say() -> None:
    assert REFERENCE.read_text() == tool().page(), "python tools/command_reference.py"


@pytest.mark.parametrize("command", SHOWN)
def test_the_reference_has_each_flag_and_each_action(command: str) -> None:
    """Read from the page itself: what makes it may have overlooked something."""
    section = REFERENCE.read_text().partition(f"\n## longboat {command}\n")[2].partition("\n## ")[0]
    table = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    listed = {flag for cell in table for flag in FLAG.findall(cell)}
    assert listed == known(command) - {"-h", "--help"}
    line = re.search(rf"^    longboat {command}(?: ([a-z|]+))?\b", section, re.MULTILINE)
    assert line is not None and tuple((line[1] or "").split("|")) == (actions(command) or ("",))
    assert f"  {command} " in usage()


def mentions(text: str) -> Iterator[tuple[str, str]]:
    """Commands that a document names in code, each with what follows it there."""
    fenced = "".join(re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL))
    for code in (*fenced.splitlines(), *re.findall(r"`([^`\n]+)`", text)):
        for part in re.split(r"\s+(?:·|\||&&|;|or|#)\s+|\s{3,}(?=[^\[\s-])", code):
            for found in re.finditer(r"(?:^|[\s$(])longboat (?=([a-z][a-z-]*)(?![\w./-]))([^`#]*)", part):
                yield found[1], found[2]


def test_no_document_names_a_command_or_flag_that_there_is_not() -> None:
    wrong, looked_at = [], 0
    for path in DOCUMENTS:
        for command, rest in mentions(path.read_text()):
            looked_at += 1
            where = f"{path.relative_to(ROOT)}: longboat {rest.strip()}"
            if command not in COMMANDS:
                wrong.append(where)
                continue
            wrong += [f"{where} ({flag})" for flag in FLAG.findall(rest) if flag not in known(command)]
            said = rest.split()[1:2]
            if actions(command) and said and re.fullmatch(r"[a-z|]+", said[0]):
                wrong += [f"{where} ({each})" for each in said[0].split("|") if each not in actions(command)]
    assert looked_at > 40 and wrong == []


def test_the_contract_names_every_command_and_every_action() -> None:
    """And flags of theirs alone, whatever line they stand on."""
    block = ARCHITECTURE.read_text().partition("## 5. Command line")[2].partition("```")[2].partition("```")[0]
    each = re.split(r"(?:^longboat | · (?:longboat )?)", block, flags=re.MULTILINE)
    named = {text.split()[0]: text for text in each if text.strip()}
    assert set(named) == set(SHOWN)
    for command, text in named.items():
        assert set(actions(command)) <= set(re.split(r"[\s|]+", text)), command
        assert set(FLAG.findall(re.sub(r"/--", " --", text))) <= known(command), command
