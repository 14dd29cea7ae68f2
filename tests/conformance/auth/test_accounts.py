"""ServiceAccounts, their tokens, and what reviews say of them (sig-auth)."""

from __future__ import annotations

from typing import Any

from conformance.stage import inside
from conformance.verbs import Verbs
from conformance.watching import watched
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster
from unit.apiserver.harness import Api

TOKENS = "/var/run/secrets/kubernetes.io/serviceaccount"
AUTHORIZATION = "/apis/authorization.k8s.io/v1"


async def post(cluster: Cluster, path: str, body: Object) -> Object:
    code, made = await Api(cluster.api).ask("POST", path, body)
    assert code == 201, made
    found: Object = made
    return found


@inside
async def test_lifecycle(cluster: Cluster) -> None:
    """Conformance: ServiceAccount lifecycle test"""
    accounts, label = Verbs(cluster, "serviceaccount"), "test-serviceaccount-static=true"
    async with watched(accounts, labels=label) as events:
        made = await accounts.create("testing", {}, labels={"test-serviceaccount-static": "true"})
        assert made["metadata"]["labels"] == {"test-serviceaccount-static": "true"}
        await cluster.settle()
        ((kind, seen),) = events
        assert (kind, seen["metadata"]["name"]) == ("ADDED", "testing")
        assert seen["metadata"]["labels"] == {"test-serviceaccount-static": "true"}
        change = {"automountServiceAccountToken": False}
        patched = await accounts.patch("testing", change, style="strategic")
        assert patched["automountServiceAccountToken"] is False
        assert [kind for kind, _ in events] == ["ADDED", "MODIFIED"]
        (listed,) = await accounts.list(label, everywhere=True)
        assert listed["metadata"]["name"] == "testing"
        assert listed["automountServiceAccountToken"] is False
        await accounts.delete_collection(label)
        await cluster.settle()
        assert [kind for kind, _ in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert await accounts.is_gone("testing")


@inside
async def test_update(cluster: Cluster) -> None:
    """Conformance: ServiceAccount, update a ServiceAccount"""
    accounts = Verbs(cluster, "serviceaccount")
    made = await accounts.create("e2e", {"automountServiceAccountToken": False})
    assert made["automountServiceAccountToken"] is False

    def mount(obj: Object) -> None:
        obj["automountServiceAccountToken"] = True

    updated = await accounts.update("e2e", mount)
    assert updated["automountServiceAccountToken"] is True
    assert (await accounts.read("e2e"))["automountServiceAccountToken"] is True


@inside
async def test_root_certificate(cluster: Cluster) -> None:
    """Conformance: RootCA ConfigMap test"""
    await Verbs(cluster, "namespace").create("anywhere", {})
    for namespace in ("default", "anywhere"):
        maps = Verbs(cluster, "configmap", namespace)
        found = (await maps.read("kube-root-ca.crt"))["data"]
        assert found["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")
        await maps.delete("kube-root-ca.crt")
        again = await maps.read("kube-root-ca.crt")
        assert again["data"] == found

        def spoil(obj: Object) -> None:
            obj["data"] = {"ca.crt": ""}

        await maps.update("kube-root-ca.crt", spoil)
        restored = await maps.read("kube-root-ca.crt")
        assert restored["data"] == found
        assert restored["metadata"]["uid"] == again["metadata"]["uid"]


@inside
async def test_opting_out(cluster: Cluster) -> None:
    """Conformance: Service account tokens auto mount optionally"""
    accounts, pods = Verbs(cluster, "serviceaccount"), Verbs(cluster, "pod")
    for name, said in (("default", None), ("mount", True), ("nomount", False)):
        wanted = {} if said is None else {"automountServiceAccountToken": said}
        await accounts.create(f"{name}-sa", wanted)
        for pod, mine in (("defaultspec", None), ("mountspec", True), ("nomountspec", False)):
            mounts = mine if mine is not None else said is not False
            spec: Any = {"serviceAccountName": f"{name}-sa", "containers": [{"name": "c", "image": "i"}]}
            if mine is not None:
                spec["automountServiceAccountToken"] = mine
            made = await pods.create(f"{name}-{pod}", {"spec": spec})
            (container,) = made["spec"]["containers"]
            paths = [each["mountPath"] for each in container.get("volumeMounts", ())]
            assert paths == ([TOKENS] if mounts else []), (name, pod)
            assert bool(made["spec"].get("volumes")) == mounts


@inside
async def test_subject_reviews(cluster: Cluster) -> None:
    """Conformance: SubjectReview, API Operations"""
    await Verbs(cluster, "serviceaccount").create("e2e", {})
    await cluster.settle()
    user, groups = "system:serviceaccount:default:e2e", ["system:authenticated", "system:serviceaccounts"]
    api = Api(cluster.api)
    attributes = {"verb": "list", "resource": "configmaps", "version": "v1", "namespace": "default"}
    spec = {"user": user, "groups": groups, "resourceAttributes": attributes}
    local = f"{AUTHORIZATION}/namespaces/default/localsubjectaccessreviews"
    places = (f"{AUTHORIZATION}/subjectaccessreviews", {}), (local, {"namespace": "default"})

    async def agree() -> bool:
        code, _ = await api.ask("GET", "/api/v1/namespaces/default/configmaps", impersonate_user=user)
        assert code in (200, 403)
        for path, metadata in places:
            review = await post(cluster, path, {"metadata": metadata, "spec": spec})
            assert review["spec"]["user"] == user
            assert review["status"]["allowed"] == (code == 200)
        return code == 200

    assert not await agree()
    binding = {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "e2e", "namespace": "default"}],
    }
    await Verbs(cluster, "rolebinding").create("e2e", binding)
    assert await agree()
