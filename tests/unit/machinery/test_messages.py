"""The table of fields is the API's: each message, number, JSON name and mark of Kubernetes 1.36.2's own types."""

from __future__ import annotations

import hashlib

import pytest

from longboat.machinery import messages

# By package: how many fields its types have, and the digest of `message number name marks` of them all, made of what
# was read off upstream's running types. Messages that these types do not have are not counted.
FACTS = {
    "io.k8s.api.admissionregistration.v1": (116, "60188ab8fcd3d4ea"),
    "io.k8s.api.apps.v1": (125, "21ccccc90059cec9"),
    "io.k8s.api.authentication.v1": (28, "0f1b0a6d0eca4d3a"),
    "io.k8s.api.authorization.v1": (50, "4773e98628b86e3a"),
    "io.k8s.api.autoscaling.v1": (23, "7be9e1bd608cdda6"),
    "io.k8s.api.autoscaling.v2": (78, "061940529b389be4"),
    "io.k8s.api.batch.v1": (70, "f53a6f9bb4bd96a5"),
    "io.k8s.api.certificates.v1": (21, "34c5989f63891a39"),
    "io.k8s.api.coordination.v1": (11, "a629c778bd457877"),
    "io.k8s.api.core.v1": (993, "08052425caf2f1aa"),
    "io.k8s.api.discovery.v1": (25, "b4d0ab1bca608e3a"),
    "io.k8s.api.events.v1": (19, "8a1955e55087ddfc"),
    "io.k8s.api.flowcontrol.v1": (60, "313ca3621076c66e"),
    "io.k8s.api.networking.v1": (79, "c7e94859d1f3b227"),
    "io.k8s.api.node.v1": (9, "31217b6fd6b8bab6"),
    "io.k8s.api.policy.v1": (18, "d91d1d86008ed0be"),
    "io.k8s.api.rbac.v1": (32, "a3c82a5d8e644f22"),
    "io.k8s.api.resource.v1": (146, "76a0a15514f79287"),
    "io.k8s.api.scheduling.v1": (7, "d9425e71733ef833"),
    "io.k8s.api.storage.v1": (66, "d6ba0a28b8c7dc7d"),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1": (110, "84c3d9a7d5a73f27"),
    "io.k8s.apimachinery.pkg.apis.meta.v1": (120, "afc779776f99ab90"),
    "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1": (19, "3c2915b4bbf0e04f"),
}
OTHERS = {
    "io.k8s.api.authentication.v1": "ExtraValue",
    "io.k8s.api.authorization.v1": "ExtraValue",
    "io.k8s.api.autoscaling.v1": """
        ContainerResourceMetricSource ContainerResourceMetricStatus ExternalMetricSource ExternalMetricStatus
        HorizontalPodAutoscalerCondition MetricSpec MetricStatus ObjectMetricSource ObjectMetricStatus
        PodsMetricSource PodsMetricStatus ResourceMetricSource ResourceMetricStatus
    """,
    "io.k8s.api.certificates.v1": "ExtraValue",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1": "CustomResourceDefinitionList",
    "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1": "APIServiceList",
    "io.k8s.api.core.v1": "AvoidPods PodSignature Preconditions PreferAvoidPodsEntry",
    "io.k8s.apimachinery.pkg.apis.meta.v1": """
        ApplyOptions GroupKind GroupResource GroupVersion GroupVersionKind GroupVersionResource List
        PartialObjectMetadata PartialObjectMetadataList RootPaths TableOptions Timestamp Verbs
    """,
}


def lines(package: str) -> list[str]:
    found = []
    others = OTHERS.get(package, "").split()
    for message in messages.names():
        home, _, short = message.rpartition(".")
        if home == package and short not in others:
            for number, field in (messages.numbered(message) or {}).items():
                name = f">{field.inlined.rpartition('.')[2]}" if field.inlined else field.name
                found.append(f"{short} {number:03} {name}{'*' * field.pointer}{'!' * field.always}")
    return sorted(found)


@pytest.mark.parametrize("package", FACTS)
def test_the_table_is_what_upstreams_types_have(package: str) -> None:
    found = lines(package)
    assert (len(found), hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]) == FACTS[package]
