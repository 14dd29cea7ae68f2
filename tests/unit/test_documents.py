"""What the documents name is there: files, modules, tests, functions, flags, targets of make, and what links lead to.

Commands with their flags are held to their parsers by `tests/unit/cli/test_reference.py`. What stands in ticks and
looks like none of these (fields, values, files of the machine) is not looked at.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from longboat.cli import flags
from longboat.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "longboat"
TOP = ("src", "docs", "tests", "tools", "bench", "examples", "changes")
ROOMS = frozenset(path.parent.name for path in SOURCE.glob("*/__init__.py"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
ENDINGS = "py|md|toml|sh|proto|yaml|json"

# Flags of others that documents speak of, and whose they are.
FOREIGN = {
    "--for": "kubectl wait",
    "--from": "kubectl create",
    "--kernel-memcg-notification": "kubelet",
    "--max-request-bytes": "etcd",
    "--resolv-conf": "kubelet",
    "--resolve": "curl",
}

# What is planned has no files yet; nothing else may speak of what is not there.
PLANNED = ROOT / "docs" / "to-come.md"


def without_fences(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def fences(text: str) -> list[str]:
    return re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def expanded(word: str) -> list[str]:
    """`a/{b,c}.py` is two files."""
    braces = re.search(r"\{([^{}]*)\}", word)
    if braces is None:
        return [word]
    return [
        whole
        for part in braces[1].split(",")
        for whole in expanded(word[: braces.start()] + part.strip() + word[braces.end() :])
    ]


def words(text: str) -> Iterator[str]:
    """What stands in ticks outside of blocks, word by word; no placeholders (`<kind>`, `NAME.md`)."""
    for code in re.findall(r"`([^`]+)`", without_fences(text)):
        for word in code.split():
            if not re.search(r"[<>*$…]|\b[A-Z]+\.md|NNNN", word):
                yield from expanded(word.rstrip(",;"))


@cache
def file_names() -> frozenset[str]:
    return frozenset(path.name for top in TOP for path in (ROOT / top).rglob("*") if path.suffix) | frozenset(
        path.name for path in ROOT.iterdir()
    )


def is_path(word: str) -> bool:
    if word.startswith(("/", "~", ".", "-")) or "://" in word:
        return False
    if "/" in word:
        return word.partition("/")[0] in TOP or (word.partition("/")[0] in ROOMS and ours(word))
    return re.fullmatch(rf"[\w-]+\.({'py|md|toml|sh'})|Makefile", word) is not None


def ours(word: str) -> bool:
    """Rooms share their names with API groups and subresources (`node/proxy`): an ending tells."""
    return re.search(rf"\.({ENDINGS})$", word) is not None or word.endswith("/")


def there(word: str, document: Path) -> bool:
    bare = word.rstrip("/")
    if "/" not in word:
        return bare in file_names()
    return any((base / bare).exists() for base in (ROOT, SOURCE, document.parent))


@cache
def names_in(file: Path) -> frozenset[str]:
    """Functions and classes, those of classes too."""
    found = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset(node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, found))


@cache
def code(*tops: str) -> str:
    return "\n".join(path.read_text() for top in tops for path in sorted((ROOT / top).rglob("*.py")))


ABSENT = object()


@cache
def flags_of_all() -> frozenset[str]:
    return frozenset(
        option
        for command, (module, said) in COMMANDS.items()
        if said
        for action in flags.parser_of(import_module(module).Options, command)._actions
        for option in action.option_strings
    )


def resolves(dotted: str) -> bool:
    """A module, or what stands in one; `aio.clock` is `longboat.aio.clock`."""
    parts = dotted.removeprefix("longboat.").split(".")
    for length in range(len(parts), 0, -1):
        base = SOURCE.joinpath(*parts[:length])
        if base.is_dir() or base.with_suffix(".py").exists():
            found: object = import_module(".".join(["longboat", *parts[:length]]))
            return all((found := getattr(found, name, ABSENT)) is not ABSENT for name in parts[length:])
    return False


@cache
def members(name: str) -> frozenset[str]:
    """What classes of that name have, as far as their bodies say it: methods, fields, slots, what `self` is given."""
    bodies = re.findall(rf"^( *)class {name}\b.*?:\n((?:\1 .*\n|\n)*)", code("src"), re.MULTILINE)
    return frozenset(
        member
        for _, body in bodies
        for member in re.findall(r"(?:def |^ +|self\.)(\w+)(?=\(|:| =)", body, re.MULTILINE)
    )


@cache
def functions(top: str) -> frozenset[str]:
    return frozenset(re.findall(r"def (\w+)\(", code(top)))


def defined(name: str, *tops: str) -> bool:
    return any(name in functions(top) for top in tops)


def owned(name: str, member: str) -> bool:
    return member in members(name)


# What a word may look like, and whether there is such a thing. The first that fits decides.
FORMS: dict[str, Callable[..., bool]] = {
    r"(--[a-z][a-z-]*)(?:=\S*)?": lambda flag: (
        flag in flags_of_all() or flag in FOREIGN or f'"{flag}"' in code("tools")
    ),
    r"(test_\w+)": lambda name: defined(name, "tests") or f"{name}.py" in file_names(),
    r"(longboat(?:\.\w+)+)": resolves,
    rf"((?:{'|'.join(sorted(ROOMS))})(?:\.[a-z_]\w*)+)(?<!\.io)(?<!\.dev)(?<!\.kubeconfig)": resolves,
    r"([a-z_]+)\(\)": lambda name: defined(name, "src", "tests"),
    r"([A-Z]\w*[a-z]\w*)\.([a-z_]\w*)(?:\(\))?": owned,
}


def wrong_words(text: str, document: Path) -> Iterator[str]:
    file: Path | None = None
    for word in words(text):
        named = re.fullmatch(r"(\S+\.py)?::(test_\w+)", word)
        path = (named[1] or "") if named else word
        if is_path(path):
            if not there(path, document):
                yield word
                continue
            file = next((base / path for base in (ROOT, SOURCE) if (base / path).is_file()), None)
        if named and (named[2] not in names_in(file) if file else not defined(named[2], "tests")):
            yield word
        for form, is_there in FORMS.items():
            if fits := re.fullmatch(form, word):
                if not is_there(*fits.groups()):
                    yield word
                break


def wrong_links(text: str, document: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        found = (document.parent / path).resolve() if path else document
        if not found.exists() or (anchor and anchor not in anchors(found.read_text())):
            yield target


def anchors(text: str) -> Iterable[str]:
    for heading in re.findall(r"^#+ (.+)$", without_fences(text), re.MULTILINE):
        yield re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+)[^:=\n]*:(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_document_names_is_there(document: Path) -> None:
    text = document.read_text()
    made = re.findall(r"^make ([a-z-]+)", "\n".join([*fences(text), *re.findall(r"`([^`\n]+)`", text)]), re.MULTILINE)
    wrong = [*(() if document == PLANNED else wrong_words(text, document)), *wrong_links(text, document)]
    assert wrong + [f"make {target}" for target in made if target not in targets()] == []


ARCHITECTURE = ROOT / "docs" / "architecture.md"


def rooms_in_the_map() -> dict[str, str]:
    """What the tree of the first section says of each room."""
    tree = fences(ARCHITECTURE.read_text())[0].partition("src/longboat/\n")[2]
    found, last = {}, ""
    for line in tree.splitlines():
        indent, name, said = re.fullmatch(r"(  |)(\S+/(?=\s)|) *(.*)", line).groups()  # type: ignore[union-attr]
        last = ("src/longboat/" if indent else "") + name if name else last
        found[last] = found.get(last, "") + " " + said
    return found


def test_the_map_shows_every_room() -> None:
    tops = {f"{top}/" for top in TOP} - {"src/", "changes/", "tools/"}
    assert {path.rstrip("/").rpartition("/")[2] for path in rooms_in_the_map() if path not in tops} == ROOMS
    assert tops <= rooms_in_the_map().keys()


@pytest.mark.parametrize("room", rooms_in_the_map())
def test_what_the_map_names_in_a_room_is_there(room: str) -> None:
    said = re.sub(r"\([^()]*\)", lambda inside: re.sub(r"[^\s()]+/", "", inside[0]), rooms_in_the_map()[room])
    named = [word for word in re.split(r"[\s;:()…]+(?![^{]*\})|,\s+", said) if re.search(r"/$|\.py$|\.md$|\}", word)]
    missing = [each for word in named for each in expanded(word) if not (ROOT / room / each).exists()]
    assert missing == []


def test_the_map_names_every_library() -> None:
    table = ARCHITECTURE.read_text().partition("## 4. Libraries")[2].partition("## 5.")[0].lower()
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = [re.split(r"[<>=\[ ]", each)[0] for each in wanted]
    assert [name for name in names if name not in table] == []


NOT_THERE = """
`storage/postgres.py` `docs/nothing.md` `apiserver/{chain,nothing}.py` `nothing.py` `--no-such-flag=3` `settled_down()`
`longboat.api.nothing` `storage.postgres` `longboat.aio.clock.Nothing` `APIServer.nothing` `test_nothing_of_that_name`
`tests/unit/test_house.py::test_nothing_of_that_name` `::test_nothing_of_that_name`
"""
THERE = """
`storage/memory.py` `docs/architecture.md` `chain.py` `--max-request-bytes` `settle()` `nodes/proxy` `/api/nothing.py`
`storage.memory` `storage.k8s.io`
`longboat.aio.clock` `longboat.aio.clock.Clock` `aio/` `APIServer.install` `test_every_module_imports_alone`
`tests/unit/test_house.py::test_time_is_read_in_one_place_only`
"""


def test_what_is_not_there_is_found() -> None:
    home = ROOT / "README.md"
    assert [f"`{word}`" for word in wrong_words(NOT_THERE.replace("chain,", ""), home)] == [
        word.replace("{chain,nothing}", "nothing") for word in NOT_THERE.split()
    ]
    assert list(wrong_words(THERE, home)) == []
    links = "[a](docs/none.md) [b](README.md#none) [c](README.md#how-it-is-built) [d](https://none.example.com)"
    assert list(wrong_links(links, home)) == ["docs/none.md", "README.md#none"]


GLOSSARY = ROOT / "docs" / "glossary.md"


def glossary() -> list[tuple[str, str]]:
    """Each word of the house, and where it stands."""
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| `([^`|]+)` \|$", GLOSSARY.read_text(), re.MULTILINE)
    return [(word.strip(), where) for row, where in rows for word in re.sub(r"\([^)]*\)", "", row).split(",")]


def test_the_glossary_has_its_words() -> None:
    words = [word for word, _ in glossary()]
    assert {"cures", "fill", "cells", "hands", "place", "found"} <= set(words)
    rows = [line for line in GLOSSARY.read_text().splitlines() if line.startswith("| ")]
    assert len({where for _, where in glossary()}) >= len(rows) - 4, "a row that is not read"


@pytest.mark.parametrize(("word", "where"), glossary())
def test_a_word_of_the_glossary_is_used_where_it_is_said_to_stand(word: str, where: str) -> None:
    text, path = where, ROOT / where
    if "/" not in where:
        assert resolves(where)
        parts = where.split(".")[1:]
        while not (path := SOURCE.joinpath(*parts).with_suffix(".py")).exists():
            parts.pop()
    text += path.read_text()
    assert re.search(word.replace(" ", "[_ ]"), text, re.IGNORECASE), f"{word} is not said in {path}"
