import time

import pytest

from longboat.machinery.types import internal

CORE = "io.k8s.api.core.v1."


@pytest.mark.parametrize(
    ("definition", "value", "shown"),
    [
        ("io.k8s.api.storage.v1.CSINodeDriver", {"name": "d", "nodeID": "n"},
         {"Name": "d", "NodeID": "n", "TopologyKeys": None, "Allocatable": None}),
        ("io.k8s.api.storage.v1.VolumeAttachmentSpec", {},
         {"Attacher": "", "Source": {"PersistentVolumeName": None, "InlineVolumeSpec": None}, "NodeName": ""}),
        (f"{CORE}RBDPersistentVolumeSource", {"image": "i", "monitors": ["m"]},
         {"CephMonitors": ["m"], "RBDImage": "i", "FSType": "", "RBDPool": "", "RadosUser": "", "Keyring": "",
          "SecretRef": None, "ReadOnly": False}),
        (f"{CORE}PersistentVolumeClaimSpec", {"selector": {"matchLabels": {"a": "b"}}},  # its type is the API's own
         {"AccessModes": None, "Selector": {"matchLabels": {"a": "b"}}, "Resources": {"Limits": None, "Requests": None},
          "VolumeName": "", "StorageClassName": None, "VolumeMode": None, "DataSource": None, "DataSourceRef": None,
          "VolumeAttributesClassName": None}),
        (f"{CORE}VolumeNodeAffinity", None, None),
    ],
)  # fmt: skip
def test_every_field_is_shown_by_upstreams_name_and_in_its_order(definition, value, shown):
    found = internal.whole(definition, value)
    assert found == shown
    assert found is None or list(found) == list(shown)


def test_sources_stand_in_the_order_of_the_internal_type():
    found = list(internal.whole(f"{CORE}PersistentVolumeSource", {}))
    assert found[4:14] == [
        "NFS",
        "RBD",
        "Quobyte",
        "ISCSI",
        "FlexVolume",
        "Cinder",
        "CephFS",
        "FC",
        "Flocker",
        "AzureFile",
    ]
    assert found[-2:] == ["StorageOS", "CSI"]


def test_a_difference_has_three_lines_around_it():
    old, new = ({"nfs": {"server": "s", "path": path, "readOnly": True}} for path in ("/p", "/q"))
    assert internal.difference(f"{CORE}PersistentVolumeSource", old, new) == (
        '@@ -5,7 +5,7 @@\n  "Glusterfs": null,\n  "NFS": {\n   "Server": "s",\n-  "Path": "/p",\n+  "Path": "/q",\n'
        '   "ReadOnly": true\n  },\n  "RBD": null,\n'
    )
    assert internal.difference(f"{CORE}PersistentVolumeSource", None, {"local": {"path": "/p"}}).startswith("@@ -1 +1,")


def test_of_long_values_the_difference_is_told_without_looking_for_it_long():
    old, new = ({"capacity": {f"r{i}{mark}": "1" for i in range(20_000)}} for mark in "ab")
    begun = time.process_time()
    shown = internal.difference(f"{CORE}PersistentVolumeSpec", old, new)
    assert time.process_time() - begun < 2
    assert shown.startswith('@@ -1,20005 +1,20005 @@\n {\n  "Capacity": {\n-  "r0a": "1",\n')
    assert shown.endswith('+  "r9b": "1"\n  },\n  "GCEPersistentDisk": null,\n  "AWSElasticBlockStore": null,\n')


def test_what_a_pod_shares_with_its_host_is_in_its_security_context():
    found = internal.whole(f"{CORE}PodSpec", {"hostPID": True, "containers": [{"name": "a"}]})
    assert list(found["SecurityContext"])[:6] == [
        "HostNetwork", "HostPID", "HostIPC", "ShareProcessNamespace", "HostUsers", "SELinuxOptions",
    ]  # fmt: skip
    assert (found["SecurityContext"]["HostNetwork"], found["SecurityContext"]["HostPID"]) == (False, True)
    assert found["SecurityContext"]["HostUsers"] is None
    assert list(found["Containers"][0])[5:11] == [
        "Ports",
        "EnvFrom",
        "Env",
        "Resources",
        "ResizePolicy",
        "RestartPolicy",
    ]


def test_metadata_of_a_claims_template_is_inlined():
    found = internal.whole(f"{CORE}PersistentVolumeClaimTemplate", {"metadata": {"labels": {"a": "b"}}, "spec": {}})
    assert list(found) == ["labels", "Spec"]


@pytest.mark.parametrize(("one", "other", "same"), [
    ({"sizeLimit": "1Mi"}, {"sizeLimit": "1048576"}, True),
    ({"sizeLimit": "1Mi"}, {"sizeLimit": "1M"}, False),
    ({"sizeLimit": None}, {}, True),
    ({"sizeLimit": "0"}, {}, False),  # what a pointer points to
    ({"medium": ""}, {}, True),
    (None, {}, False),
])  # fmt: skip
def test_what_says_the_same_is_the_same(one, other, same):
    assert internal.same(f"{CORE}EmptyDirVolumeSource", one, other) is same


def test_a_selector_of_everything_is_not_one_of_nothing():
    everything, nothing = {"topologyKey": "a", "labelSelector": {}}, {"topologyKey": "a"}
    assert not internal.same(f"{CORE}PodAffinityTerm", everything, nothing)
    assert internal.same(f"{CORE}PodAffinityTerm", {**nothing, "namespaces": []}, nothing)
