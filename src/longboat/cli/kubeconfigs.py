"""Kubeconfig files: a cluster's entries go in and out, everything else in the file stays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from longboat.assembly import files
from longboat.cli import person, trust
from longboat.cli.errors import Failure

Config = dict[str, Any]
REMEDY = "Repair it, or choose another: --kubeconfig FILE"
LISTS = ("clusters", "users", "contexts")
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def merged(config: Config, admin: Config, context: str) -> Config:
    """`config` with the administrator's entries under the name `context`, which becomes the current one."""
    cluster, user = admin["clusters"][0]["cluster"], admin["users"][0]["user"]
    entries = {
        "clusters": {"name": context, "cluster": cluster},
        "users": {"name": context, "user": user},
        "contexts": {"name": context, "context": {"cluster": context, "user": context}},
    }
    for old in _named(config, "contexts", context):  # a namespace chosen for it earlier is kept
        namespace = (old.get("context") or {}).get("namespace")
        if namespace:
            entries["contexts"]["context"] |= {"namespace": namespace}
    lists = {key: [*_others(config, key, context), entries[key]] for key in LISTS}
    return {"apiVersion": "v1", "kind": "Config", **config, **lists, "current-context": context}


def without(config: Config, context: str) -> Config:
    """`config` without the entries of this name; the current context is unset if it was this one."""
    lists = {key: _others(config, key, context) for key in LISTS}
    current = config.get("current-context", "")
    return {**config, **lists, "current-context": "" if current == context else current}


def _named(config: Config, key: str, name: str) -> list[Any]:
    return [entry for entry in config.get(key) or [] if isinstance(entry, dict) and entry.get("name") == name]


def _others(config: Config, key: str, name: str) -> list[Any]:
    return [entry for entry in config.get(key) or [] if not (isinstance(entry, dict) and entry.get("name") == name)]


def read(path: Path) -> Config:
    """The file's content. Raises FileNotFoundError, and Failure where it is no kubeconfig."""
    try:
        config = yaml.load(path.read_text(), Loader=Loader)
    except FileNotFoundError:
        raise
    except (OSError, yaml.YAMLError) as error:
        raise Failure(f"cannot read kubeconfig {path}: {error}", REMEDY) from error
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise Failure(f"{path} is not a kubeconfig", REMEDY)
    return config


def target(explicit: str) -> Path:
    """The file to write: as told, the first writable one of $KUBECONFIG, else ~/.kube/config (of sudo's caller)."""
    if explicit:
        return Path(explicit).absolute()
    listed = [Path(entry).absolute() for entry in os.environ.get("KUBECONFIG", "").split(os.pathsep) if entry]
    for path in listed:
        if os.access(path, os.W_OK) if path.exists() else os.access(_existing_parent(path), os.W_OK):
            return path
    return listed[0] if listed else person.home() / ".kube" / "config"


def install(path: Path, admin: Config, context: str) -> None:
    """Merge the administrator's entries into the file."""
    _change(path, lambda config: merged(config, admin, context))


def uninstall(path: Path, context: str) -> None:
    """Take a cluster's entries out of the file, if it exists."""
    if path.exists():
        _change(path, lambda config: without(config, context))


def _change(path: Path, change: Any) -> None:
    trust.check(path)  # the administrator's key goes there
    path = path.resolve()  # a symlink (dotfiles) stays one
    who = person.caller()
    owner = (who.pw_uid, who.pw_gid)
    files.directory(path.parent, owner=owner)
    try:
        config, stat = read(path), path.stat()
        owner = (stat.st_uid, stat.st_gid)
    except FileNotFoundError:
        config = {"preferences": {}}
    files.write(path, yaml.dump(change(config), Dumper=Dumper, sort_keys=False), owner=owner)


def _existing_parent(path: Path) -> Path:
    return next(parent for parent in path.parents if parent.exists())
