"""Whether ResourceQuotas leave room for a write, and what is used once it is made. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from longboat.api import quota
from longboat.api.amounts import Amounts, only, plus
from longboat.api.quota_usage import unasked, usage
from longboat.apiserver.admission.limited_resources import Limited, check
from longboat.machinery.errors import StatusError, forbidden
from longboat.machinery.objects import Object, meta
from longboat.machinery.quantity import Quantity
from longboat.registry.admission import Attributes, Target

PLAIN_UPDATES = (quota.SERVICES, quota.CLAIMS)  # what else might grow by an update of its spec


def is_counted(target: Target) -> bool:
    """Whether the write is of a sort that might use more of anything."""
    kind, operation = target.kind.resource, target.operation
    if not target.kind.namespaced or kind in quota.NOT_COUNTED:
        return False
    if target.subresource:
        return (kind, target.subresource, operation) == (quota.PODS, "resize", "UPDATE")
    return operation == "CREATE" or (operation == "UPDATE" and kind in PLAIN_UPDATES)


@dataclass
class Account:
    """One quota, and what is used of it when the writes that were let through are counted in."""

    quota: Object
    hard: Amounts
    used: dict[str, Quantity]
    changed: bool = False

    @classmethod
    def of(cls, found: Object) -> Account:
        return cls(found, quota.hard(found), dict(quota.used(found)))

    @property
    def name(self) -> str:
        return str(meta(self.quota).get("name"))


@dataclass(eq=False)
class Claim:
    """A write that waits for its verdict."""

    attributes: Attributes
    now: datetime
    settled: bool = False
    refusal: StatusError | None = None
    _usage: dict[str, Quantity] | None = field(default=None, repr=False)

    @property
    def usage(self) -> dict[str, Quantity]:
        if self._usage is None:
            assert self.attributes.obj is not None
            self._usage = usage(self.attributes.kind.resource, self.attributes.obj, self.now)
        return self._usage


def decide(accounts: Sequence[Account], claims: Sequence[Claim], limits: Sequence[Limited] = ()) -> None:
    """Give each claim its refusal or count it in, in order: what one takes the next does not find. A rehearsal takes
    nothing. `limits`: what has to be covered."""
    for claim in claims:
        if claim.refusal is not None:
            continue
        try:
            takes = _taken(accounts, claim, limits)
        except StatusError as error:
            claim.refusal = error
            continue
        for account, more in takes if not claim.attributes.dry_run else ():
            account.used, account.changed = plus(account.used, more), True


def _taken(
    accounts: Sequence[Account], claim: Claim, limits: Sequence[Limited]
) -> list[tuple[Account, Mapping[str, Quantity]]]:
    """What the write takes of which quota. Raises StatusError where one has not enough."""
    attributes = claim.attributes
    kind, obj = attributes.kind.resource, attributes.obj
    assert obj is not None
    concerned, covered = list[Account](), set[str]()
    for account in accounts:
        if not quota.matches(account.quota, kind, obj):
            continue
        limited = quota.concerning(kind, account.hard)
        if kind == quota.PODS and (missing := unasked(obj, limited)):
            raise _refused(attributes, f"failed quota: {account.name}: {missing}")
        if not limited <= account.used.keys():
            unknown = ",".join(sorted(limited))
            raise _refused(attributes, f"status unknown for quota: {account.name}, resources: {unknown}")
        concerned.append(account)
        covered |= limited
    if limits:
        quotas = [account.quota for account in accounts]
        check(limits, attributes.kind, attributes.name, obj, claim.usage, covered, quotas)
    takes: list[tuple[Account, Mapping[str, Quantity]]] = []
    for account in concerned:
        more = {name: value for name, value in only(_more(claim, account), account.hard).items() if value}
        if more:
            _check(attributes, account, more)
            takes.append((account, more))
    return takes


def _more(claim: Claim, account: Account) -> Mapping[str, Quantity]:
    """By how much the write raises what is used. What it gives back is the controller's to count."""
    kind, old = claim.attributes.kind.resource, claim.attributes.old
    if old is None or not quota.matches(account.quota, kind, old):
        return claim.usage
    before = usage(kind, old, claim.now)
    risen = {name: value for name, value in claim.usage.items() if name not in before or value > before[name]}
    return {name: value - before[name] if name in before else value for name, value in risen.items()}


def _check(attributes: Attributes, account: Account, more: Mapping[str, Quantity]) -> None:
    total = plus(account.used, more)
    exceeded = sorted(name for name in more if total[name] > account.hard[name])
    if exceeded:
        requested, used, limited = (_told(each, exceeded) for each in (more, account.used, account.hard))
        why = f"exceeded quota: {account.name}, requested: {requested}, used: {used}, limited: {limited}"
        raise _refused(attributes, why)


def _told(found: Amounts, names: Sequence[str]) -> str:
    return ",".join(f"{name}={found[name]}" for name in names if name in found)


def _refused(attributes: Attributes, why: str) -> StatusError:
    return forbidden(attributes.kind, attributes.name, why)
