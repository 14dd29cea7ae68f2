"""OpenAPI documents are whole, refer only to what they contain, and say what clients look for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from longboat.api import kinds
from longboat.machinery import openapi
from longboat.machinery.openapi_paths import BUILT_IN, META, Resource, discovery
from longboat.machinery.patch.document import ACCEPTED
from longboat.machinery.subresource import STATUS, Subresource, proxy, stream

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
POD = Resource(
    kinds.POD,
    VERBS,
    (
        STATUS,
        Subresource("binding", ("create",), kinds.BINDING),
        Subresource("log", ("get",), text=True),
        Subresource("eviction", ("create",), kinds.EVICTION),
        stream("exec", "PodExecOptions"),
        stream("attach", "PodAttachOptions"),
        stream("portforward", "PodPortForwardOptions"),
        proxy("PodProxyOptions"),
    ),
)
RESOURCES = [POD, Resource(kinds.NODE, VERBS), Resource(kinds.COMPONENT_STATUS, ("get", "list"))]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


@pytest.fixture(scope="module")
def v3() -> Any:
    return json.loads(openapi.v3(RESOURCES))


@pytest.fixture(scope="module")
def v2() -> Any:
    return json.loads(openapi.v2(RESOURCES))


def test_every_reference_is_answered(v3: Any, v2: Any) -> None:
    for document, place, found in (
        (v3, "#/components/schemas/", v3["components"]["schemas"]), (v2, "#/definitions/", v2["definitions"]),
    ):  # fmt: skip
        used = set(references(document))
        shared = {each for each in used if each.startswith("#/parameters/")}
        assert {each.rpartition("/")[2] for each in shared} == set(document.get("parameters", ()))
        used -= shared
        assert used and all(reference.startswith(place) for reference in used)
        assert {reference.removeprefix(place) for reference in used} <= set(found)


def test_a_document_holds_no_more_than_its_own_types(v3: Any) -> None:
    schemas = v3["components"]["schemas"]
    assert "io.k8s.api.core.v1.PodSpec" in schemas
    assert "io.k8s.api.core.v1.SecretList" not in schemas


def test_descriptions_and_types_are_upstreams(v3: Any, v2: Any) -> None:
    pod = v3["components"]["schemas"]["io.k8s.api.core.v1.Pod"]
    assert pod["description"].startswith("Pod is a collection of containers")
    assert pod["properties"]["kind"]["type"] == "string"
    assert "enum" not in pod["properties"]["kind"]
    assert "additionalProperties" not in pod
    assert pod["x-kubernetes-group-version-kind"] == [{"group": "", "kind": "Pod", "version": "v1"}]
    assert list(pod["properties"]["spec"]) == ["allOf", "default", "description"]
    containers = v3["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-list-map-keys"] == ["name"]
    number_or_name = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
    assert v3["components"]["schemas"][number_or_name] == {
        "oneOf": [{"type": "string"}, {"type": "integer"}], "format": "int-or-string",
    }  # fmt: skip
    assert v2["definitions"][number_or_name] == {"type": "string", "format": "int-or-string"}
    assert (
        v2["definitions"]["io.k8s.api.core.v1.Pod"]["properties"]["spec"]["$ref"]
        == "#/definitions/io.k8s.api.core.v1.PodSpec"
    )


def test_paths_say_what_can_be_done(v3: Any) -> None:
    one = v3["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]
    assert {method for method in one if method != "parameters"} == {"get", "put", "patch", "delete"}
    assert [parameter["name"] for parameter in one["parameters"]] == ["name", "namespace", "pretty"]
    assert one["patch"]["x-kubernetes-action"] == "patch"
    assert one["patch"]["x-kubernetes-group-version-kind"] == {"group": "", "kind": "Pod", "version": "v1"}
    assert "application/strategic-merge-patch+json" in one["patch"]["requestBody"]["content"]
    assert set(v3["paths"]["/api/v1/componentstatuses/{name}"]) == {"get", "parameters"}
    assert "/api/v1/pods" in v3["paths"]
    assert "/api/v1/namespaces/{namespace}/nodes" not in v3["paths"]
    bind = v3["paths"]["/api/v1/namespaces/{namespace}/pods/{name}/binding"]["post"]
    assert bind["x-kubernetes-group-version-kind"]["kind"] == "Binding"


@pytest.mark.parametrize("method", ["put", "patch"])
def test_writes_take_field_validation(v3: Any, v2: Any, method: str) -> None:
    """kubectl looks for this parameter before it leaves validation to the server."""
    for document in (v3, v2):
        operation = document["paths"]["/api/v1/nodes/{name}"][method]
        assert "fieldValidation" in [parameter.get("name") for parameter in operation["parameters"]]


def test_every_patch_of_a_kind_takes_field_validation(v3: Any) -> None:
    """kubectl looks at whichever patch of the kind it meets first."""
    for path in v3["paths"].values():
        if (patch := path.get("patch")) and patch["x-kubernetes-group-version-kind"]["kind"] == "Pod":
            assert "fieldValidation" in {parameter.get("name") for parameter in patch["parameters"]}


def test_operations_have_names_of_their_own(v3: Any) -> None:
    names = [
        operation["operationId"]
        for item in v3["paths"].values() for method, operation in item.items() if method != "parameters"
    ]  # fmt: skip
    assert len(names) == len(set(names))
    assert {"listCoreV1NamespacedPod", "readCoreV1NamespacedPodStatus", "listCoreV1PodForAllNamespaces"} <= set(names)


def test_the_hash_follows_what_is_served() -> None:
    assert openapi.digest([POD]) == openapi.digest([POD])
    assert openapi.digest([POD]) != openapi.digest([Resource(kinds.POD, ("get",))])


def test_the_schema_of_schemas_keeps_its_own_words() -> None:
    document = json.loads(openapi.v3([Resource(kinds.CUSTOM_RESOURCE_DEFINITION, VERBS)]))
    prefix = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
    props = document["components"]["schemas"][prefix + "JSONSchemaProps"]["properties"]
    assert props["$ref"]["type"] == "string"
    assert props["enum"]["type"] == "array"


def test_what_go_always_has_defaults_to_its_empty_value(v3: Any, v2: Any) -> None:
    """Fields, items and values of maps; not pointers, nor types that read JSON themselves (upstream's v3 documents)."""
    newer, older = v3["components"]["schemas"], v2["definitions"]
    core, meta = "io.k8s.api.core.v1.", "io.k8s.apimachinery.pkg.apis.meta.v1."
    for kind, field, inner, default in (
        (f"{core}Pod", "metadata", "", {}),
        (f"{core}Container", "name", "", ""),
        (f"{core}Container", "command", "items", ""),
        (f"{core}PodSpec", "containers", "items", {}),
        (f"{core}PodSpec", "nodeSelector", "additionalProperties", ""),
        (f"{core}PodSpec", "overhead", "additionalProperties", None),  # quantities
        (f"{core}PodSpec", "securityContext", "", None),
        (f"{core}PodSpec", "nodeName", "", None),
        (f"{core}ContainerStatus", "restartCount", "", 0),
        (f"{core}ContainerStatus", "ready", "", False),
        (f"{core}PodCondition", "lastTransitionTime", "", None),
        (f"{meta}OwnerReference", "uid", "", ""),
    ):
        node, old = newer[kind]["properties"][field], older[kind]["properties"][field]
        node, old = (node[inner], old[inner]) if inner else (node, old)
        assert node.get("default") == default and type(node.get("default")) is type(default), (kind, field)
        assert "default" not in old


def test_defaults_that_types_declare_are_those(v3: Any, v2: Any) -> None:
    """What the API's types say of themselves (`+default=`), besides the empty values of Go."""
    newer, older = v3["components"]["schemas"], v2["definitions"]
    for kind, field, default in (
        ("ContainerPort", "protocol", "TCP"),
        ("AzureDiskVolumeSource", "cachingMode", "ReadWrite"),
        ("AzureDiskVolumeSource", "readOnly", False),
        ("ISCSIVolumeSource", "iscsiInterface", "default"),
        ("RBDVolumeSource", "keyring", "/etc/ceph/keyring"),
        ("ScaleIOVolumeSource", "storageMode", "ThinProvisioned"),
        ("GRPCAction", "service", ""),
        ("LocalObjectReference", "name", ""),
        ("SecretKeySelector", "name", ""),
        ("ConfigMapVolumeSource", "name", ""),
        ("SecretVolumeSource", "secretName", None),
    ):
        node = newer[f"io.k8s.api.core.v1.{kind}"]["properties"][field]
        assert node.get("default") == default and type(node.get("default")) is type(default), (kind, field)
        assert "default" not in older[f"io.k8s.api.core.v1.{kind}"]["properties"][field]


# The names that upstream's published Swagger document gives to shared parameters, made of their contents.
SHARED = """allowWatchBookmarks-HC2hJt-J body-2Y1dVQaQ body-78PwaGsr command-Py3eQybp container-1GeXxFDC
container-_Q-EJ3nR container-i5dOmRiM continue-QfD61s0i fieldManager-7c6nTn1T fieldManager-Qy4HdaTW
fieldSelector-xIcQKXFG follow-9OIXh_2R force-tOGGb0Yi gracePeriodSeconds--K5HaBOS
ignoreStoreReadErrorWithClusterBreakingPotential-QbNkfIqj
insecureSkipTLSVerifyBackend-gM00jVbe labelSelector-5Zw57w4C limit-1NfNmdNH limitBytes-zwd1RXuc
namespace-vgWSWtn3 orphanDependents-uRB25kX5 path-oPbzgLUj path-z6Ciiujn ports-91KROJmm
pretty-tJGM1-ng previous-1jxDPu3y propagationPolicy-6jk3prlO resourceVersion-5WAnf1kx
resourceVersionMatch-t8XhRHeC sendInitialEvents-rLXlEK_k sinceSeconds-vE2NLdnP stderr-26jJhFUR
stderr-W_1TNlWc stdin-PSzNhyUC stdin-sEFnN3IS stdout--EZLRwV1 stdout-005YMKE6 stream-l-48cgXv
tailLines-9xQLWHMV timeoutSeconds-yvYezaOC timestamps-c17fW1w_ tty-g7MlET_l tty-s0flW37O
watch-XNNPZGbK"""


def test_parameters_are_upstreams_to_the_letter(v2: Any) -> None:
    assert sorted(v2["parameters"]) == sorted(SHARED.split())


def test_connections_and_logs_say_what_they_take(v3: Any, v2: Any) -> None:
    pod = "/api/v1/namespaces/{namespace}/pods/{name}"
    for part, method, identity, takes in (
        ("log", "get", "readCoreV1NamespacedPodLog",
         "container follow insecureSkipTLSVerifyBackend limitBytes name namespace pretty previous sinceSeconds stream "
         "tailLines timestamps"),
        ("exec", "post", "connectCoreV1PostNamespacedPodExec",
         "command container name namespace stderr stdin stdout tty"),
        ("attach", "get", "connectCoreV1GetNamespacedPodAttach", "container name namespace stderr stdin stdout tty"),
        ("portforward", "get", "connectCoreV1GetNamespacedPodPortforward", "name namespace ports"),
        ("proxy", "options", "connectCoreV1OptionsNamespacedPodProxy", "name namespace path"),
        ("proxy/{path}", "head", "connectCoreV1HeadNamespacedPodProxyWithPath", "name namespace path path"),
    ):  # fmt: skip
        item = v3["paths"][f"{pod}/{part}"]
        assert item[method]["operationId"] == identity and "parameters" not in item[method]
        assert " ".join(each["name"] for each in item["parameters"]) == takes
        older = v2["paths"][f"{pod}/{part}"]
        assert len(older["parameters"]) == len(item["parameters"]) and older[method]["consumes"] == ["*/*"]
    assert v3["paths"][f"{pod}/eviction"]["post"]["description"] == "create eviction of a Pod"
    assert v3["paths"][f"{pod}/eviction"]["parameters"][3]["description"] == "name of the Eviction"


def test_a_delete_answers_with_what_was_deleted_where_the_store_gives_it(v3: Any, v2: Any) -> None:
    (pods,) = (json.loads(openapi.v3([replace(POD, returns_deleted=True)]))["paths"],)
    one = "/api/v1/namespaces/{namespace}/pods/{name}"
    for paths, kind in ((pods, "io.k8s.api.core.v1.Pod"), (v3["paths"], f"{META}Status")):
        answers = paths[one]["delete"]["responses"]
        assert {code: list(references(answers[code])) for code in answers} == {
            "200": [f"#/components/schemas/{kind}"] * 3, "202": [f"#/components/schemas/{kind}"] * 3, "401": [],
        }  # fmt: skip
    everything = pods["/api/v1/namespaces/{namespace}/pods"]["delete"]["responses"]["200"]
    assert set(references(everything)) == {f"#/components/schemas/{META}Status"}


def test_what_is_sent_may_be_of_any_type_but_for_patches(v3: Any, v2: Any) -> None:
    newer, older = v3["paths"]["/api/v1/nodes/{name}"], v2["paths"]["/api/v1/nodes/{name}"]
    for method in ("put", "delete"):
        assert list(newer[method]["requestBody"]["content"]) == older[method]["consumes"] == ["*/*"]
    assert list(newer["patch"]["requestBody"]["content"]) == older["patch"]["consumes"] == list(ACCEPTED)
    assert v2["paths"]["/version/"]["get"]["consumes"] == ["application/json"]


def test_what_has_no_group_version_has_documents_of_its_own() -> None:
    """As upstream's v3 documents `api`, `apis`, `apis/GROUP`, `version` and those of OpenID."""
    found = discovery([kinds.POD, kinds.DEPLOYMENT], openid=True)
    assert list(found) == ["version", "api", "apis", "apis/apps", ".well-known/openid-configuration", "openid/v1/jwks"]
    for name, path, schemas, media in (
        ("version", "/version/", "Info", "application/json"),
        ("api", "/api/", "APIVersions ServerAddressByClientCIDR", " ".join(BUILT_IN)),
        ("apis", "/apis/", "APIGroup APIGroupList GroupVersionForDiscovery ServerAddressByClientCIDR",
         " ".join(BUILT_IN)),
        ("apis/apps", "/apis/apps/", "APIGroup GroupVersionForDiscovery ServerAddressByClientCIDR",
         " ".join(BUILT_IN)),
        (".well-known/openid-configuration", "/.well-known/openid-configuration", "", "application/json"),
        ("openid/v1/jwks", "/openid/v1/jwks", "", "application/jwk-set+json"),
    ):  # fmt: skip
        document = json.loads(openapi.v3_of(found[name]))
        assert list(document["paths"]) == [path]
        components = document["components"]
        assert " ".join(each.rpartition(".")[2] for each in components.get("schemas", ())) == schemas
        assert components["securitySchemes"]["BearerToken"]["type"] == "apiKey"
        answer = document["paths"][path]["get"]["responses"]
        assert " ".join(answer["200"]["content"]) == media and list(answer) == ["200", "401"]
    assert "/openid/v1/jwks" in json.loads(openapi.v2(RESOURCES, openid=True))["paths"]
    assert "/openid/v1/jwks" not in json.loads(openapi.v2(RESOURCES))["paths"]


def test_the_older_document_has_discovery_watches_and_how_to_authenticate(v2: Any) -> None:
    assert v2["security"] == [{"BearerToken": []}] and v2["securityDefinitions"]["BearerToken"]["in"] == "header"
    for path, identity, tag in (
        ("/api/", "getCoreAPIVersions", "core"),
        ("/api/v1/", "getCoreV1APIResources", "core_v1"),
        ("/apis/", "getAPIVersions", "apis"),
        ("/version/", "getCodeVersion", "version"),
        ("/api/v1/watch/pods", "watchCoreV1PodListForAllNamespaces", "core_v1"),
        ("/api/v1/watch/namespaces/{namespace}/pods/{name}", "watchCoreV1NamespacedPod", "core_v1"),
    ):
        get = v2["paths"][path]["get"]
        assert (get["operationId"], get["tags"], get["schemes"]) == (identity, [tag], ["https"])


def test_what_operations_give(v2: Any) -> None:
    """Upstream's documents: of built-in kinds protobuf too, and what watches send of lists."""
    path = "/api/v1/namespaces/{namespace}/pods"
    three = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]
    watched = ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"]
    assert v2["paths"][path]["get"]["produces"] == three + watched
    assert v2["paths"][path]["post"]["produces"] == v2["paths"][f"{path}/{{name}}"]["get"]["produces"] == three
    assert v2["paths"][f"{path}/{{name}}/log"]["get"]["produces"] == ["text/plain", *three]
