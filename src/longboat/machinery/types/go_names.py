"""What Go calls what the schema does not name: words and maps with types of their own.

Upstream's decoder tells clients these names where a field has a value of another type: `of type v1.Protocol`.
"""

from __future__ import annotations

PACKAGES = (
    "io.k8s.api.", "io.k8s.apimachinery.pkg.apis.meta.", "io.k8s.apiextensions-apiserver.pkg.apis.",
    "io.k8s.kube-aggregator.pkg.apis.",
)  # fmt: skip

# By group: a field and its type, which is of that version unless it names its package. `+` is the message's name.
_TYPES = {
    "core": """
        AppArmorProfile.type AppArmorProfileType, AttachedVolume.name UniqueVolumeName,
        AzureDiskVolumeSource.cachingMode AzureDataDiskCachingMode, AzureDiskVolumeSource.kind AzureDataDiskKind,
        Capabilities.add Capability, Capabilities.drop Capability, ComponentCondition.status ConditionStatus,
        ComponentCondition.type ComponentConditionType, Container.imagePullPolicy PullPolicy,
        Container.restartPolicy ContainerRestartPolicy, Container.terminationMessagePolicy TerminationMessagePolicy,
        ContainerPort.protocol Protocol, ContainerResizePolicy.resourceName ResourceName,
        ContainerResizePolicy.restartPolicy ResourceResizeRestartPolicy,
        ContainerRestartRule.action ContainerRestartRuleAction,
        ContainerRestartRuleOnExitCodes.operator ContainerRestartRuleOnExitCodesOperator,
        ContainerStatus.allocatedResources ResourceList, ContainerStatus.stopSignal Signal,
        EmptyDirVolumeSource.medium StorageMedium, EndpointPort.protocol Protocol,
        EphemeralContainer.imagePullPolicy PullPolicy, EphemeralContainer.restartPolicy ContainerRestartPolicy,
        EphemeralContainer.terminationMessagePolicy TerminationMessagePolicy, HTTPGetAction.scheme URIScheme,
        HostPathVolumeSource.type HostPathType, ImageVolumeSource.pullPolicy PullPolicy, Lifecycle.stopSignal Signal,
        LimitRangeItem.default ResourceList, LimitRangeItem.defaultRequest ResourceList,
        LimitRangeItem.max ResourceList, LimitRangeItem.maxLimitRequestRatio ResourceList,
        LimitRangeItem.min ResourceList, LimitRangeItem.type LimitType,
        LoadBalancerIngress.ipMode LoadBalancerIPMode,
        ModifyVolumeStatus.status PersistentVolumeClaimModifyVolumeStatus, NamespaceCondition.status ConditionStatus,
        NamespaceCondition.type NamespaceConditionType, NamespaceSpec.finalizers FinalizerName,
        NamespaceStatus.phase NamespacePhase, NodeAddress.type NodeAddressType, NodeCondition.status ConditionStatus,
        NodeCondition.type NodeConditionType, NodeSelectorRequirement.operator NodeSelectorOperator,
        NodeStatus.allocatable ResourceList, NodeStatus.capacity ResourceList, NodeStatus.phase NodePhase,
        NodeStatus.volumesInUse UniqueVolumeName, ObjectReference.uid types.UID,
        PersistentVolumeClaimCondition.status ConditionStatus,
        PersistentVolumeClaimCondition.type PersistentVolumeClaimConditionType,
        PersistentVolumeClaimSpec.accessModes PersistentVolumeAccessMode,
        PersistentVolumeClaimSpec.volumeMode PersistentVolumeMode,
        PersistentVolumeClaimStatus.accessModes PersistentVolumeAccessMode,
        PersistentVolumeClaimStatus.allocatedResourceStatuses map[v1.ResourceName]v1.ClaimResourceStatus,
        PersistentVolumeClaimStatus.allocatedResources ResourceList,
        PersistentVolumeClaimStatus.capacity ResourceList,
        PersistentVolumeClaimStatus.phase PersistentVolumeClaimPhase,
        PersistentVolumeSpec.accessModes PersistentVolumeAccessMode, PersistentVolumeSpec.capacity ResourceList,
        PersistentVolumeSpec.persistentVolumeReclaimPolicy PersistentVolumeReclaimPolicy,
        PersistentVolumeSpec.volumeMode PersistentVolumeMode, PersistentVolumeStatus.phase PersistentVolumePhase,
        PodCondition.status ConditionStatus, PodCondition.type PodConditionType, PodOS.name OSName,
        PodReadinessGate.conditionType PodConditionType,
        PodSecurityContext.fsGroupChangePolicy PodFSGroupChangePolicy,
        PodSecurityContext.seLinuxChangePolicy PodSELinuxChangePolicy,
        PodSecurityContext.supplementalGroupsPolicy SupplementalGroupsPolicy, PodSpec.dnsPolicy DNSPolicy,
        PodSpec.overhead ResourceList, PodSpec.preemptionPolicy PreemptionPolicy,
        PodSpec.restartPolicy RestartPolicy, PodStatus.allocatedResources ResourceList, PodStatus.phase PodPhase,
        PodStatus.qosClass PodQOSClass, PodStatus.resize PodResizeStatus, PortStatus.protocol Protocol,
        ReplicationControllerCondition.status ConditionStatus,
        ReplicationControllerCondition.type ReplicationControllerConditionType,
        ResourceHealth.health ResourceHealthStatus, ResourceHealth.resourceID ResourceID,
        ResourceQuotaSpec.hard ResourceList, ResourceQuotaSpec.scopes ResourceQuotaScope,
        ResourceQuotaStatus.hard ResourceList, ResourceQuotaStatus.used ResourceList,
        ResourceRequirements.limits ResourceList, ResourceRequirements.requests ResourceList,
        ResourceStatus.name ResourceName, ScopedResourceSelectorRequirement.operator ScopeSelectorOperator,
        ScopedResourceSelectorRequirement.scopeName ResourceQuotaScope, SeccompProfile.type SeccompProfileType,
        Secret.type SecretType, SecurityContext.procMount ProcMountType, ServicePort.protocol Protocol,
        ServiceSpec.externalTrafficPolicy ServiceExternalTrafficPolicy,
        ServiceSpec.internalTrafficPolicy ServiceInternalTrafficPolicy, ServiceSpec.ipFamilies IPFamily,
        ServiceSpec.ipFamilyPolicy IPFamilyPolicy, ServiceSpec.sessionAffinity ServiceAffinity,
        ServiceSpec.type ServiceType, Taint.effect TaintEffect, Toleration.effect TaintEffect,
        Toleration.operator TolerationOperator, TopologySpreadConstraint.nodeAffinityPolicy NodeInclusionPolicy,
        TopologySpreadConstraint.nodeTaintsPolicy NodeInclusionPolicy,
        TopologySpreadConstraint.whenUnsatisfiable UnsatisfiableConstraintAction,
        VolumeMount.mountPropagation MountPropagationMode, VolumeMount.recursiveReadOnly RecursiveReadOnlyMode,
        VolumeMountStatus.recursiveReadOnly RecursiveReadOnlyMode, VolumeResourceRequirements.limits ResourceList,
        VolumeResourceRequirements.requests ResourceList
    """,
    "apps": """
        DaemonSetCondition.status v1.ConditionStatus, DaemonSetCondition.type +Type,
        DaemonSetUpdateStrategy.type +Type, DeploymentCondition.status v1.ConditionStatus,
        DeploymentCondition.type +Type, DeploymentStrategy.type +Type, ReplicaSetCondition.status v1.ConditionStatus,
        ReplicaSetCondition.type +Type, StatefulSetCondition.status v1.ConditionStatus,
        StatefulSetCondition.type +Type,
        StatefulSetPersistentVolumeClaimRetentionPolicy.whenDeleted PersistentVolumeClaimRetentionPolicyType,
        StatefulSetPersistentVolumeClaimRetentionPolicy.whenScaled PersistentVolumeClaimRetentionPolicyType,
        StatefulSetSpec.podManagementPolicy PodManagementPolicyType, StatefulSetUpdateStrategy.type +Type
    """,
    "batch": """
        CronJobSpec.concurrencyPolicy ConcurrencyPolicy, JobCondition.status v1.ConditionStatus,
        JobCondition.type JobConditionType, JobSpec.completionMode CompletionMode,
        JobSpec.podReplacementPolicy PodReplacementPolicy,
        PodFailurePolicyOnExitCodesRequirement.operator PodFailurePolicyOnExitCodesOperator,
        PodFailurePolicyOnPodConditionsPattern.status v1.ConditionStatus,
        PodFailurePolicyOnPodConditionsPattern.type v1.PodConditionType,
        PodFailurePolicyRule.action PodFailurePolicyAction, UncountedTerminatedPods.failed types.UID,
        UncountedTerminatedPods.succeeded types.UID
    """,
    "autoscaling": """
        ContainerResourceMetricSource.name v1.ResourceName, ContainerResourceMetricStatus.name v1.ResourceName,
        HPAScalingPolicy.type +Type, HPAScalingRules.selectPolicy ScalingPolicySelect,
        HorizontalPodAutoscalerCondition.status v1.ConditionStatus, HorizontalPodAutoscalerCondition.type +Type,
        MetricSpec.type MetricSourceType, MetricStatus.type MetricSourceType, MetricTarget.type +Type,
        ResourceMetricSource.name v1.ResourceName, ResourceMetricStatus.name v1.ResourceName
    """,
    "policy": "PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy UnhealthyPodEvictionPolicyType",
    "networking": """
        HTTPIngressPath.pathType PathType, IngressPortStatus.protocol v1.Protocol,
        NetworkPolicyPort.protocol v1.Protocol, NetworkPolicySpec.policyTypes PolicyType
    """,
    "discovery": "EndpointPort.protocol v1.Protocol, EndpointSlice.addressType AddressType",
    "storage": """
        CSIDriverSpec.fsGroupPolicy FSGroupPolicy, CSIDriverSpec.volumeLifecycleModes VolumeLifecycleMode,
        StorageClass.reclaimPolicy v1.PersistentVolumeReclaimPolicy,
        StorageClass.volumeBindingMode VolumeBindingMode
    """,
    "admissionregistration": """
        MatchResources.matchPolicy MatchPolicyType, MutatingAdmissionPolicySpec.failurePolicy FailurePolicyType,
        MutatingAdmissionPolicySpec.reinvocationPolicy v1.ReinvocationPolicyType,
        MutatingWebhook.failurePolicy FailurePolicyType, MutatingWebhook.matchPolicy MatchPolicyType,
        MutatingWebhook.reinvocationPolicy ReinvocationPolicyType, MutatingWebhook.sideEffects SideEffectClass,
        Mutation.patchType PatchType, NamedRuleWithOperations.operations OperationType,
        NamedRuleWithOperations.scope ScopeType, ParamRef.parameterNotFoundAction ParameterNotFoundActionType,
        RuleWithOperations.operations OperationType, RuleWithOperations.scope ScopeType,
        ValidatingAdmissionPolicyBindingSpec.validationActions ValidationAction,
        ValidatingAdmissionPolicySpec.failurePolicy FailurePolicyType,
        ValidatingWebhook.failurePolicy FailurePolicyType, ValidatingWebhook.matchPolicy MatchPolicyType,
        ValidatingWebhook.sideEffects SideEffectClass, Validation.reason v1.StatusReason
    """,
    "certificates": """
        CertificateSigningRequestCondition.status v1.ConditionStatus,
        CertificateSigningRequestCondition.type RequestConditionType,
        CertificateSigningRequestSpec.extra map[string]v1.ExtraValue, CertificateSigningRequestSpec.usages KeyUsage
    """,
    "flowcontrol": """
        FlowDistinguisherMethod.type +Type, FlowSchemaCondition.status ConditionStatus,
        FlowSchemaCondition.type +Type, LimitResponse.type +Type,
        PriorityLevelConfigurationCondition.status ConditionStatus, PriorityLevelConfigurationCondition.type +Type,
        PriorityLevelConfigurationSpec.type PriorityLevelEnablement, Subject.kind SubjectKind
    """,
    "scheduling": "PriorityClass.preemptionPolicy v1.PreemptionPolicy",
    "coordination": "LeaseSpec.strategy CoordinatedLeaseStrategy",
    "resource": """
        CapacityRequirements.requests map[v1.QualifiedName]resource.Quantity,
        Device.attributes map[v1.QualifiedName]v1.DeviceAttribute,
        Device.capacity map[v1.QualifiedName]v1.DeviceCapacity,
        DeviceAllocationConfiguration.source AllocationConfigSource,
        DeviceConstraint.distinctAttribute FullyQualifiedName, DeviceConstraint.matchAttribute FullyQualifiedName,
        DeviceRequestAllocationResult.consumedCapacity map[v1.QualifiedName]resource.Quantity,
        DeviceSubRequest.allocationMode DeviceAllocationMode, DeviceTaint.effect DeviceTaintEffect,
        DeviceToleration.effect DeviceTaintEffect, DeviceToleration.operator DeviceTolerationOperator,
        ExactDeviceRequest.allocationMode DeviceAllocationMode
    """,
    "meta": """
        Condition.status ConditionStatus, DeleteOptions.propagationPolicy DeletionPropagation,
        LabelSelectorRequirement.operator LabelSelectorOperator,
        ManagedFieldsEntry.operation ManagedFieldsOperationType, ObjectMeta.uid types.UID,
        OwnerReference.uid types.UID, Preconditions.uid types.UID
    """,
    "apiextensions": """
        CustomResourceConversion.strategy ConversionStrategyType,
        CustomResourceDefinitionCondition.status ConditionStatus, CustomResourceDefinitionCondition.type +Type,
        CustomResourceDefinitionSpec.scope ResourceScope, ValidationRule.reason FieldValueErrorReason
    """,
    "apiregistration": "APIServiceCondition.status ConditionStatus, APIServiceCondition.type +Type",
    "authorization": "SubjectAccessReviewSpec.extra map[string]v1.ExtraValue",
    "authentication": "UserInfo.extra map[string]v1.ExtraValue",
}
TYPES = {
    group: {field: called for field, called in (each.split() for each in text.split(","))}
    for group, text in _TYPES.items()
}


def of(definition: str, field: str) -> str:
    """The type of a field, or of what is in its list: `v1.Protocol`. "" where it is that of its JSON."""
    group, version, name = _place(definition)
    called = TYPES.get(group, {}).get(f"{name}.{field}", "").replace("+", name)
    return called if not called or "." in called else f"{version}.{called}"


def _place(definition: str) -> tuple[str, str, str]:
    """Group, version and name: of `io.k8s.api.core.v1.Pod` they are core, v1 and Pod."""
    before, _, name = definition.rpartition(".")
    if before.startswith(PACKAGES):
        *_, group, version = before.split(".")
        return group, version, name
    return "", "", name
