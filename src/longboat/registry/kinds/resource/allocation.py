"""What a claim has been given, and for whom: the status of a ResourceClaim (resource.k8s.io/v1)."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import msgspec

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.types import internal
from longboat.registry.kinds import conditions, rules
from longboat.registry.kinds.core.pod import scheduling
from longboat.registry.kinds.resource import checks, claims, slices

MOST_CONSUMERS, MOST_RESULTS, MOST_CONFIGS = 256, 32, 64
MOST_CONDITIONS, MOST_ADDRESSES = 8, 16
LONGEST_INTERFACE, LONGEST_HARDWARE, LONGEST_DATA = 256, 128, 10 << 10
SOURCES = ("FromClaim", "FromClass")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UUID_SAYS = (
    "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal "
    "characters"
)
_ALLOCATION = "io.k8s.api.resource.v1.AllocationResult"
_encode = msgspec.json.Encoder().encode


def status(new: Object, old: Object, path: Path, err: Errors) -> None:
    found, before = new.get("status") or {}, old.get("status") or {}
    known = claims.requests_of(dig(new, "spec", "devices", default={}))
    reserved, allocation = found.get("reservedFor") or [], found.get("allocation")
    checks.each_once(
        reserved, MOST_CONSUMERS, _consumer, lambda each: each.get("uid") or "", path.at("reservedFor"), err
    )
    given = frozenset(_device_id(result) for result in dig(allocation, "devices", "results", default=()))
    devices, at = found.get("devices") or [], path.at("devices")
    checks.each_once(
        devices, len(devices), lambda each, at, err: _device(each, given, at, err), _device_id_shown, at, err
    )
    if reserved and allocation is None:
        err.forbidden(path.at("reservedFor"), "may not be specified when `allocated` is not set")
    elif reserved and dig(new, "metadata", "deletionTimestamp"):
        held = frozenset(map(_consumer_id, before.get("reservedFor") or ()))
        if not held.issuperset(map(_consumer_id, reserved)):
            why = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
            err.forbidden(path.at("reservedFor"), why)
    if allocation is not None and (former := before.get("allocation")) is not None:
        shown, was = (internal.whole(_ALLOCATION, each) for each in (allocation, former))
        if shown != was:
            err.invalid(path.at("allocation"), shown, rules.IMMUTABLE)
    elif allocation is not None:
        _allocation(allocation, path.at("allocation"), err, known)


def _consumer_id(found: Object) -> tuple[str, ...]:
    return tuple(found.get(field) or "" for field in ("apiGroup", "resource", "name", "uid"))


def _consumer(found: Object, path: Path, err: Errors) -> None:
    for field in ("resource", "name", "uid"):
        if not found.get(field):
            err.required(path.at(field))


def _device_id(found: Object) -> tuple[str, str, str, str]:
    driver, pool, device, share = (found.get(field) or "" for field in ("driver", "pool", "device", "shareID"))
    return driver, pool, device, share


def _device_id_shown(found: Object) -> Any:
    """A device as upstream prints its name; with what was given of it where it is shared."""
    driver, pool, device, share = _device_id(found)
    return "/".join((driver, pool, device, *([share] if share else ())))


def _allocation(found: Object, path: Path, err: Errors, known: claims.Requests) -> None:
    devices, at = found.get("devices") or {}, path.at("devices")
    checks.each(
        devices.get("results") or [], MOST_RESULTS, lambda each, at, err: _result(each, at, err, known),
        at.at("results"), err,
    )  # fmt: skip
    checks.each(
        devices.get("config") or [], MOST_CONFIGS, lambda each, at, err: _config(each, at, err, known),
        at.at("config"), err,
    )  # fmt: skip
    if (selector := found.get("nodeSelector")) is not None:
        scheduling.node_selector(selector, path.at("nodeSelector"), err)


def _result(found: Object, path: Path, err: Errors, known: claims.Requests) -> None:
    claims.reference(found.get("request") or "", path.at("request"), err, known)
    _named(found, path, err)
    slices.binding(found, path, err)
    _share(found, path, err)


def _named(found: Object, path: Path, err: Errors) -> None:
    rules.driver_name(found.get("driver") or "", path.at("driver"), err)
    checks.pool(found.get("pool") or "", path.at("pool"), err)
    checks.label(found.get("device"), path.at("device"), err)


def _share(found: Object, path: Path, err: Errors) -> None:
    if (share := found.get("shareID")) is not None and not _UUID.fullmatch(share):
        err.invalid(path.at("shareID"), share, _UUID_SAYS)


def _config(found: Object, path: Path, err: Errors, known: claims.Requests) -> None:
    rules.one_of(found.get("source"), SOURCES, path.at("source"), err)
    claims.claim_config(found, path, err, known)


def _device(found: Object, given: frozenset[tuple[str, str, str, str]], path: Path, err: Errors) -> None:
    _named(found, path, err)
    _share(found, path, err)
    if _device_id(found) not in given:
        err.invalid(path, _device_id_shown(found), "must be an allocated device in the claim")
    listed = found.get("conditions") or []
    if len(listed) > MOST_CONDITIONS:
        err.too_many(path.at("conditions"), len(listed), MOST_CONDITIONS)
    conditions.validate(listed, path.at("conditions"), err)
    if (data := found.get("data")) is not None:
        checks.json_object(data, path.at("data"), err, LONGEST_DATA, len(_encode(data)))
    if (network := found.get("networkData")) is not None:
        _network(network, path.at("networkData"), err)


def _network(found: Object, path: Path, err: Errors) -> None:
    for field, longest in (("interfaceName", LONGEST_INTERFACE), ("hardwareAddress", LONGEST_HARDWARE)):
        if len(found.get(field) or "") > longest:
            err.too_long(path.at(field), longest)
    checks.each_string(found.get("ips") or [], MOST_ADDRESSES, _interface_address, path.at("ips"), err)


def _interface_address(text: str, path: Path, err: Errors) -> None:
    """An address with the length of its prefix, as interfaces have them, spelled as it should be."""
    try:
        if "/" not in text:
            raise ValueError
        found = ipaddress.ip_interface(text)
    except ValueError:
        err.invalid(path, text, "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)")
        return
    if (spelled := str(found)) != text:
        err.invalid(path, text, f"must be in canonical form ({spelled!r})".replace("'", '"'))
