"""Links that a backend gives out, led through the path under which it is proxied. Pure."""

from __future__ import annotations

import html
import posixpath
import re
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

MAX_TAG = 16 << 10  # bytes; a longer one (a picture within the page, say) is passed on as it is
LOOK_BACK = 64  # bytes before a quote in which to find the equals sign
LINKS = {
    "a": ("href",), "applet": ("codebase",), "area": ("href",), "audio": ("src",), "base": ("href",),
    "blockquote": ("cite",), "body": ("background",), "button": ("formaction",), "command": ("icon",),
    "del": ("cite",), "embed": ("src",), "form": ("action",), "frame": ("longdesc", "src"), "head": ("profile",),
    "html": ("manifest",), "iframe": ("longdesc", "src"), "img": ("longdesc", "src", "usemap"),
    "input": ("src", "usemap", "formaction"), "ins": ("cite",), "link": ("href",),
    "object": ("classid", "codebase", "data", "usemap"), "q": ("cite",), "script": ("src",), "source": ("src",),
    "video": ("poster", "src"),
}  # fmt: skip
"""Elements of HTML, and which of their attributes are links."""

_OPEN = re.compile(rb"<(?:!--|[A-Za-z])")
_STOP = re.compile(rb"[>\"']")
_NAME = re.compile(rb"<([^\s/>]*+)")
# A name always matches, so that no byte is looked at more than a few times, whatever the tag.
_ATTRIBUTE = re.compile(rb"([^\s=/>\"']++)(?:\s*+=\s*+(\"[^\"]*+\"|'[^']*+'|[^\s>\"'][^\s>]*+))?")


@dataclass(frozen=True, slots=True)
class _Raw:
    """Something in which nothing is a tag, how it ends, and how much of that may have come."""

    end: re.Pattern[bytes]
    partly: int


_COMMENT = _Raw(re.compile(rb"-->"), 2)
_RAW = {
    name: _Raw(re.compile(b"(?=</%s)" % name.encode(), re.IGNORECASE), len(name) + 1)
    for name in ("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes")
}


@dataclass(frozen=True, slots=True)
class Way:
    """`prefix`: the path of the proxy; `backends`: what the backend may call itself, as host or host:port; `asked`: the
    Host that the client has asked."""

    prefix: str
    backends: frozenset[str]
    asked: str = ""

    def lead(self, link: str) -> str:
        """The link itself where it is relative, leads elsewhere, or is led already."""
        try:
            parts = urlsplit(link)
        except ValueError:
            return link
        ours = not parts.netloc or parts.netloc in self.backends or parts.netloc == self.asked
        if not ours or not parts.path.startswith("/") or parts.scheme not in ("", "http", "https"):
            return link
        scheme, host = (parts.scheme, parts.netloc) if parts.netloc == self.asked else ("", "")
        path = parts.path
        if path != self.prefix and not path.startswith(f"{self.prefix}/"):
            clean = "/" + posixpath.normpath(path).strip("/")
            path = self.prefix + clean + ("/" if path.endswith("/") and clean != "/" else "")
        return urlunsplit((scheme, host, path, parts.query, parts.fragment))


class Page:
    """HTML as it arrives, in pieces of any size. All but links is passed on byte for byte, without delay but for a tag
    that is not complete. Takes time in proportion to the page, whatever it is: who wrote it is not to be trusted.
    """

    def __init__(self, way: Way) -> None:
        self._way = way
        self._held = b""  # the start of what is not complete
        self._scanned = 0  # within a tag: so much of it has no end
        self._quote = b""  # within a quoted value there: its quote
        self._too_long = False  # within a tag that is passed on as it is
        self._within: _Raw | None = None

    def feed(self, data: bytes) -> bytes:
        text, at, out = self._held + data, 0, list[bytes]()
        while True:
            start, more = at, False
            if self._within is not None:
                at, more = self._skip(self._within, text, at)
            elif self._scanned or self._too_long:
                if (end := self._end_of_tag(text, at)) >= 0:
                    out.append(self._tag(text[at:end]))
                    start = at = end
                    more = True
                elif self._scanned > MAX_TAG or self._too_long:
                    self._too_long, self._scanned = True, min(self._scanned, LOOK_BACK)
                    at = len(text) - self._scanned
            else:
                at, more = self._skip_text(text, at)
            out.append(text[start:at])
            if not more:
                self._held = text[at:]
                return b"".join(out)

    def close(self) -> bytes:
        """What is left at the end of the page."""
        left, self._held = self._held, b""
        return left

    def _skip(self, within: _Raw, text: bytes, at: int) -> tuple[int, bool]:
        if (found := within.end.search(text, at)) is None:
            return max(at, len(text) - within.partly), False
        self._within = None
        return found.end(), True

    def _skip_text(self, text: bytes, at: int) -> tuple[int, bool]:
        if (found := _OPEN.search(text, at)) is None:
            partly = next((n for n in (3, 2, 1) if text.endswith(b"<!--"[:n])), 0)
            return max(at, len(text) - partly), False
        if found[0] == b"<!--":
            self._within = _COMMENT
            return found.end(), True
        self._scanned = 1
        return found.start(), True

    def _end_of_tag(self, text: bytes, start: int) -> int:
        """Behind the first > outside of quotes; -1 if it has not come yet."""
        at = start + self._scanned
        while True:
            if self._quote:
                at = text.find(self._quote, at)
            else:
                found = _STOP.search(text, at)
                at = found.start() if found else -1
            if at < 0:
                self._scanned = len(text) - start
                return -1
            stop, before = text[at : at + 1], text[max(start, at - LOOK_BACK) : at]
            at += 1
            if self._quote:
                self._quote = b""
            elif stop == b">":
                return at
            elif before.rstrip().endswith(b"="):  # only there does a quote mean anything
                self._quote = stop

    def _tag(self, whole: bytes) -> bytes:
        too_long, self._too_long, self._scanned = self._too_long or len(whole) > MAX_TAG, False, 0
        if too_long:
            return whole
        found = _NAME.match(whole)
        name = found[1].lower().decode("latin-1") if found else ""
        self._within = _RAW.get(name)
        return self._led(name, whole)

    def _led(self, element: str, tag: bytes) -> bytes:
        wanted = LINKS.get(element)
        if not wanted or b"=" not in tag:
            return tag

        def led(found: re.Match[bytes]) -> bytes:
            name, value = found[1], found[2]
            if value is None or name.lower().decode("latin-1") not in wanted:
                return found[0]
            bare = value[1:-1] if value[:1] in (b'"', b"'") else value
            link = html.unescape(bare.decode("utf-8", "surrogateescape"))
            if (changed := self._way.lead(link)) == link:
                return found[0]
            return name + b'="' + html.escape(changed).encode("utf-8", "surrogateescape") + b'"'

        head = len(element) + 1
        return tag[:head] + _ATTRIBUTE.sub(led, tag[head:])
