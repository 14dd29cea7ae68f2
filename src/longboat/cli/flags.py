"""Flags: declared once as a dataclass, read from the command line, the environment and the config file.

A value is looked up in that order: `--api-port 6443`, `LONGBOAT_API_PORT=6443`, `api-port: 6443` in the file that
`--config` names, the default. Internal commands start with every second process, so this uses argparse alone.
"""

from __future__ import annotations

import argparse
import os
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, field, fields
from typing import Any, TypeVar

from longboat.cli.errors import Usage

O = TypeVar("O")  # noqa: E741 - the options class of a command
TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def flag(
    default: Any,
    help: str,
    *,
    parse: Callable[[str], Any] | None = None,
    choices: tuple[str, ...] = (),
    positional: bool = False,
    short: str = "",
) -> Any:
    """A field of an options class. Lists take the flag several times, or comma-separated values.

    `parse` reads the text where the field's type does not; it raises ValueError.
    """
    meta = {"help": help, "parse": parse, "choices": choices, "positional": positional, "short": short}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=meta)
    return field(default=default, metadata=meta)


def duration(text: str) -> float:
    """Seconds of `90`, `90s`, `1m30s`, `2h`. Raises ValueError."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    total, digits = 0.0, ""
    for char in text.strip():
        if char in units:
            total, digits = total + float(digits) * units[char], ""
        else:
            digits += char
    return total + float(digits) if digits else total


def parse(
    options: type[O],
    argv: Sequence[str],
    *,
    prog: str,
    environ: Mapping[str, str] | None = None,
    description: str = "",
) -> O:
    """The options of one command. Raises Usage for what cannot be read."""
    environ = os.environ if environ is None else environ
    parser = parser_of(options, prog, description or (options.__doc__ or ""))
    given = {key: value for key, value in vars(parser.parse_intermixed_args(list(argv))).items() if value is not None}
    hints = typing.get_type_hints(options)
    config = _config(str(given.get("config") or environ.get("LONGBOAT_CONFIG") or ""))
    for f in fields(options):  # type: ignore[arg-type]
        variable, key = "LONGBOAT_" + f.name.rstrip("_").upper(), _called(f.name)
        if f.name not in given and variable in environ:
            given[f.name] = _convert(f, hints[f.name], environ[variable], variable)
        elif f.name not in given and key in config:
            given[f.name] = _convert(f, hints[f.name], config[key], f"{key} in the config file")
        choices = f.metadata.get("choices")
        if choices and f.name in given and given[f.name] not in choices:
            raise Usage(f"{key} must be one of {', '.join(choices)}, not {given[f.name]!r}")
    if "config" not in hints:
        given.pop("config", None)
    return options(**given)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> typing.NoReturn:
        raise Usage(f"{self.prog}: {message}", f"see: {self.prog} --help")


def parser_of(options: type, prog: str, description: str = "") -> argparse.ArgumentParser:
    """What reads a command's flags, and says what they are."""
    parser = _Parser(prog=prog, description=description, allow_abbrev=False)
    hints = typing.get_type_hints(options)
    for f in fields(options):
        hint, text = hints[f.name], f.metadata.get("help", "").replace("%", "%%")
        default = f.default if f.default is not MISSING else None
        if default not in (None, "", False, True):
            text += f" (default: {default:g})" if isinstance(default, float) else f" (default: {default})"
        if f.metadata.get("positional"):
            several = _is_list(hint)
            parser.add_argument(f.name, nargs="*" if several else "?", type=str, help=text, default=None)
            continue
        names = ["--" + _called(f.name)]
        if f.metadata.get("short"):
            names.insert(0, "-" + f.metadata["short"])
        if _typed(hint) is bool:
            parser.add_argument(*names, action=argparse.BooleanOptionalAction, default=None, help=text)
        elif _is_list(hint):
            parser.add_argument(*names, action=_Extend, default=None, help=text)
        else:
            parser.add_argument(
                *names, type=_reader(f, hint), default=None, help=text, dest=f.name, metavar=_metavar(f.name)
            )
    if "config" not in hints:
        parser.add_argument("--config", default=None, metavar="FILE", help="YAML file with these flags as keys")
    return parser


class _Extend(argparse.Action):
    """Collects `--x a,b --x c` into [a, b, c]."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        before = getattr(namespace, self.dest) or []
        setattr(namespace, self.dest, [*before, *filter(None, str(values).split(","))])


def _is_list(hint: Any) -> bool:
    return typing.get_origin(hint) is list


def _called(name: str) -> str:
    """The flag of a field. Where its name would be Python's own, the field's has a `_` behind it."""
    return name.rstrip("_").replace("_", "-")


def _metavar(name: str) -> str:
    return name.rstrip("_").rsplit("_", 1)[-1].upper()


def _typed(hint: Any) -> Any:
    """The callable that reads a value of this type (through Optional)."""
    arms = [arm for arm in typing.get_args(hint) if arm is not type(None)]
    return arms[0] if arms else hint


def _reader(f: Field[Any], hint: Any) -> Any:
    """What reads this flag's text: its own parser, else its type."""
    return f.metadata.get("parse") or _typed(hint)


def _convert(f: Field[Any], hint: Any, value: Any, where: str) -> Any:
    try:
        if _typed(hint) is bool:
            text = str(value).lower()
            if text not in TRUE + FALSE:
                raise ValueError(value)
            return text in TRUE
        if _is_list(hint):
            return [str(item) for item in value] if isinstance(value, list) else [v for v in str(value).split(",") if v]
        return _reader(f, hint)(str(value))
    except (TypeError, ValueError) as error:
        raise Usage(f"{where}: {value!r} is not a valid value") from error


def _config(path: str) -> dict[str, Any]:
    """The config file's keys. Raises Usage where it cannot be read."""
    if not path:
        return {}
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            data = yaml.safe_load(file) or {}
    except (OSError, yaml.YAMLError) as error:
        raise Usage(f"config file {path}: {error}") from error
    if not isinstance(data, dict):
        raise Usage(f"config file {path}: must be a mapping of flags to values")
    return {str(key).replace("_", "-"): value for key, value in data.items()}
