"""What a control plane is made by. Whoever reads it from flags has checked it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from longboat.apiserver.audit.rotation import Limits
from longboat.apiserver.authn.issuers.configuration import Flags
from longboat.apiserver.authz import configuration as authz
from longboat.storage.etcd.address import Address

MEMORY = "memory"  # as a store: nothing outlasts the process
CONTROLLERS, SCHEDULER = "controllers", "scheduler"
BESIDE = frozenset((CONTROLLERS, SCHEDULER))  # what runs beside the API server, in its process


@dataclass(frozen=True, kw_only=True)
class AuditWebhook:
    """Where audit events are sent: `config` is a kubeconfig. Times in seconds; `qps` 0 for no throttle."""

    config: Path
    mode: str = "batch"
    buffer_size: int = 10_000
    max_size: int = 400
    max_wait: float = 30.0
    qps: float = 10.0
    burst: int = 15
    initial_backoff: float = 10.0


@dataclass(frozen=True, kw_only=True)
class RequestHeader:
    """Who may speak for others (`FrontProxy`). `authority`: None for our own."""

    authority: Path | None = None
    names: tuple[str, ...] = ("front-proxy-client",)
    users: tuple[str, ...] = ("X-Remote-User",)
    uids: tuple[str, ...] = ("X-Remote-Uid",)
    groups: tuple[str, ...] = ("X-Remote-Group",)
    extra: tuple[str, ...] = ("X-Remote-Extra-",)


@dataclass(frozen=True, kw_only=True)
class Authentication:
    """Whose tokens are good besides our own. `anonymous`: None where nobody said."""

    config: Path | None = None  # an AuthenticationConfiguration
    anonymous: bool | None = None
    oidc: Flags | None = None
    webhook: Path | None = None  # the kubeconfig of a server that knows whose other tokens are
    webhook_version: str = "v1beta1"
    webhook_kept: float = 120.0  # seconds that its answers are


@dataclass(frozen=True, kw_only=True)
class Authorization:
    """Who is asked whether something may be done."""

    config: Path | None = None  # an AuthorizationConfiguration
    flags: authz.Flags = field(default_factory=lambda: authz.Flags())


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Ranges are CIDRs, two families' with a comma between."""

    data_dir: Path
    listen: tuple[tuple[str, int], ...]  # addresses and ports (0: any) served on, at least one
    advertise: str = ""  # where nodes and pods find it; "" for the first listened on
    store: Path | str = ""  # the database's file, or MEMORY; "" for one in the data directory
    etcd: Address | None = None  # instead of a database
    store_socket: str = ""  # of a store process that somebody else starts
    service_cidr: str = "10.96.0.0/16"
    pod_cidr: str = "10.244.0.0/16"
    node_cidr: str = ""  # "" for all but those of Services and pods
    load_balancer_pool: str = ""  # "" for the nodes' own addresses
    node_ports: tuple[int, int] = (30000, 32767)
    simulated_node_port: int = 0  # of the agent on 127.0.0.1 that plays nodes; 0: there is none
    token_file: Path | None = None
    encryption: Path | None = None  # an EncryptionConfiguration; None for one of its own, made once
    account_keys: tuple[Path, ...] = ()  # files with further keys whose tokens of ServiceAccounts are good
    extend_tokens: bool = False  # tokens of pods last a year
    authentication: Authentication = field(default_factory=Authentication)
    authorization: Authorization = field(default_factory=Authorization)
    requestheader: RequestHeader = field(default_factory=lambda: RequestHeader())
    proxy_client: tuple[Path, Path] | None = None  # certificate and key shown to extension servers; None for our own
    audit_log: Path | None = None  # None for one in the data directory
    audit_limits: Limits = field(default_factory=Limits)
    audit_policy: Path | None = None  # an audit.k8s.io Policy
    audit_webhook: AuditWebhook | None = None
    enabled_plugins: frozenset[str] = frozenset()  # of admission, beside those that are so by default
    disabled_plugins: frozenset[str] = frozenset()
    admission_config: Path | None = None  # an AdmissionConfiguration
    warn_unenforced: bool = True
    beside: frozenset[str] = BESIDE
