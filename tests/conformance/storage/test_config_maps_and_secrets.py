"""What ConfigMaps and Secrets hold, as files: by themselves and projected (sig-storage).

Some of the descriptions name another mode than the one they have set, or the default one: the latter holds, as it does
in the suite.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from conformance.node.api import Api
from conformance.node.pods import Pods, namespaced, pod
from conformance.storage.cases import Case, each
from conformance.storage.files import looks, mode, seen
from conformance.storage.sources import CONFIG_MAP, PROJECTED_CONFIG_MAP, PROJECTED_SECRET, SECRET, Source
from e2e.host import Cluster
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

DATA = {"data-1": "value-1\n", "data-2": "value-2\n", "data-3": "value-3\n"}
BINARY = bytes([0xDE, 0xCA, 0xFE, 0xBA, 0xD0, 0xFE, 0xFF, 0])
PATH = "path/to/data-2"


@dataclass(frozen=True)
class Read(Case):
    """A pod reads data-1, or data-2 where it is mapped to another path."""

    source: Source
    path: str = "data-1"
    mode: int | None = None
    item_mode: int | None = None
    user: int = 0
    group: int | None = None
    volumes: int = 1

    def pod(self) -> Object:
        volumes = [self._volume(f"volume-{n}") for n in range(self.volumes)]
        mounts = [{"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in volumes]
        main = looks(*(f"{mount['mountPath']}/{self.path}" for mount in mounts), volumeMounts=mounts)
        group = {} if self.group is None else {"fsGroup": self.group}
        return pod(self.name, main, volumes=volumes, securityContext={"runAsUser": self.user, **group})

    def _volume(self, name: str) -> Object:
        if self.path in DATA:
            return self.source.volume(name, "data", self.mode)
        item = {"key": "data-2", "path": self.path} | ({} if self.item_mode is None else {"mode": self.item_mode})
        return self.source.volume(name, "data", self.mode, items=[item])


READS = [
    Read("Conformance: ConfigMap Volume, without mapping", CONFIG_MAP),
    Read("Conformance: ConfigMap Volume, without mapping, non-root user", CONFIG_MAP, user=1000),
    Read("Conformance: ConfigMap Volume, without mapping, volume mode set", CONFIG_MAP, mode=0o400),
    Read("Conformance: ConfigMap Volume, with mapping", CONFIG_MAP, PATH),
    Read("Conformance: ConfigMap Volume, with mapping, non-root user", CONFIG_MAP, PATH, user=1000),
    Read("Conformance: ConfigMap Volume, with mapping, volume mode set", CONFIG_MAP, PATH, item_mode=0o400),
    Read("Conformance: ConfigMap Volume, multiple volume maps", CONFIG_MAP, volumes=2),
    Read("Conformance: Projected Volume, ConfigMap, volume mode default", PROJECTED_CONFIG_MAP),
    Read("Conformance: Projected Volume, ConfigMap, non-root user", PROJECTED_CONFIG_MAP, user=1000),
    Read("Conformance: Projected Volume, ConfigMap, volume mode 0400", PROJECTED_CONFIG_MAP, mode=0o400),
    Read("Conformance: Projected Volume, ConfigMap, mapped", PROJECTED_CONFIG_MAP, PATH),
    Read("Conformance: Projected Volume, ConfigMap, mapped, non-root user", PROJECTED_CONFIG_MAP, PATH, user=1000),
    Read("Conformance: Projected Volume, ConfigMap, mapped, volume mode 0400", PROJECTED_CONFIG_MAP, PATH,
         item_mode=0o400),
    Read("Conformance: Projected Volume, ConfigMap, multiple volume paths", PROJECTED_CONFIG_MAP, volumes=2),
    Read("Conformance: Secrets Volume, default", SECRET),
    Read("Conformance: Secrets Volume, volume mode 0400", SECRET, mode=0o400),
    Read("Conformance: Secrets Volume, volume mode 0440, fsGroup 1001 and uid 1000", SECRET, mode=0o440, user=1000,
         group=1001),
    Read("Conformance: Secrets Volume, mapping", SECRET, PATH),
    Read("Conformance: Secrets Volume, mapping, volume mode 0400", SECRET, PATH, item_mode=0o400),
    Read("Conformance: Secrets Volume, mapping multiple volume paths", SECRET, volumes=2),
    Read("Conformance: Projected Volume, Secrets, volume mode default", PROJECTED_SECRET),
    Read("Conformance: Projected Volume, Secrets, volume mode 0400", PROJECTED_SECRET, mode=0o400),
    Read("Conformance: Project Volume, Secrets, non-root, custom fsGroup", PROJECTED_SECRET, mode=0o440, user=1000,
         group=1001),
    Read("Conformance: Projected Volume, Secrets, mapped", PROJECTED_SECRET, PATH),
    Read("Conformance: Projected Volume, Secrets, mapped, volume mode 0400", PROJECTED_SECRET, PATH, item_mode=0o400),
    Read("Conformance: Projected Volume, Secrets, mapped, multiple paths", PROJECTED_SECRET, volumes=2),
]  # fmt: skip

MOUNTS = [{"name": "volume", "mountPath": "/volume"}]
START = [
    CONFIG_MAP.holding("data", DATA),
    SECRET.holding("data", DATA),
    {**CONFIG_MAP.holding("binary", DATA), "binaryData": {"dump.bin": b64encode(BINARY).decode()}},
    *(case.pod() for case in READS),
    pod("binary", looks("/volume/data-1", "/volume/dump.bin", volumeMounts=MOUNTS),
        volumes=[CONFIG_MAP.volume("volume", "binary")]),
]  # fmt: skip


@each(READS)
def test_files(pods: Pods, case: Read) -> None:
    found = seen(pods, case.name)
    assert len(found) == case.volumes
    wanted = next((bits for bits in (case.item_mode, case.mode) if bits is not None), 0o644)
    for file in found:
        assert file.content == (b"value-1\n" if case.path in DATA else b"value-2\n")
        assert (file.reader, file.mode) == (case.user, mode(wanted))
        assert (file.user, file.group) == (0, case.group or 0)


def test_binary_data(pods: Pods) -> None:
    """Conformance: ConfigMap Volume, text data, binary data"""
    text, dump = seen(pods, "binary")
    assert (text.content, dump.content) == (b"value-1\n", BINARY)


@pytest.fixture(scope="module")
def elsewhere(cluster: Cluster, api: Api, pods: Pods) -> Iterator[None]:
    """Another Secret of the same name, in another namespace; and a pod here."""
    with namespaced(cluster, api, f"{pods.namespace}-elsewhere") as others:
        others.create(SECRET.holding("data", {"data-1": "of another\n", "other-data": "of another\n"}))
        main = looks("/volume/data-1", before="test ! -e /volume/other-data", volumeMounts=MOUNTS)
        pods.create(pod("same-name", main, volumes=[SECRET.volume("volume", "data")]))
        yield


@pytest.mark.usefixtures("elsewhere")
def test_a_secret_of_that_name_elsewhere(pods: Pods) -> None:
    """Conformance: Secrets Volume, volume mode default, secret with same name in different namespace"""
    (file,) = seen(pods, "same-name")
    assert (file.content, file.mode) == (b"value-1\n", mode(0o644))
