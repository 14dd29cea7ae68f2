"""Tokens of ServiceAccounts in pods: mounted, and verified by whoever they are shown to (sig-auth)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from conformance.node.api import Api
from conformance.node.pods import Pods, container, namespaced, pod
from e2e.host import Cluster
from images import debian, extension
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

MOUNTED, OWN, IMAGE = "/var/run/secrets/kubernetes.io/serviceaccount", "/var/run/secrets/tokens", "sample-apiserver"
AUDIENCE = "oidc-discovery-test"

# Verifies the pod's own token by what the API server tells everybody of its issuer.
VERIFY = f"""
import base64, json, ssl, urllib.request
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

known = ssl.create_default_context(cafile="{MOUNTED}/ca.crt")
bearer = open("{MOUNTED}/token").read()

def get(url):
    asked = urllib.request.Request(url, headers={{"Authorization": "Bearer " + bearer}})
    return json.load(urllib.request.urlopen(asked, context=known, timeout=20))

def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

discovered = get("https://kubernetes.default.svc/.well-known/openid-configuration")
keys = get(discovered["jwks_uri"])["keys"]
head, body, signature = open("{OWN}/token").read().split(".")
header, claims, signed = json.loads(decoded(head)), json.loads(decoded(body)), decoded(signature)
assert header["alg"] in discovered["id_token_signing_alg_values_supported"]
(key,) = [each for each in keys if each["kid"] == header["kid"]]
x, y, r, s = (int.from_bytes(part, "big") for part in (decoded(key["x"]), decoded(key["y"]), signed[:32], signed[32:]))
public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
public.verify(encode_dss_signature(r, s), (head + "." + body).encode(), ec.ECDSA(SHA256()))
assert claims["iss"] == discovered["issuer"]
print(json.dumps(claims))
"""


def projected(**token: Any) -> Object:
    return {"name": "tokens", "projected": {"sources": [{"serviceAccountToken": {"path": "token", **token}}]}}


def reading(file: str) -> Object:
    return container(f"cat {MOUNTED}/{file}", name=file.replace(".", "-"))


@pytest.fixture(scope="module")
def pods(cluster: Cluster, api: Api) -> Iterator[Pods]:
    cluster.import_image(extension.build((IMAGE,))[IMAGE])
    mounts = [{"name": "tokens", "mountPath": OWN}]
    shows = container(f"cat {OWN}/token", volumeMounts=mounts)
    verifier = {
        "name": "main", "image": debian.name(IMAGE), "imagePullPolicy": "IfNotPresent",
        "command": ["/usr/bin/python3", "-c", VERIFY], "volumeMounts": mounts,
    }  # fmt: skip
    with namespaced(cluster, api, "auth-accounts") as pods:
        api.post(f"{pods.base}/serviceaccounts", {"metadata": {"name": "mounts"}})
        pods.create(
            pod("mounted", *map(reading, ("token", "ca.crt", "namespace")), serviceAccountName="mounts"),
            pod("projected", shows, volumes=[projected(expirationSeconds=3600)]),
            pod("verifies", verifier, volumes=[projected(audience=AUDIENCE, expirationSeconds=7200)]),
        )
        yield pods


def reviewed(api: Api, token: str) -> Object:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    status: Object = api.post("/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
    assert status["authenticated"] is True
    assert not status.get("error")
    return status


def claims_of(token: str) -> Object:
    _, body, _ = token.split(".")
    found: Object = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def test_mounted(pods: Pods, api: Api) -> None:
    """Conformance: Service Account Tokens Must AutoMount"""
    made = pods.finished("mounted")
    for each in made["spec"]["containers"]:
        assert [mount["mountPath"] for mount in each["volumeMounts"]] == [MOUNTED]
    token, root, namespace = (pods.log("mounted", name) for name in ("token", "ca-crt", "namespace"))
    assert root == api.get(f"{pods.base}/configmaps/kube-root-ca.crt")["data"]["ca.crt"]
    assert namespace == pods.namespace
    user = claims_of(token)["sub"]
    assert user == f"system:serviceaccount:{pods.namespace}:mounts"
    pods.create(pod("living", container(), serviceAccountName="mounts"))  # a token is good while its pod is there
    pods.until("living", lambda found: found["status"].get("phase") == "Running")
    status = reviewed(api, pods.sh("living", f"cat {MOUNTED}/token"))
    assert status["user"]["username"] == user
    groups = {"system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{pods.namespace}"}
    assert set(status["user"]["groups"]) == groups


def test_projected(pods: Pods, api: Api) -> None:
    """Conformance: TokenRequestProjection should mount a projected volume with token using TokenRequest API."""
    (token,) = pods.said("projected")
    found = claims_of(token)
    assert found["sub"] == f"system:serviceaccount:{pods.namespace}:default"
    assert found["exp"] - found["iat"] == 3600
    assert found["kubernetes.io"]["pod"]["name"] == "projected"


def test_issued_and_reviewed(pods: Pods, api: Api) -> None:
    """Conformance: ServiceAccount, create and review token"""
    made = api.post(f"{pods.base}/serviceaccounts", {"metadata": {"name": "reviewed"}})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = api.post(f"{pods.base}/serviceaccounts/reviewed/token", request)["status"]["token"]
    assert token
    user = reviewed(api, token)["user"]
    assert user["username"] == f"system:serviceaccount:{pods.namespace}:reviewed"
    assert user["uid"] == made["metadata"]["uid"]


def test_issuer_discovery(pods: Pods) -> None:
    """Conformance: OIDC Discovery (ServiceAccountIssuerDiscovery)"""
    (said,) = pods.said("verifies")
    claims = json.loads(said)
    assert claims["sub"] == f"system:serviceaccount:{pods.namespace}:default"
    assert claims["aud"] == [AUDIENCE]
