"""Sections 1.3, 1.4, 2 and 3: controllers, scheduler, store, and how the control plane is set up."""

from __future__ import annotations

from longboat.cli.cis.api_server import OF_ETCD, in_etcd, no_profiling
from longboat.cli.cis.control import Control, for_people, inherent
from longboat.cli.cis.evidence import Evidence, files, listening
from longboat.cli.cis.finding import Finding, judged

ETCD = in_etcd(for_people("the etcd is yours: look at the options that its members run with"))
PEOPLE = "who your people are is yours to say: `--token-file`, or a proxy before the API (X-Remote-User)"


def _own_accounts(e: Evidence) -> Finding:
    bindings = [b for b in e.items("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings")
                if b["metadata"]["name"].startswith("system:controller:")]  # fmt: skip
    return judged(len(bindings) > 10, f"{len(bindings)} controllers have accounts and roles of their own",
                  f"only {len(bindings)} controllers have a role of their own")  # fmt: skip


def _root_ca(e: Evidence) -> Finding:
    code, found = e.api.get("/api/v1/namespaces/default/configmaps/kube-root-ca.crt")
    good = code == 200 and "BEGIN CERTIFICATE" in found["data"]["ca.crt"]
    return judged(good, "default/kube-root-ca.crt holds the authority", "default/kube-root-ca.crt is not there")


def _only_the_api(e: Evidence) -> Finding:
    """Controllers and scheduler are in the control plane's process: whatever else it listens on would be theirs."""
    wanted = {int(text.rpartition(":")[2]) for text in e.options.listen}
    others = sorted(place for place in listening(e.control_plane.pid) if place[1] not in wanted)
    return judged(not others, "the process listens where the API is, nowhere else", f"it also listens at {others}")


def _policy(e: Evidence) -> Finding:
    looked = {
        "reading Secrets": ("GET", "/api/v1/namespaces/kube-system/secrets", None),
        "creating pods": ("POST", "/api/v1/namespaces/default/pods?dryRun=All", {"metadata": {"name": "x"}}),
        "exec": ("POST", "/api/v1/namespaces/default/pods/longboat-check-cis/exec?command=true&stdout=1", None),
        "port-forward": ("POST", "/api/v1/namespaces/default/pods/longboat-check-cis/portforward?ports=1", None),
        "proxy": ("GET", "/api/v1/namespaces/default/services/longboat-check-cis/proxy/", None),
        "token reviews": ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": "none"}}),
    }
    unseen = [what for what, (method, path, body) in looked.items() if not e.recorded(method, path, body)]
    return judged(
        not unseen, f"in the audit log, tried now: {', '.join(looked)}", f"not in the log: {', '.join(unseen)}"
    )


CONTROLS = (
    Control(
        "1.3.1",
        "Ended pods are removed at some number",
        "At 12,500, as upstream.",
        inherent("ended pods beyond 12,500 are removed; no flag"),
    ),
    Control("1.3.2", "Nobody can profile the controllers", "There is no such endpoint.", no_profiling),
    Control("1.3.3", "Each controller has a ServiceAccount of its own", "Always.", _own_accounts),
    Control(
        "1.3.4",
        "Tokens are signed by a key of their own",
        "The API server signs them: see 1.2.22.",
        lambda e: e.private(files(e.root / "pki" / "sa.key")),
    ),
    Control(
        "1.3.5",
        "Pods are given the authority to check the API server by",
        "As `kube-root-ca.crt` in each namespace.",
        _root_ca,
    ),
    Control(
        "1.3.6",
        "Nodes' serving certificates are renewed",
        "Always: the node asks in time, the signer grants.",
        inherent("no flag turns it off"),
    ),
    Control("1.3.7", "Controllers listen on loopback alone", "They do not listen at all.", _only_the_api),
    Control("1.4.1", "Nobody can profile the scheduler", "There is no such endpoint.", no_profiling),
    Control("1.4.2", "The scheduler listens on loopback alone", "It does not listen at all.", _only_the_api),
    Control("2.1", "etcd serves TLS", OF_ETCD.format("its operator's to see to"), ETCD),
    Control("2.2", "etcd wants client certificates", "As 2.1.", ETCD),
    Control("2.3", "etcd does not sign its own certificate", "As 2.1.", ETCD),
    Control("2.4", "etcd's members speak TLS", "As 2.1.", ETCD),
    Control("2.5", "etcd's members want certificates of each other", "As 2.1.", ETCD),
    Control("2.6", "etcd's members do not sign their own certificates", "As 2.1.", ETCD),
    Control("2.7", "etcd has an authority of its own", "As 2.1.", ETCD),
    Control(
        "3.1.1",
        "People do not log in with client certificates",
        "For you to say: a certificate cannot be revoked. `longboat up` gives its own administrator one.",
        for_people(PEOPLE),
        PEOPLE,
    ),
    Control("3.1.2", "People do not log in with ServiceAccount tokens", "For you to say.", for_people(PEOPLE), PEOPLE),
    Control(
        "3.1.3",
        "People do not log in with bootstrap tokens",
        "For you to say. Such tokens are made for joining (`longboat token create`) and end after a day.",
        for_people(PEOPLE),
        "longboat token list",
    ),
    Control(
        "3.2.1",
        "There is an audit policy",
        "One is built in: `docs/audit.md`.",
        inherent("everything but ordinary reads and heartbeats, at level Metadata"),
    ),
    Control(
        "3.2.2",
        "It covers Secrets, pods, and ways into them",
        "Reads of Secrets, all writes, exec, attach, port-forward, proxies, token reviews; no bodies.",
        _policy,
    ),
)
