"""Keeps the kernel's policy rules of one node as NetworkPolicies, pods and namespaces say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

from longboat.aio.clock import Clock
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.network.nftables import NftError
from longboat.network.policy import rules
from longboat.network.policy.views import Namespace, NetworkPolicy, Pod
from longboat.network.proxy.ruleset import Ruleset, create, diff, merge

log = logging.getLogger(__name__)

COALESCE = 0.005  # seconds: a rollout changes several pods at once
RETRY = 1.0  # seconds after a transaction was refused
CHECK = 30.0  # seconds between looks whether our table is still there


class Enforcer:
    """Run it in the node's network namespace. `apply` carries out nft commands; it may block, so a thread calls it."""

    def __init__(self, informers: Informers, clock: Clock, node: str, apply: Callable[[str], str]) -> None:
        self._policies = informers.of(NetworkPolicy)
        self._pods = informers.of(Pod)
        self._namespaces = informers.of(Namespace)
        self._clock, self._node, self._apply = clock, node, apply
        self._parts: dict[tuple[str, Key], Ruleset] = {}  # by ("policy" or "pod", its key)
        self._dirty: set[tuple[str, Key]] = set()
        self._whole = True  # the kernel's table is not known to be ours: write it anew
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
        self._changed.set()
        while True:
            try:
                async with self._clock.timeout(CHECK):
                    await self._changed.wait()
            except TimeoutError:
                self._whole = not await self._present()
                if not self._whole:
                    continue
            await self._clock.sleep(COALESCE)
            self._changed.clear()
            try:
                await self._sync()
                self.synced.set()
            except NftError as error:
                log.warning("the policies' rules were refused; writing all of them anew: %s", error)
                self._whole = True
                self._changed.set()
                await self._clock.sleep(RETRY)

    async def _sync(self) -> None:
        """Bring the kernel up to date in one transaction."""
        if self._whole:
            self._dirty |= {("policy", _key(policy)) for policy in self._policies.values()}
            self._dirty |= {("pod", _key(pod)) for pod in self._pods.values() if pod.spec.nodeName == self._node}
            self._dirty |= self._parts.keys()
        dirty, self._dirty = self._dirty, set()
        after = dict(self._parts)
        for part in dirty:
            made = self._make(*part)
            if made == Ruleset():
                after.pop(part, None)
            else:
                after[part] = made
        new = merge([rules.base(), *after.values()])
        if self._whole:
            commands = create(new, rules.PLACE)
        else:
            commands = diff(merge([rules.base(), *self._parts.values()]), new, rules.PLACE)
        try:
            if commands:
                await asyncio.to_thread(self._apply, commands)
        except BaseException:
            self._dirty |= dirty
            raise
        self._whole, self._parts = False, after

    def _make(self, what: str, key: Key) -> Ruleset:
        if what == "policy":
            policy = self._policies.get(key)
            return Ruleset() if policy is None else rules.policy_rules(policy, self._in, self._labelled)
        pod = self._pods.get(key)
        if pod is None or pod.spec.nodeName != self._node:
            return Ruleset()
        found = self._policies.by_index("namespace", key.namespace)
        return rules.assignment(pod, [policy for policy in found if rules.selects(policy, pod)])

    def _in(self, namespace: str) -> list[Pod]:
        return self._pods.by_index("namespace", namespace)

    def _labelled(self) -> Iterator[tuple[str, dict[str, str]]]:
        for namespace in self._namespaces.values():
            yield namespace.metadata.name, namespace.metadata.labels

    async def _present(self) -> bool:
        try:
            await asyncio.to_thread(self._apply, f"list chain {rules.PLACE} ingress")
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
                if rules.concerns(policy, pod, labels):
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
        self._dirty.add((what, key))
        self._changed.set()


def _key(obj: NetworkPolicy | Pod) -> Key:
    return Key(obj.metadata.namespace, obj.metadata.name)


def _matter(pod: Pod) -> object:
    """What of a pod the rules depend on."""
    return pod.address, pod.spec.nodeName, pod.metadata.labels, pod.named_ports()
