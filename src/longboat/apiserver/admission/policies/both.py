"""What both plugins work with, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from longboat.api import kinds
from longboat.apiserver.admission.asked import Printed
from longboat.apiserver.admission.chain import Lookup
from longboat.apiserver.admission.policies.dispatch import Selection
from longboat.apiserver.admission.policies.figures import Figures
from longboat.apiserver.admission.policies.params import Params
from longboat.apiserver.admission.policies.source import Policies
from longboat.apiserver.admission.versions import Versions
from longboat.apiserver.admission.webhooks.figures import Figures as ConditionFigures
from longboat.apiserver.admission.webhooks.patching import Typed
from longboat.apiserver.authz.authorizer import Authorizer
from longboat.apiserver.resources import Resources
from longboat.machinery.apply.grain import Grain
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.types.shapes import Struct
from longboat.registry.store import Store


@dataclass(frozen=True, slots=True)
class Means:
    """What is asked of the server."""

    printed: Printed
    versions: Versions
    lookup: Lookup
    authorizer: Authorizer
    typed: Typed
    default: Callable[[Kind, Object], None]
    grain: Callable[[Kind], Grain | None]
    unknown: Callable[[Kind, Object], list[str]]  # what strict decoding says of an object


@dataclass(frozen=True, slots=True)
class Known:
    """What is asked of the server: which kind a resource is of, which kind is called so, and a kind's type."""

    resource: Callable[[str, str, str], Kind | None]  # group, version, plural
    kind: Callable[[str, str, str], Kind | None]  # group, version, name
    type: Callable[[Kind], Struct | None]


class Both:
    def __init__(
        self, stores: Mapping[Kind, Store], resources: Resources, means: Means, conditions: ConditionFigures
    ) -> None:
        """`conditions`: the figures of match conditions, which webhooks have, too."""
        self.means, self.figures, self.conditions = means, Figures(), conditions
        params = Params(stores, resources)

        def selection(policy: Kind, binding: Kind) -> Selection:
            policies = Policies(stores[policy], stores[binding], means.versions, params)
            return Selection(policies, params, means.versions, stores[kinds.NAMESPACE])

        self.validating = selection(kinds.VALIDATING_ADMISSION_POLICY, kinds.VALIDATING_ADMISSION_POLICY_BINDING)
        self.mutating = selection(kinds.MUTATING_ADMISSION_POLICY, kinds.MUTATING_ADMISSION_POLICY_BINDING)
