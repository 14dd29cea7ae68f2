"""`longboat server`: a control plane in the foreground."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from longboat.aio import collector, memory, processes
from longboat.cli import flags, ranges, trust
from longboat.cli.errors import Failure, Usage
from longboat.cli.server_options import Options as Options

if TYPE_CHECKING:
    from longboat.assembly.control_plane.plane import ControlPlane
    from longboat.assembly.control_plane.settings import AuditWebhook, Authentication, Authorization, Settings
    from longboat.storage.etcd.address import Address

log = logging.getLogger(__name__)

PARTS = frozenset(("api", "controllers", "scheduler"))


def with_ranges(options: Options) -> Options:
    """Raises Usage."""
    return replace(
        options,
        service_cidr=ranges.checked("--service-cidr", options.service_cidr),
        pod_cidr=ranges.checked("--pod-cidr", options.pod_cidr),
        node_cidr=options.node_cidr and ranges.checked("--node-cidr", options.node_cidr),
        load_balancer_pool=options.load_balancer_pool
        and ranges.checked("--load-balancer-pool", options.load_balancer_pool),
    )


def check_parts(only: list[str]) -> None:
    """Raises Usage."""
    if unknown := set(only) - PARTS:
        raise Usage(f"--only {','.join(sorted(unknown))}: the parts are {', '.join(sorted(PARTS))}")
    if only and "api" not in only:
        raise Usage("--only without api: the other parts run in the API server's process", "Add api to --only")


def check_plugins(enabled: list[str], disabled: list[str]) -> None:
    """Raises Usage."""
    if not (enabled or disabled):
        return
    from longboat.apiserver.admission import catalog

    if found := list(catalog.problems(enabled, disabled)):
        raise Usage("; ".join(found), f"The plugins are {', '.join(sorted(catalog.NAMES))}")


def settings(options: Options) -> Settings:
    """Raises Usage."""
    from longboat.apiserver.audit.rotation import Limits
    from longboat.assembly.control_plane.settings import BESIDE, MEMORY, RequestHeader, Settings

    store, etcd = options.store, _etcd(options)
    if store and etcd is None and store != "memory://" and not store.startswith("sqlite:///"):
        raise Usage(f"--store {store} is not sqlite:///FILE, etcd://HOST:PORT/PREFIX or memory://")
    low, _, high = options.node_port_range.partition("-")
    return Settings(
        data_dir=Path(options.data_dir),
        listen=tuple(map(_address, options.listen)),
        advertise=options.advertise,
        store=MEMORY if store == "memory://" else _file("" if etcd else store.removeprefix("sqlite://")) or "",
        etcd=etcd,
        store_socket=options.store_socket,
        service_cidr=options.service_cidr,
        pod_cidr=options.pod_cidr,
        node_cidr=options.node_cidr,
        load_balancer_pool=options.load_balancer_pool,
        node_ports=(int(low), int(high)),
        simulated_node_port=options.simulated_node_port,
        token_file=_file(options.token_file),
        encryption=_file(options.encryption_provider_config),
        account_keys=tuple(map(Path, options.service_account_key_file)),
        extend_tokens=options.service_account_extend_token_expiration,
        authentication=_authentication(options),
        authorization=_authorization(options),
        requestheader=RequestHeader(
            authority=_file(options.requestheader_client_ca_file),
            names=_given(options.requestheader_allowed_names),
            users=_given(options.requestheader_username_headers),
            uids=_given(options.requestheader_uid_headers),
            groups=_given(options.requestheader_group_headers),
            extra=_given(options.requestheader_extra_headers_prefix),
        ),
        proxy_client=_proxy_client(options),
        audit_log=_file(options.audit_log_path),
        audit_limits=Limits(options.audit_log_maxage, options.audit_log_maxbackup, options.audit_log_maxsize),
        audit_policy=_file(options.audit_policy_file),
        audit_webhook=_audit_webhook(options),
        enabled_plugins=frozenset(options.enable_admission_plugins),
        disabled_plugins=frozenset(options.disable_admission_plugins),
        admission_config=_file(options.admission_control_config_file),
        warn_unenforced=options.warn_unenforced,
        beside=frozenset(options.only) & BESIDE if options.only else BESIDE,
    )


OIDC = ("issuer_url", "client_id", "username_claim", "username_prefix", "groups_claim", "groups_prefix",
        "signing_algs", "required_claim")  # fmt: skip


def _authentication(options: Options) -> Authentication:
    from longboat.apiserver.authn.issuers.configuration import Flags
    from longboat.assembly.control_plane.settings import Authentication

    said = {name: getattr(options, f"oidc_{name}") for name in OIDC}
    required = said.pop("required_claim")
    oidc = None
    if any(getattr(options, f"oidc_{name}") != getattr(Options(), f"oidc_{name}") for name in (*OIDC, "ca_file")):
        oidc = Flags(ca_file=_file(options.oidc_ca_file), required_claims=required, **said)
    return Authentication(
        config=_file(options.authentication_config),
        anonymous=options.anonymous_auth,
        oidc=oidc,
        webhook=_file(options.authentication_token_webhook_config_file),
        webhook_version=options.authentication_token_webhook_version,
        webhook_kept=options.authentication_token_webhook_cache_ttl,
    )


def _etcd(options: Options) -> Address | None:
    """Raises Usage."""
    from longboat.storage.etcd import address

    files = _file(options.store_ca), _file(options.store_cert), _file(options.store_key)
    if not options.store.startswith(address.SCHEME):
        if any(files):
            raise Usage("--store-ca, --store-cert and --store-key belong to a --store in etcd")
        return None
    try:
        return address.parse(options.store, ca=files[0], certificate=files[1], key=files[2])
    except ValueError as error:
        raise Usage(f"--store: {error}") from error


def _authorization(options: Options) -> Authorization:
    from longboat.apiserver.authz.configuration import Flags
    from longboat.assembly.control_plane.settings import Authorization

    flags = Flags(
        modes=tuple(options.authorization_mode),
        webhook_config=_file(options.authorization_webhook_config_file),
        webhook_version=options.authorization_webhook_version,
        authorized=options.authorization_webhook_cache_authorized_ttl,
        unauthorized=options.authorization_webhook_cache_unauthorized_ttl,
    )
    return Authorization(config=_file(options.authorization_config), flags=flags)


def _audit_webhook(options: Options) -> AuditWebhook | None:
    from longboat.assembly.control_plane.settings import AuditWebhook

    if not options.audit_webhook_config_file:
        return None
    return AuditWebhook(
        config=Path(options.audit_webhook_config_file),
        mode=options.audit_webhook_mode,
        buffer_size=options.audit_webhook_batch_buffer_size,
        max_size=options.audit_webhook_batch_max_size,
        max_wait=options.audit_webhook_batch_max_wait,
        qps=options.audit_webhook_batch_throttle_qps if options.audit_webhook_batch_throttle_enable else 0.0,
        burst=options.audit_webhook_batch_throttle_burst,
        initial_backoff=options.audit_webhook_initial_backoff,
    )


def _given(values: list[str]) -> tuple[str, ...]:
    return tuple(each for each in values if each)


def _proxy_client(options: Options) -> tuple[Path, Path] | None:
    """Raises Usage."""
    given = options.proxy_client_cert_file, options.proxy_client_key_file
    if bool(given[0]) != bool(given[1]):
        raise Usage("--proxy-client-cert-file and --proxy-client-key-file belong together")
    return (Path(given[0]), Path(given[1])) if given[0] else None


def _file(text: str) -> Path | None:
    return Path(text) if text else None


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise Usage(f"--listen {text} is not ADDRESS:PORT")
    return host.strip("[]"), int(port)


def run(argv: list[str]) -> int:
    options = with_ranges(flags.parse(Options, argv, prog="longboat server"))
    check_parts(options.only)
    check_plugins(options.enable_admission_plugins, options.disable_admission_plugins)
    trust.check(Path(options.data_dir).absolute())
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname).1s %(name)s: %(message)s")
    import uvloop

    from longboat.apiserver.pki import Unusable
    from longboat.assembly.control_plane.plane import ControlPlane
    from longboat.machinery.configfile import BadConfiguration
    from longboat.storage.interface import StorageError

    collector.hurry_less()
    memory.spare()
    _allow_descriptors()
    os.umask(0o077)
    processes.gain_nothing()
    processes.leave_no_core()
    try:
        return uvloop.run(_serve(ControlPlane(settings(options))))
    except (OSError, StorageError, Unusable, BadConfiguration) as error:
        raise Failure(f"the control plane cannot start: {error}") from error


def _allow_descriptors() -> None:
    """As many as the process may have: shells give fewer, for the sake of select(2), which nothing here uses."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(plane: ControlPlane) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        await plane.start()
        collector.settled()
        log.info("ready as process %d", os.getpid())
        await stopping.wait()
    finally:
        await plane.close()
    return 0
