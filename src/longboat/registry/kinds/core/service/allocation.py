"""Gives a service its addresses and ports, and takes them back."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import errors
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, meta
from longboat.registry.allocators.addresses import ClusterIPs, Unavailable
from longboat.registry.allocators.ports import TAKEN, NodePorts, PortUnavailable
from longboat.registry.allocators.repair import addresses_of, ports_of
from longboat.registry.kinds.core.service import families, needs, node_ports
from longboat.registry.reservation import Reservation

_SPEC = Path("spec")


class Allocation:
    """What one write of a service takes, and what it lets go once it has succeeded."""

    def __init__(
        self,
        ips: ClusterIPs,
        ports: NodePorts,
        new: Object,
        old: Object | None,
        dry_run: bool,
        *,
        refused: bool = False,
    ) -> None:
        """`refused`: somebody else will refuse it; nothing is taken, but what is not to be had is said."""
        self._ips, self._ports = ips, ports
        self._dry_run, self._pretended = dry_run, dry_run or refused
        self._shown_ports: list[int] = []  # of a dry run
        self._new, self._spec = new, new["spec"]
        self._old = (old or {}).get("spec") or {}
        self._former = old
        self._owner = (meta(new).get("namespace") or "", meta(new).get("name") or "")
        self._taken_ips: list[str] = []
        self._taken_ports: list[int] = []

    async def make(self) -> Reservation:
        """Raises StatusError; then nothing has been taken."""
        err = Errors()
        families.settle(self._spec, self._old if self._former else None, self._ips.families, err)
        try:
            if not err:
                await self._take_addresses(err)
            if not err:
                await self._take_ports(err)
            if err:
                raise errors.invalid(kinds.SERVICE, self._owner[1], err)
        except BaseException:
            await self._undo()
            raise
        return Reservation(release=self._undo, commit=self._let_go)

    async def _undo(self) -> None:
        for ip in self._taken_ips:
            await self._ips.give_back(ip, *self._owner)
        await self._ports.give_back(self._taken_ports)
        self._taken_ips, self._taken_ports = [], []

    async def _let_go(self) -> None:
        """Free what the former version had and the new one has not."""
        if self._former is None:
            return
        for ip in addresses_of(self._former):
            if ip not in addresses_of(self._new):
                await self._ips.give_back(ip, *self._owner)
        await self._ports.give_back(ports_of(self._former) - ports_of(self._new))

    async def _take_addresses(self, err: Errors) -> None:
        spec = self._spec
        if not needs.allocated_ip(spec):
            return
        if self._former and not self._misses_addresses():
            return
        ips = list(spec.get("clusterIPs") or [])[: len(spec["ipFamilies"])]
        had = addresses_of(self._former) if self._former else []
        for i, family in enumerate(spec["ipFamilies"]):
            wanted = ips[i] if i < len(ips) else ""
            if wanted and wanted in had:
                continue
            try:
                ip, mine = await self._ips.take(family, wanted, *self._owner, dry_run=self._pretended)
            except Unavailable as error:
                if not wanted:
                    raise errors.internal(f"failed to allocate a serviceIP: {error}") from error
                err.invalid(_SPEC.at("clusterIPs"), spec["clusterIPs"], f"failed to allocate IP {wanted}: {error}")
                return
            if mine:
                self._taken_ips.append(ip)
            ips[i:] = [ip, *ips[i + 1 :]]
        spec["clusterIPs"], spec["clusterIP"] = ips, ips[0]

    def _misses_addresses(self) -> bool:
        """Whether an update needs any: it had no family before, or has one more."""
        if families.unchanged(self._spec, self._old):
            return False
        if self._old.get("type") == needs.EXTERNAL_NAME:
            return True
        had = self._old.get("ipFamilies") or []
        return needs.allocated_ip(self._old) and (len(had), len(self._spec["ipFamilies"])) == (1, 2)

    async def _take_ports(self, err: Errors) -> None:
        spec = self._spec
        if spec.get("type") in (needs.NODE_PORT, needs.LOAD_BALANCER):
            await self._take_node_ports(spec.get("ports") or [], err)
        if not err and needs.health_check_port(spec) and not needs.health_check_port(self._old):
            await self._take_health_check_port()

    async def _take_node_ports(self, listed: list[Object], err: Errors) -> None:
        wrong, any_too = None, needs.node_ports(self._spec)
        if self._former is None:
            wishes = node_ports.of_new(listed, any_too=any_too)
        else:
            had = {port["nodePort"] for port in self._old.get("ports") or () if port.get("nodePort")}
            wishes, wrong = node_ports.of_change(listed, had, any_too=any_too)
        try:
            given = await self._claim([wish.number for wish in wishes])
        except PortUnavailable as error:
            err.invalid(_SPEC.at("ports").index(wishes[error.place].at).at("nodePort"), error.port, str(error))
            return
        except Unavailable as error:
            raise errors.internal(f"failed to allocate a nodePort: {error}") from error
        if wrong:
            raise wrong
        for wish, number in zip(wishes, given, strict=True):
            for port in wish.ports:
                port["nodePort"] = number

    async def _take_health_check_port(self) -> None:
        number = self._spec.get("healthCheckNodePort") or 0
        try:
            (self._spec["healthCheckNodePort"],) = await self._claim([number])
        except Unavailable as error:
            what = f"requested HealthCheck NodePort {number}" if number else "a HealthCheck NodePort 0"
            raise errors.internal(f"failed to allocate {what}: {error}") from error

    async def _claim(self, wanted: list[int]) -> list[int]:
        if self._dry_run:
            return await self._claim_for_show(wanted)
        taken = await self._ports.take(wanted, dry_run=self._pretended)
        if not self._pretended:
            self._taken_ports += taken
        return taken

    async def _claim_for_show(self, wanted: list[int]) -> list[int]:
        """A dry run is given any number that is asked for and free, within the range or not, and else the next one
        above, as upstream's is."""
        given = self._shown_ports
        for place, number in enumerate(wanted):
            if number and (number in given or await self._ports.holds(number)):
                raise PortUnavailable(number, TAKEN, place)
            if number or given:
                given.append(number or max(0, *given) + 1)
            else:
                given += await self._ports.take([0], dry_run=True)
        return given[-len(wanted) :] if wanted else []
