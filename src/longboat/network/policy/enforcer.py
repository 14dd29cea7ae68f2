"""Keeps the kernel's policy rules of one node as NetworkPolicies, pods and namespaces say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator

from longboat.aio.clock import Clock
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.network.families import IPV4, Family
from longboat.network.nftables import NftError
from longboat.network.policy import rules
from longboat.network.policy.views import Namespace, NetworkPolicy, Pod
from longboat.network.proxy.ruleset import Ruleset, create, diff, merge, place

log = logging.getLogger(__name__)

COALESCE = 0.005  # seconds: a rollout changes several pods at once
RETRY = 1.0  # seconds after a transaction was refused
CHECK = 30.0  # seconds between looks whether our tables are still there

Part = tuple[str, Key]
"""("policy" or "pod", its key)."""


class _Table:
    """What is in the kernel for one family."""

    def __init__(self, family: Family) -> None:
        self.family, self.place = family, place(family, rules.TABLE)
        self.parts: dict[Part, Ruleset] = {}
        self.dirty: set[Part] = set()
        self.whole = True  # it is not known to be ours: write it anew


class Enforcer:
    """Run it in the node's network namespace. `apply` carries out nft commands; it may block, so a thread calls it."""

    def __init__(
        self,
        informers: Informers,
        clock: Clock,
        node: str,
        apply: Callable[[str], str],
        families: Iterable[Family] = (IPV4,),
    ) -> None:
        self._policies = informers.of(NetworkPolicy)
        self._pods = informers.of(Pod)
        self._namespaces = informers.of(Namespace)
        self._clock, self._node, self._apply = clock, node, apply
        self._tables = [_Table(family) for family in families]
        self._changed = asyncio.Event()
        self.synced = asyncio.Event()
        self._pods.index("namespace", lambda pod: [pod.metadata.namespace])
        self._policies.index("namespace", lambda policy: [policy.metadata.namespace])
        self._policies.on_change(self._policy_changed)
        self._pods.on_change(self._pod_changed)
        self._namespaces.on_change(self._namespace_changed)

    async def run(self) -> None:
        """Until cancelled. The rules stay when it ends."""
        for informer in (self._namespaces, self._pods, self._policies):
            await informer.synced()
        for table in self._tables:
            table.whole = True  # whoever ran before was interrupted: nothing is known of the kernel's rules
        self._changed.set()
        while True:
            try:
                async with self._clock.timeout(CHECK):
                    await self._changed.wait()
            except TimeoutError:
                for table in self._tables:
                    table.whole = not await self._present(table)
                if not any(table.whole for table in self._tables):
                    continue
            await self._clock.sleep(COALESCE)
            self._changed.clear()
            if all([await self._tried(table) for table in self._tables]):
                self.synced.set()
            else:
                self._changed.set()
                await self._clock.sleep(RETRY)

    async def _tried(self, table: _Table) -> bool:
        try:
            await self._sync(table)
        except NftError as error:
            log.warning("the policies' %s rules were refused; writing all of them anew: %s", table.family.name, error)
            table.whole = True
            return False
        return True

    async def _sync(self, table: _Table) -> None:
        """Bring the kernel up to date in one transaction."""
        if table.whole:
            table.dirty |= {("policy", _key(policy)) for policy in self._policies.values()}
            table.dirty |= {("pod", _key(pod)) for pod in self._pods.values() if pod.spec.nodeName == self._node}
            table.dirty |= table.parts.keys()
        dirty, table.dirty = table.dirty, set()
        after = dict(table.parts)
        for part in dirty:
            made = self._made(part, table)
            if made == Ruleset():
                after.pop(part, None)
            else:
                after[part] = made
        base = rules.base(table.family)
        commands = ""
        if table.whole:
            commands = create(merge([base, *after.values()]), table.place)
        elif after != table.parts:
            commands = diff(merge([base, *table.parts.values()]), merge([base, *after.values()]), table.place)
        try:
            if commands:
                await asyncio.to_thread(self._apply, commands)
        except BaseException:
            table.dirty |= dirty
            raise
        table.whole, table.parts = False, after

    def _made(self, part: Part, table: _Table) -> Ruleset:
        """The rules of a part. One that cannot be read keeps what it had, and isolates where it had none: an odd object
        neither hides the others nor opens anything."""
        try:
            return self._make(*part, table.family)
        except Exception:
            log.exception("the %s rules of %s %s cannot be made; it keeps what it had", table.family.name, *part)
        if part in table.parts:
            return table.parts[part]
        policy, pod = self._policies.get(part[1]), self._pods.get(part[1])
        if part[0] == "policy":
            return rules.nothing(policy) if policy is not None else Ruleset()
        return rules.isolation(pod, table.family) if pod is not None else Ruleset()

    def _make(self, what: str, key: Key, family: Family) -> Ruleset:
        if what == "policy":
            policy = self._policies.get(key)
            return Ruleset() if policy is None else rules.policy_rules(policy, self._in, self._labelled, family)
        pod = self._pods.get(key)
        if pod is None or pod.spec.nodeName != self._node:
            return Ruleset()
        found = self._policies.by_index("namespace", key.namespace)
        return rules.assignment(pod, [policy for policy in found if rules.selects(policy, pod)], family)

    def _in(self, namespace: str) -> list[Pod]:
        return self._pods.by_index("namespace", namespace)

    def _labelled(self) -> Iterator[tuple[str, dict[str, str]]]:
        for namespace in self._namespaces.values():
            yield namespace.metadata.name, namespace.metadata.labels

    async def _present(self, table: _Table) -> bool:
        try:
            await asyncio.to_thread(self._apply, f"list chain {table.place} ingress")
        except NftError:
            return False
        return True

    def _policy_changed(self, old: NetworkPolicy | None, new: NetworkPolicy | None) -> None:
        either = new or old
        assert either is not None
        self._mark("policy", _key(either))
        for pod in self._in(either.metadata.namespace):
            if pod.spec.nodeName == self._node:
                self._mark("pod", _key(pod))

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and new is not None and _matter(old) == _matter(new):
            return
        for pod in (old, new):
            if pod is None:
                continue
            namespace = self._namespaces.get(Key("", pod.metadata.namespace))
            labels = namespace.metadata.labels if namespace else {}
            for policy in self._policies.values():
                if _may_concern(policy, pod, labels):
                    self._mark("policy", _key(policy))
            if pod.spec.nodeName == self._node:
                self._mark("pod", _key(pod))

    def _namespace_changed(self, old: Namespace | None, new: Namespace | None) -> None:
        if old is not None and new is not None and old.metadata.labels == new.metadata.labels:
            return
        for policy in self._policies.values():
            if any(peer.namespaceSelector is not None for rule in policy.rules for peer in rule.peers):
                self._mark("policy", _key(policy))

    def _mark(self, what: str, key: Key) -> None:
        for table in self._tables:
            table.dirty.add((what, key))
        self._changed.set()


def _key(obj: NetworkPolicy | Pod) -> Key:
    return Key(obj.metadata.namespace, obj.metadata.name)


def _may_concern(policy: NetworkPolicy, pod: Pod, labels: dict[str, str]) -> bool:
    """A policy that cannot be read may: it is looked at when its rules are made."""
    try:
        return rules.concerns(policy, pod, labels)
    except ValueError:
        return True


def _matter(pod: Pod) -> object:
    """What of a pod the rules depend on."""
    return pod.addresses, pod.spec.nodeName, pod.metadata.labels, pod.named_ports()
