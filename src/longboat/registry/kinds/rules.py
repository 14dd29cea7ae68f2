"""Checks that many kinds share. Each records what it finds; none raises."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from longboat.machinery import names, quantity
from longboat.machinery.addresses import IPNetwork
from longboat.machinery.fieldpath import Errors, Path, quoted
from longboat.machinery.objects import Object
from longboat.machinery.quantity import Quantity

IMMUTABLE = "field is immutable"
NOT_NEGATIVE = "must be greater than or equal to 0"
MAX_INT32 = (1 << 31) - 1
LONGEST_DRIVER_NAME = 63
LONGEST_SIGNER = 253 + 1 + 253 + 1 + 63  # a domain, and behind the slash a namespace's object


def between(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


def not_negative(value: int | None, path: Path, err: Errors) -> None:
    if value is not None and value < 0:
        err.invalid(path, value, NOT_NEGATIVE)


def in_range(value: int | None, low: int, high: int, path: Path, err: Errors) -> None:
    if value is not None and not low <= value <= high:
        err.invalid(path, value, between(low, high))


def immutable(new: Any, old: Any, path: Path, err: Errors, why: str = IMMUTABLE) -> None:
    """An absent value and an empty one are the same."""
    if (new or None) != (old or None):
        err.invalid(path, new, why)


def named(value: str, path: Path, err: Errors, check: Callable[[str], list[str]] = names.dns1123_subdomain) -> None:
    """A required name."""
    if not value:
        err.required(path)
    else:
        err.extend(path, check(value), value)


def driver_name(value: str, path: Path, err: Errors) -> None:
    """The name of a CSI driver (CSI, GetPluginInfo)."""
    if not value:
        err.required(path)
        return
    if len(value) > LONGEST_DRIVER_NAME:
        err.too_long(path, LONGEST_DRIVER_NAME)
    err.extend(path, names.dns1123_subdomain(value.lower()), value)


def signer_name(value: str, path: Path, err: Errors) -> None:
    """A signer of certificates: a domain of two labels or more, and behind one slash subdomains (core, names.go)."""
    if not value:
        err.required(path)
        return
    domain, *rest = value.split("/")
    if len(rest) != 1:
        err.invalid(path, value, "must be a fully qualified domain and path of the form 'example.com/signer-name'")
        return
    if len(domain) > 253:
        err.too_long(path, 253)
    _labels(domain, path, err, names.dns1123_label)
    if "." not in domain:
        err.invalid(path, domain, "should be a domain with at least two segments separated by dots")
    _labels(rest[0], path, err, names.dns1123_subdomain)
    if len(value) > LONGEST_SIGNER:
        err.too_long(path, LONGEST_SIGNER)


def _labels(value: str, path: Path, err: Errors, check: Callable[[str], list[str]]) -> None:
    """The first label that is none says enough."""
    for label in value.split("."):
        if wrong := check(label):
            err.extend(path, [f"validating label {quoted(label)}: {why}" for why in wrong], value)
            return


def one_of(
    value: str | None, allowed: Collection[str], path: Path, err: Errors, why: str = "", *, as_given: bool = False
) -> None:
    """A required word. What is allowed is told in order, or as it is given; `why` is told where there is none."""
    if not value:
        err.required(path, why)
    elif value not in allowed:
        err.not_supported(path, value, allowed, as_given=as_given)


def maybe_one_of(value: str | None, allowed: Collection[str], path: Path, err: Errors) -> None:
    if value and value not in allowed:
        err.not_supported(path, value, allowed)


def given_one_of(value: str | None, allowed: Sequence[str], path: Path, err: Errors, *, as_given: bool = False) -> None:
    """A word that may be absent; there, "" is none of the allowed ones (what Go holds by a pointer)."""
    if value is not None and value not in allowed:
        err.not_supported(path, value, allowed, as_given=as_given)


def port(value: int, path: Path, err: Errors) -> None:
    err.extend(path, names.port_number(value), value)


def port_or_name(value: Any, path: Path, err: Errors) -> None:
    """An IntOrString that names a port."""
    if isinstance(value, str):
        err.extend(path, names.port_name(value), value)
    else:
        port(value or 0, path, err)


def address(value: str, path: Path, err: Errors, former: Collection[str] = ()) -> None:
    """An IP address, of which there is one form (KEP-4858). What is among `former` values may stay."""
    if value not in former:
        err.extend(path, names.ip_address(value), value)


def cidr(value: str, path: Path, err: Errors, former: Collection[str] = ()) -> IPNetwork | None:
    """A range of addresses, as `address`; and what it is, if it can be read."""
    found = names.ip_range(value)
    if value not in former:
        err.extend(path, names.cidr(value), value)
    return found


def reference(found: Object, path: Path, err: Errors) -> None:
    """A TypedLocalObjectReference, or one like it."""
    if (group := found.get("apiGroup")) is not None:
        err.extend(path.at("apiGroup"), names.dns1123_subdomain(group), group)
    for field in ("kind", "name"):
        named(found.get(field) or "", path.at(field), err, names.path_segment)


def load_balancer_point(point: Object, path: Path, err: Errors, former: Collection[str]) -> None:
    """Where a load balancer answers, by address or name. `former`: addresses that were there before."""
    if ip := point.get("ip"):
        address(ip, path.at("ip"), err, former)
    load_balancer_name(point.get("hostname"), path.at("hostname"), err)


def load_balancer_name(name: str | None, path: Path, err: Errors) -> None:
    if name:
        err.extend(path, names.dns1123_subdomain(name), name)
        if names.loose_address(name) is not None:
            err.invalid(path, name, "must be a DNS name, not an IP address")


def label_name(value: str, path: Path, err: Errors) -> None:
    err.extend(path, names.qualified_name(value), value)


def labels(found: Object | None, path: Path, err: Errors) -> None:
    for key, value in (found or {}).items():
        err.extend(path, names.qualified_name(key), key)
        err.extend(path, names.label_value(value), value)


def annotation_keys(found: Object | None, path: Path, err: Errors) -> None:
    for key in found or {}:
        err.extend(path, names.qualified_name(key.lower()), key)


def label_selector(found: Object | None, path: Path, err: Errors, *, any_value: bool = False) -> None:
    """`any_value`: the values of expressions are not looked at, as once they were not."""
    if found is None:
        return
    labels(found.get("matchLabels"), path.at("matchLabels"), err)
    for i, expression in enumerate(found.get("matchExpressions") or ()):
        at = path.at("matchExpressions").index(i)
        operator(expression, at, err)
        expression_labels(expression, at, err, any_value=any_value)


def operator(expression: Object, at: Path, err: Errors, *, unknown: bool = False) -> None:
    """Whether the values of a requirement of a selector suit its operator. `unknown`: other operators may be."""
    values, given = expression.get("values") or [], expression.get("operator") or ""
    if given in ("In", "NotIn"):
        if not values:
            err.required(at.at("values"), "must be specified when `operator` is 'In' or 'NotIn'")
    elif given in ("Exists", "DoesNotExist"):
        if values:
            err.forbidden(at.at("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    elif not unknown:
        err.invalid(at.at("operator"), given, "not a valid selector operator")


def expression_labels(expression: Object, at: Path, err: Errors, *, any_value: bool = False) -> None:
    """Whether the key and the values of a requirement of a selector can be labels. `any_value`: the key alone."""
    label_name(expression.get("key") or "", at.at("key"), err)
    for j, value in enumerate(() if any_value else expression.get("values") or ()):
        err.extend(at.at("values").index(j), names.label_value(value), value)


def amount(text: str, path: Path, err: Errors) -> Quantity:
    """A quantity, 0 where it is none."""
    try:
        return quantity.parse(text)
    except ValueError as error:
        err.invalid(path, text, str(error))
        return quantity.parse("0")


def amount_not_negative(text: str, path: Path, err: Errors) -> Quantity:
    found = amount(text, path, err)
    if found.amount < 0:
        err.invalid(path, text, NOT_NEGATIVE)
    return found


def percent_or_count(value: Any, path: Path, err: Errors) -> None:
    """An IntOrString that is a number or a percentage, not negative."""
    if isinstance(value, str):
        if not (value.endswith("%") and value[:-1].isdigit()):
            says = "a valid percent string must be a numeric string followed by an ending '%'"
            err.invalid(path, value, names.mismatch(says, "[0-9]+%", "1%", "93%"))
    else:
        not_negative(value, path, err)


def at_most_100_percent(value: Any, path: Path, err: Errors) -> None:
    if isinstance(value, str) and value.endswith("%") and value[:-1].isdigit() and int(value[:-1]) > 100:
        err.invalid(path, value, "must not be greater than 100%")


def zero(value: Any) -> bool:
    """Whether an IntOrString comes to nothing."""
    return value in (None, 0, "0", "0%")


def repeated(values: Iterable[Any]) -> Iterable[int]:
    """The positions of what was there before."""
    seen = set()
    for i, value in enumerate(values):
        if value in seen:
            yield i
        seen.add(value)
