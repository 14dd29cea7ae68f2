"""What is stored and not in force. Who brings something into force takes its line out, here and in
`docs/not-in-force.md`."""

from __future__ import annotations

from typing import Final

from longboat.api import kinds
from longboat.apiserver.admission.unenforced import Entries, Shape, Table, Unenforced

_DEVICES = Unenforced("devices are not allocated: nothing is scheduled or prepared by it")

_CONTAINER: Final[dict[str, Shape]] = {
    "env": {"valueFrom": {"fileKeyRef": Unenforced("the variable is left out")}},
}
_POD_SPEC: Shape = {
    "containers": _CONTAINER,
    "initContainers": _CONTAINER,
    "ephemeralContainers": _CONTAINER,
    "hostnameOverride": Unenforced("the pod's hostname is made as without it"),
    "resourceClaims": Unenforced("the pod runs without the devices it claims"),
}
_POD_ANNOTATIONS = Entries(
    {
        "seccomp.security.alpha.kubernetes.io/pod": Unenforced("use the securityContext's seccompProfile instead"),
    }
)
_POD: Shape = {"metadata": {"annotations": _POD_ANNOTATIONS}, "spec": _POD_SPEC}
_WORKLOAD: Shape = {"spec": {"template": _POD}}

TABLE: Table = {
    kinds.POD: _POD,
    kinds.POD_TEMPLATE: {"template": _POD},
    kinds.REPLICATION_CONTROLLER: _WORKLOAD,
    kinds.REPLICA_SET: _WORKLOAD,
    kinds.DEPLOYMENT: _WORKLOAD,
    kinds.STATEFUL_SET: _WORKLOAD,
    kinds.DAEMON_SET: _WORKLOAD,
    kinds.JOB: _WORKLOAD,
    kinds.CRON_JOB: {"spec": {"jobTemplate": _WORKLOAD}},
    kinds.SERVICE: {
        "spec": {"trafficDistribution": Unenforced("its endpoints are chosen regardless of where they are")}
    },
    kinds.VOLUME_ATTRIBUTES_CLASS: Unenforced("its parameters do not reach the driver"),
    kinds.PERSISTENT_VOLUME_CLAIM: {
        "spec": {"volumeAttributesClassName": Unenforced("the class's parameters do not reach the driver")}
    },
    kinds.CSI_DRIVER: {
        "spec": {
            "nodeAllocatableUpdatePeriodSeconds": Unenforced("how many volumes fit is read when the driver registers"),
        }
    },
    kinds.DEVICE_CLASS: _DEVICES,
    kinds.RESOURCE_CLAIM: _DEVICES,
    kinds.RESOURCE_CLAIM_TEMPLATE: _DEVICES,
    kinds.RESOURCE_SLICE: _DEVICES,
}
