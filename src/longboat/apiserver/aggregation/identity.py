"""How an extension server is told who asks: headers that it believes because of our certificate (authenticating proxy).

Pure.
"""

from __future__ import annotations

from urllib.parse import quote

from longboat.machinery.user import User

# Whom we ask as: a group that extension servers let do everything without asking us (AlwaysAllowGroups).
DISCOVERING = User("system:kube-aggregator", ("system:masters",))
DOCUMENTING = User("system:aggregator", ("system:masters",))
_TOKEN = "!#$&'*+-.^_`|~"  # of a header's name, beside letters and digits, and but for the percent sign of the escape


def headers(user: User) -> list[tuple[str, str]]:
    """Raises ValueError for whom no header can name: what stands at its ends or breaks its line would be lost on the
    way, and the user taken for another."""
    found = [("X-Remote-User", _value(user.name))]
    if user.uid:
        found.append(("X-Remote-Uid", _value(user.uid)))
    found += [("X-Remote-Group", _value(group)) for group in user.groups]
    for key, values in user.extra.items():
        name = f"X-Remote-Extra-{quote(key, safe=_TOKEN)}"
        found += [(name, _value(value)) for value in values]
    return found


def _value(text: str) -> str:
    """In UTF-8, as a line of Latin-1."""
    if text != text.strip() or any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in text):
        raise ValueError(f"{text!r} cannot be said in a header")
    return text.encode("utf-8", "surrogateescape").decode("latin-1")
