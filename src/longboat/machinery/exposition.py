"""Figures in Prometheus's text format (version 0.0.4, which is all that upstream's components speak). Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from longboat.aio.histogram import Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_VALUE = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Sample:
    """`at`: when it was measured, in seconds since the epoch; 0: when it is asked for. `suffix`: a histogram's part."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    at: float = 0.0
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """All samples of one name. `kind`: counter, gauge, histogram or untyped."""

    name: str
    kind: str
    help: str
    samples: Iterable[Sample]


Source = Callable[[], Iterable[Family]]
"""Somebody's figures, asked for in a thread: it walks copies of what changes meanwhile."""


def spread(found: Histogram, labels: Mapping[str, str]) -> Iterator[Sample]:
    """A histogram's samples: how many were at most each bound, their sum and their number."""
    total, counts, sum_ = 0, list(found.counts), found.sum
    for bound, count in zip((*map(number, found.bounds), "+Inf"), counts, strict=True):
        total += count
        yield Sample(total, {**labels, "le": bound}, suffix="_bucket")
    yield Sample(sum_, labels, suffix="_sum")
    yield Sample(total, labels, suffix="_count")


def together(parts: Iterable[Iterable[Family]]) -> list[Family]:
    """One family of each name, with the samples of all parts: a scraper takes a name only once."""
    found: dict[str, Family] = {}
    for family in (family for part in parts for family in part):
        former = found.get(family.name)
        samples = family.samples if former is None else [*former.samples, *family.samples]
        found[family.name] = replace(family, samples=samples)
    return list(found.values())


def text(families: Iterable[Family]) -> str:
    """As a scraper reads it. Families without samples are left out."""
    lines: list[str] = []
    for family in families:
        samples = [f"{family.name}{s.suffix}{_labels(s.labels)} {number(s.value)}{_time(s.at)}" for s in family.samples]
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
    """Those without a value too, though they are as good as absent: as upstream writes them."""
    if not labels:
        return ""
    inside = ",".join([f'{name}="{value.translate(_VALUE)}"' for name, value in sorted(labels.items())])
    return f"{{{inside}}}"


def _time(seconds: float) -> str:
    return f" {round(seconds * 1000)}" if seconds else ""
