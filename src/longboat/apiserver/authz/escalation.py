"""Nobody grants what they do not hold: whether one set of rules covers another. Pure.

The rules and the wording are upstream's (component-helpers, auth/rbac/validation).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product

from longboat.apiserver.authz.rbac import Rule, covers_url
from longboat.machinery.fieldpath import quoted
from longboat.machinery.objects import Object

MOST_PARTS, MOST_TOLD = 10_000, 1000

EVERYTHING: tuple[Object, ...] = (
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
)


def missing(held: Iterable[Rule], wanted: Iterable[Object]) -> list[Object]:
    """What of `wanted` no single held rule covers, in parts of one verb each, put together again by resource.

    At most `MOST_TOLD` parts. A rule of a few kilobytes may stand for 10^12 of them (groups times resources times verbs
    times names): one of more than `MOST_PARTS` is lacking as a whole, unless a single held rule covers all of it.
    """
    holder = list(held)
    lacking: list[Object] = []
    for rule in wanted:
        if _count(rule) > MOST_PARTS:
            if not any(_covers_all(mine, rule) for mine in holder):
                return [rule]
            continue
        for part in _parts(rule):
            if not any(_covers(mine, part) for mine in holder):
                lacking.append(part)
                if len(lacking) >= MOST_TOLD:
                    return _compact(lacking)
    return _compact(lacking)


def _count(rule: Object) -> int:
    """How many parts the rule has."""
    groups, resources, verbs, names, urls = (
        len(rule.get(field) or ()) for field in ("apiGroups", "resources", "verbs", "resourceNames", "nonResourceURLs")
    )
    return groups * resources * verbs * max(names, 1) + urls * verbs


def _covers_all(held: Rule, rule: Object) -> bool:
    """Whether a held rule covers each part of another one."""
    verbs, groups, resources, names, urls = (
        rule.get(field) or () for field in ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
    )
    if "*" not in held.verbs and not held.verbs.issuperset(verbs):
        return False
    if not all(any(covers_url(mine, url) for mine in held.urls) for url in urls):
        return False
    if not (groups and resources):
        return True
    if "*" not in held.groups and not held.groups.issuperset(groups):
        return False
    if "*" not in held.resources and not all(
        each in held.resources or ("/" in each and f"*/{each.partition('/')[2]}" in held.resources)
        for each in resources
    ):
        return False
    return not held.names or bool(names and held.names.issuperset(names))


def described(rules: Iterable[Object]) -> str:
    """One line per rule, sorted, as upstream prints them."""
    return "\n".join(sorted({_described(rule) for rule in rules}))


def _parts(rule: Object) -> Iterator[Object]:
    """The rule as rules of one verb on one thing."""
    verbs = rule.get("verbs") or ()
    for group, resource, verb in product(rule.get("apiGroups") or (), rule.get("resources") or (), verbs):
        part: Object = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
        names = rule.get("resourceNames") or ()
        yield from ({**part, "resourceNames": [name]} for name in names)
        if not names:
            yield part
    for url, verb in product(rule.get("nonResourceURLs") or (), verbs):
        yield {"nonResourceURLs": [url], "verbs": [verb]}


def _covers(rule: Rule, part: Object) -> bool:
    if "*" not in rule.verbs and part["verbs"][0] not in rule.verbs:
        return False
    if "nonResourceURLs" in part:
        return any(covers_url(url, part["nonResourceURLs"][0]) for url in rule.urls)
    group, resource = part["apiGroups"][0], part["resources"][0]
    if "*" not in rule.groups and group not in rule.groups:
        return False
    _, slash, subresource = resource.partition("/")
    if not ("*" in rule.resources or resource in rule.resources or (slash and f"*/{subresource}" in rule.resources)):
        return False
    return not rule.names or ("resourceNames" in part and part["resourceNames"][0] in rule.names)


def _compact(parts: list[Object]) -> list[Object]:
    """Parts that differ in their verb alone become one."""
    found: dict[tuple[str, ...], Object] = {}
    for part in parts:
        key = tuple(part.get(field, [""])[0] for field in ("apiGroups", "resources", "resourceNames"))
        if "nonResourceURLs" in part:
            key = ("", part["nonResourceURLs"][0], part["verbs"][0], "url")
        if known := found.get(key):
            known["verbs"] = [*known["verbs"], *(verb for verb in part["verbs"] if verb not in known["verbs"])]
        else:
            found[key] = dict(part)
    return list(found.values())


def _described(rule: Object) -> str:
    fields = ("apiGroups", "resources", "nonResourceURLs", "resourceNames", "verbs")
    shown = [f"{_shown(field)}:{go_list(rule[field])}" for field in fields if rule.get(field)]
    return "{" + ", ".join(shown) + "}"


def _shown(field: str) -> str:
    return "APIGroups" if field == "apiGroups" else field[0].upper() + field[1:]


def go_list(values: Iterable[str]) -> str:
    """Strings as Go's %q prints a slice of them."""
    return "[" + " ".join(quoted(value) for value in values) + "]"
