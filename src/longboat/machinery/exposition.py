"""Figures in Prometheus's text format (version 0.0.4, which is all that upstream's components speak). Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_VALUE = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Sample:
    """`at`: when it was measured, in seconds since the epoch; 0: when it is asked for."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Family:
    """All samples of one name. `kind`: counter, gauge or untyped (histograms and summaries are the library's)."""

    name: str
    kind: str
    help: str
    samples: Iterable[Sample]


def text(families: Iterable[Family]) -> str:
    """As a scraper reads it. Families without samples are left out."""
    lines: list[str] = []
    for family in families:
        samples = [f"{family.name}{_labels(s.labels)} {number(s.value)}{_time(s.at)}" for s in family.samples]
        if samples:
            lines += [f"# HELP {family.name} {family.help.translate(_HELP)}", f"# TYPE {family.name} {family.kind}"]
            lines += samples
    return "".join(f"{line}\n" for line in lines)


def number(value: float) -> str:
    """Every digit that tells it from its neighbours: a counter's growth lies in its last ones."""
    if isinstance(value, int):
        return str(value)
    if math.isinf(value) or math.isnan(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value.is_integer() and abs(value) < 1 << 53 else repr(value)


def _labels(labels: Mapping[str, str]) -> str:
    """Labels without a value are as good as absent."""
    pairs = (f'{name}="{value.translate(_VALUE)}"' for name, value in sorted(labels.items()) if value)
    inside = ",".join(pairs)
    return f"{{{inside}}}" if inside else ""


def _time(seconds: float) -> str:
    return f" {round(seconds * 1000)}" if seconds else ""
