"""What clients send becomes objects, in one order and free of nulls, or is refused in upstream's words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.api import kinds
from longboat.machinery.errors import StatusError
from longboat.machinery.former_versions import FORMER
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.types import schema
from longboat.machinery.types.schema import JSON, PROTOBUF, YAML

SCHEMA = schema.load()
WIDGET = Kind("example.com", "v1", "Widget", "widgets")
AS_POD = 'Pod in version "v1" cannot be handled as a Pod: '
GO = AS_POD + "json: cannot unmarshal "


def decoded(kind: Kind, body: Any, validation: str = "Ignore") -> Object:
    return SCHEMA.decode(kind, body if isinstance(body, bytes) else json.dumps(body).encode(), JSON, validation)[0]


def refusal(kind: Kind, body: Any, media_type: str = JSON, validation: str = "Strict") -> str:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(StatusError) as caught:
        SCHEMA.decode(kind, data, media_type, validation)
    assert (caught.value.code, caught.value.reason) == (400, "BadRequest")
    return caught.value.message


def container(**fields: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "a", **fields}]}}


def test_every_kind_of_the_catalogue_has_a_schema() -> None:
    known = [value for value in vars(kinds).values() if isinstance(value, Kind)]
    assert len(known) > 60
    served_by_upstreams_add_on = "metrics.k8s.io"  # and so without a schema in the core's document
    assert [kind.name for kind in known if not SCHEMA.has(kind) and kind.group != served_by_upstreams_add_on] == []
    assert not SCHEMA.has(WIDGET)


def test_every_kind_reads_and_writes_the_least_object() -> None:
    for kind in (value for value in vars(kinds).values() if isinstance(value, Kind)):
        for body in (b"{}", b"null", b'{"metadata":{"name":"a"}}'):
            found = decoded(kind, body, "Strict")
            assert SCHEMA.read(kind, SCHEMA.canonical(kind, found)) == found


def test_an_object_is_put_in_order_and_completed() -> None:
    body = {
        "spec": {"restartPolicy": "Never", "containers": []},
        "metadata": {"name": "a", "labels": {"b": "", "a": ""}},
    }
    found = decoded(kinds.POD, body)
    assert list(found) == ["kind", "apiVersion", "metadata", "spec", "status"]
    assert (found["kind"], found["apiVersion"]) == ("Pod", "v1")
    assert list(found["spec"]) == ["restartPolicy"]
    assert list(found["metadata"]["labels"]) == ["a", "b"]


def test_nulls_and_unknown_fields_are_dropped() -> None:
    body = {"metadata": {"name": "a", "labels": None, "creationTimestamp": None}, "status": None, "frob": {"x": 1}}
    assert decoded(kinds.POD, body) == {
        "kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a"}, "spec": {}, "status": {},
    }  # fmt: skip


@pytest.mark.parametrize("also", [{}, {"unheard": "of"}])  # what C reads, and what the walk corrects
def test_empty_lists_and_maps_are_as_good_as_absent(also: Object) -> None:
    pod: Object = {
        "metadata": {"name": "a", "ownerReferences": [], "labels": {}}, "status": {},
        "spec": {"containers": [{"name": "c", "env": [], "resources": {"limits": {}}}], "securityContext": {},
                 "volumes": [{"name": "scratch", "emptyDir": {}}]},
    }  # fmt: skip
    left: Object = {
        "metadata": {"name": "a"}, "status": {},
        "spec": {"containers": [{"name": "c", "resources": {}}], "securityContext": {},
                 "volumes": [{"name": "scratch", "emptyDir": {}}]},
    }  # fmt: skip
    head = {"kind": "Pod", "apiVersion": "v1"}
    assert decoded(kinds.POD, pod | also) == head | left
    assert json.loads(SCHEMA.canonical(kinds.POD, pod | also)) == head | left
    none = {"spec": {"containers": []}} | also
    assert decoded(kinds.POD, none)["spec"] == {} and json.loads(SCHEMA.canonical(kinds.POD, none))["spec"] == {
        "containers": None
    }
    assert decoded(kinds.CONTROLLER_REVISION, {"data": {"spec": {"list": []}}} | also)["data"] == {"spec": {"list": []}}


def test_null_among_others_is_the_zero_value() -> None:
    assert decoded(kinds.POD, {"metadata": {"labels": {"a": None}}})["metadata"]["labels"] == {"a": ""}
    assert decoded(kinds.POD, {"spec": {"containers": [None]}})["spec"]["containers"] == [{"name": "", "resources": {}}]
    assert decoded(kinds.POD, {"metadata": {"finalizers": [None]}})["metadata"]["finalizers"] == [""]


@pytest.mark.parametrize(
    ("given_", "stored"),
    [("100m", "100m"), ("1000m", "1"), (1, "1"), (0.5, "500m"), ("1024Mi", "1Gi"), ("0.5Gi", "512Mi"), ("1e3", "1e3")],
)
def test_quantities_are_stored_canonically(given_: Any, stored: str) -> None:
    found = decoded(kinds.POD, container(resources={"limits": {"cpu": given_}}))
    assert found["spec"]["containers"][0]["resources"]["limits"]["cpu"] == stored


@pytest.mark.parametrize(
    ("given_", "stored"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00+02:00", "2025-12-31T22:00:00Z"),
        ("2026-01-01T00:00:00.999Z", "2026-01-01T00:00:00Z"),
        ("2026-02-28T23:59:59-00:30", "2026-03-01T00:29:59Z"),
    ],
)
def test_times_are_stored_in_utc(given_: str, stored: str) -> None:
    assert decoded(kinds.POD, {"metadata": {"creationTimestamp": given_}})["metadata"]["creationTimestamp"] == stored


def test_bytes_are_stored_as_plain_base64() -> None:
    assert decoded(kinds.SECRET, {"data": {"a": "YQ\n==", "b": "YQ==", "c": ""}})["data"] == {
        "a": "YQ==", "b": "YQ==", "c": "",
    }  # fmt: skip


def test_numbers_without_a_fraction_have_no_point() -> None:
    version = {"name": "v1", "schema": {"openAPIV3Schema": {"minimum": 1.0, "maximum": 1.5}}}
    found = decoded(kinds.CUSTOM_RESOURCE_DEFINITION, {"spec": {"versions": [version]}})
    assert json.dumps(found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]) == '{"maximum": 1.5, "minimum": 1}'


def test_numbers_or_names_stay_what_they_are() -> None:
    body = {"spec": {"ports": [{"port": 80, "targetPort": "http"}, {"port": 81, "targetPort": 8080}]}}
    assert [port["targetPort"] for port in decoded(kinds.SERVICE, body)["spec"]["ports"]] == ["http", 8080]


def test_free_form_parts_keep_nulls_and_are_sorted() -> None:
    body = {"data": {"z": None, "a": [{"y": 1, "x": None}]}, "revision": 1}
    found = decoded(kinds.CONTROLLER_REVISION, body)
    assert json.dumps(found["data"]) == '{"a": [{"x": null, "y": 1}], "z": null}'


TYPES = [
    ({"metadata": {"labels": "x"}}, "string into Go struct field ObjectMeta.metadata.labels of type map[string]string"),
    ({"metadata": {"labels": {"a": 1}}}, "number into Go struct field ObjectMeta.metadata.labels of type string"),
    ({"metadata": {"labels": {"a": True}}}, "bool into Go struct field ObjectMeta.metadata.labels of type string"),
    ({"metadata": []}, "array into Go struct field Pod.metadata of type v1.ObjectMeta"),
    ({"spec": "x"}, "string into Go struct field Pod.spec of type v1.PodSpec"),
    ({"spec": {"containers": {}}}, "object into Go struct field PodSpec.spec.containers of type []v1.Container"),
    ({"spec": {"containers": ["a"]}}, "string into Go struct field PodSpec.spec.containers of type v1.Container"),
    (container(image=5), "number into Go struct field Container.spec.containers.image of type string"),
    (container(tty="yes"), "string into Go struct field Container.spec.containers.tty of type bool"),
    (container(args="x"), "string into Go struct field Container.spec.containers.args of type []string"),
    (
        container(ports=[{"containerPort": "80"}]),
        "string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
    ),
    ({"spec": {"priority": 1.5}}, "number 1.5 into Go struct field PodSpec.spec.priority of type int32"),
    ({"spec": {"priority": 2**31}}, "number 2147483648 into Go struct field PodSpec.spec.priority of type int32"),
    (
        {"metadata": {"generation": 2**63}},
        f"number {2**63} into Go struct field ObjectMeta.metadata.generation of type int64",
    ),
    (
        {"metadata": {"creationTimestamp": 5}},
        "number into Go struct field ObjectMeta.metadata.creationTimestamp of type string",
    ),
    # Types that have a name of their own in Go, and fields that come from a type embedded there.
    ({"metadata": {"uid": 5}}, "number into Go struct field ObjectMeta.metadata.uid of type types.UID"),
    ({"spec": {"dnsPolicy": 5}}, "number into Go struct field PodSpec.spec.dnsPolicy of type v1.DNSPolicy"),
    ({"spec": {"overhead": []}}, "array into Go struct field PodSpec.spec.overhead of type v1.ResourceList"),
    (
        container(securityContext={"capabilities": {"add": "x"}}),
        "string into Go struct field Capabilities.spec.containers.securityContext.capabilities.add of type "
        "[]v1.Capability",
    ),
    (
        container(securityContext={"capabilities": {"add": [5]}}),
        "number into Go struct field Capabilities.spec.containers.securityContext.capabilities.add of type "
        "v1.Capability",
    ),
    (
        {"spec": {"volumes": [{"emptyDir": {"medium": 5}}]}},
        "number into Go struct field EmptyDirVolumeSource.spec.volumes.VolumeSource.emptyDir.medium of type "
        "v1.StorageMedium",
    ),
]  # fmt: skip


def test_fields_embedded_twice() -> None:
    rule = {"spec": {"matchConstraints": {"resourceRules": [{"apiGroups": "x"}]}}}
    assert refusal(kinds.VALIDATING_ADMISSION_POLICY, rule).endswith(
        "string into Go struct field NamedRuleWithOperations.spec.matchConstraints.resourceRules.RuleWithOperations."
        "Rule.apiGroups of type []string"
    )


@pytest.mark.parametrize(("body", "message"), TYPES)
def test_wrong_types(body: Any, message: str) -> None:
    for validation in ("Strict", "Warn", "Ignore"):
        assert refusal(kinds.POD, body, JSON, validation) == GO + message


LAYOUT = '"2006-01-02T15:04:05Z07:00"'
TIMES = [
    ("", f'parsing time "" as {LAYOUT}: cannot parse "" as "2006"'),
    ("yesterday", f'parsing time "yesterday" as {LAYOUT}: cannot parse "yesterday" as "2006"'),
    ("2026-01-01", f'parsing time "2026-01-01" as {LAYOUT}: cannot parse "" as "T"'),
    ("2026-01-01T00:00:00", f'parsing time "2026-01-01T00:00:00" as {LAYOUT}: cannot parse "" as "Z07:00"'),
    ("2026-13-01T00:00:00Z", 'parsing time "2026-13-01T00:00:00Z": month out of range'),
    ("2026-02-29T00:00:00Z", 'parsing time "2026-02-29T00:00:00Z": day out of range'),
    ("2026-01-01T24:00:00Z", 'parsing time "2026-01-01T24:00:00Z": hour out of range'),
    ("2026-01-01T00:00:00Zx", 'parsing time "2026-01-01T00:00:00Zx": extra text: "x"'),
]


@pytest.mark.parametrize(("text", "message"), TIMES)
def test_what_is_no_time(text: str, message: str) -> None:
    assert refusal(kinds.POD, {"metadata": {"creationTimestamp": text}}) == AS_POD + message


def test_a_micro_time_has_six_digits() -> None:
    assert decoded(kinds.LEASE, {"spec": {"renewTime": "2026-01-01T00:00:00.000001Z"}})["spec"]["renewTime"]
    said = refusal(kinds.LEASE, {"spec": {"renewTime": "2026-01-01T00:00:00Z"}})
    assert said.endswith('"2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"')


@pytest.mark.parametrize(
    ("text", "at"),
    [("!", 0), ("YQ=", 3), ("YQ", 0), ("YWJjZA", 4), ("YQ==x", 4), ("Y===", 1), ("YWJj!", 4), ("YQ=x", 2)],
)
def test_bad_base64_says_where(text: str, at: int) -> None:
    prefix = 'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte '
    assert refusal(kinds.SECRET, {"data": {"a": text}}) == f"{prefix}{at}"


def test_strict_names_every_problem_in_the_order_of_the_document() -> None:
    body = (
        b'{"metadata":{"name":"a","foo":1,"name":"b","foo":2},'
        b'"spec":{"containers":[{"name":"x","bar":2,"image":"a","image":"b"}]},"x":1}'
    )
    problems = [
        'unknown field "metadata.foo"', 'duplicate field "metadata.name"', 'unknown field "spec.containers[0].bar"',
        'duplicate field "spec.containers[0].image"', 'unknown field "x"',
    ]  # fmt: skip
    assert refusal(kinds.POD, body) == f"{AS_POD}strict decoding error: {', '.join(problems)}"
    found, warnings = SCHEMA.decode(kinds.POD, body, JSON, "Warn")
    assert warnings == problems
    assert found["metadata"] == {"name": "b"}
    assert SCHEMA.decode(kinds.POD, body, JSON, "Ignore")[1] == []


def test_names_are_case_sensitive() -> None:
    assert refusal(kinds.POD, {"Metadata": {}}) == AS_POD + 'strict decoding error: unknown field "Metadata"'


@pytest.mark.parametrize(
    "body",
    [
        b'{"metadata":{"name":"a","name":"b"}}', b'{"metadata":{"name" : "a","name":"b"}}',
        b'{"metadata":{"annotations":{"x":"\\u0022:"},"name":"a","name":"b"}}',
        b'{"metadata":{"annotations":{"x":"\\"\\u003a"},"name":"a","name":"b"}}',
        b'{"metadata":{"annotations":{"x\\\\":"y"},"name":"a","name":"b"}}',
        b'{"metadata":{"labels":null,"name":null,"name":"b"}}',
    ],
)  # fmt: skip
def test_a_repeated_field_is_found_however_it_is_spelled(body: bytes) -> None:
    assert refusal(kinds.POD, body) == AS_POD + 'strict decoding error: duplicate field "metadata.name"'


def test_only_strict_minds_and_only_what_is_wrong() -> None:
    body = b'{"metadata":{"annotations":{"x":"{\\"a\\":1,\\"a\\":2}"},"name":"a"}}'
    assert SCHEMA.decode(kinds.POD, body, JSON, "Strict")[1] == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "unexpected end of JSON input (<empty>)"),
        (b"{", "unexpected end of JSON input ({)"),
        (b"nope", "invalid character 'o' in literal null (expecting 'u') (6e6f7065)"),
        (b"{'a':1}", "invalid character '\\'' looking for beginning of object key string ({'a':1})"),
        (b'{"a" 1}', "invalid character '1' after object key ({\"a\" 1})"),
        (b'{"a":1 "b"}', "invalid character '\"' after object key:value pair ({\"a\":1 \"b\"})"),
        (b"[1 2]", "invalid character '2' after array element (5b3120325d)"),
        (b"{}x", "invalid character 'x' after top-level value ({}x)"),
        (b'{"a":' + b"[" * 100_000, 'exceeded max depth ({"a":' + "[" * 25 + " ...)"),
        (b'{"a":' + b"[" * 300 + b"]" * 300 + b"}", 'exceeded max depth ({"a":' + "[" * 25 + " ...)"),
        (
            b'{"kind":5}',
            'json: cannot unmarshal number into Go struct field .kind of type string ({"kind":5})',
        ),
    ],
)  # fmt: skip
def test_malformed_json(body: bytes, message: str) -> None:
    prefix = "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: "
    assert refusal(kinds.POD, body) == prefix + message


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (
            {"kind": "Deployment", "apiVersion": "apps/v1"},
            'Deployment in version "v1" cannot be handled as a Pod: '
            "converting (v1.Deployment) to (core.Pod): unknown conversion",
        ),
        (
            {"kind": "Frob", "apiVersion": "v1"},
            'Frob in version "v1" cannot be handled as a Pod: no kind "Frob" is registered for version "v1" '
            'in scheme "pkg/api/legacyscheme/scheme.go:30"',
        ),
        (
            {"kind": "Pod", "apiVersion": "v2"},
            'Pod in version "v2" cannot be handled as a Pod: no kind "Pod" is registered for version "v2" '
            'in scheme "pkg/api/legacyscheme/scheme.go:30"',
        ),
    ],
)
def test_objects_of_another_kind(head: Any, message: str) -> None:
    assert refusal(kinds.POD, head) == message


def test_an_object_of_another_version() -> None:
    body = {"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v1"}
    message = "the API version in the data (autoscaling/v1) does not match the expected API version (autoscaling/v2)"
    assert refusal(kinds.HPA, body) == message


def test_an_object_of_a_version_that_is_no_longer_served() -> None:
    for version in ("apps/v1beta2", "extensions/v1beta1"):
        message = f"the API version in the data ({version}) does not match the expected API version (apps/v1)"
        assert refusal(kinds.DEPLOYMENT, {"kind": "Deployment", "apiVersion": version}) == message
    assert "no kind" in refusal(kinds.DEPLOYMENT, {"kind": "Deployment", "apiVersion": "apps/v1beta3"})
    assert "no kind" in refusal(kinds.POD, {"kind": "Deployment", "apiVersion": "apps/v1beta2"})


def test_versions_that_are_no_longer_served_are_of_kinds_that_are() -> None:
    former = [each.split("/") for each in FORMER]
    names = {each.name for each in vars(kinds).values() if isinstance(each, Kind)}
    assert {name for *_, name in former} <= names
    assert [each for each in former if SCHEMA.has(Kind(*each, ""))] == []


def test_other_media_types() -> None:
    with pytest.raises(StatusError) as caught:
        SCHEMA.decode(kinds.POD, b"{}", "text/plain")
    assert caught.value.code == 415


def test_a_yaml_body() -> None:
    body = b"kind: Pod\nmetadata: {name: a, annotations: {on: 'yes', at: 2026-01-01}}\nspec:\n  hostNetwork: yes\n"
    assert SCHEMA.decode(kinds.POD, body, YAML, "Strict")[0]["metadata"]["annotations"] == {
        "at": "2026-01-01", "true": "yes",
    }  # fmt: skip
    repeated = b"kind: Pod\nmetadata:\n  name: a\n  name: b\nspec:\n  frob: 1\n"
    problems = 'yaml: unmarshal errors:\n  line 4: key "name" already set in map, unknown field "spec.frob"'
    assert refusal(kinds.POD, repeated, YAML) == f"{AS_POD}strict decoding error: {problems}"


def test_a_patched_object_that_fits_no_more() -> None:
    with pytest.raises(StatusError) as caught:
        SCHEMA.check_object(kinds.POD, {"metadata": {"labels": 5}})
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert caught.value.message == (
        ' "" is invalid: patch: Invalid value: "{\\"metadata\\":{\\"labels\\":5}}": '
        "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type map[string]string"
    )
    found, warnings = SCHEMA.check_object(kinds.POD, {"spec": {"frob": 1}}, "Warn", ["before"])
    assert warnings == ["before", 'unknown field "spec.frob"']
    assert found["spec"] == {}
    with pytest.raises(StatusError, match="strict decoding error: before, unknown field"):
        SCHEMA.check_object(kinds.POD, {"spec": {"frob": 1}}, "Strict", ["before"])


@pytest.mark.parametrize("head", [{"kind": "Secret"}, {"apiVersion": "v2"}, {"kind": 5}, {"apiVersion": ["v1"]}])
def test_a_patch_cannot_change_the_kind(head: Any) -> None:
    with pytest.raises(StatusError) as caught:
        SCHEMA.check_object(kinds.POD, {"kind": "Pod", "apiVersion": "v1", **head})
    assert caught.value.code == 422


def test_a_secret_is_not_quoted() -> None:
    with pytest.raises(StatusError) as caught:
        SCHEMA.check_object(kinds.SECRET, {"data": {"a": "aGlkZGVu"}, "type": 5})
    assert "aGlkZGVu" not in json.dumps(caught.value.status())


def test_a_custom_resource_is_kept_whole() -> None:
    body = {"spec": {"z": None, "a": 1}, "metadata": {"name": "a", "frob": 1}, "kind": "Widget"}
    found = decoded(WIDGET, body | {"apiVersion": "example.com/v1"})
    assert SCHEMA.canonical(WIDGET, found) == (
        b'{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"a"},"spec":{"a":1,"z":null}}'
    )


words = st.text("ab", max_size=2)
quantities = st.sampled_from(["1", "1000m", "0.5", "2Gi", "1024Ki", "16309124Ki", "1500m", "100", "1000"])
times = st.sampled_from(["2026-01-31T00:00:00Z", "2026-01-01T00:00:00+01:00"])
pods = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries(
            {},
            optional={"name": words, "labels": st.dictionaries(words, words), "creationTimestamp": times | st.none()},
        ),
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "containers": st.lists(
                    st.fixed_dictionaries(
                        {"name": words},
                        optional={
                            "resources": st.fixed_dictionaries({"limits": st.dictionaries(words, quantities)}),
                            "args": st.lists(words, max_size=2),
                            "tty": st.booleans() | st.none(),
                            "frob": st.none() | words,
                        },
                    ),
                    max_size=2,
                ),
                "priority": st.integers(-5, 5),
            },
        ),
    },
)


@given(pods)
def test_the_stored_form_is_stable(body: Any) -> None:
    """Reading what was stored and storing it again changes nothing; member order does not matter."""
    stored = SCHEMA.canonical(kinds.POD, decoded(kinds.POD, body))
    assert SCHEMA.canonical(kinds.POD, json.loads(stored)) == stored
    assert SCHEMA.canonical(kinds.POD, decoded(kinds.POD, backwards(body))) == stored
    assert SCHEMA.canonical(kinds.POD, body) == stored
    assert b"frob" not in stored
    assert list(json.loads(stored))[:2] == ["kind", "apiVersion"]


@given(pods)
def test_the_fast_and_the_slow_way_agree(body: Any) -> None:
    struct = SCHEMA.type(kinds.POD)
    fast = SCHEMA._in_c(struct, body)
    slow, _ = SCHEMA._walked(struct, body)
    if fast is not None:
        assert json.dumps(fast) == json.dumps(slow)
    assert json.dumps(SCHEMA._in_c(struct, slow)) == json.dumps(slow) or "resources" in json.dumps(slow)


def backwards(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: backwards(value[name]) for name in reversed(value)}
    return [backwards(member) for member in value] if isinstance(value, list) else value


@given(st.binary(max_size=60) | st.text('{}[]",:0a- \n*&', max_size=60).map(str.encode), st.sampled_from([JSON, YAML]))
def test_any_bytes_are_read_or_refused(data: bytes, media_type: str) -> None:
    try:
        SCHEMA.decode(kinds.POD, data, media_type, "Strict")
    except StatusError as error:
        assert error.code == 400


def message(*parts: tuple[int, bytes]) -> bytes:
    """A protobuf message of fields with lengths under 128."""
    return b"".join(bytes((number << 3 | 2, len(part))) + part for number, part in parts)


def unknown(kind: str, version: str, raw: bytes) -> bytes:
    return b"k8s\x00" + message((1, message((1, version.encode()), (2, kind.encode()))), (2, raw))


def test_a_protobuf_body() -> None:
    raw = message((1, message((1, b"a"), (11, message((1, b"k"), (2, b"v"))))), (2, message((1, b"x"), (2, b"y"))))
    assert SCHEMA.decode(kinds.CONFIG_MAP, unknown("ConfigMap", "v1", raw), PROTOBUF, "Strict")[0] == {
        "kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a", "labels": {"k": "v"}}, "data": {"x": "y"},
    }  # fmt: skip


@given(st.binary(max_size=60), st.sampled_from(["Pod", "Secret", "Lease", "Frob", ""]))
def test_any_message_is_read_or_refused(raw: bytes, name: str) -> None:
    for data in (raw, b"k8s\x00" + raw, unknown(name, "v1", raw), unknown(name, "v1", message((1, raw), (2, raw)))):
        try:
            SCHEMA.decode(kinds.POD, data, PROTOBUF, "Strict")
        except StatusError as error:
            assert error.code == 400


def test_what_protobuf_nests_and_json_does_not_is_found_in_the_outer_type() -> None:
    """IngressRule's value, for one, has no definition of its own in the published schema."""
    path = message((1, b"/"), (2, message((4, message((1, b"web"))))), (3, b"Prefix"))
    rule = message((1, b"a.example"), (2, message((1, message((1, path))))))
    raw = message((1, message((1, b"i"))), (2, message((3, rule))))
    made = SCHEMA.decode(kinds.INGRESS, unknown("Ingress", "networking.k8s.io/v1", raw), PROTOBUF, "Strict")[0]
    backend: Object = {"service": {"name": "web", "port": {}}}
    assert made["spec"]["rules"] == [
        {"host": "a.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    ]


def test_an_object_of_another_kind_is_read_as_what_it_says_it_is() -> None:
    sent: Object = {"kind": "Secret", "apiVersion": "v1", "data": {"k": "v"}}
    told = 'Secret in version "v1" cannot be handled as a ConfigMap: illegal base64 data at input byte 0'
    assert refusal(kinds.CONFIG_MAP, sent) == told
    with pytest.raises(StatusError) as caught:
        SCHEMA.check_object(kinds.CONFIG_MAP, sent)
    assert caught.value.message.endswith(": illegal base64 data at input byte 0")
    assert refusal(kinds.CONFIG_MAP, sent | {"data": {"k": "dg=="}}).endswith("unknown conversion")
