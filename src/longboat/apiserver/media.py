"""Which form of an answer the client accepts: JSON, YAML or protobuf; whole, as a Table, or metadata alone.

This is the second look at an Accept header, in the order of its qualities and with parameters; the first is the
router's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from longboat.aio.cache import short_lru
from longboat.machinery.errors import not_acceptable

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
WHOLE = (JSON, YAML, PROTOBUF)  # what objects are given in; custom kinds are not given whole in protobuf
STREAMED = tuple(f"{media};stream=watch" for media in (JSON, PROTOBUF))
TABLE, PARTIAL, PARTIAL_LIST = "Table", "PartialObjectMetadata", "PartialObjectMetadataList"
META_GROUP = "meta.k8s.io"
BROWSERS = ("curl", "Wget", "Mozilla/5.0")  # whose users read what they get (apiserver, isPrettyPrint)
TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))  # as strconv.ParseBool


@dataclass(frozen=True, slots=True)
class Form:
    """`as_kind` is "", Table, or PartialObjectMetadata(List); `version` that of meta.k8s.io; `pretty`: indented."""

    media_type: str = JSON
    as_kind: str = ""
    version: str = "v1"
    group: str = ""
    pretty: bool = False

    @property
    def content_type(self) -> str:
        return self.media_type

    @property
    def stream_type(self) -> str:
        """Of a watch."""
        return self.media_type if self.media_type == JSON else f"{self.media_type};stream=watch"


PLAIN = Form()
_DISCOVERY = "apidiscovery.k8s.io"
_Clause = tuple[str, str, dict[str, str]]  # type, subtype, parameters


@short_lru(maxsize=256, longest=512)
def negotiate(accept: str, *, forms: bool = True, streams: bool = False, protobuf: bool = True) -> Form:
    """The first form the client accepts that can be given. `forms`: tables and metadata are among them; `streams`: what
    is given is a watch; `protobuf`: whole objects are given so (metadata always is, and tables never are).

    Raises StatusError 406.
    """
    if not accept:
        return PLAIN
    for kind, subtype, wanted in _clauses(accept):
        for media in WHOLE:
            if f"{kind}/{subtype}" not in (media, "application/*", "*/*"):
                continue
            if (found := _form(media, wanted, forms=forms, protobuf=protobuf)) is not None:
                if streams and media == YAML:
                    raise not_acceptable(accepted(STREAMED))
                return found
    raise not_acceptable(accepted(WHOLE))


def accepted(media_types: Sequence[str]) -> str:
    return f"only the following media types are accepted: {', '.join(media_types)}"


def _form(media: str, wanted: dict[str, str], *, forms: bool, protobuf: bool) -> Form | None:
    """What a clause's parameters ask for; None where that is not given."""
    if (stream := wanted.get("stream")) and (stream != "watch" or media == YAML):
        return None
    if wanted.get("sv"):  # of the server's own API version: nothing here has one
        return None
    pretty = wanted.get("pretty") == "1"
    if not {"as", "g", "v"} & wanted.keys():
        if media == PROTOBUF:
            return Form(media) if protobuf else None
        return Form(media, pretty=pretty) if pretty or media != JSON else PLAIN
    kind, version = wanted.get("as", ""), wanted.get("v", "")
    if not forms or wanted.get("g") != META_GROUP or version not in ("v1", "v1beta1"):
        return None
    given = (PARTIAL, PARTIAL_LIST) if media == PROTOBUF else (TABLE, PARTIAL, PARTIAL_LIST)
    return Form(media, kind, version, META_GROUP, pretty) if kind in given else None


def prettily(wish: str, user_agent: str) -> bool:
    """Whether an answer is to be indented: where the query's `pretty` says so, else for people with a browser."""
    return wish in TRUE if wish else user_agent.startswith(BROWSERS)


def aggregated_discovery(accept: str) -> str:
    """JSON or PROTOBUF, where the client would rather have the aggregated discovery document (v2); else ""."""
    for kind, subtype, wanted in _clauses(accept):
        media = f"{kind}/{subtype}"
        if media in (JSON, PROTOBUF) and wanted.get("g") == _DISCOVERY and wanted.get("as") == "APIGroupDiscoveryList":
            if wanted.get("v") == "v2":
                return media
        elif media in (JSON, PROTOBUF, "*/*", "application/*"):
            return ""
    return ""


def chosen(accept: str, given: Mapping[str, str]) -> str | None:
    """What is given for the best type that the client accepts, or None: documents know no parameters. The first of
    `given` is for whoever takes anything.
    """
    for kind, subtype, _ in _clauses(accept or "*/*"):
        for media, gives in given.items():
            if f"{kind}/{subtype}" in (media, f"{media.partition('/')[0]}/*", "*/*"):
                return gives
    return None


def _clauses(accept: str) -> list[_Clause]:
    """Best first; of those of one quality the more specific (RFC 9110, 12.5.1)."""
    found: list[tuple[tuple[float, bool, bool], _Clause]] = []
    for clause in accept.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        kind, slash, subtype = media.partition("/")
        if not slash:
            if kind != "*":
                continue
            subtype = "*"
        wanted = {name.strip(): value.strip() for name, equal, value in (p.partition("=") for p in parameters) if equal}
        found.append(((-_quality(wanted.pop("q", "1")), kind == "*", subtype == "*"), (kind, subtype, wanted)))
    return [clause for _, clause in sorted(found, key=lambda each: each[0])]


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
