"""Which admission plugins there are, in which order, and which flags leave out."""

from __future__ import annotations

from dataclasses import fields
from typing import Any
from unittest.mock import MagicMock

import pytest

from longboat.apiserver.admission.always_pull_images import AlwaysPullImages
from longboat.apiserver.admission.catalog import CATALOGUE, NAMES, Means, plugins, problems, running
from longboat.apiserver.admission.chain import Plugin
from longboat.apiserver.admission.configuration import Configured
from longboat.apiserver.admission.escalation import Escalation
from longboat.cli import plan, up
from longboat.cli.cluster import Cluster
from longboat.cli.errors import Usage
from longboat.cli.flags import parse
from longboat.cli.server import Options, check_plugins
from unit.apiserver.harness import Api, play

# Upstream's own order (kube-apiserver v1.36, AllOrderedPlugins).
UPSTREAM = [
    "AlwaysAdmit", "NamespaceAutoProvision", "NamespaceLifecycle", "NamespaceExists",
    "LimitPodHardAntiAffinityTopology", "LimitRanger", "ServiceAccount", "NodeRestriction", "TaintNodesByCondition",
    "AlwaysPullImages", "ImagePolicyWebhook", "PodSecurity", "PodNodeSelector", "Priority", "DefaultTolerationSeconds",
    "PodTolerationRestriction", "EventRateLimit", "ExtendedResourceToleration", "DefaultStorageClass",
    "StorageObjectInUseProtection", "PodGroupProtection", "OwnerReferencesPermissionEnforcement",
    "PersistentVolumeClaimResize", "RuntimeClass", "CertificateApproval", "CertificateSigning",
    "ClusterTrustBundleAttest", "CertificateSubjectRestriction", "DefaultIngressClass", "DenyServiceExternalIPs",
    "PodTopologyLabels", "PodGroupWorkloadExists", "NodeDeclaredFeatureValidator", "JobValidation",
    "PodResizeValidator", "MutatingAdmissionPolicy", "MutatingAdmissionWebhook", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionWebhook", "ResourceQuota", "AlwaysDeny",
]  # fmt: skip
OURS = {"NodeRestriction", "DenyServiceExternalIPs"}  # that upstream leaves off
UPSTREAMS_OFF = {
    "AlwaysAdmit", "AlwaysDeny", "AlwaysPullImages", "DenyServiceExternalIPs", "EventRateLimit",
    "ExtendedResourceToleration", "ImagePolicyWebhook", "LimitPodHardAntiAffinityTopology", "NamespaceAutoProvision",
    "NamespaceExists", "NodeRestriction", "OwnerReferencesPermissionEnforcement", "PodNodeSelector",
    "PodTolerationRestriction",
}  # fmt: skip

# plugins only keep what they are given
ANYTHING: Any = Means(
    **dict.fromkeys((each.name for each in fields(Means)), MagicMock()) | {"configured": Configured()}
)


def test_the_order_is_upstream_s_and_quotas_come_last() -> None:
    here = [name for name, _ in CATALOGUE if name]
    assert here == UPSTREAM
    assert running() == {*here} - UPSTREAMS_OFF | OURS


def test_what_is_off_is_asked_only_where_it_is_enabled() -> None:
    assert AlwaysPullImages not in map(type, plugins(ANYTHING))
    assert AlwaysPullImages in map(type, plugins(ANYTHING, enabled=["AlwaysPullImages"]))
    assert running(["AlwaysPullImages"], ["Priority"]) == (running() | {"AlwaysPullImages"}) - {"Priority"}


def test_nothing_changes_an_object_after_it_was_judged_for_escalation() -> None:
    changing = [type(each) for each in plugins(ANYTHING) if type(each).mutate is not Plugin.mutate]
    assert changing[-1] is Escalation


@pytest.mark.parametrize(
    ("enabled", "disabled", "said"),
    [
        (["NodeRestriction"], ["LimitRanger"], []),
        (["Nope"], [], ['enable-admission-plugins plugin "Nope" is unknown']),
        ([], ["limitranger", ""], ['disable-admission-plugins plugin "limitranger" is unknown',
                                   'disable-admission-plugins plugin "" is unknown']),
        (["Priority", "LimitRanger"], ["Priority", "LimitRanger"],
         ["[LimitRanger Priority] in enable-admission-plugins and disable-admission-plugins overlapped"]),
    ],
)  # fmt: skip
def test_names_that_are_none(enabled: list[str], disabled: list[str], said: list[str]) -> None:
    assert list(problems(enabled, disabled)) == said


def test_what_is_disabled_is_not_asked() -> None:
    def scene(ips: list[str]) -> Any:
        async def make(api: Api) -> None:
            spec = {"ports": [{"port": 80}], "externalIPs": ["1.2.3.4"]}
            where = "/api/v1/namespaces/default/services"
            ips.append((await api.ask("POST", where, {"metadata": {"name": "s"}, "spec": spec}))[0])
            made = await api.make("/api/v1/nodes", {"metadata": {"name": "n"}})
            ips.append("taints" in made["spec"])

        return make

    usual: list[Any] = []
    play(scene(usual))
    without: list[Any] = []
    play(scene(without), disable_admission_plugins=frozenset(("DenyServiceExternalIPs", "TaintNodesByCondition")))
    assert (usual, without) == ([403, True], [201, False])


def test_what_is_ours_alone_cannot_be_turned_off() -> None:
    async def scene(api: Api) -> None:
        code, _ = await api.ask("POST", "/api/v1/nodes", {"metadata": {"name": "kubernetes"}})
        assert code == 403  # a name of the API server

    play(scene, disable_admission_plugins=NAMES | {""})


def test_the_flags_of_a_server_and_of_a_cluster() -> None:
    given = ["--enable-admission-plugins", "Priority,LimitRanger", "--disable-admission-plugins", "RuntimeClass"]
    options = parse(Options, given, prog="longboat server")
    assert (options.enable_admission_plugins, options.disable_admission_plugins) == (
        ["Priority", "LimitRanger"],
        ["RuntimeClass"],
    )
    with pytest.raises(Usage, match='enable-admission-plugins plugin "X" is unknown'):
        check_plugins(["X"], [])
    wished = parse(up.Options, given, prog="longboat up")
    made = Cluster("c", "/nowhere", 1, **up._limits(wished))
    (server,) = [process for process in plan.plan(made) if process.name == "control-plane"]
    assert server.argv[server.argv.index(given[0]) :][:4] == tuple(given)
    with pytest.raises(Usage, match="is unknown"):
        up._limits(parse(up.Options, ["--disable-admission-plugins", "X"], prog="longboat up"))
