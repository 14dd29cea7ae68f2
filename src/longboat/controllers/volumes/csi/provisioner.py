"""Makes volumes for claims whose class names a driver of ours (what external-provisioner does for others)."""

from __future__ import annotations

from longboat.api import kinds, storage
from longboat.api.storage import Claim, StorageClass, Volume
from longboat.client.interface import Key
from longboat.controllers.runtime import Requeue, Watch, own_key
from longboat.controllers.volumes.csi import made, requests, secrets, topology
from longboat.controllers.volumes.csi.base import CSIController
from longboat.controllers.volumes.csi.calls import RpcError
from longboat.controllers.volumes.newest import key_of
from longboat.controllers.volumes.views import Node
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object

# What a volume may be made from, and what a driver must be capable of for that. Other kinds have populators.
SOURCES = {
    "PersistentVolumeClaim": ("clone operations", "CLONE_VOLUME"),
    "VolumeSnapshot": ("snapshot restore", "CREATE_DELETE_SNAPSHOT"),
}


def asked_of(claim: Claim) -> str:
    """The provisioner the binder has left the claim to; "" for none."""
    notes = claim.metadata.annotations
    return notes.get(storage.STORAGE_PROVISIONER) or notes.get(storage.BETA_STORAGE_PROVISIONER) or ""


def source_of(claim: Claim) -> str:
    """The kind of what the volume shall be made from; "" for an empty one."""
    source = claim.spec.dataSource or claim.spec.dataSourceRef or {}
    return str(source.get("kind") or "")


def waits(claim: Claim) -> tuple[str, ...]:
    """An index: claims without a volume, by provisioner."""
    return (asked_of(claim),) if asked_of(claim) and not claim.spec.volumeName else ()


