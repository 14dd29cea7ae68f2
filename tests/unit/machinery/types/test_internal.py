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
