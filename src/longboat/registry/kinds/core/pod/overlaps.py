"""What upstream warns about in volumes: files that would be in each other's place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from longboat.machinery.fieldpath import quoted
from longboat.machinery.objects import Object

DEPTH = 32  # directories looked at above a file
COMPARED = 20  # files at or beneath one place that others are told of, so that work is linear in what is sent


class File(NamedTuple):
    path: str
    source: str  # what of a projected volume it is from; "" in other volumes

    def __str__(self) -> str:
        return quoted(self.path) + (f" ({self.source})" if self.source else "")


def notes(spec: Object) -> Iterator[str]:
    for volume in spec.get("volumes") or ():
        name = quoted(volume.get("name") or "")
        for kind, called in (("configMap", "ConfigMap"), ("secret", "Secret"), ("downwardAPI", "DownwardAPI")):
            if found := volume.get(kind):
                of = found.get("secretName" if kind == "secret" else "name") or ""
                what = called if kind == "downwardAPI" else f"{called} {quoted(of)}"
                yield from (
                    f"volume {name} ({what}): overlapping paths: {pair}" for pair in _Files().add(_items(found))
                )
        if (projected := volume.get("projected")) is not None:
            yield from _projected(name, projected.get("sources") or [])


def _items(found: Object, source: str = "") -> list[File]:
    return [File((item.get("path") or "").rstrip("/"), source) for item in found.get("items") or ()]


def _projected(name: str, sources: list[Object]) -> Iterator[str]:
    files = _Files()
    for source in sources:
        if not any(part is not None for part in source.values()):
            yield f"volume {name} (Projected) has no sources provided"
            continue
        yield from (f"volume {name} (Projected): overlapping paths: {pair}" for pair in files.add(_of(source)))


def _of(source: Object) -> list[File]:
    """The files that a projection lists."""
    for kind, called in (("configMap", "ConfigMap"), ("secret", "Secret")):
        if (found := source.get(kind)) is not None and found.get("items"):
            return _items(found, f"{called} {quoted(found.get('name') or '')}")
    if (found := source.get("downwardAPI")) is not None and found.get("items"):
        return _items(found, "DownwardAPI")
    if (token := source.get("serviceAccountToken")) is not None:
        return [File((token.get("path") or "").rstrip("/"), "ServiceAccountToken")]
    return []


class _Files:
    """Files by their places, those above them and those beneath."""

    def __init__(self) -> None:
        self._all: list[File] = []
        self._at: dict[str, list[int]] = defaultdict(list)
        self._beneath: dict[str, list[int]] = defaultdict(list)

    def add(self, files: list[File]) -> Iterator[str]:
        """Pairs of a new file and one that is in its way."""
        for file in files:
            if not file.path:
                continue
            above = list(islice(_above(file.path), DEPTH))
            met = {i for place in above for i in self._at[place]} | {*self._beneath[file.path], *self._at[file.path]}
            yield from (f"{file} with {self._all[i]}" for i in sorted(met))
            number = len(self._all)
            self._all.append(file)
            for found in (self._at[file.path], *(self._beneath[place] for place in above)):
                if len(found) < COMPARED:
                    found.append(number)


def _above(path: str) -> Iterator[str]:
    """The directories that a file is in, innermost first."""
    cut = path.rfind("/")
    while cut > 0:
        yield path[:cut]
        cut = path.rfind("/", 0, cut)
