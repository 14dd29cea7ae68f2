"""Webhook configurations: who else is asked before something is written."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds
from longboat.machinery.objects import Object
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import fill
from longboat.registry.strategy import Strategy


class ValidatingWebhookConfiguration(Strategy):
    kind = kinds.VALIDATING_WEBHOOK_CONFIGURATION
    standard_finalizers = False
    unconditional_update = False
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Webhooks", int, lambda obj: len(obj.get("webhooks") or ()), description="How many are asked."),
        AGE,
    )

    def default(self, obj: Object) -> None:
        for webhook in fill.each(obj, "webhooks"):
            fill.absent(webhook, "failurePolicy", "Fail")
            fill.absent(webhook, "matchPolicy", "Equivalent")
            fill.absent(webhook, "timeoutSeconds", 10)
            for field in ("namespaceSelector", "objectSelector"):
                fill.part(webhook, field)
            if (service := (webhook.get("clientConfig") or {}).get("service")) is not None:
                fill.absent(service, "port", 443)
            for rule in fill.each(webhook, "rules"):
                fill.absent(rule, "scope", "*")


class MutatingWebhookConfiguration(ValidatingWebhookConfiguration):
    kind = kinds.MUTATING_WEBHOOK_CONFIGURATION

    def default(self, obj: Object) -> None:
        super().default(obj)
        for webhook in fill.each(obj, "webhooks"):
            fill.absent(webhook, "reinvocationPolicy", "Never")
