"""Section 5: policies. What people have made of the cluster is for people to judge: such controls list it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

from longboat.cli.cis import grants
from longboat.cli.cis.control import Check, Control, for_people
from longboat.cli.cis.evidence import Evidence
from longboat.cli.cis.finding import Finding, failed, judged, manual, none_of, passed
from longboat.cli.cis.worker import set_on_nodes

Object = dict[str, Any]
RBAC, CERTIFICATES = "/apis/rbac.authorization.k8s.io/v1", "certificates.k8s.io"
SYSTEM = frozenset(("kube-system", "kube-public", "kube-node-lease"))
ENFORCE = "pod-security.kubernetes.io/enforce"
LEAST = "Take the rights away from those who do not need them"
REFUSED = "which namespaces would refuse one: see 5.2.1"
LIST = "For you to judge: the check lists who has been granted it, beyond what each cluster begins with."
PODS = "For you to judge: the check lists the pods. Pod security refuses them where a namespace asks for it (5.2.1)."


def _roles(e: Evidence) -> list[Object]:
    found = [{"kind": "ClusterRole", **role} for role in e.items(f"{RBAC}/clusterroles")]
    return found + [{"kind": "Role", **role} for role in e.items(f"{RBAC}/roles")]


def _bindings(e: Evidence) -> list[Object]:
    return [*e.items(f"{RBAC}/clusterrolebindings"), *e.items(f"{RBAC}/rolebindings")]


def _may(what: str, *wanted: tuple[str, str, tuple[str, ...]]) -> Check:
    """Who may: group, resource, verbs."""

    def check(e: Evidence) -> Finding:
        found = [who for group, resource, verbs in wanted
                 for who in grants.granted(_roles(e), _bindings(e), group, resource, verbs)]  # fmt: skip
        return none_of(found, f"nobody has been granted to {what}", f"may {what}")

    return check


def _administrators(e: Evidence) -> Finding:
    found = [who for binding in _bindings(e) if binding["roleRef"]["name"] == "cluster-admin"
             and not grants.is_default(binding) for who in grants.subjects(binding)]  # fmt: skip
    return none_of(
        found,
        "nobody is bound to cluster-admin but the administrators that every cluster has",
        "bound to cluster-admin",
    )


def _pods(e: Evidence) -> Iterator[Object]:
    return (pod for pod in e.items("/api/v1/pods") if pod["metadata"]["namespace"] not in SYSTEM)


def _name(found: Object) -> str:
    return f"{found['metadata']['namespace']}/{found['metadata']['name']}"


def containers(pod: Object) -> Iterator[Object]:
    for field in ("containers", "initContainers", "ephemeralContainers"):
        yield from pod["spec"].get(field) or ()


def _such_pods(what: str, holds: Callable[[Object], bool], *, for_a_policy: bool = True) -> Check:
    """Pods outside the system's namespaces that are so."""

    def check(e: Evidence) -> Finding:
        finding = none_of(
            (_name(pod) for pod in _pods(e) if holds(pod)), f"there are no pods that {what}", f"pods that {what}"
        )
        return manual(f"{finding.reason}; {REFUSED}") if for_a_policy else finding

    return check


def _held(e: Evidence) -> Finding:
    if "PodSecurity" in e.options.disable_admission_plugins:
        return failed("the admission plugin PodSecurity is disabled")
    open_ = [found["metadata"]["name"] for found in e.items("/api/v1/namespaces")
             if (found["metadata"].get("labels") or {}).get(ENFORCE) in (None, "privileged")]  # fmt: skip
    return none_of(
        (name for name in open_ if name not in SYSTEM), "every namespace enforces a standard", "enforce no standard"
    )


def _any_container(holds: Callable[[Object], bool]) -> Callable[[Object], bool]:
    return lambda pod: any(holds(container) for container in containers(pod))


def _context(container: Object) -> Object:
    found: Object = container.get("securityContext") or {}
    return found


def _as_root(pod: Object) -> bool:
    whole: Object = pod["spec"].get("securityContext") or {}

    def safe(container: Object) -> bool:
        said = {**whole, **_context(container)}
        return bool(said.get("runAsNonRoot")) or (said.get("runAsUser") or 0) > 0

    return not all(map(safe, containers(pod)))


def _capabilities(container: Object) -> Object:
    found: Object = _context(container).get("capabilities") or {}
    return found


def _net_raw(container: Object) -> bool:
    found = _capabilities(container)
    dropped = {"ALL", "NET_RAW"} & set(found.get("drop") or ())
    return not dropped or bool({"ALL", "NET_RAW"} & set(found.get("add") or ()))


def _default_accounts(e: Evidence) -> Finding:
    used = [_name(pod) for pod in _pods(e) if pod["spec"].get("serviceAccountName") == "default"
            and _mounts_token(pod)]  # fmt: skip
    bound = [f"{binding['metadata']['name']} binds it" for binding in _bindings(e) if not grants.is_default(binding)
             for subject in binding.get("subjects") or ()
             if subject.get("kind") == "ServiceAccount" and subject.get("name") == "default"]  # fmt: skip
    return none_of([*bound, *used], "no pod has the token of a default account, and none is bound to a role",
                   "the default account is in use")  # fmt: skip


