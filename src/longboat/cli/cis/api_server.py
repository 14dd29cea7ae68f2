"""Section 1.2: the API server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from longboat.cli import kubeconfigs
from longboat.cli.cis.control import Check, Control, inherent
from longboat.cli.cis.evidence import Evidence, files, weak_tls
from longboat.cli.cis.finding import Finding, all_of, failed, judged, manual, not_applicable, passed

STORE = "the store is SQLite behind a socket in a directory of mode 700, not an etcd on the network"
OF_ETCD = f"Not applicable: {STORE}. With one: {{}}."
SERVICES, PODS = "/api/v1/namespaces/default/services", "/api/v1/namespaces/default/pods"
SEALING = frozenset(("aescbc", "aesgcm", "kms", "secretbox"))
NOBODY = {"Impersonate-User": "longboat-check-cis"}
PROBE_NODE = {"Impersonate-User": "system:node:longboat-check-cis", "Impersonate-Group": "system:nodes"}
ALWAYS = "It is always on: there is no flag for it."


def in_etcd(check: Check) -> Check:
    """Only where the store is an etcd."""
    return lambda e: check(e) if e.options.store.startswith("etcd://") else not_applicable(STORE)


def _shows_etcd(e: Evidence) -> Finding:
    return judged(bool(e.options.store_cert), f"--store-cert {e.options.store_cert}", "--store-cert is not given")


def _checks_etcd(e: Evidence) -> Finding:
    return judged(bool(e.options.store_ca), f"--store-ca {e.options.store_ca}", "--store-ca is not given")


def _anonymous(e: Evidence) -> Finding:
    seen = [path for path in ("/api/v1/namespaces", "/api/v1/nodes", "/apis/apps/v1/deployments", "/metrics")
            if e.anonymous(path) not in (401, 403)]  # fmt: skip
    if seen:
        return failed(f"nobody sees {', '.join(seen)}")
    return manual(
        "requests without a credential are let in to health, version and the data for joining, to nothing else"
    )


def _refusal(words: str, code: int, path: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> Check:
    """That a create, rehearsed, is refused in these words."""

    def check(e: Evidence) -> Finding:
        found, message = e.dry_run(path, body, **(headers or {}))
        return judged(found == code and words in message, f"rehearsed: {message[:160]}",
                      f"rehearsed: it answers {found} {message[:160]}")  # fmt: skip

    return check


def _pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "longboat-check-cis"}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


EXTERNAL = {"metadata": {"name": "longboat-check-cis"},
            "spec": {"externalIPs": ["192.0.2.1"], "ports": [{"port": 80}]}}  # fmt: skip
_external_ips = _refusal("external IPs", 403, SERVICES, EXTERNAL)


def _service_account(e: Evidence) -> Finding:
    code, text = e.dry_run(PODS, _pod())
    if code != 201:
        return failed(f"rehearsed: a pod is answered {code} {text[:160]}")
    given = json.loads(text)["spec"].get("serviceAccountName")
    return judged(
        given == "default", "rehearsed: a pod without an account gets `default`", "rehearsed: a pod gets none"
    )


def _denied(e: Evidence) -> Finding:
    code, _ = e.api.ask("GET", PODS, None, NOBODY)
    return judged(code == 403, "somebody without rights is refused the list of pods",
                  f"somebody without rights is answered {code}")  # fmt: skip


def _node_authorizer(e: Evidence) -> Finding:
    """A node may read Secrets in principle; the Node authorizer says that this one is none of its pods'."""
    code, found = e.api.ask("GET", "/api/v1/namespaces/default/secrets/longboat-check-cis", None, PROBE_NODE)
    message = found.get("message", "") if isinstance(found, dict) else str(found)
    return judged(code == 403 and "no relationship found" in message, f"asked as a node: {message[:160]}",
                  f"asked as a node: {code} {message[:160]}")  # fmt: skip


def _rbac(e: Evidence) -> Finding:
    account = "system:serviceaccount:kube-system:replicaset-controller"
    spec = {"user": account, "resourceAttributes": {"verb": "create", "resource": "pods", "namespace": "default"}}
    _, review = e.api.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
    reason = review.get("status", {}).get("reason", "")
    return judged(reason.startswith("RBAC: allowed by"), reason, f"a review says: {reason or review}")


def _flag(holds: Callable[[Evidence], bool], shown: Callable[[Evidence], str]) -> Check:
    return lambda e: judged(holds(e), shown(e), shown(e))


