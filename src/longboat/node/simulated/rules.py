"""Behaviours put in order once: those of a container are found by what it is called, not by looking through all."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from longboat.machinery import quantity, selectors
from longboat.machinery.quantity import Quantity
from longboat.node.simulated.behaviour import BadBehaviour, Behaviour, Exec, Selector, Stage, seconds
from longboat.node.simulated.script import NOTHING, Answer, Ending, Script, Timeline, Use

MOST = 10_000  # stages of one behaviour
BOOLS = ("started", "ready", "live")
Key = tuple[str, ...]


class Imagined(msgspec.Struct, frozen=True, kw_only=True):
    """A container as selectors see it."""

    namespace: str
    pod: str
    uid: str
    labels: Mapping[str, str] = {}
    name: str
    image: str
    attempt: int = 0


class _Rule:
    """One behaviour, ready to be asked. Raises BadBehaviour."""

    def __init__(self, behaviour: Behaviour, index: int) -> None:
        selector, self._stages = behaviour.selector, behaviour.stages
        if len(self._stages) > MOST:
            raise BadBehaviour(f"must not have more than {MOST} stages")
        self.index, self._selector = index, selector
        self._labels = _label_selector(selector)
        self._images = [pattern.split("*") for pattern in selector.matchImages]
        self._execs = tuple((each.command, _answer(each)) for each in behaviour.execs) or None
        fixed = script(behaviour.stages, [0.0] * len(self._stages))
        self._fixed = msgspec.structs.replace(fixed, execs=self._execs)
        self._varies = any(seconds(stage.jitter) for stage in behaviour.stages)

    def matches(self, asked: Imagined) -> bool:
        selector = self._selector
        return (
            (selector.attempts is None or asked.attempt < selector.attempts)
            and (not selector.matchNamespaces or asked.namespace in selector.matchNamespaces)
            and (not selector.matchNames or asked.pod in selector.matchNames)
            and (not selector.matchContainers or asked.name in selector.matchContainers)
            and self._labels.matches(asked.labels)
            and (not self._images or any(_is_like(asked.image, pieces) for pieces in self._images))
        )

    def script(self, asked: Imagined) -> Script:
        if not self._varies:
            return self._fixed
        # By whom it is about, not by chance: the same names and seeds give the same run.
        who = f"{asked.uid}/{asked.name}/{asked.attempt}/{self.index}"
        shares = [zlib.crc32(f"{who}/{index}".encode()) / (1 << 32) for index in range(len(self._stages))]
        jitters = [seconds(stage.jitter) * share for stage, share in zip(self._stages, shares, strict=True)]
        return msgspec.structs.replace(script(self._stages, jitters), execs=self._execs)


class Rules:
    """Of several behaviours. Raises BadBehaviour."""

    def __init__(self, behaviours: Iterable[Behaviour] = ()) -> None:
        self._by_key: dict[Key, list[_Rule]] = {}
        self._anywhere: list[_Rule] = []
        for index, behaviour in enumerate(behaviours):
            rule = _Rule(behaviour, index)
            keys = list(_keys(behaviour.selector))
            for key in keys:
                self._by_key.setdefault(key, []).append(rule)
            if not keys:
                self._anywhere.append(rule)

    def script(self, asked: Imagined) -> Script:
        """What is said about a container. Costs what it has of labels, and the rules that speak of one of them."""
        found = list(self._anywhere)
        if self._by_key:
            for key in _names(asked):
                found += self._by_key.get(key, ())
            found.sort(key=lambda rule: rule.index)
        said = NOTHING
        for rule in found:
            if rule.matches(asked):
                said = rule.script(asked).over(said)
        return said


NO_RULES = Rules()


def _keys(selector: Selector) -> Iterator[Key]:
    """Under which names a rule is found: those of one thing that it asks for, the rarest; none: it asks for nothing."""
    if selector.matchNames:
        yield from (("pod", name) for name in dict.fromkeys(selector.matchNames))
    elif selector.matchLabels:
        yield ("label", *max(selector.matchLabels.items(), key=lambda pair: len(pair[1])))
    elif selector.matchImages and not any("*" in image for image in selector.matchImages):
        yield from (("image", image) for image in dict.fromkeys(selector.matchImages))
    elif selector.matchContainers:
        yield from (("container", name) for name in dict.fromkeys(selector.matchContainers))
    elif selector.matchNamespaces:
        yield from (("namespace", name) for name in dict.fromkeys(selector.matchNamespaces))


def _names(asked: Imagined) -> Iterator[Key]:
    yield ("pod", asked.pod)
    yield ("image", asked.image)
    yield ("container", asked.name)
    yield ("namespace", asked.namespace)
    for label in asked.labels.items():
        yield ("label", *label)


def _is_like(text: str, pieces: Sequence[str]) -> bool:
    """Whether it consists of these pieces with anything between them. Linear: pods' owners write the patterns."""
    first, *others = pieces
    if not others:
        return text == first
    *middle, last = others
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        at = text.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


