"""Every controller, one line each, with the identity it acts under."""

from __future__ import annotations

from longboat.controllers.runtime import Controller


def controllers() -> tuple[type[Controller], ...]:
    """In the order in which they start."""
    from longboat.controllers.autoscaling.controller import Autoscaler
    from longboat.controllers.certificates.approver import Approver
    from longboat.controllers.certificates.cleaner import Cleaner
    from longboat.controllers.certificates.signer import SigningController
    from longboat.controllers.certificates.token_cleaner import TokenCleaner
    from longboat.controllers.cronjob.controller import CronJobController
    from longboat.controllers.daemonset.controller import DaemonSetController
    from longboat.controllers.deployment.controller import DeploymentController
    from longboat.controllers.disruption.controller import DisruptionController
    from longboat.controllers.disruption.stale import StaleDisruption
    from longboat.controllers.endpoints.controller import EndpointsController
    from longboat.controllers.endpoints.mirroring_controller import EndpointSliceMirroringController
    from longboat.controllers.endpoints.slice_controller import EndpointSliceController
    from longboat.controllers.garbage.collector import GarbageCollector
    from longboat.controllers.ingress.controller import IngressController
    from longboat.controllers.job.controller import JobController
    from longboat.controllers.job.orphans import OrphanedPods
    from longboat.controllers.job.ttl import TTLAfterFinished
    from longboat.controllers.loadbalancer.controller import LoadBalancerController
    from longboat.controllers.namespace import NamespaceController
    from longboat.controllers.node_ipam import NodeIpam
    from longboat.controllers.node_lifecycle import NodeLifecycle, TaintEviction
    from longboat.controllers.pod_gc import PodGC
    from longboat.controllers.quota.controller import ResourceQuotaController
    from longboat.controllers.replicaset.controller import ReplicaSetController, ReplicationControllerController
    from longboat.controllers.service_account import RootCAPublisher, ServiceAccountController
    from longboat.controllers.service_cidr import ServiceRanges
    from longboat.controllers.statefulset.controller import StatefulSetController
    from longboat.controllers.token_secrets import TokenSecrets
    from longboat.controllers.unused_tokens import TokenTracking, UnusedTokens
    from longboat.controllers.volumes.attach_detach import AttachDetachController
    from longboat.controllers.volumes.binder import PersistentVolumeBinder
    from longboat.controllers.volumes.csi.attacher import CSIAttacher
    from longboat.controllers.volumes.csi.deleter import CSIDeleter
    from longboat.controllers.volumes.csi.provisioner import CSIProvisioner
    from longboat.controllers.volumes.csi.resizer import CSIResizer
    from longboat.controllers.volumes.ephemeral import EphemeralVolumeController
    from longboat.controllers.volumes.protection import AttributesClassProtection, ClaimProtection, VolumeProtection

    return (
        ServiceAccountController,
        RootCAPublisher,
        TokenSecrets,
        TokenTracking,
        UnusedTokens,
        NamespaceController,
        ReplicaSetController,
        ReplicationControllerController,
        ResourceQuotaController,
        DisruptionController,
        StaleDisruption,
        DeploymentController,
        StatefulSetController,
        DaemonSetController,
        JobController,
        OrphanedPods,
        TTLAfterFinished,
        CronJobController,
        EndpointSliceController,
        EndpointsController,
        EndpointSliceMirroringController,
        IngressController,
        LoadBalancerController,
        ServiceRanges,
        NodeIpam,
        NodeLifecycle,
        TaintEviction,
        PodGC,
        PersistentVolumeBinder,
        ClaimProtection,
        VolumeProtection,
        AttributesClassProtection,
        EphemeralVolumeController,
        CSIProvisioner,
        CSIDeleter,
        AttachDetachController,
        CSIAttacher,
        CSIResizer,
        GarbageCollector,
        Approver,
        SigningController,
        Cleaner,
        TokenCleaner,
        Autoscaler,
    )