def _mounts_token(pod: Object) -> bool:
    return any("serviceAccountToken" in source for volume in pod["spec"].get("volumes") or ()
               for source in (volume.get("projected") or {}).get("sources") or ())  # fmt: skip


def _masters(e: Evidence) -> Finding:
    """The certificate of the context that people were given, and bindings of the group."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    user = e.people_s_kubeconfig()
    if "client-certificate-data" not in user:
        return manual("the kubeconfig given to people bears no certificate")
    subject = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"])).subject
    groups = [str(name.value) for name in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return judged("system:masters" not in groups, f"the administrator is in {groups or 'no group'}",
                  f"the administrator's certificate is in {groups}, whom RBAC does not hold")  # fmt: skip


def _without_policy(e: Evidence) -> Finding:
    covered = {policy["metadata"]["namespace"] for policy in e.items("/apis/networking.k8s.io/v1/networkpolicies")}
    names = [found["metadata"]["name"] for found in e.items("/api/v1/namespaces")]
    bare = [name for name in names if name not in covered | SYSTEM]
    return none_of(bare, "every namespace has a NetworkPolicy", "namespaces without one")


def _secret_variable(container: Object) -> bool:
    variables = [v.get("valueFrom") or {} for v in container.get("env") or ()] + list(container.get("envFrom") or ())
    return any("secretKeyRef" in source or "secretRef" in source for source in variables)


def _in_default(e: Evidence) -> Finding:
    found = [f"{kind} {item['metadata']['name']}" for kind, path in (
        ("pod", "/api/v1/namespaces/default/pods"), ("service", "/api/v1/namespaces/default/services"),
        ("deployment", "/apis/apps/v1/namespaces/default/deployments"),
        ("secret", "/api/v1/namespaces/default/secrets"),
    ) for item in e.items(path) if (kind, item["metadata"]["name"]) != ("service", "kubernetes")]  # fmt: skip
    return none_of(found, "nothing is in it but the API's own Service", "in it are")


def _unprofiled(pod: Object) -> bool:
    whole: Object = pod["spec"].get("securityContext") or {}
    return not all("seccompProfile" in {**whole, **_context(container)} for container in containers(pod))


_on_all_nodes = set_on_nodes("seccomp_default", "--seccomp-default", "containers that name no profile have none")


def _seccomp(e: Evidence) -> Finding:
    if e.nodes and _on_all_nodes(e).state == "PASS":
        return passed("each node gives the runtime's profile to containers that name none")
    return none_of((_name(pod) for pod in _pods(e) if _unprofiled(pod)), "each pod names one", "pods that name none")


CONTROLS = (
    Control("5.1.1", "cluster-admin is for those who need it", LIST, _administrators, LEAST),
    Control(
        "5.1.2", "Few may read Secrets", LIST, _may("read Secrets", ("", "secrets", ("get", "list", "watch"))), LEAST
    ),
    Control(
        "5.1.3",
        "Roles name what they grant, without *",
        LIST,
        lambda e: none_of(grants.wildcards(_roles(e)), "no role made by somebody says *", "roles that say *"),
        LEAST,
    ),
    Control("5.1.4", "Few may create pods", LIST, _may("create pods", ("", "pods", ("create",))), LEAST),
    Control(
        "5.1.5",
        "Default ServiceAccounts are not used",
        "For you to judge: the check lists who uses or binds them.",
        _default_accounts,
        "Give each application an account of its own; automountServiceAccountToken: false on the default",
    ),
    Control(
        "5.1.6",
        "Pods have a token only where they need it",
        "For you to judge: the check lists pods with one.",
        _such_pods("have a token", _mounts_token, for_a_policy=False),
        "automountServiceAccountToken: false",
    ),
    Control(
        "5.1.7",
        "Nobody is in system:masters",
        "The context that `longboat up` writes is bound to cluster-admin instead; "
        "an administrator's certificate in system:masters is for emergencies.",
        _masters,
        "longboat up again, with this version",
    ),
    Control(
        "5.1.8",
        "Few may bind, impersonate or escalate",
        LIST,
        _may(
            "bind, escalate or impersonate",
            ("rbac.authorization.k8s.io", "clusterroles", ("bind", "escalate")),
            ("rbac.authorization.k8s.io", "roles", ("bind", "escalate")),
            ("", "users", ("impersonate",)),
            ("", "groups", ("impersonate",)),
            ("", "serviceaccounts", ("impersonate",)),
        ),
        LEAST,
    ),
    Control(
        "5.1.9",
        "Few may create PersistentVolumes",
        LIST,
        _may("create PersistentVolumes", ("", "persistentvolumes", ("create",))),
        LEAST,
    ),
    Control(
        "5.1.10",
        "Few may reach through to nodes",
        LIST,
        _may("reach through to nodes", ("", "nodes/proxy", ("get", "create"))),
        LEAST,
    ),
    Control(
        "5.1.11",
        "Few may approve certificates",
        LIST,
        _may("approve certificates", (CERTIFICATES, "certificatesigningrequests/approval", ("update", "patch"))),
        LEAST,
    ),
    Control(
        "5.1.12",
        "Few may write webhook configurations",
        LIST,
        _may(
            "write webhook configurations",
            *(
                ("admissionregistration.k8s.io", f"{kind}webhookconfigurations", ("create", "update", "patch"))
                for kind in ("validating", "mutating")
            ),
        ),
        LEAST,
    ),
    Control(
        "5.1.13",
        "Few may create tokens of ServiceAccounts",
        LIST,
        _may("create tokens", ("", "serviceaccounts/token", ("create",))),
        LEAST,
    ),
    Control(
        "5.2.1",
        "Something holds pods to a policy",
        "For you to judge: pod security holds where a namespace's labels ask for it; the check lists those without.",
        _held,
        "kubectl label namespace NAME pod-security.kubernetes.io/enforce=baseline",
    ),
    Control(
        "5.2.2",
        "No privileged containers",
        PODS,
        _such_pods("are privileged", _any_container(lambda c: bool(_context(c).get("privileged")))),
    ),
    Control(
        "5.2.3",
        "No pods in the node's process namespace",
        PODS,
        _such_pods("use hostPID", lambda p: bool(p["spec"].get("hostPID"))),
    ),
    Control(
        "5.2.4",
        "No pods in the node's IPC namespace",
        PODS,
        _such_pods("use hostIPC", lambda p: bool(p["spec"].get("hostIPC"))),
    ),
    Control(
        "5.2.5",
        "No pods in the node's network",
        PODS,
        _such_pods("use hostNetwork", lambda p: bool(p["spec"].get("hostNetwork"))),
    ),
    Control(
        "5.2.6",
        "No containers that may gain privileges",
        PODS,
        _such_pods(
            "do not refuse privilege escalation",
            _any_container(lambda c: _context(c).get("allowPrivilegeEscalation") is not False),
        ),
    ),
    Control("5.2.7", "No containers as root", PODS, _such_pods("may run as root", _as_root)),
    Control("5.2.8", "No containers with NET_RAW", PODS, _such_pods("keep NET_RAW", _any_container(_net_raw))),
    Control(
        "5.2.9",
        "No containers with capabilities",
        PODS,
        _such_pods(
            "do not drop all capabilities", _any_container(lambda c: "ALL" not in (_capabilities(c).get("drop") or ()))
        ),
    ),
    Control(
        "5.2.10",
        "No HostProcess containers of Windows",
        "There are no Windows nodes.",
        lambda e: passed("there are no Windows nodes"),
    ),
    Control(
        "5.2.11",
        "No hostPath volumes",
        PODS,
        _such_pods("mount a hostPath", lambda p: any("hostPath" in v for v in p["spec"].get("volumes") or ())),
    ),
    Control(
        "5.2.12",
        "No host ports",
        PODS,
        _such_pods("use host ports", _any_container(lambda c: any(p.get("hostPort") for p in c.get("ports") or ()))),
    ),
    Control(
        "5.3.1",
        "The network enforces NetworkPolicies",
        "Every node does, in nftables.",
        lambda e: passed("nodes enforce them themselves, in nftables"),
    ),
    Control(
        "5.3.2",
        "Every namespace has a NetworkPolicy",
        "For you to judge: the check lists namespaces without one.",
        _without_policy,
        "Begin with a policy that denies all, and allow what is needed",
    ),
    Control(
        "5.4.1",
        "Secrets are files, not variables",
        "For you to judge: the check lists pods with such variables.",
        _such_pods("have Secrets in variables", _any_container(_secret_variable), for_a_policy=False),
    ),
    Control(
        "5.4.2",
        "Secrets may lie elsewhere",
        "For you to say.",
        for_people("whether a store outside suits you is yours to say"),
    ),
    Control(
        "5.5.1",
        "Images are checked for where they come from",
        "For you to say: ImagePolicyWebhook and admission webhooks can ask somebody; none does by default.",
        for_people("there is nothing in the cluster that checks them"),
    ),
    Control(
        "5.6.1",
        "Namespaces set bounds",
        "For you to judge.",
        lambda e: manual(f"there are {len(e.items('/api/v1/namespaces')) - len(SYSTEM)} beside the system's"),
    ),
    Control(
        "5.6.2",
        "Pods have a seccomp profile",
        "Where nodes run with `--seccomp-default`, as new ones do, every one has the runtime's.",
        _seccomp,
        "Start agents with --seccomp-default, or name a profile in each pod",
    ),
    Control(
        "5.6.3",
        "Pods have a security context",
        "For you to judge: the check lists those without.",
        _such_pods(
            "have no security context",
            lambda p: not p["spec"].get("securityContext") and not all(map(_context, containers(p))),
            for_a_policy=False,
        ),
    ),
    Control(
        "5.6.4", "The default namespace is not used", "For you to judge: the check lists what is in it.", _in_default
    ),
)