class CSIProvisioner(CSIController):
    name = "csi-provisioner"
    component = "csi-provisioner"
    rights = (
        CSIController.rights
        + """
        create get list watch: persistentvolumes
        get list patch update watch: persistentvolumeclaims
    """
    )
    watches = (Watch(Claim, own_key, when=lambda claim: bool(waits(claim))),)
    reads = (*CSIController.reads, StorageClass, Volume)

    def setup(self) -> None:
        super().setup()
        self.cache(Claim).index("provisioner", waits)
        self._begun: dict[Key, Claim] = {}  # calls whose outcome is not known yet: seen through even if the claim goes
        self._written: set[str] = set()  # volumes that the informer has not heard of yet
        self.cache(Volume).on_change(self._volume_changed)

    def _volume_changed(self, old: Volume | None, new: Volume | None) -> None:
        if (volume := new or old) is not None:
            self._written.discard(volume.metadata.name)

    def wake(self) -> None:
        for claim in self.cache(Claim).values():
            if waits(claim) and self.drivers.serves(asked_of(claim)):
                self.queue.add(key_of(claim))

    def driver_of(self, key: Key) -> str:
        claim = self._begun.get(key) or self.cache(Claim).get(key)
        return asked_of(claim) if claim is not None else ""

    def about(self, key: Key) -> object:
        claim = self.cache(Claim).get(key)
        return claim and (claim.metadata.uid, claim.metadata.annotations.get(storage.SELECTED_NODE))

    async def serve(self, key: Key) -> Requeue | None:
        claim = self._begun.get(key) or self.cache(Claim).get(key)
        if key in self._begun and self._is_hopeless(key, self._begun[key]):
            del self._begun[key]
            return None
        if claim is None or not waits(claim) or not self.drivers.serves(asked_of(claim)):
            return None
        found = self.cache(StorageClass).get(Key("", storage.claim_class(claim)))
        if found is None or found.provisioner != asked_of(claim):
            return None  # the binder tells the claim
        node = claim.metadata.annotations.get(storage.SELECTED_NODE, "")
        if storage.waits_for_consumer(found) and not node:
            return None
        name = requests.volume_name(claim)
        if name in self._written or self.cache(Volume).get(Key("", name)) is not None:
            return None  # made already: the binder's turn
        if key not in self._begun and claim.metadata.deletionTimestamp is not None:
            return None
        await self._provision(claim, found, node)
        return None

    def _is_hopeless(self, key: Key, begun: Claim) -> bool:
        """Whether claim and node are both gone: nothing is left to ask, and nobody to ask it for."""
        node = begun.metadata.annotations.get(storage.SELECTED_NODE, "")
        return self.cache(Claim).get(key) is None and bool(node) and self.cache(Node).get(Key("", node)) is None

    async def _provision(self, claim: Claim, found: StorageClass, node: str) -> None:
        key, name = key_of(claim), requests.volume_name(claim)
        told = f'External provisioner is provisioning volume for claim "{key}"'
        self.events.event(claim, "Normal", "Provisioning", told)
        if (source := source_of(claim)) and source not in SOURCES:
            assumed = "Assuming an external populator will provision the volume"
            self.events.event(claim, "Normal", "Provisioning", assumed)
            return
        try:
            volume = await self._make(claim, found, node)
        except (RpcError, ValueError) as error:
            why = f'failed to provision volume with StorageClass "{found.metadata.name}": {error}'
            self.events.event(claim, "Warning", "ProvisioningFailed", why)
            if isinstance(error, RpcError) and error.code == "RESOURCE_EXHAUSTED" and node:
                await self._reschedule(claim)
                return
            raise error if isinstance(error, RpcError) else RpcError("INVALID_ARGUMENT", str(error)) from error
        try:
            await self.client.create(kinds.PERSISTENT_VOLUME, volume)
            if self.cache(Volume).get(Key("", name)) is None:
                self._written.add(name)
            self.events.event(claim, "Normal", "ProvisioningSucceeded", f"Successfully provisioned volume {name}")
        except StatusError as error:
            if error.reason != "AlreadyExists":
                self._begun[key] = claim  # it is made: whatever comes, its object must be written
                raise
        self._begun.pop(key, None)

    async def _make(self, claim: Claim, found: StorageClass, node: str) -> Object:
        """The volume is made by the driver; returns the object for it. Raises RpcError, ValueError.

        All that can be wrong with claim and class is found before the driver is asked: what it has made stays made.
        """
        driver, key, name = found.provisioner, key_of(claim), requests.volume_name(claim)
        await self._check_source(claim, driver)
        if claim.spec.selector is not None:
            raise ValueError("claim Selector is not supported")
        requests.fs_type(found)
        target, accessibility = self._where(claim, found, node)
        secrets.check(found.parameters, claim, name)
        known = await secrets.read(self.client, secrets.ref(found.parameters, "provisioner", claim, name))
        precise = await self.drivers.can(driver, target, requests.SINGLE_WRITERS)
        request = requests.create(claim, found, known, accessibility, precise)
        try:
            answer = await self.drivers.call(target, driver, "CreateVolume", request)
        except RpcError as error:
            if error.undecided:
                self._begun[key] = claim
            else:
                self._begun.pop(key, None)
            raise
        try:
            return made.persistent_volume(claim, found, answer)
        except ValueError as problem:
            self._begun[key] = claim  # until nothing is left of it
            await self._undo(target, claim, driver, answer, known, str(problem))
            self._begun.pop(key, None)
            raise

    async def _check_source(self, claim: Claim, driver: str) -> None:
        """Raises ValueError: volumes are made empty here."""
        source = source_of(claim)
        if not source:
            return
        what, capability = SOURCES[source]
        if not await self.drivers.can(driver, self.drivers.route(driver), capability):
            raise ValueError(f"CSI driver does not support {what}: controller {capability} capability is not reported")
        raise ValueError("volumes are made empty here: a dataSource is left to provisioners that drivers bring")

    async def _undo(
        self, node: str, claim: Claim, driver: str, answer: Object, known: dict[str, str], problem: str
    ) -> None:  # fmt: skip
        """Delete what was made and is of no use. Raises ValueError, with the problem, where that fails as well."""
        if not (handle := made.handle_of(answer)):
            return
        try:
            request = {"volumeId": handle, **({"secrets": known} if known else {})}
            await self.drivers.call(node, driver, "DeleteVolume", request)
        except RpcError as error:
            name = requests.volume_name(claim)
            why = f"{problem}. Cleanup of volume {name} failed, volume is orphaned: {error}"
            raise ValueError(why) from error

    def _where(self, claim: Claim, found: StorageClass, node: str) -> tuple[str, Object | None]:
        """The node to call, and where the volume must be accessible. Raises RpcError, ValueError."""
        driver, allowed = found.provisioner, topology.allowed(found)
        if node:
            here = self.drivers.segments(driver, node)
            if here is None:
                raise RpcError("UNAVAILABLE", f"error generating accessibility requirements: no topology of {node} yet")
            if allowed and not topology.within(here, allowed):
                raise ValueError(f"error generating accessibility requirements: selected node '{node}' topology "
                                 f"'{here}' is not in allowed topologies: {allowed}")  # fmt: skip
            return self.drivers.route(driver, node=node), topology.requirement([here] if here else [], "")
        seed = claim.metadata.name
        places = self.drivers.places(driver)
        within = {name: here for name, here in places.items() if not allowed or topology.within(here, allowed)}
        if self.drivers.is_local(driver):
            target = self._spread(driver, within, seed)
            return target, topology.requirement([within[target]] if within[target] else [], seed)
        return self.drivers.route(driver), topology.requirement(allowed or [p for p in within.values() if p], seed)

    def _spread(self, driver: str, places: dict[str, dict[str, str]], seed: str) -> str:
        """The node that makes a volume which may be anywhere: always the same for one claim."""
        able = [name for name in self.drivers.controllers(driver) if name in places]
        if not able:
            raise RpcError("UNAVAILABLE", f"driver {driver} answers on no node in the allowed topologies")
        return sorted(able)[sum(seed.encode()) % len(able)]

    async def _reschedule(self, claim: Claim) -> None:
        """No room on the selected node: let the scheduler choose another."""
        patch: Object = {
            "metadata": {
                "resourceVersion": claim.metadata.resourceVersion,
                "annotations": {storage.SELECTED_NODE: None},
            }
        }
        try:
            await self.client.patch(kinds.PERSISTENT_VOLUME_CLAIM, key_of(claim), patch)
        except StatusError as error:
            if error.code not in (404, 409):
                raise
