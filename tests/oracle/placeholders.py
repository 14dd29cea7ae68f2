"""What a server makes up (uids, versions, names, addresses, tokens, times) stands in recordings as a placeholder.

``<uid:1>``, ``<rv:1>`` (resourceVersion), ``<list-rv:1>`` (of a list), ``<name:1>`` (from generateName), ``<ip:1>``,
``<node-port:1>``, ``<token:1>``, ``<continue:1>``; numbers count within a scenario in order of first appearance, so
that equality shows. ``<time>`` is a time near now, ``<hook>`` and ``<ca>`` are the player's own webhook server.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| ?[+-]\d\d:?\d\d(?: UTC)?)")
PLACEHOLDER = re.compile(r"<(?:uid|rv|list-rv|name|ip|node-port|token|continue):\d+>|<hook>|<ca>|<time>")
NEAR = timedelta(days=2)
SUFFIX = 5  # characters that generateName appends
PREFIX = 58  # of a generateName that are kept

# What may hide something that varies; other texts, most of them, need no further look.
VARYING = re.compile(r"[0-9a-f]{4}-\d|kube-api-access-|[rR]esource ?[vV]ersion|errors:\n")


class Placeholders:
    """The two-way table between what a server made up and its placeholders, for one scenario on one server."""

    def __init__(self, fixed: dict[str, str] | None = None) -> None:
        self.actual_of: dict[str, Any] = dict(fixed or {})
        self.placeholder_of: dict[tuple[str, Any], str] = {
            ("text", text): name for name, text in self.actual_of.items()
        }
        self.counts: Counter[str] = Counter()

    def copy(self) -> Placeholders:
        """What is learnt by one of the two is unknown to the other."""
        other = Placeholders()
        other.actual_of, other.placeholder_of = self.actual_of.copy(), self.placeholder_of.copy()
        other.counts = self.counts.copy()
        return other

    def _name(self, kind: str, actual: Any, *, fresh: bool = False, space: str = "text") -> str:
        known = self.placeholder_of.get((space, actual))
        if known and not fresh:
            return known
        self.counts[kind] += 1
        placeholder = f"<{kind}:{self.counts[kind]}>"
        self.actual_of[placeholder] = actual
        self.placeholder_of[(space, actual)] = placeholder
        return placeholder

    def learn(self, value: Any, sent: str = "") -> None:
        """Take up what is new in an answer; `sent` is the text of the request, whose own values are no news.

        Versions and continue tokens of lists, and ages in tables, are replaced on the spot: they are new each time.
        """
        if isinstance(value, list):
            for item in value:
                self.learn(item, sent)
            return
        if not isinstance(value, dict):
            return
        if isinstance(meta := value.get("metadata"), dict):
            self._learn_metadata(value, meta)
        if value.get("kind") == "Table":
            _hide_ages(value)
        if value.get("kind") == "Service" and isinstance(value.get("spec"), dict):
            self._learn_service(value["spec"], sent)
        for key, item in value.items():
            if key == "uid" and isinstance(item, str) and UUID.fullmatch(item):
                if item not in sent:
                    self._name("uid", item)
            elif key == "token" and isinstance(item, str) and item.count(".") == 2 and item not in sent:
                self._name("token", item)
            else:
                self.learn(item, sent)

    def _learn_metadata(self, value: dict[str, Any], meta: dict[str, Any]) -> None:
        version, kind = meta.get("resourceVersion"), value.get("kind", "")
        if isinstance(version, str) and version.isdigit() and version != "0":
            if "items" in value or "rows" in value or (kind.endswith("List") and "name" not in meta):
                meta["resourceVersion"] = self._name("list-rv", version, fresh=True, space="list")
            else:
                self._name("rv", version, space="rv")
        if meta.get("continue"):
            meta["continue"] = self._name("continue", meta["continue"], fresh=True, space="continue")
        prefix, name = meta.get("generateName"), meta.get("name")
        if prefix and name and name.startswith(prefix[:PREFIX]) and len(name) == len(prefix[:PREFIX]) + SUFFIX:
            self._name("name", name)

    def _learn_service(self, spec: dict[str, Any], sent: str) -> None:
        for address in [spec.get("clusterIP"), *(spec.get("clusterIPs") or [])]:
            if address and address != "None" and f'"{address}"' not in sent:
                self._name("ip", address)
        ports = [port.get("nodePort") for port in spec.get("ports") or [] if isinstance(port, dict)]
        for port in [*ports, spec.get("healthCheckNodePort")]:
            if port and f": {port}" not in sent:
                self._name("node-port", port, space="port")

    def normal(self, value: Any, key: str | None = None, *, managed: bool = True) -> Any:
        """The value with placeholders in it, ready to be compared; without managedFields unless they are `managed`."""
        if isinstance(value, dict):
            return {
                self._text(name): self._member(name, item, managed)
                for name, item in value.items()
                if managed or not (name == "managedFields" and key == "metadata")
            }
        if isinstance(value, list):
            return [self.normal(item, key, managed=managed) for item in value]
        if key == "resourceVersion" and isinstance(value, str):
            return self.placeholder_of.get(("rv", value), value)
        if key in ("nodePort", "healthCheckNodePort") and not isinstance(value, bool):
            return self.placeholder_of.get(("port", value), value)
        return self._text(value) if isinstance(value, str) else value

    def _member(self, name: str, item: Any, managed: bool) -> Any:
        if isinstance(item, list):
            if name == "managedFields":
                item = sorted(item, key=_entry_order)
            elif name == "causes":
                item = _sorted_conflicts(item)
        return self.normal(item, name, managed=managed)

    def _text(self, text: str) -> str:
        for (space, actual), placeholder in self.placeholder_of.items():
            if space == "text" and actual in text:
                text = text.replace(actual, placeholder)
        if not VARYING.search(text):
            return text
        text = UUID.sub(lambda match: "<uid>" if _is_random(match[0]) else match[0], text)
        text = re.sub(r"kube-api-access-[a-z0-9]{5}\b", "kube-api-access-<suffix>", text)
        text = re.sub(r"((?:too old|Too large) resource version: \d+)( \(|, current: )\d+", r"\1\2<rv>", text)
        text = re.sub(r"([?&]resourceVersion=)(\d+)", self._version_in_query, text)
        text = re.sub(r"(ResourceVersion in record \()(\d+)", self._version_in_text, text)
        text = re.sub(r'(resourceVersion\\?"?: ?\\?")(\d+)', self._version_in_text, text)
        text = re.sub(r"(errors:\n)((?:  .+\n?)+)", _sorted_lines, text)
        return TIME.sub(_today, text)

    def _version_in_query(self, match: re.Match[str]) -> str:
        known = self.placeholder_of.get(("rv", match[2])) or self.placeholder_of.get(("list", match[2]))
        return match[1] + (known if known and len(match[2]) > 2 else match[2])  # small numbers are the scenario's own

    def _version_in_text(self, match: re.Match[str]) -> str:
        return match[1] + self.placeholder_of.get(("rv", match[2]), "<rv>")

    def actual(self, value: Any) -> Any:
        """The value with the placeholders replaced by what they stand for on this server."""
        if isinstance(value, dict):
            return {self.actual(name): self.actual(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.actual(item) for item in value]
        if not isinstance(value, str):
            return value
        if value in self.actual_of:
            return self.actual_of[value]  # a port stays a number
        return PLACEHOLDER.sub(self._stand_in, value)

    def _stand_in(self, match: re.Match[str]) -> str:
        if match[0] == "<time>":
            return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return str(self.actual_of.get(match[0], match[0]))


def _hide_ages(table: dict[str, Any]) -> None:
    names = [column.get("name") for column in table.get("columnDefinitions") or []]
    for row in table.get("rows") or []:
        for index, name in enumerate(names[: len(row.get("cells") or [])]):
            if name == "Age" and row["cells"][index] != "<unknown>":
                row["cells"][index] = "<age>"


def _is_random(text: str) -> bool:
    """Whether a server drew this UUID; a scenario writes others by hand (11111111-…)."""
    return text[14] == "4" and text[19] in "89ab" and len(set(text)) > 6


def _sorted_conflicts(causes: list[Any]) -> list[Any]:
    """The causes of an apply conflict come in any order."""
    if all(isinstance(cause, dict) and cause.get("reason") == "FieldManagerConflict" for cause in causes):
        return sorted(causes, key=lambda cause: (cause.get("message", ""), cause.get("field", "")))
    return causes


def _sorted_lines(match: re.Match[str]) -> str:
    """Errors of a typed object come in any order."""
    return match[1] + "\n".join(sorted(match[2].rstrip("\n").split("\n")))


def _today(match: re.Match[str]) -> str:
    """Times near now are noise; others were chosen by the scenario."""
    text = match[0].replace(" UTC", "").replace(" +0000", "+00:00").replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(re.sub(r"\.\d+", "", text))
    except ValueError:
        return match[0]
    return "<time>" if abs(moment - datetime.now(UTC)) < NEAR else match[0]


def _entry_order(entry: Any) -> tuple[str, ...]:
    if not isinstance(entry, dict):
        return ("", json.dumps(entry))
    parts = [str(entry.get(key, "")) for key in ("operation", "manager", "subresource", "apiVersion")]
    return (*parts, json.dumps(entry.get("fieldsV1"), sort_keys=True))
