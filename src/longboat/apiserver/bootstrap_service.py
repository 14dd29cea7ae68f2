"""The API server's own Service and the range it is in: `kubernetes` both, made again should somebody delete them."""

from __future__ import annotations

import ipaddress
import logging

import msgspec

from longboat.api import kinds
from longboat.api.families import family_of, split
from longboat.apiserver.bootstrap_layer import Layer
from longboat.machinery import addresses
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object, dig, timestamp
from longboat.registry.write import Write

NAME = "kubernetes"
_RANGES = "kubernetes-service-cidr-controller"  # as upstream calls who says that this range is ready

log = logging.getLogger(__name__)


class OwnService(Layer):
    async def settle(self) -> None:
        """Raises StatusError, StorageError."""
        await self._range()
        await self._service()

    async def settle_again(self) -> None:
        """After a change of what somebody else may have deleted."""
        if self.stores[kinds.SERVICE_CIDR].find("", NAME) is None:
            await self._range()
        if self.stores[kinds.SERVICE].find("default", NAME) is None:
            await self._service()

    async def _range(self) -> None:
        """What this server gives Services addresses from. It is ready, unless somebody has said otherwise.

        Where it is there for one family, and this server was told of two, it gets the second.
        """
        kind, cidrs = kinds.SERVICE_CIDR, [str(ipaddress.ip_network(each)) for each in split(self.config.service_cidr)]
        await self.ensure(kind, "", {"metadata": {"name": NAME}, "spec": {"cidrs": cidrs}})
        (found,) = (each for each in self.found(kind) if each["metadata"]["name"] == NAME)
        if found["spec"]["cidrs"] == cidrs[:1] != cidrs:
            await self.stores[kind].update(
                "", NAME, lambda old: {**old, "spec": {**old["spec"], "cidrs": cidrs}}, Write(), retry=True
            )
        elif found["spec"]["cidrs"] != cidrs:
            why = "Services get addresses of %s, not of %s, as long as the ServiceCIDR kubernetes says so"
            log.warning(why, ",".join(found["spec"]["cidrs"]), ",".join(cidrs))
            return
        known = dig(found, "status", "conditions", default=())
        if found["metadata"].get("deletionTimestamp") or any(each["type"] == "Ready" for each in known):
            return
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": timestamp(self.clock.now())}
        ready["message"] = "Kubernetes default Service CIDR is ready"
        config = {"metadata": {"name": NAME}, "status": {"conditions": [ready]}}
        config |= {"kind": kind.name, "apiVersion": kind.api_version}
        await self.stores[kind].apply(config, Write(subresource="status", manager=_RANGES))

    async def _service(self) -> None:
        """The `kubernetes` Service in default, and the endpoints where this server is found.

        It keeps the address that it has; deleted, it gets that of this server's range.
        """
        config = self.config
        network = ipaddress.ip_network(split(config.service_cidr)[0])  # it is of one family, the primary
        labels = {"component": "apiserver", "provider": "kubernetes"}
        found = self.stores[kinds.SERVICE].find("default", "kubernetes")
        had = msgspec.json.decode(found.body)["spec"] if found is not None else {}
        address = had.get("clusterIP") or str(network[1])
        family = family_of(address)
        spec: Object = {
            "type": "ClusterIP",
            "clusterIP": address,
            "clusterIPs": [address],
            "ipFamilies": [family],
            "ipFamilyPolicy": "SingleStack",
            "sessionAffinity": "None",
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": config.port}],
        }
        service = {"metadata": {"name": NAME, "namespace": "default", "labels": labels}, "spec": spec}
        try:
            await self.keep(kinds.SERVICE, "default", service)
        except StatusError as error:
            if error.reason != "Invalid":  # its address is to be had once a ServiceCIDR says so
                raise
            log.warning("there is no kubernetes Service: %s", error)
            return
        own = addresses.parse(config.advertise)
        if addresses.special(own) in ("loopback", "unspecified"):
            log.info("%s is no address pods could reach: the kubernetes Service has no endpoints", own)
            return
        await self._endpoints(config.advertise, config.port, family)

    async def _endpoints(self, address: str, port_number: int, family: str) -> None:
        port = {"name": "https", "port": port_number, "protocol": "TCP"}
        mirrored = {"endpointslice.kubernetes.io/skip-mirror": "true"}
        endpoints = {
            "metadata": {"name": NAME, "namespace": "default", "labels": mirrored},
            "subsets": [{"addresses": [{"ip": address}], "ports": [port]}],
        }
        await self.keep(kinds.ENDPOINTS, "default", endpoints)
        slice_ = {
            "metadata": {
                "name": NAME, "namespace": "default", "labels": {"kubernetes.io/service-name": NAME},
            },
            "addressType": family,
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": [port],
        }  # fmt: skip
        await self.keep(kinds.ENDPOINT_SLICE, "default", slice_)