def _label_selector(selector: Selector) -> selectors.LabelSelector:
    for each in selector.matchExpressions:
        if each.operator not in selectors.OPERATORS:
            raise BadBehaviour(f'"{each.operator}" is not a valid label selector operator')
    expressions = [msgspec.to_builtins(each) for each in selector.matchExpressions]
    return selectors.from_api({"matchLabels": selector.matchLabels, "matchExpressions": expressions})


def _answer(given: Exec) -> Answer:
    return Answer(given.stdout.encode(), given.stderr.encode(), given.exitCode, seconds(given.delay))


def script(stages: Sequence[Stage], jitters: Iterable[float]) -> Script:
    """What stages come to, each so many seconds later than it says. Raises BadBehaviour."""
    time, use = 0.0, Use()
    bools: dict[str, list[tuple[float, bool]]] = {name: [] for name in BOOLS}
    uses: list[tuple[float, Use]] = []
    lines: list[tuple[float, bytes]] = []
    ending: Ending | None = None
    for stage, jitter in zip(stages, jitters, strict=True):
        time += seconds(stage.delay) + jitter
        if ending is not None and ending.after < math.inf:
            raise BadBehaviour("no stage may follow one with an exitCode: the container has ended")
        for name in BOOLS:
            if (value := getattr(stage, name)) is not None:
                bools[name].append((time, value))
        if stage.usage is not None:
            use = _use(stage.usage, use)
            uses.append((time, use))
        lines += [(time, line.encode() + b"\n") for line in stage.log.splitlines()]
        if stage.exitCode is not None:
            if not 0 <= stage.exitCode <= 255:
                raise BadBehaviour(f"exitCode {stage.exitCode} is not between 0 and 255")
            ending = Ending(time, stage.exitCode, stage.reason, stage.message)
        elif stage.running:
            ending = Ending()
    started, ready, live = (
        Timeline(not found[0][1], tuple(found)) if (found := bools[name]) else None for name in BOOLS
    )
    use_over_time = Timeline(Use(), tuple(uses)) if uses else None
    return Script(ending=ending, log=tuple(lines) or None, use=use_over_time, started=started, ready=ready, live=live)


def _use(given: Mapping[str, str], before: Use) -> Use:
    for name in given:
        if name not in ("cpu", "memory"):
            raise BadBehaviour(f'usage is of cpu and memory, not of "{name}"')
    cpu, memory = given.get("cpu"), given.get("memory")
    return Use(
        cpu=_amount(cpu).milli / 1000 if cpu is not None else before.cpu,
        memory=float(_amount(memory).value) if memory is not None else before.memory,
    )


def _amount(text: str) -> Quantity:
    try:
        found = quantity.parse(text)
    except ValueError as error:
        raise BadBehaviour(f'"{text}": {error}') from error
    if found < quantity.parse("0"):
        raise BadBehaviour(f'"{text}" is less than nothing')
    return found
