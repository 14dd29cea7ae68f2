"""Whether a place is ours to use: nobody else may put something of theirs where we read or write.

Keys go into a cluster's directory, and what its files say is done as root: processes started and stopped, directories
deleted. So every step on the way there must belong to root, to us, or to the person who called us through sudo, and
must be closed to others; a directory that is open but sticky (/tmp) will do for what is beneath it.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

from longboat.assembly import files
from longboat.cli import person
from longboat.cli.errors import Failure

MOST_LINKS = 40  # as the kernel follows (path_resolution(7))


def check(path: Path) -> None:
    """Raises Failure if somebody else could have a hand in what is at this path, or will be. What is not there is fine.

    `path` is absolute. Links that only we could have made are followed.
    """
    ours = {0, os.geteuid(), person.caller().pw_uid}
    here, steps, links = Path("/"), list(path.parts[1:]), 0
    found = os.lstat(here)
    while True:
        _check_step(here, found, ours, is_last=not steps)
        if not steps:
            return
        try:
            found = os.lstat(there := here / steps.pop(0))
        except FileNotFoundError:
            return
        except OSError as error:
            raise files.unusable(path, error) from error
        if not stat.S_ISLNK(found.st_mode):
            here = there
            continue
        links += 1
        if links > MOST_LINKS:
            raise Failure(f"{path} leads through too many links", "Name the place itself")
        if found.st_uid not in ours:
            raise _theirs(there, found.st_uid, "a link")
        target = Path(os.readlink(there))
        here = Path("/") if target.is_absolute() else here
        steps = [*(target.parts[1:] if target.is_absolute() else target.parts), *steps]
        found = os.lstat(here)


def check_private(path: Path) -> None:
    """That nobody else may even look into this directory of ours: sockets are in it. Raises Failure."""
    check(path)
    if path.exists() and (mode := path.stat().st_mode) & 0o077:
        raise Failure(f"{path} is open to others (mode {mode & 0o777:o})", f"chmod 700 {path}")


def _check_step(here: Path, found: os.stat_result, ours: set[int], *, is_last: bool) -> None:
    if found.st_uid not in ours:
        raise _theirs(here, found.st_uid, "a directory" if stat.S_ISDIR(found.st_mode) else "a file")
    open_to = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if open_to == stat.S_IWGRP and _is_private(found.st_gid, found.st_uid):
        return
    if open_to and (is_last or not found.st_mode & stat.S_ISVTX):
        who = "everybody" if open_to & stat.S_IWOTH else f"the group {_group(found.st_gid)}"
        raise Failure(
            f"{here} can be written by {who} (mode {found.st_mode & 0o7777:o}), who could put things of theirs there",
            f"chmod go-w {here}, or choose another place" if here != Path("/tmp") else "Choose a directory in it",
        )


def _is_private(gid: int, owner: int) -> bool:
    """Whether the group is its owner's alone: root's, or one of those that are made for each user."""
    try:
        return gid == 0 or (pwd.getpwuid(owner).pw_gid == gid and set(grp.getgrgid(gid).gr_mem) <= {_user(owner)})
    except KeyError:
        return False


def _theirs(path: Path, owner: int, what: str) -> Failure:
    choose = "Choose a place of your own (--data-dir, --kubeconfig, $HOME)"
    return Failure(
        f"{path} is {what} of {_user(owner)}, who could put things of theirs there and have what you put there",
        f"{choose}, or make it yours: chown {_user(os.geteuid())} {path}",
    )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
