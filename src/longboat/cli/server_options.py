"""What `longboat server` can be told, for all that a control plane is made of by it."""

from __future__ import annotations

from dataclasses import dataclass

from longboat.cli.flags import duration, flag

REVIEWS = ("v1", "v1beta1")
AUDIT_MODES = ("batch", "blocking", "blocking-strict")


def port_range(text: str) -> str:
    """Raises ValueError for what is not LOW-HIGH."""
    low, _, high = text.partition("-")
    if not 0 < int(low) <= int(high) < 1 << 16:
        raise ValueError(text)
    return text


def count(text: str) -> int:
    """Raises ValueError for what is not a number of things."""
    if (number := int(text)) < 0:
        raise ValueError(text)
    return number


def some(text: str) -> int:
    """Raises ValueError for what is not a number of at least one."""
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def rate(text: str) -> float:
    """Raises ValueError for what is not more than nothing."""
    if not 0 < (number := float(text)) < float("inf"):
        raise ValueError(text)
    return number


@dataclass(frozen=True)
class Options:
    """Run a control plane: API server, controllers and scheduler."""

    data_dir: str = flag("/var/lib/longboat/server", "where its state lives")
    listen: list[str] = flag(["127.0.0.1:6443"], "address and port to serve on; may be given several times")
    advertise: str = flag("", "address at which nodes and pods find it (default: the first listened on)")
    store: str = flag("", "sqlite:///FILE, etcd://H:P,H:P/PREFIX or memory:// (default: sqlite in the data directory)")
    store_ca: str = flag("", "file of the authority that vouches for etcd's certificates; means TLS")
    store_cert: str = flag("", "file of the certificate that etcd is shown")
    store_key: str = flag("", "file of its key")
    store_socket: str = flag("", "socket of a store process that runs already")
    service_cidr: str = flag("10.96.0.0/16", "addresses of Services: a range, or two (IPv4,IPv6 or IPv6,IPv4)")
    pod_cidr: str = flag("10.244.0.0/16", "addresses of pods, likewise")
    node_cidr: str = flag("", "addresses that nodes may have, likewise (default: all but those of Services and pods)")
    simulated_node_port: int = flag(0, "port on 127.0.0.1 of the agent that plays simulated nodes; 0: there is none")
    load_balancer_pool: str = flag("", "addresses of load balancers, likewise (default: the nodes' own)")
    node_port_range: str = flag("30000-32767", "ports of NodePort Services", parse=port_range)
    token_file: str = flag("", "CSV file of static tokens: token,user,uid,groups")
    encryption_provider_config: str = flag("", "EncryptionConfiguration file (default: one of its own, made once)")
    service_account_key_file: list[str] = flag(
        [], "file with further keys whose tokens of ServiceAccounts are good; may be given several times"
    )
    service_account_extend_token_expiration: bool = flag(
        False, "let tokens of pods last a year, for programs that read theirs only once"
    )
    proxy_client_cert_file: str = flag("", "certificate shown to extension servers (default: one of its own)")
    proxy_client_key_file: str = flag("", "key of that certificate")
    requestheader_client_ca_file: str = flag("", "authority of who may speak for others (default: one of its own)")
    requestheader_allowed_names: list[str] = flag(
        ["front-proxy-client"], "common names that its certificates may have; empty for any"
    )
    requestheader_username_headers: list[str] = flag(["X-Remote-User"], "headers that may say who asks")
    requestheader_uid_headers: list[str] = flag(["X-Remote-Uid"], "headers that may say the UID of who asks")
    requestheader_group_headers: list[str] = flag(["X-Remote-Group"], "headers that say the groups of who asks")
    requestheader_extra_headers_prefix: list[str] = flag(
        ["X-Remote-Extra-"], "how headers begin that say more of who asks"
    )
    authentication_config: str = flag("", "AuthenticationConfiguration file: issuers whose tokens are taken")
    anonymous_auth: bool | None = flag(None, "let requests without a credential be system:anonymous (default: yes)")
    authentication_token_webhook_config_file: str = flag("", "kubeconfig of a server that knows whose other tokens are")
    authentication_token_webhook_version: str = flag(
        "v1beta1", "version of the review that it is sent", choices=REVIEWS
    )
    authentication_token_webhook_cache_ttl: float = flag(
        120.0, "seconds (or 90s, 2m) that it is not asked again about a token", parse=duration
    )
    oidc_issuer_url: str = flag("", "URL of an issuer whose tokens are taken; only https")
    oidc_client_id: str = flag("", "audience that its tokens must be for")
    oidc_ca_file: str = flag("", "authority of its certificate (default: the machine's own)")
    oidc_username_claim: str = flag("sub", "claim that names the user")
    oidc_username_prefix: str = flag("", "put before the name (default: the issuer's URL, but for email; -: nothing)")
    oidc_groups_claim: str = flag("", "claim that names the user's groups")
    oidc_groups_prefix: str = flag("", "put before each group's name")
    oidc_signing_algs: list[str] = flag(["RS256"], "algorithms that its tokens may be signed by")
    oidc_required_claim: list[str] = flag([], "NAME=VALUE that its tokens must claim; may be given several times")
    authorization_config: str = flag("", "AuthorizationConfiguration file: who is asked whether something is allowed")
    authorization_mode: list[str] = flag(["Node", "RBAC"], "the same without a file (Webhook, AlwaysAllow, AlwaysDeny)")
    authorization_webhook_config_file: str = flag("", "kubeconfig of the server that mode Webhook asks")
    authorization_webhook_version: str = flag("v1beta1", "version of the review that it is sent", choices=REVIEWS)
    authorization_webhook_cache_authorized_ttl: float = flag(
        300.0, "seconds (or 90s, 2m) that it is not asked again about what it has allowed", parse=duration
    )
    authorization_webhook_cache_unauthorized_ttl: float = flag(
        30.0, "seconds (or 90s, 2m) that it is not asked again about what it has not allowed", parse=duration
    )
    audit_log_path: str = flag("", "file of the audit log (default: logs/audit.log in the data directory)")
    audit_log_maxage: int = flag(30, "days that older parts of it are kept; 0: no limit", parse=count)
    audit_log_maxbackup: int = flag(10, "how many older parts are kept; 0: no limit", parse=count)
    audit_log_maxsize: int = flag(100, "megabytes of a part", parse=count)
    audit_policy_file: str = flag("", "audit.k8s.io/v1 Policy file: what is recorded (default: docs/audit.md)")
    audit_webhook_config_file: str = flag("", "kubeconfig of a server that audit events are sent to")
    audit_webhook_mode: str = flag("batch", "batch, blocking or blocking-strict", choices=AUDIT_MODES)
    audit_webhook_batch_buffer_size: int = flag(10000, "events that may wait; only in batch mode", parse=some)
    audit_webhook_batch_max_size: int = flag(400, "events sent at once; only in batch mode", parse=some)
    audit_webhook_batch_max_wait: float = flag(
        30.0, "seconds (or 90s, 2m) that events wait for others; only in batch mode", parse=duration
    )
    audit_webhook_batch_throttle_enable: bool = flag(True, "limit how many batches are sent; only in batch mode")
    audit_webhook_batch_throttle_qps: float = flag(10.0, "batches a second, on average", parse=rate)
    audit_webhook_batch_throttle_burst: int = flag(15, "batches sent at one moment, after a pause", parse=some)
    audit_webhook_initial_backoff: float = flag(
        10.0, "seconds to wait before a failed request is tried again", parse=duration
    )
    enable_admission_plugins: list[str] = flag(
        [], "admission plugins that should be enabled in addition to default enabled ones (docs/admission.md)"
    )
    disable_admission_plugins: list[str] = flag(
        [], "admission plugins that should be disabled although they are in the default enabled plugins list"
    )
    admission_control_config_file: str = flag("", "AdmissionConfiguration file: settings of admission plugins")
    warn_unenforced: bool = flag(True, "warn clients of what is stored and not in force (docs/not-in-force.md)")
    only: list[str] = flag([], "run only these parts: api, controllers, scheduler")
    log_level: str = flag("info", "debug, info, warning or error", choices=("debug", "info", "warning", "error"))