def _at_least(field: str, least: int, unit: str) -> Check:
    """0 is no limit (of a size: 100 MB)."""

    def check(e: Evidence) -> Finding:
        value = getattr(e.options, field)
        flag = f"--{field.replace('_', '-')}"
        return judged(
            value == 0 or value >= least, f"{flag}={value} {unit}", f"{flag}={value} {unit}, fewer than {least}"
        )

    return check


def no_profiling(e: Evidence) -> Finding:
    code, _ = e.api.get("/debug/pprof/")
    return judged(code == 404, "/debug/pprof/ is not there", f"/debug/pprof/ answers {code}")


def _audited(e: Evidence) -> Finding:
    spec = {"resourceAttributes": {"verb": "get", "resource": "pods"}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    told = e.recorded("POST", path, {"spec": spec})
    return judged(told, f"a review made now is in {e.audit_log}", f"a review made now is not in {e.audit_log}")


def _keys(e: Evidence) -> Finding:
    code, found = e.api.get("/openid/v1/jwks")
    keys = json.loads(found).get("keys", []) if isinstance(found, str) else found.get("keys", [])
    return all_of(
        e.private(files(e.root / "pki" / "sa.key")),
        judged(code == 200 and bool(keys), "its public half is at /openid/v1/jwks", "/openid/v1/jwks shows no key"),
    )


def _client_certificates(e: Evidence) -> Finding:
    _, review = e.api.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    name = review.get("status", {}).get("userInfo", {}).get("username", "")
    return judged(bool(name) and name != "system:anonymous", f"a certificate of the authority makes its bearer {name}",
                  "the administrator's certificate makes nobody")  # fmt: skip


def _kubelet_client(e: Evidence) -> Finding:
    return e.private(files(*(e.root / "pki" / f"apiserver-kubelet-client.{kind}" for kind in ("crt", "key"))))


def _providers(e: Evidence) -> list[str]:
    """Of Secrets: names of providers, the one that writes first."""
    given = e.options.encryption_provider_config
    config = kubeconfigs.read(e.root / "encryption.json") if not given else _read(given)
    for rule in config.get("resources") or ():
        if {"secrets", "*.*", "*."} & set(rule.get("resources") or ()):
            return [next(iter(provider)) for provider in rule.get("providers") or ()]
    return []


def _read(path: str) -> dict[str, Any]:
    from pathlib import Path

    return kubeconfigs.read(Path(path))


def _encrypted(e: Evidence) -> Finding:
    found = _providers(e)
    return judged(
        bool(found), f"Secrets are written by {found[0] if found else None}", "no provider is configured for Secrets"
    )


def _provider(e: Evidence) -> Finding:
    found = _providers(e)
    return judged(bool(found) and found[0] in SEALING, f"Secrets are written by {found[0] if found else 'nothing'}",
                  f"Secrets are written by {found[0] if found else 'nothing'}")  # fmt: skip


def _ciphers(e: Evidence) -> Finding:
    weak = weak_tls(e.api.host, e.cluster.api_port)
    return judged(
        not weak, "it refuses ciphers without forward secrecy or authenticated encryption", f"it speaks {weak}"
    )


CONTROLS = (
    Control(
        "1.2.1",
        "Requests without a credential are refused",
        "They are let in to health, version and what joining needs (RBAC says so); all else is refused.",
        _anonymous,
        "Look at bindings of system:unauthenticated, and remove system:public-info-viewer's if you want none at all",
    ),
    Control(
        "1.2.2",
        "There is no file of static tokens",
        "None unless `--token-file` names one.",
        _flag(lambda e: not e.options.token_file, lambda e: f"--token-file is {e.options.token_file or 'not set'}"),
        "Start the server without --token-file",
    ),
    Control("1.2.3", "Services may not claim addresses outside (DenyServiceExternalIPs)", ALWAYS, _external_ips),
    Control(
        "1.2.4",
        "The API server shows nodes a client certificate",
        "`pki/apiserver-kubelet-client.crt`, always.",
        _kubelet_client,
    ),
    Control(
        "1.2.5",
        "The API server checks nodes' serving certificates",
        f"Against the cluster's authority. {ALWAYS}",
        inherent("no flag turns it off"),
    ),
    Control("1.2.6", "Not everybody may do everything", ALWAYS, _denied),
    Control("1.2.7", "Nodes are held to what concerns them (Node authorizer)", ALWAYS, _node_authorizer),
    Control("1.2.8", "Rights come from roles (RBAC)", ALWAYS, _rbac),
    Control(
        "1.2.9",
        "Events are limited (EventRateLimit)",
        "**Not met.** The plugin is not there yet.",
        lambda e: failed("there is no plugin EventRateLimit yet"),
        "Until it is there: keep the right to create Events with whom you trust",
    ),
    Control("1.2.10", "Admission is not bypassed (AlwaysAdmit)", "There is no such plugin.", _external_ips),
    Control(
        "1.2.11",
        "Images are pulled anew for each pod (AlwaysPullImages)",
        "**Not met.** The plugin is not there yet.",
        lambda e: failed("there is no plugin AlwaysPullImages yet"),
        "Until it is there: set imagePullPolicy: Always where tenants share a node and images are private",
    ),
    Control("1.2.12", "Pods act as ServiceAccounts (ServiceAccount plugin)", ALWAYS, _service_account),
    Control(
        "1.2.13",
        "Nothing is made in a namespace that is not there (NamespaceLifecycle)",
        ALWAYS,
        _refusal("not found", 404, "/api/v1/namespaces/longboat-check-cis/pods", _pod()),
    ),
    Control(
        "1.2.14",
        "Nodes write only what is theirs (NodeRestriction)",
        ALWAYS,
        _refusal("not allowed to modify node", 403, "/api/v1/nodes", {"metadata": {"name": "another"}}, PROBE_NODE),
    ),
    Control("1.2.15", "Nobody can profile the API server", "There is no such endpoint.", no_profiling),
    Control(
        "1.2.16", "There is an audit log", "`logs/audit.log`, always; `--audit-log-path` puts it elsewhere.", _audited
    ),
    Control(
        "1.2.17",
        "Audit files are kept for 30 days",
        "`--audit-log-maxage=30` is the default.",
        _at_least("audit_log_maxage", 30, "days"),
        "Start the server with --audit-log-maxage=30",
    ),
    Control(
        "1.2.18",
        "Ten older audit files are kept",
        "`--audit-log-maxbackup=10` is the default.",
        _at_least("audit_log_maxbackup", 10, "files"),
        "Start the server with --audit-log-maxbackup=10",
    ),
    Control(
        "1.2.19",
        "An audit file may have 100 MB",
        "`--audit-log-maxsize=100` is the default.",
        _at_least("audit_log_maxsize", 100, "MB"),
        "Start the server with --audit-log-maxsize=100",
    ),
    Control(
        "1.2.20",
        "Requests end in time",
        "After 60 seconds, watches and streams apart.",
        inherent("60 seconds, no flag"),
    ),
    Control("1.2.21", "A deleted ServiceAccount's tokens end with it", ALWAYS, inherent("no flag turns it off")),
    Control("1.2.22", "Tokens are signed by a key of their own", "`pki/sa.key`, made once.", _keys),
    Control(
        "1.2.23",
        "The API server shows etcd a certificate",
        OF_ETCD.format("`--store-cert` and `--store-key`"),
        in_etcd(_shows_etcd),
        "Give --store-cert and --store-key",
    ),
    Control(
        "1.2.24",
        "The API server serves TLS",
        "Always; with a certificate of the cluster's authority.",
        lambda e: passed("this check has verified its certificate with every question"),
    ),
    Control(
        "1.2.25",
        "Client certificates are checked against an authority",
        "Against `pki/ca.crt`, always.",
        _client_certificates,
    ),
    Control(
        "1.2.26",
        "The API server checks etcd's certificate",
        OF_ETCD.format("`--store-ca`"),
        in_etcd(_checks_etcd),
        "Give --store-ca",
    ),
    Control(
        "1.2.27",
        "Secrets are encrypted at rest",
        "Always, but in a memory store.",
        _encrypted,
        "longboat secrets-encrypt status",
    ),
    Control(
        "1.2.28",
        "They are encrypted well",
        "AES-GCM with a key of the cluster's own, which `secrets-encrypt rotate` "
        "changes (the benchmark names aescbc, kms and secretbox; GCM is used with random nonces well below its bound).",
        _provider,
        "Put aescbc, aesgcm, secretbox or kms first in the EncryptionConfiguration",
    ),
    Control(
        "1.2.29",
        "Only strong ciphers are spoken",
        "ECDHE with AES-GCM or ChaCha20-Poly1305; TLS 1.2 and 1.3.",
        _ciphers,
    ),
    Control(
        "1.2.30",
        "Tokens of pods last no longer than they say",
        "An hour; the node renews them.",
        _flag(
            lambda e: not e.options.service_account_extend_token_expiration,
            lambda e: (
                "--service-account-extend-token-expiration is "
                f"{str(e.options.service_account_extend_token_expiration).lower()}"
            ),
        ),
        "Start the server without --service-account-extend-token-expiration",
    ),
)
