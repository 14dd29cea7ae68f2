"""Keeps the kernel's rules for the pods of one node: what NetworkPolicies let them do, and that they are who they say.

A pod's rules are there before its first process. The node agent asks for that (`admit`) before it starts a container,
and starts none where it is not told so in time. What comes from the pods' bridge and is not of a pod that has been
admitted is dropped, whatever the reason. When the agent ends, all rules stay; the next one takes up what is attached.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from longboat.aio.clock import Clock
from longboat.aio.reconciler import Reconciler
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.network.families import Family
from longboat.network.kept import Apply, Kept
from longboat.network.nftables import NftError
from longboat.network.policy import attachments, ports, rules
from longboat.network.policy.attachments import Attachment
from longboat.network.policy.rules import Isolation
from longboat.network.policy.views import Namespace, NetworkPolicy, Pod
from longboat.network.ruleset import Ruleset, create, place

log = logging.getLogger(__name__)

COALESCE = 0.005  # seconds: a rollout changes several pods at once
RETRY = 1.0  # seconds after a transaction was refused
CHECK = 30.0  # seconds between looks whether our tables are still there, and which sandboxes are
ADMITTED_WITHIN = 10.0  # seconds after which a pod's start is tried again later
TRIAL = "longboat-trial"  # a table that is never there longer than a transaction

Part = tuple[str, Key | str]
"""("policy", its key), ("pod", its sandbox) or ("combination", a chain)."""


class _Local(msgspec.Struct):
    """A pod of this node. `labels` are what the agent has said; None: it was there before the agent."""

    at: Attachment
    labels: dict[str, str] | None
    isolation: Isolation
    in_force: asyncio.Event

    @property
    def key(self) -> Key:
        return Key(self.at.namespace, self.at.name)


class Enforcer:
    """Run it in the node's network namespace. `apply` carries out nft commands; it may block, so a thread calls it.

    `ranges` are the pods' of the whole cluster, by family.
    """

    def __init__(
        self,
        informers: Informers,
        clock: Clock,
        node: str,
        apply: Apply,
        ranges: Mapping[Family, str],
        results: Path = attachments.RESULTS,
    ) -> None:
        self._policies = informers.of(NetworkPolicy)
        self._pods = informers.of(Pod)
        self._namespaces = informers.of(Namespace)
        self._clock, self._node, self._apply, self._results = clock, node, apply, results
        self._families = tuple(ranges)
        self._tables = {
            each: Kept[Part](place(each, rules.TABLE), rules.base(each, ranges[each]), rules.WITNESS) for each in ranges
        }
        self._ports = Kept[Part](ports.PLACE, ports.base(), ports.ARRIVALS)
        self._locals: dict[str, _Local] = {}  # by sandbox
        self._refused: dict[Key, str] = {}  # policies that the kernel does not take, and in which version
        self._reconciler = Reconciler(clock, coalesce=self._patience, retry=RETRY, look=CHECK)
        self.synced = asyncio.Event()
        self._pods.index("namespace", lambda pod: [pod.metadata.namespace])
        self._policies.index("namespace", lambda policy: [policy.metadata.namespace])
        self._policies.on_change(self._policy_changed)
        self._pods.on_change(self._pod_changed)
        self._namespaces.on_change(self._namespace_changed)

    async def admit(self, pod: Key, labels: Mapping[str, str], sandbox: str) -> None:
        """Return once all rules for the pod in this sandbox are in force. Raises OSError: its containers must wait."""
        local = self._locals.get(sandbox)
        if local is None:
            try:
                at = await asyncio.to_thread(attachments.of, sandbox, self._results)
            except ValueError as error:
                raise OSError(f"CNI has left a strange note: {error}") from error
            if Key(at.namespace, at.name) != pod:
                raise OSError(f"sandbox {sandbox} is {at.namespace}/{at.name}'s")
            local = self._take(at)
        if local.labels is None:
            local.labels = dict(labels)
            self._mark_pod(sandbox)
        if not local.in_force.is_set():
            try:
                async with self._clock.timeout(ADMITTED_WITHIN):
                    await local.in_force.wait()
            except TimeoutError:
                raise TimeoutError("the rules that guard the pod's network are not in force yet") from None

    async def run(self) -> None:
        """Until cancelled. The rules stay when it ends."""
        for informer in (self._namespaces, self._pods, self._policies):
            await informer.synced()
        for table in self._all():
            table.whole = True  # whoever ran before was interrupted: nothing is known of the kernel's rules
        await self._reconciler.run(self._tried, self._looked)

    async def _looked(self) -> bool:
        """Whether somebody has taken rules of ours away."""
        await self._look()
        return not all([await table.check(self._apply) for table in self._all()])

    def _patience(self) -> float:
        return COALESCE if all(local.in_force.is_set() for local in self._locals.values()) else 0.0

    def _all(self) -> Iterator[Kept[Part]]:
        yield from self._tables.values()
        yield self._ports

    async def _tried(self) -> bool:
        was_whole = all(table.whole for table in self._all())
        try:
            await self._sync()
        except NftError as error:
            log.warning("the rules for pods were refused; writing all of them anew: %s", error)
            if was_whole:
                await self._put_aside()
            return False
        self.synced.set()
        return True

    async def _sync(self) -> None:
        """Bring the kernel up to date in one transaction."""
        tables = list(self._all())
        if any(table.whole for table in tables):
            self._mark(*(("policy", _key(policy)) for policy in self._policies.values()))
            for sandbox in self._locals:
                self._mark_pod(sandbox)
        waiting = [local for local in self._locals.values() if not local.in_force.is_set()]
        commands = "".join(table.commands(self._maker(family)) for family, table in self._tables.items())
        commands += self._ports.commands(self._port)
        try:
            if commands:
                await asyncio.to_thread(self._apply, commands)
        except BaseException:
            for table in tables:
                table.failed()
            raise
        for table in tables:
            table.done()
        for local in waiting:
            local.in_force.set()

    def _maker(self, family: Family) -> Callable[[Part], Ruleset]:
        return lambda part: self._make(*part, family)

    def _make(self, what: str, key: Key | str, family: Family) -> Ruleset:
        """A part's share of a family's table."""
        if what == "policy":
            assert isinstance(key, Key)
            policy = self._policies.get(key)
            if policy is None:
                return Ruleset()
            if self._refused.get(key) == policy.metadata.resourceVersion:
                return rules.nothing(policy)
            return self._policy(policy, family)
        if what == "combination":
            used = (local.isolation.chains.get(str(key)) for local in self._locals.values())
            chain = next(filter(None, used), None)
            return Ruleset({str(key): chain}) if chain else Ruleset()
        local = self._locals.get(str(key))
        return rules.assignment(local.at.of(family), local.isolation) if local else Ruleset()

    def _policy(self, policy: NetworkPolicy, family: Family) -> Ruleset:
        """One that cannot be read keeps what it had, and isolates where it had none: an odd object neither hides the
        others nor opens anything."""
        try:
            return rules.policy_rules(policy, self._in, self._labelled, family)
        except Exception:
            log.exception("the %s rules of NetworkPolicy %s cannot be made", family.name, _key(policy))
            return self._tables[family].present(("policy", _key(policy))) or rules.nothing(policy)

    def _port(self, part: Part) -> Ruleset:
        what, key = part
        local = self._locals.get(str(key)) if what == "pod" else None
        return ports.port_rules(local.at, self._families) if local else Ruleset()

    async def _put_aside(self) -> None:
        """Find the policies that the kernel refuses: until they change, they isolate and let nothing through."""
        for policy in self._policies.values():
            for family in self._families:
                trial = f"{family.word} {TRIAL}"
                made = self._make("policy", _key(policy), family)
                try:
                    await asyncio.to_thread(self._apply, create(made, trial) + f"delete table {trial}\n")
                except NftError as error:
                    log.error("NetworkPolicy %s lets nothing through: it was refused: %s", _key(policy), error)
                    self._refused[_key(policy)] = policy.metadata.resourceVersion

    async def _look(self) -> None:
        """Take up what is attached and forget what is no more. Who has no Pod in the API may do nothing."""
        before = set(self._locals)
        found = await asyncio.to_thread(attachments.sandboxes, self._results)
        for sandbox in before - found:
            self._drop(sandbox)
        for sandbox in found - self._locals.keys():
            try:
                self._take(await asyncio.to_thread(attachments.of, sandbox, self._results))
            except (OSError, ValueError) as error:
                log.warning("sandbox %s stays without a network: %s", sandbox, error)

    def _take(self, at: Attachment) -> _Local:
        """From now on the addresses and the port are this sandbox's, whoever had them before."""
        if known := self._locals.get(at.sandbox):
            return known  # taken while its note was being read
        for sandbox, other in list(self._locals.items()):
            if other.at.port == at.port or set(other.at.addresses) & set(at.addresses):
                self._drop(sandbox)
        local = self._locals[at.sandbox] = _Local(at, None, rules.isolation(None), asyncio.Event())
        self._mark_pod(at.sandbox)
        return local

    def _drop(self, sandbox: str) -> None:
        local = self._locals.pop(sandbox)
        self._mark(("pod", sandbox), *(("combination", name) for name in local.isolation.chains))

    def _mark_pod(self, sandbox: str) -> None:
        """Work out what isolates the pod now."""
        local = self._locals[sandbox]
        before, local.isolation = local.isolation, self._isolation(local)
        names = before.chains.keys() | local.isolation.chains.keys()
        self._mark(("pod", sandbox), *(("combination", name) for name in names))

    def _isolation(self, local: _Local) -> Isolation:
        """Where a policy's selector cannot be read, the pod keeps what it had: at first, nothing."""
        pod = self._pods.get(local.key)
        labels = pod.metadata.labels if pod is not None and pod.metadata.uid == local.at.uid else local.labels
        if labels is None:
            return rules.isolation(None)
        found = self._policies.by_index("namespace", local.at.namespace)
        try:
            return rules.isolation([policy for policy in found if rules.picks(policy, labels)])
        except Exception:
            log.exception("it cannot be told what isolates %s", local.key)
            return local.isolation

    def _in(self, namespace: str) -> list[Pod]:
        return self._pods.by_index("namespace", namespace)

    def _labelled(self) -> Iterator[tuple[str, dict[str, str]]]:
        for namespace in self._namespaces.values():
            yield namespace.metadata.name, namespace.metadata.labels

    def _policy_changed(self, old: NetworkPolicy | None, new: NetworkPolicy | None) -> None:
        either = new or old
        assert either is not None
        self._mark(("policy", _key(either)))
        for sandbox, local in self._locals.items():
            if local.at.namespace == either.metadata.namespace:
                self._mark_pod(sandbox)

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
                    self._mark(("policy", _key(policy)))
        either = new or old
        assert either is not None
        if either.spec.nodeName == self._node:
            for sandbox, local in self._locals.items():
                if local.key == _key(either):
                    self._mark_pod(sandbox)

    def _namespace_changed(self, old: Namespace | None, new: Namespace | None) -> None:
        if old is not None and new is not None and old.metadata.labels == new.metadata.labels:
            return
        for policy in self._policies.values():
            if any(peer.namespaceSelector is not None for rule in policy.rules for peer in rule.peers):
                self._mark(("policy", _key(policy)))

    def _mark(self, *parts: Part) -> None:
        for table in self._all():
            table.mark(parts)
        self._reconciler.wake()


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
    return pod.addresses, pod.spec.nodeName, pod.metadata.labels, pod.metadata.uid, pod.named_ports()
