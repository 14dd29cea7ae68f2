"""The person at the keyboard, also under sudo: whose files we make, and where theirs are."""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def caller() -> pwd.struct_passwd:
    """The person at the keyboard: under sudo the one who called it, else the effective user."""
    uid = os.environ.get("SUDO_UID", "")
    if os.geteuid() == 0 and uid.isdigit():
        try:
            return pwd.getpwuid(int(uid))
        except KeyError:
            return pwd.getpwuid(0)
    return pwd.getpwuid(os.geteuid())


def home() -> Path:
    """The caller's home; $HOME where nobody else called us."""
    person = caller()
    if person.pw_uid == os.geteuid() and os.environ.get("HOME"):
        return Path(os.environ["HOME"])
    return Path(person.pw_dir)
