"""Where webhooks are: a URL, or a Service (apiserver, util/webhook)."""

from __future__ import annotations

from longboat.machinery import names, urls
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object

FORM = "; desired format: https://host[/path]"


def config(found: Object, path: Path, err: Errors) -> None:
    """A WebhookClientConfig: exactly one of the two."""
    url, service = found.get("url"), found.get("service")
    if (url is None) == (service is None):
        err.required(path, "exactly one of url or service is required")
    elif url is not None:
        _url(url, path.at("url"), err)
    elif service is not None:
        _service(service, path.at("service"), err)


def _url(text: str, path: Path, err: Errors) -> None:
    try:
        url = urls.parse(text)
    except ValueError as error:
        err.required(path, f"url must be a valid URL: {error}{FORM}")
        return
    if url.scheme != "https":
        err.invalid(path, url.scheme, f"'https' is the only allowed URL scheme{FORM}")
    if not url.host:
        err.invalid(path, url.host, f"host must be specified{FORM}")
    if url.user is not None:
        err.invalid(path, url.user, "user information is not permitted in the URL")
    if url.fragment:
        err.invalid(path, url.fragment, "fragments are not permitted in the URL")
    if url.query:
        err.invalid(path, url.query, "query parameters are not permitted in the URL")


def _service(service: Object, path: Path, err: Errors) -> None:
    # Upstream takes one for the other: where the namespace is missing, clients are told that the name is.
    for told, field in (("name", "namespace"), ("namespace", "name")):
        if not service.get(field):
            err.required(path.at(told))
    port = service.get("port") or 0
    for wrong in names.port_number(port):
        err.invalid(path.at("port"), port, f"port is not valid: {wrong}")
    if (at := service.get("path")) is not None:
        _path(at, path.at("path"), err)


def _path(text: str, path: Path, err: Errors) -> None:
    """An absolute path whose segments are DNS subdomains; what ends in a slash ends before it."""
    if text in ("", "/"):
        return
    if text == "//":
        err.invalid(path, text, "segment[0] may not be empty")
        return
    if not text.startswith("/"):
        err.invalid(path, text, "must start with a '/'")
    segments = text[1:].removesuffix("/").split("/")
    for i, segment in enumerate(segments):
        if not segment:
            err.invalid(path, text, f"segment[{i}] may not be empty")
            continue
        for wrong in names.dns1123_subdomain(segment):
            err.invalid(path, text, f"segment[{i}]: {wrong}")
