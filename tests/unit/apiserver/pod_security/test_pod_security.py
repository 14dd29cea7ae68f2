"""What PodSecurity does to pods, to what makes pods, and to namespaces that are relabelled."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from longboat.aio.clock import VirtualClock
from longboat.apiserver.admission.configuration import Configured
from longboat.apiserver.admission.pod_security import relabelling
from longboat.apiserver.admission.pod_security.levels import BASELINE, NONE, OPEN, RESTRICTED, Policy, Standard
from longboat.apiserver.admission.pod_security.settings import Settings
from longboat.apiserver.request import Request
from longboat.registry.write import Write
from suites.objects import pod
from unit.apiserver.harness import ADMIN, Api, play, user

NS = "/api/v1/namespaces"
LABEL = "pod-security.kubernetes.io/"
MERGE = {"content_type": "application/merge-patch+json"}
ROOT = 'violates PodSecurity "baseline:latest": host namespaces (hostPID=true)'


async def namespace(api: Api, name: str, **modes: str) -> None:
    labels = {LABEL + mode.replace("_", "-"): level for mode, level in modes.items()}
    await api.make(NS, {"metadata": {"name": name, "labels": labels}})
    await api.make(f"{NS}/{name}/serviceaccounts", {"metadata": {"name": "default"}})


async def told(api: Api, target: str, body: Any, method: str = "POST", **headers: str) -> tuple[int, list[str]]:
    response = await api.response(method, target, body, **headers)
    return response.status, re.findall(r'299 - "((?:[^"\\]|\\.)*)"', " ".join(response.warnings))


async def annotations(api: Api, target: str, body: Any, who: Any = ADMIN) -> dict[str, str]:
    """Those that the request's audit event gets."""
    seen: list[Request] = []
    chain = api.server.handle

    async def watched(request: Request) -> Any:
        seen.append(request)
        return await chain(request)

    api.server.handle = watched  # type: ignore[method-assign]
    try:
        await api.response("POST", target, body, who)
    finally:
        api.server.handle = chain  # type: ignore[method-assign]
    return {k.removeprefix(LABEL): v for k, v in seen[0].annotations.items() if k.startswith(LABEL)}


async def figures(api: Api, name: str) -> dict[str, int]:
    """Samples that are not 0, by the values of their labels."""
    found = (await api.ask("GET", "/metrics"))[1]
    samples = re.findall(rf"^pod_security_{name}_total\{{(.*)\}} (\d+)$", found, re.MULTILINE)
    return {" ".join(re.findall(r'="([^"]*)"', labels)).strip(): int(n) for labels, n in samples if n != "0"}


def test_what_is_enforced_refuses_pods_and_no_templates() -> None:
    async def scene(api: Api) -> None:
        await namespace(api, "n", enforce="baseline")
        code, status = await api.ask("POST", f"{NS}/n/pods", pod(hostPID=True))
        assert (code, status["reason"], status["details"]) == (403, "Forbidden", {"name": "p", "kind": "pods"})
        assert status["message"] == f'pods "p" is forbidden: {ROOT}'
        await api.make(f"{NS}/n/pods", pod())
        template = {"metadata": {"labels": {"a": "b"}}, "spec": pod(hostPID=True)["spec"]}
        body = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
        assert await told(api, "/apis/apps/v1/namespaces/n/deployments", body) == (201, [])

    play(scene)


def test_an_update_is_held_to_it_when_an_image_changes_or_a_container_comes() -> None:
    async def scene(api: Api) -> None:
        await namespace(api, "n")
        await api.make(f"{NS}/n/pods", pod(hostPID=True))
        await api.ask("PATCH", f"{NS}/n", {"metadata": {"labels": {f"{LABEL}enforce": "baseline"}}}, **MERGE)
        one = f"{NS}/n/pods/p"
        assert (await api.ask("PATCH", one, {"metadata": {"labels": {"a": "b"}}}, **MERGE))[0] == 200
        assert (await api.ask("PATCH", f"{one}/status", {"status": {"phase": "Running"}}, **MERGE))[0] == 200
        image = {"spec": {"containers": [{"name": "c", "image": "j"}]}}
        strategic = {"content_type": "application/strategic-merge-patch+json"}
        code, status = await api.ask("PATCH", one, image, **strategic)
        assert (code, status["message"]) == (403, f'pods "p" is forbidden: {ROOT}')
        more = {"spec": {"ephemeralContainers": [{"name": "e", "image": "i"}]}}
        assert (await api.ask("PATCH", f"{one}/ephemeralcontainers", more, **strategic))[0] == 403
        assert (await api.ask("DELETE", one))[0] == 200

    play(scene)


