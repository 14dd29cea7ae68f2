"""In which order groups and their versions are shown: that of their APIServices (apiregistration/v1). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from longboat.apiserver.resources import GroupVersion, Ranks
from longboat.machinery import version_order

CORE = ("", "v1")
# What kube-apiserver registers its own groups with.
_GROUPS = {
    "": 18000, "apps": 17800, "events.k8s.io": 17750, "authentication.k8s.io": 17700, "authorization.k8s.io": 17600,
    "autoscaling": 17500, "batch": 17400, "certificates.k8s.io": 17300, "networking.k8s.io": 17200, "policy": 17100,
    "rbac.authorization.k8s.io": 17000, "storage.k8s.io": 16800, "apiextensions.k8s.io": 16700,
    "admissionregistration.k8s.io": 16700, "scheduling.k8s.io": 16600, "coordination.k8s.io": 16500,
    "node.k8s.io": 16300, "discovery.k8s.io": 16200, "resource.k8s.io": 16200, "flowcontrol.apiserver.k8s.io": 16100,
}  # fmt: skip
_VERSIONS: Mapping[GroupVersion, int] = {
    CORE: 1, ("autoscaling", "v2"): 30, ("flowcontrol.apiserver.k8s.io", "v1"): 21, ("resource.k8s.io", "v1"): 20,
}  # fmt: skip
REGISTRY = "apiregistration.k8s.io"
CUSTOM = (1000, 100)
LOCAL = (100, 100)  # a group of ours that no APIService tells of: as metrics-server registers its own


def built_in(group: str) -> bool:
    """Whether kube-apiserver registers it."""
    return group in _GROUPS


def of_built_in(key: GroupVersion) -> tuple[int, int]:
    """Raises KeyError for a group that kube-apiserver does not register."""
    return _GROUPS[key[0]], _VERSIONS.get(key, 15)


def ordered(keys: Iterable[GroupVersion], ranks: Ranks) -> list[GroupVersion]:
    """By the highest priority of any of a group's versions, then the group's name; by the version's priority, then as
    versions are compared."""
    groups: dict[str, list[GroupVersion]] = {}
    for key in keys:
        groups.setdefault(key[0], []).append(key)

    def first(group: str) -> tuple[bool, int, str]:
        return group != REGISTRY, -max(_rank(key, ranks)[0] for key in groups[group]), group

    def within(key: GroupVersion) -> tuple[int, object]:
        return -_rank(key, ranks)[1], version_order.rank(key[1])

    return [key for group in sorted(groups, key=first) for key in sorted(groups[group], key=within)]


def _rank(key: GroupVersion, ranks: Ranks) -> tuple[int, int]:
    found = ranks.get(key)
    if found is not None:
        return found
    return of_built_in(key) if built_in(key[0]) else LOCAL
