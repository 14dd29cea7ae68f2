"""Projected volumes, and the files of which volumes are made."""

from __future__ import annotations

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds.core.pod import env, security

MODE = "must be a number between 0 and 0777 (octal), both inclusive"
CONFLICT = "conflicting duplicate paths"
SHORTEST_TOKEN, LONGEST_TOKEN = 600, 1 << 32


def mode(value: int | None, path: Path, err: Errors) -> None:
    if value is not None and not 0 <= value <= 0o777:
        err.invalid(path, value, MODE)


def items(found: list[Object], path: Path, err: Errors) -> None:
    for i, item in enumerate(found):
        _item(item, path.index(i), err)


def _item(found: Object, path: Path, err: Errors) -> None:
    for field in ("key", "path"):
        if not found.get(field):
            err.required(path.at(field))
    file(found.get("path") or "", path.at("path"), err)
    mode(found.get("mode"), path.at("mode"), err)


def file(value: str, path: Path, err: Errors) -> None:
    """A file of a volume: beneath it, and not named as the kubelet names its own."""
    security.relative(value, path, err)
    if value.startswith("..") and not value.startswith("../"):
        err.invalid(path, value, "must not start with '..'")


def downward_file(item: Object, path: Path, err: Errors) -> None:
    if not item.get("path"):
        err.required(path.at("path"))
    file(item.get("path") or "", path.at("path"), err)
    if item.get("fieldRef") is not None:
        env.field(item["fieldRef"], env.IN_VOLUMES, path.at("fieldRef"), err)
        if item.get("resourceFieldRef") is not None:
            err.invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif item.get("resourceFieldRef") is not None:
        env.resource_field(item["resourceFieldRef"], path.at("resourceFieldRef"), err, of_volume=True)
    else:
        err.required(path, "one of fieldRef and resourceFieldRef is required")
    mode(item.get("mode"), path.at("mode"), err)


def volume(found: Object, path: Path, err: Errors) -> None:
    """A projected volume. A projection of nothing is fine, and warned about."""
    mode(found.get("defaultMode"), path.at("defaultMode"), err)
    paths: set[str] = set()
    for i, projection in enumerate(found.get("sources") or ()):
        at = path.at("sources").index(i)
        given = [kind for kind in ORDER if projection.get(kind) is not None]
        for kind in given:
            match kind:
                case "secret" | "configMap":
                    _keys(projection[kind], paths, path, at.at(kind), err)
                case "downwardAPI":
                    _fields(projection[kind], paths, path, at.at(kind), err)
                case "serviceAccountToken":
                    _token(projection[kind], path, at.at(kind), err)
        if len(given) > 1:
            err.forbidden(at, "may not specify more than 1 volume type per source")


def _taken(name: str, paths: set[str], path: Path, err: Errors, shown: str) -> None:
    if name in paths:
        err.invalid(path, shown, CONFLICT)
    paths.add(name)


def _keys(found: Object, paths: set[str], whole: Path, path: Path, err: Errors) -> None:
    name = found.get("name") or ""
    if not name:
        err.required(path.at("name"))
    for i, item in enumerate(found.get("items") or ()):
        _item(item, path.at("items").index(i), err)
        if item.get("path"):
            _taken(item["path"], paths, whole, err, name)


def _fields(found: Object, paths: set[str], whole: Path, path: Path, err: Errors) -> None:
    for item in found.get("items") or ():
        downward_file(item, path, err)  # upstream does not say which
        if item.get("path"):
            _taken(item["path"], paths, whole, err, item["path"])


def _token(found: Object, whole: Path, path: Path, err: Errors) -> None:
    seconds, at = found.get("expirationSeconds") or 0, path.at("expirationSeconds")
    if seconds < SHORTEST_TOKEN:
        err.invalid(at, seconds, "may not specify a duration less than 10 minutes")
    if seconds > LONGEST_TOKEN:
        err.invalid(at, seconds, "may not specify a duration larger than 2^32 seconds")
    if not found.get("path"):
        err.required(whole.at("path"))
    else:
        file(found["path"], whole.at("path"), err)


ORDER = ("secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate")
