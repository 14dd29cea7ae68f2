"""Which form of an answer the client accepts: JSON, YAML, a Table, or metadata alone."""

from __future__ import annotations

from dataclasses import dataclass

from longboat.aio.cache import short_lru
from longboat.machinery.errors import not_acceptable

JSON, YAML = "application/json", "application/yaml"
TABLE, PARTIAL, PARTIAL_LIST = "Table", "PartialObjectMetadata", "PartialObjectMetadataList"
META_GROUP = "meta.k8s.io"


@dataclass(frozen=True, slots=True)
class Form:
    """`as_kind` is "", Table, or PartialObjectMetadata(List); `version` that of meta.k8s.io."""

    media_type: str = JSON
    as_kind: str = ""
    version: str = "v1"
    group: str = ""

    @property
    def content_type(self) -> str:
        return self.media_type


PLAIN = Form()
_DISCOVERY = "apidiscovery.k8s.io"


@short_lru(maxsize=256, longest=512)
def negotiate(accept: str, *, forms: bool = True) -> Form:
    """The first form the client accepts that can be given. `forms`: tables and metadata are among them.

    Raises StatusError 406.
    """
    if not accept:
        return PLAIN
    for clause in _by_quality(accept):
        media, *parameters = (part.strip() for part in clause.split(";"))
        wanted = dict(p.split("=", 1) for p in parameters if "=" in p)
        if media in ("*/*", "application/*", JSON):
            media = JSON
        elif media != YAML:
            continue
        if "as" in wanted:
            if wanted.get("g") == _DISCOVERY or not forms or wanted.get("g") != META_GROUP:
                continue
            if wanted["as"] in (TABLE, PARTIAL, PARTIAL_LIST) and wanted.get("v") in ("v1", "v1beta1"):
                return Form(media, wanted["as"], wanted["v"], META_GROUP)
            continue
        return Form(media)
    raise not_acceptable(f"only the following media types are accepted: {JSON}, {YAML}")


def aggregated_discovery(accept: str) -> bool:
    """Whether the client would rather have the aggregated discovery document (v2)."""
    for clause in _by_quality(accept):
        media, *parameters = (part.strip() for part in clause.split(";"))
        wanted = dict(p.split("=", 1) for p in parameters if "=" in p)
        if media == JSON and wanted.get("g") == _DISCOVERY and wanted.get("as") == "APIGroupDiscoveryList":
            if wanted.get("v") == "v2":
                return True
        elif media in (JSON, "*/*", "application/*"):
            return False
    return False


def _by_quality(accept: str) -> list[str]:
    clauses = [clause.strip() for clause in accept.split(",") if clause.strip()]
    return sorted(clauses, key=_quality, reverse=True)


def _quality(clause: str) -> float:
    for parameter in clause.split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 1.0
    return 1.0
