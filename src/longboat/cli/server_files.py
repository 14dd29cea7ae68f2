"""What a cluster of this machine tells its API server by flags and files: checked before anything is started."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from longboat.cli import server_options
from longboat.cli.cluster import Cluster
from longboat.cli.errors import Usage
from longboat.cli.flags import flag, parse
from longboat.cli.plan import audit_flags
from longboat.cli.server import check_plugins, settings


def _as_server() -> Any:
    return flag(None, "as `longboat server` has it (default: as it was; empty: as without it)")


STORE_FILES = ("store_ca", "store_cert", "store_key")


@dataclass(frozen=True)
class Flags:
    """What `longboat up` passes on to the cluster's API server."""

    enable_admission_plugins: list[str] = flag([], "as `longboat server` has it (default: as it was)")
    disable_admission_plugins: list[str] = flag([], "as `longboat server` has it (default: as it was)")
    admission_control_config_file: str | None = flag(
        None, "as `longboat server` has it (default: as it was; empty: none)"
    )
    store: str | None = flag(None, "etcd://H:P,H:P/PREFIX for its state (default: as it was; once: a file of its own)")
    store_ca: str | None = _as_server()
    store_cert: str | None = _as_server()
    store_key: str | None = _as_server()
    service_account_key_file: str | None = _as_server()
    proxy_client_cert_file: str | None = _as_server()
    proxy_client_key_file: str | None = _as_server()
    requestheader_client_ca_file: str | None = _as_server()
    requestheader_allowed_names: str | None = _as_server()
    requestheader_username_headers: str | None = _as_server()
    requestheader_uid_headers: str | None = _as_server()
    requestheader_group_headers: str | None = _as_server()
    requestheader_extra_headers_prefix: str | None = _as_server()
    authentication_config: str | None = _as_server()
    anonymous_auth: bool | None = _as_server()
    authentication_token_webhook_config_file: str | None = _as_server()
    authentication_token_webhook_version: str | None = _as_server()
    authentication_token_webhook_cache_ttl: str | None = _as_server()
    oidc_issuer_url: str | None = _as_server()
    oidc_client_id: str | None = _as_server()
    oidc_ca_file: str | None = _as_server()
    oidc_username_claim: str | None = _as_server()
    oidc_username_prefix: str | None = _as_server()
    oidc_groups_claim: str | None = _as_server()
    oidc_groups_prefix: str | None = _as_server()
    oidc_signing_algs: str | None = _as_server()
    oidc_required_claim: str | None = _as_server()
    authorization_config: str | None = _as_server()
    authorization_mode: str | None = _as_server()
    authorization_webhook_config_file: str | None = _as_server()
    authorization_webhook_version: str | None = _as_server()
    authorization_webhook_cache_authorized_ttl: str | None = _as_server()
    authorization_webhook_cache_unauthorized_ttl: str | None = _as_server()
    audit_policy_file: str | None = _as_server()
    audit_webhook_config_file: str | None = _as_server()
    audit_webhook_mode: str | None = _as_server()
    audit_webhook_batch_buffer_size: int | None = _as_server()
    audit_webhook_batch_max_size: int | None = _as_server()
    audit_webhook_batch_max_wait: str | None = _as_server()
    audit_webhook_batch_throttle_enable: bool | None = _as_server()
    audit_webhook_batch_throttle_qps: str | None = _as_server()
    audit_webhook_batch_throttle_burst: int | None = _as_server()
    audit_webhook_initial_backoff: str | None = _as_server()


def said(options: Flags, before: Cluster | None) -> dict[str, Any]:
    """Settings of the cluster that the flags change: naming plugins again replaces both lists. Raises Usage."""
    found: dict[str, Any] = {}
    if audit := {name: value for name in AUDIT if (value := getattr(options, name)) is not None}:
        had = dict(before.audit) if before else {}
        for name, value in audit.items():
            several = value.split(",") if name.endswith(("_file", "_config")) or name in STORE_FILES else ()
            text = ",".join(map(_absolute, several)) if several else str(value)
            had[name.replace("_", "-")] = text
        found["audit"] = {name: text for name, text in had.items() if text}
    check_plugins(options.enable_admission_plugins, options.disable_admission_plugins)
    if options.enable_admission_plugins or options.disable_admission_plugins:
        found["enabled_plugins"] = ",".join(options.enable_admission_plugins)
        found["disabled_plugins"] = ",".join(options.disable_admission_plugins)
    if options.admission_control_config_file is not None:
        found["admission_config"] = _absolute(options.admission_control_config_file)
    return found


def check(cluster: Cluster) -> None:
    """See that the files can be used. Raises Usage."""
    if cluster.audit:
        _check_store(cluster)
        _check_files(cluster)
    if not (cluster.admission_config or cluster.enabled_plugins):
        return
    from longboat.apiserver.admission import catalog, configuration
    from longboat.machinery.configfile import BadConfiguration

    file = Path(cluster.admission_config) if cluster.admission_config else None
    try:
        configuration.load(file, catalog.running(_names(cluster.enabled_plugins), _names(cluster.disabled_plugins)))
    except BadConfiguration as error:
        raise Usage(f"--admission-control-config-file: {error}") from error


def _check_files(cluster: Cluster) -> None:
    from longboat.apiserver.authn.serviceaccounts import OURS
    from longboat.apiserver.pki import Unusable
    from longboat.assembly.control_plane import access, auditing, proxying
    from longboat.machinery.configfile import BadConfiguration

    given = settings(parse(server_options.Options, audit_flags(cluster), prog="longboat up", environ={}))
    try:
        proxying.client(given.proxy_client)
        if given.requestheader.authority is not None:
            proxying.front_proxy(given.requestheader, given.requestheader.authority)
    except Unusable as error:
        raise Usage(str(error)) from error
    try:
        access.token_webhook(given.authentication)
        access.authentication(given.authentication, OURS, access.authorization(given.authorization))
    except BadConfiguration as error:
        raise Usage(str(error)) from error
    for flag_name, read in (
        ("--audit-policy-file", lambda: auditing.policy(given.audit_policy)),
        ("--audit-webhook-config-file", lambda: auditing.receiver(given.audit_webhook)),
    ):
        try:
            read()
        except BadConfiguration as error:
            raise Usage(f"{flag_name}: {error}") from error


def _absolute(name: str) -> str:
    return str(Path(name).absolute()) if name else ""


def _check_store(cluster: Cluster) -> None:
    """Raises Usage."""
    store = cluster.audit.get("store", "")
    if store and not cluster.in_etcd:
        raise Usage(f"--store {store} is not etcd://HOST:PORT/PREFIX", "Without it the state is in the data directory")


def _names(listed: str) -> list[str]:
    return listed.split(",") if listed else []


BEFORE = (
    "anonymous_", "audit_", "authentication_", "authorization_", "oidc_", "proxy_client_", "requestheader_",
    "service_", "store",
)  # fmt: skip
AUDIT = tuple(each.name for each in fields(Flags) if each.name.startswith(BEFORE))
