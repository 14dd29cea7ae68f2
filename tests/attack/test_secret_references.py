"""Every way to a Secret that a pod has, under an account that lists what its pods may see (security lesson 12)."""

from __future__ import annotations

from typing import Any

import pytest

from suites.objects import pod
from unit.apiserver.harness import Api, play

NAMESPACE = "/api/v1/namespaces/default"
PODS = f"{NAMESPACE}/pods"
ENFORCED = {"kubernetes.io/enforce-mountable-secrets": "true"}


def env(secret: str) -> dict[str, Any]:
    return {"env": [{"name": "V", "valueFrom": {"secretKeyRef": {"name": secret, "key": "k"}}}]}


def env_from(secret: str) -> dict[str, Any]:
    return {"envFrom": [{"secretRef": {"name": secret}}]}


def container(**more: Any) -> list[dict[str, Any]]:
    return [{"name": "c", "image": "i", **more}]


def init(**more: Any) -> list[dict[str, Any]]:
    return [{"name": "i", "image": "i", **more}]


def volume(**source: Any) -> dict[str, Any]:
    return {"volumes": [{"name": "v", **source}]}


ENV, FROM = "with envVar V referencing secret.secretName", "with envFrom referencing secret.secretName"
IN_VOLUME = "volume with secret.secretName"
CSI = {"driver": "d.example.com", "nodePublishSecretRef": {"name": "other"}}
WAYS = [
    (pod(containers=container(**env("other"))), f"container c {ENV}"),
    (pod(containers=container(**env_from("other"))), f"container c {FROM}"),
    (pod(initContainers=init(**env("other"))), f"init container i {ENV}"),
    (pod(initContainers=init(**env_from("other"))), f"init container i {FROM}"),
    (pod(**volume(secret={"secretName": "other"})), IN_VOLUME),
    (pod(**volume(projected={"sources": [{"secret": {"name": "other"}}]})), IN_VOLUME),
    (pod(**volume(csi=CSI)), IN_VOLUME),
]


async def account(api: Api) -> None:
    listed = {"secrets": [{"name": "own"}], "imagePullSecrets": [{"name": "pull"}]}
    await api.make(f"{NAMESPACE}/serviceaccounts", {"metadata": {"name": "default", "annotations": ENFORCED}, **listed})


@pytest.mark.parametrize(("wish", "what"), WAYS, ids=[what for _, what in WAYS[:5]] + ["projected", "csi"])
def test_a_secret_of_somebody_else(wish: dict[str, Any], what: str) -> None:
    async def scene(api: Api) -> None:
        await account(api)
        code, answer = await api.ask("POST", PODS, wish)
        assert (code, answer["reason"]) == (403, "Forbidden")
        why = f'{what}="other" is not allowed because service account default does not reference that secret'
        assert answer["message"] == f'pods "p" is forbidden: {why}'

    play(scene)


def test_a_pull_secret_of_somebody_else() -> None:
    async def scene(api: Api) -> None:
        await account(api)
        code, answer = await api.ask("POST", PODS, pod(imagePullSecrets=[{"name": "other"}]))
        assert code == 403
        assert answer["message"] == (
            'pods "p" is forbidden: imagePullSecrets[0].name="other" is not allowed because service account default '
            "does not reference that imagePullSecret"
        )

    play(scene)


@pytest.mark.parametrize("way", [env, env_from])
def test_an_ephemeral_container_comes_later(way: Any) -> None:
    async def scene(api: Api) -> None:
        await account(api)
        made = await api.make(PODS, pod(containers=container(**env("own")), imagePullSecrets=[{"name": "pull"}]))
        made["spec"]["ephemeralContainers"] = [{"name": "e", "image": "i", **way("other")}]
        code, answer = await api.ask("PUT", f"{PODS}/p/ephemeralcontainers", made)
        assert code == 403 and "ephemeral container e with env" in answer["message"]
        made["spec"]["ephemeralContainers"] = [{"name": "e", "image": "i", **way("own")}]
        assert (await api.ask("PUT", f"{PODS}/p/ephemeralcontainers", made))[0] == 200

    play(scene)


MIRRORED = [(wish, "a mirror pod may not reference secrets") for wish, _ in WAYS] + [
    (
        pod(**volume(projected={"sources": [{"serviceAccountToken": {"path": "token"}}]})),
        "a mirror pod may not use ServiceAccountToken volume projections",
    )
]


@pytest.mark.parametrize(("wish", "why"), MIRRORED)
def test_a_mirror_pod_shows_no_secrets(wish: dict[str, Any], why: str) -> None:
    """CVE-2025-4563's kind: what admission asks of ordinary pods nobody asks of a mirror, so it may name nothing."""

    async def scene(api: Api) -> None:
        await account(api)
        mirror = {"name": "p", "annotations": {"kubernetes.io/config.mirror": "x"}}
        code, answer = await api.ask("POST", PODS, {**wish, "metadata": mirror})
        assert (code, answer["message"]) == (403, f'pods "p" is forbidden: {why}')

    play(scene)


def test_a_mirror_without_anything() -> None:
    async def scene(api: Api) -> None:
        mirror = {"name": "p", "annotations": {"kubernetes.io/config.mirror": "x"}}
        code, _ = await api.ask("POST", PODS, {"metadata": mirror})
        assert code == 422

    play(scene)
