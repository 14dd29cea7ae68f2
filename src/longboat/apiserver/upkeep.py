"""What the API server itself keeps up to date, because it follows from what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.api import kinds
from longboat.apiserver import dangling
from longboat.apiserver.admission.policies.both import Known
from longboat.apiserver.authz import aggregation
from longboat.apiserver.bootstrap_flowcontrol import settle_flow_control
from longboat.apiserver.bootstrap_service import OwnService
from longboat.apiserver.config import Config
from longboat.apiserver.policy_status import PolicyStatus
from longboat.apiserver.settling import keep_settled
from longboat.machinery.kinds import Kind
from longboat.registry.store import Store

_OWN = "the API server's own Service and range"


async def keep_up(config: Config, stores: Mapping[Kind, Store], known: Known, clock: Clock, tasks: Tasks) -> None:
    """Once, before anybody is served; and whenever it changes, from then on. Raises StatusError."""
    roles, schemas, levels = (
        stores[kind] for kind in (kinds.CLUSTER_ROLE, kinds.FLOW_SCHEMA, kinds.PRIORITY_LEVEL_CONFIGURATION)
    )
    policies, gather = stores[kinds.VALIDATING_ADMISSION_POLICY], partial(aggregation.settle, roles)
    checked = PolicyStatus(policies, known)

    async def told() -> None:
        await settle_flow_control(stores)
        await dangling.settle(schemas, levels, clock)

    await gather()
    await told()
    own = OwnService(config, stores, clock).settle_again
    tasks.spawn(f"{_OWN}, by services", keep_settled(stores[kinds.SERVICE], own, clock, _OWN, "default"))
    for watched, settle, what in (
        *(((roles, gather, "the rules that ClusterRoles gather"),) if config.gathers_roles else ()),
        (schemas, told, "the conditions of FlowSchemas"),
        (levels, told, "the conditions of FlowSchemas"),
        (stores[kinds.SERVICE_CIDR], own, _OWN),
        (policies, checked.settle, "the status of ValidatingAdmissionPolicies"),
    ):
        tasks.spawn(f"{what}, by {watched.kind.plural}", keep_settled(watched, settle, clock, what))
