"""Where a flag's value comes from, and what is said of one that cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from longboat.cli import flags
from longboat.cli.errors import Usage
from longboat.cli.flags import duration, flag


@dataclass(frozen=True)
class Options:
    """An example."""

    target: str = flag("", "what", positional=True)
    name: str = flag("default", "who")
    api_port: int = flag(0, "where")
    egress: bool | None = flag(None, "whether")
    node: list[str] = flag([], "which")
    wait: float = flag(60.0, "how long", parse=duration)
    output: str = flag("text", "how", choices=("text", "json"))


def parse(*argv: str, **environ: str) -> Options:
    return flags.parse(Options, argv, prog="longboat example", environ=environ)


def test_the_command_line_goes_before_the_environment_before_the_file_before_the_default(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("name: file\napi-port: 1\negress: false\nnode: [a, b]\nwait: 2m\n")
    assert parse() == Options()
    assert parse("--config", str(file)) == Options(name="file", api_port=1, egress=False, node=["a", "b"], wait=120)
    found = parse("--api-port", "3", LONGBOAT_CONFIG=str(file), LONGBOAT_API_PORT="2", LONGBOAT_NAME="environment")
    assert (found.name, found.api_port, found.egress) == ("environment", 3, False)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("--egress",), Options(egress=True)),
        (("--no-egress",), Options(egress=False)),
        (("--node", "a,b", "--node=c"), Options(node=["a", "b", "c"])),
        (("--name", "x", "thing", "--wait", "1h2m3s"), Options(target="thing", name="x", wait=3723)),
    ],
)
def test_shapes(argv: tuple[str, ...], expected: Options) -> None:
    assert parse(*argv) == expected


@pytest.mark.parametrize(
    "argv", [("--api-port", "x"), ("--output", "xml"), ("--no-such",), ("--wait", "soon"), ("a", "b")]
)
def test_what_makes_no_sense_is_bad_usage(argv: tuple[str, ...]) -> None:
    with pytest.raises(Usage) as caught:
        parse(*argv)
    assert caught.value.code == 2


def test_a_bad_variable_is_named() -> None:
    with pytest.raises(Usage, match="LONGBOAT_API_PORT: 'x' is not a valid value"):
        parse(LONGBOAT_API_PORT="x")


@pytest.mark.parametrize("text", ["[1]", "a: ["])
def test_a_config_file_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(Usage, match=str(file)):
        parse("--config", str(file))


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("1m30s", 90), ("2h", 7200), ("0.5s", 0.5)])
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds
