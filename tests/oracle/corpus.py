"""Recordings: areas of scenarios of steps.

A scenario is a file of JSON lines, a step each. It makes what it needs, and the player removes what it made.

``{"method", "path", ...}``  a request. Beside ``method`` and ``path``:
    note           what the step is about
    as             who asks: {"user", "groups", "uid", "extra"} (impersonated), {"bearer": token} or
                   {"anonymous": true}; without it the user of the kubeconfig
    headers        request headers beside the ordinary ones (Content-Type and Accept are application/json)
    body           the JSON value sent, or {"$text": "..."} for text sent as it is
    base, change   instead of body: the named base (see below) with one place changed; change is
                   {"path": [...], "value": ...} or {"path": [...], "remove": true}
    setup          true: preparation, any answer will do
    retry          seconds: the state is reached after a while, ask again until the answer is the recorded one
    stream         seconds: the answer is a stream of JSON lines, read for that long: {"$events": [...]}
    background     a name: the stream is read while the next steps run, its answer comes in the step {"join": name}
    managedFields  true: metadata.managedFields are part of the answer (left out of all other answers)
    keep           paths; only these parts of the answer count (`oracle.values.pick`)
    reviews_vary   true: the server also calls the webhook of its own accord; reviews are written down, not compared
    show           names of response headers that are part of the answer (``answer_headers``)
  and what came back:
    status, warnings, answer, answer_headers
    effect         instead of answer, for a base with a change that was accepted: {path: value}, where the answer
                   differs from the answer to the unchanged base ("<absent>" where it lacks the place)
    reviews        the webhook requests that the server sent while it handled the request, in order
    or             other outcomes that the recorded server had at other times: [{status, answer, ...}]
    audit          the annotations of the request's audit event (compared only where an audit log is given)
``{"base": name, "body": ...}``   names a body for later steps (without a method)
``{"hook": path, "reply": ...}``  what the webhook at ``<hook>/path`` answers from now on; see `oracle.webhook.Webhooks`
``{"sleep": seconds}``            lets the server take note of what was made before
``{"join": name, "answer": ...}`` the end of a background stream

What differs from run to run is a placeholder, in answers and in what later steps send: `oracle.placeholders`.
"""

from __future__ import annotations

import json
import lzma
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RECORDINGS = Path(__file__).parent / "recordings"
ENDING = ".tar.xz"

Step = dict[str, Any]


@dataclass(frozen=True)
class Scenario:
    area: str
    name: str
    text: str = field(repr=False)

    def steps(self) -> list[tuple[int, Step]]:
        """With the number of each line, from 1: `scenario:line` names a step."""
        lines = enumerate(self.text.splitlines(), 1)
        return [(number, json.loads(line)) for number, line in lines if line.strip()]

    def __str__(self) -> str:
        return f"{self.area}/{self.name}"


def areas() -> list[str]:
    """Of the recordings in this folder."""
    return sorted(path.name.removesuffix(ENDING) for path in RECORDINGS.glob("*" + ENDING))


def scenarios(what: Iterable[str]) -> Iterator[Scenario]:
    """Each is an area, `area/scenario` of the recordings here, or else a path: a .jsonl file or a folder of folders.

    Raises FileNotFoundError for what is none of these.
    """
    for each in what:
        area, _, name = each.partition("/")
        if (RECORDINGS / (area + ENDING)).exists():
            found = [scenario for scenario in _packed(area) if name in ("", scenario.name)]
        else:
            path = Path(each)
            files = sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]
            found = [Scenario(file.parent.name, file.stem, file.read_text()) for file in files]
        if not found:
            raise FileNotFoundError(f"{each} has no scenarios")
        yield from found


def bases() -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The rich objects from which recordings of validation begin, by apiVersion and kind."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for scenario in scenarios(["validation"]):
        for _, step in scenario.steps():
            if "method" not in step and step.get("base") == "create":
                found[(step["body"]["apiVersion"], step["body"]["kind"])].append(step["body"])
    return found


def _packed(area: str) -> Iterator[Scenario]:
    with tarfile.open(RECORDINGS / (area + ENDING)) as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            content = archive.extractfile(member)
            if content is not None:
                yield Scenario(area, Path(member.name).stem, content.read().decode())


def pack(folder: Path) -> Path:
    """Takes a folder of .jsonl files up as the recordings of an area; the same files make the same bytes."""
    target = RECORDINGS / (folder.name + ENDING)
    with tarfile.open(target, "w:xz", preset=9 | lzma.PRESET_EXTREME, format=tarfile.USTAR_FORMAT) as archive:
        for file in sorted(folder.glob("*.jsonl")):
            entry = tarfile.TarInfo(file.name)
            entry.size = file.stat().st_size
            with file.open("rb") as content:
                archive.addfile(entry, content)
    return target
