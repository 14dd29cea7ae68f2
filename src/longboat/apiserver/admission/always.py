"""Two plugins for trials: one that says nothing, and one that refuses everything (upstream's, deprecated)."""

from __future__ import annotations

from longboat.apiserver.admission.chain import Plugin
from longboat.machinery.errors import forbidden
from longboat.registry.admission import Attributes, Target


class Inert(Plugin):
    """AlwaysAdmit, and what upstream has for kinds that are not served here: the name is known, and guards nothing."""

    def handles(self, target: Target) -> bool:
        return False


class AlwaysDeny(Plugin):
    def mutate(self, attributes: Attributes) -> None:
        raise forbidden(attributes.kind, attributes.name, "admission control is denying all modifications")

    def validate(self, attributes: Attributes) -> None:
        raise forbidden(attributes.kind, attributes.name, "admission control is denying all modifications")