def test_templates_are_told_of_wherever_they_are() -> None:
    async def scene(api: Api) -> None:
        await namespace(api, "n", warn="baseline", audit="baseline")
        template = {"metadata": {"labels": {"a": "b"}}, "spec": pod(hostPID=True)["spec"]}
        once = {**template, "spec": {**template["spec"], "restartPolicy": "Never"}}
        selected = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
        said = r"would violate PodSecurity \"baseline:latest\": host namespaces (hostPID=true)"
        for path, body in (
            ("/api/v1/namespaces/n/podtemplates", {"template": template}),
            ("/api/v1/namespaces/n/replicationcontrollers", {"spec": {"selector": {"a": "b"}, "template": template}}),
            ("/apis/apps/v1/namespaces/n/replicasets", {"spec": selected}),
            ("/apis/apps/v1/namespaces/n/deployments", {"spec": selected}),
            ("/apis/apps/v1/namespaces/n/daemonsets", {"spec": selected}),
            ("/apis/apps/v1/namespaces/n/statefulsets", {"spec": {**selected, "serviceName": "s"}}),
            ("/apis/batch/v1/namespaces/n/jobs", {"spec": {"template": once}}),
            ("/apis/batch/v1/namespaces/n/cronjobs",
             {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": once}}}}),
        ):  # fmt: skip
            assert await told(api, path, {"metadata": {"name": "x"}, **body}) == (201, [said]), path
        scale = "/apis/apps/v1/namespaces/n/deployments/x"
        assert await told(api, scale, {"spec": {"replicas": 2}}, "PATCH", **MERGE) == (200, [said])
        assert await told(api, f"{scale}/scale", {"spec": {"replicas": 3}}, "PATCH", **MERGE) == (200, [])

    play(scene)


def test_what_the_audit_event_and_the_figures_say() -> None:
    async def scene(api: Api) -> None:
        await namespace(api, "open")
        await namespace(api, "n", enforce="baseline", audit="restricted", audit_version="v1.7", warn="restricted",
                        warn_version="v1.99")  # fmt: skip
        assert await annotations(api, f"{NS}/open/pods", pod()) == {"enforce-policy": "privileged:latest"}
        before = await figures(api, "evaluations")
        why = 'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)'
        assert await annotations(api, f"{NS}/n/pods", pod()) == {
            "enforce-policy": "baseline:latest",
            "audit-violations": f'would violate PodSecurity "restricted:v1.7": {why}',
        }
        code, warned = await told(api, f"{NS}/n/pods", pod("q", hostPID=True))
        assert (code, warned) == (403, [])  # nothing is warned of that is refused
        after = await figures(api, "evaluations")
        assert {key: n - before.get(key, 0) for key, n in after.items() if n != before.get(key)} == {
            "allow enforce baseline latest create pod": 1,
            "deny audit restricted v1.7 create pod": 2,
            "deny warn restricted future create pod": 1,
            "deny enforce baseline latest create pod": 1,
        }

    play(scene)


EVERYTHING: dict[str, str] = {"enforce": "restricted", "warn": "restricted", "audit": "restricted"}


@pytest.mark.parametrize(
    ("settings", "spec", "whose"),
    [
        (Settings(namespaces=frozenset(("n",))), {}, "namespace"),
        (Settings(usernames=frozenset(("mary",))), {}, "user"),
        (Settings(runtime_classes=frozenset(("box",))), {"runtimeClassName": "box"}, "runtimeClass"),
        (Settings(OPEN, frozenset(("m",)), frozenset(("john",)), frozenset(("",))), {}, ""),
    ],
    ids=("namespace", "user", "runtime class", "nobody"),
)  # fmt: skip
def test_exemptions(settings: Settings, spec: Any, whose: str) -> None:
    async def scene(api: Api) -> None:
        await namespace(api, "n", **EVERYTHING)
        await api.make("/apis/node.k8s.io/v1/runtimeclasses", {"metadata": {"name": "box"}, "handler": "h"})
        mary = user("mary", "system:masters")
        found = await annotations(api, f"{NS}/n/pods", pod(**spec), mary)
        code, _ = await api.ask("GET", f"{NS}/n/pods/p")
        assert (found.get("exempt", ""), code) == (whose, 200 if whose else 404)
        assert await figures(api, "exemptions") == ({"create pod": 1} if whose else {})

    play(scene, admission=Configured(settings))


def test_a_namespace_that_asks_for_nothing_has_the_defaults() -> None:
    async def scene(api: Api) -> None:
        await namespace(api, "n")
        await namespace(api, "m", enforce_version="v1.0")
        assert (await api.ask("POST", f"{NS}/n/pods", pod()))[0] == 403
        code, status = await api.ask("POST", f"{NS}/m/pods", pod())
        assert (code, "restricted:v1.0" in status["message"]) == (403, True)

    play(scene, admission=Configured(Settings(Policy(Standard(RESTRICTED), NONE, NONE))))


def test_labels_that_say_nothing() -> None:
    async def scene(api: Api) -> None:
        labels = {
            f"{LABEL}enforce": "bogus",
            f"{LABEL}warn-version": "v1.01",
            f"{LABEL}audit-version": "v1." + "9" * 30,
        }
        code, status = await api.ask("POST", NS, {"metadata": {"name": "n", "labels": labels}})
        where = "metadata.labels[pod-security.kubernetes.io/"
        causes = [
            f'{where}enforce]: Invalid value: "bogus": must be one of privileged, baseline, restricted',
            f'{where}audit-version]: Invalid value: "v1.{"9" * 30}": must be "latest" or "v1.x"',
            f'{where}warn-version]: Invalid value: "v1.01": must be "latest" or "v1.x"',
        ]
        assert (code, status["message"]) == (422, f'Namespace "n" is invalid: [{", ".join(causes)}]')
        await namespace(api, "m")
        patch = {"metadata": {"labels": {f"{LABEL}enforce": "Baseline"}}}
        assert (await api.ask("PATCH", f"{NS}/m", patch, **MERGE))[0] == 422

    play(scene)


def test_labels_that_said_nothing_before_are_enforced_as_the_strictest_and_may_stay() -> None:
    """As they are after the plugin was off for a while, or after an upgrade."""

    async def scene(api: Api) -> None:
        store = next(store for kind, store in api.server.stores.items() if kind.name == "Namespace")
        await namespace(api, "n")
        broken = {f"{LABEL}enforce": "bogus", f"{LABEL}warn": "bogus"}

        def label(old: Any) -> Any:
            return {**old, "metadata": {**old["metadata"], "labels": {**old["metadata"]["labels"], **broken}}}

        await store.update("", "n", label, Write())  # the server's own writes are not asked for
        found = await annotations(api, f"{NS}/n/pods", pod())
        assert found["enforce-policy"] == "restricted:latest"
        assert found["error"].startswith(
            "Failed to parse policy: [metadata.labels[pod-security.kubernetes.io/enforce]: "
        )
        assert (await api.ask("POST", f"{NS}/n/pods", pod()))[0] == 403
        assert await figures(api, "errors") == {"false create pod": 2}
        assert (await api.ask("PATCH", f"{NS}/n", {"metadata": {"annotations": {"a": "b"}}}, **MERGE))[0] == 200

    play(scene)


def test_whoever_makes_a_namespace_stricter_is_told_of_its_pods() -> None:
    async def scene(api: Api) -> None:
        await namespace(api, "n")
        for name in ("b1", "b0", "b2"):
            await api.make(f"{NS}/n/pods", pod(name, hostPID=True))
        for name in ("a1", "a0"):
            await api.make(
                f"{NS}/n/pods",
                pod(
                    name,
                    hostPID=True,
                    hostIPC=True,
                    hostNetwork=True,
                    containers=[{"name": "c", "image": "i", "ports": [{"containerPort": 1}]}],
                ),
            )
        await api.make(f"{NS}/n/pods", pod("good"))

        async def relabel(**modes: Any) -> list[str]:
            labels = {LABEL + mode.replace("_", "-"): level for mode, level in modes.items()}
            code, warned = await told(api, f"{NS}/n", {"metadata": {"labels": labels}}, "PATCH", **MERGE)
            assert code == 200
            return warned

        title = r"existing pods in namespace \"n\" violate the new PodSecurity enforce level \"baseline:{}\""
        lines = ["a0 (and 1 other pod): host namespaces, hostPort", "b0 (and 2 other pods): host namespaces"]
        assert await relabel(warn="restricted", audit="baseline") == []
        assert await relabel(enforce="baseline") == [title.format("latest"), *lines]
        assert await relabel(enforce="baseline") == []
        assert await relabel(enforce_version="v1.4") == [title.format("v1.4"), *lines]
        assert (await relabel(enforce="restricted"))[1].startswith("a0 (and 1 other pod): host namespaces, hostPort, ")
        assert await relabel(enforce="baseline") == []  # of the same version, and less strict
        assert await relabel(enforce="privileged", enforce_version="latest") == []

    play(scene)


def relabelled(pods: list[Any], clock: Any = None) -> list[str]:
    exempt = frozenset(("box",))
    return asyncio.run(relabelling.warnings("n", Standard(BASELINE), pods, exempt, clock or VirtualClock()))


def owned(name: str, owner: str, **spec: Any) -> Any:
    made = pod(name, **spec)
    made["metadata"]["ownerReferences"] = [{"uid": "other"}, {"uid": owner, "controller": True}]
    return made


def test_one_of_each_controller_comes_first_and_there_is_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relabelling, "MOST", 3)
    pods = [owned(f"r{i}", "r", hostPID=True) for i in range(5)]
    pods += [pod("box", hostPID=True, runtimeClassName="box"), owned("s", "s", hostPID=True), pod("z", hostPID=True)]
    assert relabelled(pods) == [
        "new PodSecurity enforce level only checked against the first 3 of 7 existing pods",
        'existing pods in namespace "n" violate the new PodSecurity enforce level "baseline:latest"',
        "r0 (and 2 other pods): host namespaces",
    ]


def test_it_takes_no_longer_than_a_second() -> None:
    class Slow(VirtualClock):
        def monotonic(self) -> float:
            self.passed = getattr(self, "passed", 0.0) + 0.3
            return self.passed

    said = relabelled([pod(f"p{i}") for i in range(50)], Slow())
    assert said == ["new PodSecurity enforce level only checked against the first 4 of 50 existing pods"]
