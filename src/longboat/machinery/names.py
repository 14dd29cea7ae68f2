"""Name checks: each returns upstream's messages for what is wrong with a name, an empty list where nothing is.

The rules and wording are apimachinery's (util/validation); the patterns are those of RFC 1123 and RFC 1035.
"""

from __future__ import annotations

import ipaddress
import re

from longboat.machinery import addresses

LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
_UNDERSCORED_LABEL = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
UNDERSCORED = rf"{_UNDERSCORED_LABEL}(\.{_UNDERSCORED_LABEL})*"
LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
LABEL_VALUE = rf"({QUALIFIED})?"
CONFIG_KEY = r"[-._a-zA-Z0-9]+"
ENV_NAME = r"[-._a-zA-Z][-._a-zA-Z0-9]*"
WILDCARD = rf"\*\.{SUBDOMAIN}"
HTTP_HEADER = r"[-A-Za-z0-9]+"

_LABEL_SAYS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_SUBDOMAIN_SAYS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_1035_SAYS = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character"
)
_QUALIFIED_SAYS = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_VALUE_SAYS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)
_KEY_SAYS = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
_ENV_SAYS = (
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', "
    "and must not start with a digit"
)
_WILDCARD_SAYS = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
)
_HEADER_SAYS = "a valid HTTP header must consist of alphanumeric characters or '-'"

EMPTY = "must be non-empty"


def too_long(limit: int) -> str:
    return f"must be no more than {limit} characters"


def mismatch(says: str, pattern: str, *examples: str) -> str:
    """What upstream says of a value that does not match a pattern."""
    shown = ", ".join(f"or '{e}'" if i else f"'{e}'" for i, e in enumerate(examples)).replace("', or", "',  or")
    return (
        f"{says} (e.g. {shown}, regex used for validation is '{pattern}')"
        if examples
        else (f"{says} (regex used for validation is '{pattern}')")
    )


def _check(value: str, limit: int, pattern: re.Pattern[str], says: str, source: str, *examples: str) -> list[str]:
    wrong = []
    if limit and len(value.encode()) > limit:
        wrong.append(too_long(limit))
    if not pattern.fullmatch(value):
        wrong.append(mismatch(says, source, *examples))
    return wrong


_label, _subdomain, _underscored, _1035, _qualified, _value, _key, _env, _wildcard, _header = (
    re.compile(p)
    for p in (LABEL, SUBDOMAIN, UNDERSCORED, LABEL_1035, QUALIFIED, LABEL_VALUE, CONFIG_KEY, ENV_NAME, WILDCARD,
              HTTP_HEADER)
)  # fmt: skip


def dns1123_label(value: str) -> list[str]:
    return _check(value, 63, _label, _LABEL_SAYS, LABEL, "my-name", "123-abc")


def dns1123_subdomain(value: str) -> list[str]:
    return _check(value, 253, _subdomain, _SUBDOMAIN_SAYS, SUBDOMAIN, "example.com")


def dns1123_subdomain_with_underscore(value: str) -> list[str]:
    return _check(value, 253, _underscored, _SUBDOMAIN_SAYS, UNDERSCORED, "example.com")


def dns1035_label(value: str) -> list[str]:
    wrong = _check(value, 0, _1035, _1035_SAYS, LABEL_1035, "my-name", "abc-123")
    return ["must be no more than 63 characters", *wrong] if len(value.encode()) > 63 else wrong


def wildcard_subdomain(value: str) -> list[str]:
    return _check(value, 253, _wildcard, _WILDCARD_SAYS, WILDCARD, "*.example.com")


def label_value(value: str) -> list[str]:
    return _check(value, 63, _value, _VALUE_SAYS, LABEL_VALUE, "MyValue", "my_value", "12345")


def http_header(value: str) -> list[str]:
    return _check(value, 0, _header, _HEADER_SAYS, HTTP_HEADER, "X-Header-Name")


def _dots(value: str) -> list[str]:
    if value == ".":
        return ["must not be '.'"]
    if value == "..":
        return ["must not be '..'"]
    return ["must not start with '..'"] if value.startswith("..") else []


def config_key(value: str) -> list[str]:
    return _check(value, 253, _key, _KEY_SAYS, CONFIG_KEY, "key.name", "KEY_NAME", "key-name") + _dots(value)


def env_name(value: str) -> list[str]:
    """RelaxedEnvironmentVariableValidation is GA: any printable ASCII but '='."""
    if not value:
        return [EMPTY]
    if any(not 0x20 <= ord(c) <= 0x7E or c == "=" for c in value):
        return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
    return []


def qualified_name(value: str) -> list[str]:
    """An optional DNS prefix, "/", and a name: label keys, annotation keys, resource names, finalizers."""
    wrong: list[str] = []
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        says = "a qualified name " + _QUALIFIED_SAYS
        shaped = mismatch(says, QUALIFIED, "MyName", "my.name", "123-abc")
        return [f"{shaped} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    if slash:
        if not prefix:
            wrong.append(f"prefix part {EMPTY}")
        else:
            wrong.extend(f"prefix part {m}" for m in dns1123_subdomain(prefix))
    if not name:
        wrong.append(f"name part {EMPTY}")
    elif len(name.encode()) > 63:
        wrong.append(f"name part {too_long(63)}")
    if not _qualified.fullmatch(name):
        wrong.append(f"name part {mismatch(_QUALIFIED_SAYS, QUALIFIED, 'MyName', 'my.name', '123-abc')}")
    return wrong


def port_name(value: str) -> list[str]:
    """An IANA service name, as container and target ports use it (RFC 6335)."""
    wrong = []
    if len(value) > 15:
        wrong.append("must be no more than 15 characters")
    if not re.fullmatch(r"[-a-z0-9]+", value):
        wrong.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", value):
        wrong.append("must contain at least one letter (a-z)")
    if "--" in value:
        wrong.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        wrong.append("must not begin or end with a hyphen")
    return wrong


def path_segment(value: str) -> list[str]:
    """Names that only have to fit into a URL path (RBAC)."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{bad}'" for bad in ("/", "%") if bad in value]


def port_number(value: int) -> list[str]:
    return [] if 1 <= value <= 65535 else ["must be between 1 and 65535, inclusive"]


_OCTETS_WITH_ZEROS = re.compile(r"(?<![0-9a-fA-F:.])0+(?=[0-9])|(?<=\.)0+(?=[0-9])|(?<=:)0+(?=[0-9]+\.)")
_NOT_AN_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_NOT_A_RANGE = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def _without_zeros(text: str) -> str:
    """IPv4's numbers without leading zeros, as some programs read them; others take them for octal."""
    return _OCTETS_WITH_ZEROS.sub("", text) if "." in text and len(text) < 100 else text


def loose_address(value: str) -> addresses.IPAddress | None:
    """The address that upstream's older checks take this for; None for none. Nothing with a zone, in which Python takes
    any text."""
    try:
        return addresses.parse(_without_zeros(value))
    except ValueError:
        return None


def ip_address(value: str) -> list[str]:
    """As KEP-4858 has it: no leading zeros, and no IPv4 address in IPv6's dress."""
    if loose_address(value) is None:
        return [_NOT_AN_ADDRESS]
    if _without_zeros(value) != value:
        return ["must not have leading 0s"]
    return ["must not be an IPv4-mapped IPv6 address"] if _mapped(value) else []


def ip_range(value: str) -> addresses.IPNetwork | None:
    """As `loose_address`, for a range; host bits may be set."""
    text, slash, bits = value.partition("/")
    if not slash or not (bits.isascii() and bits.isdigit()):
        return None
    try:
        return addresses.network(f"{_without_zeros(text)}/{bits.lstrip('0') or '0'}")
    except ValueError:
        return None


def cidr(value: str) -> list[str]:
    """As `ip_address`, for a range: and the address is the range's first."""
    found, (text, _, bits) = ip_range(value), value.partition("/")
    if found is None:
        return [_NOT_A_RANGE]
    if _without_zeros(text) != text or (bits.startswith("0") and bits != "0"):
        return ["must not have leading 0s in IP or prefix length"]
    if _mapped(text):
        return ["must not have an IPv4-mapped IPv6 address"]
    return ["must not have bits set beyond the prefix length"] if loose_address(text) != found.network_address else []


def canonical_address(value: str) -> list[str]:
    """As `ip_address`, for newer fields: spelled in the one way."""
    told = ip_address(value)
    return told or _spelled(value, ipaddress.ip_address(value))


def canonical_cidr(value: str) -> list[str]:
    """As `cidr`, for newer fields: spelled in the one way."""
    told = cidr(value)
    return told or _spelled(value, ipaddress.ip_network(value))


def _spelled(value: str, found: object) -> list[str]:
    return [] if str(found) == value else [f'must be in canonical form ("{found}")']


def _mapped(text: str) -> bool:
    found = ipaddress.ip_address(text)
    return isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None


def about_address(path: str, value: str) -> list[str]:
    """What upstream warns of where an older check took an address that is not in its one form."""
    found = loose_address(value)
    if found is None:
        return []
    if ip_address(value):
        return [_nonstandard(path, "IP address", value, str(found))]
    if found.version == 6 and str(found) != value:
        return [f'{path}: IPv6 address "{value}" should be in RFC 5952 canonical format ("{found}")']
    return []


def about_range(path: str, value: str) -> list[str]:
    """As `about_address`, for a range."""
    found = ip_range(value)
    if found is None:
        return []
    told = []
    text = value.partition("/")[0]
    if (first := loose_address(text)) != found.network_address:
        meant = f'"{found}" or "{first}/{found.max_prefixlen}"'
        told.append(f'{path}: CIDR value "{value}" is ambiguous in this context (should be {meant}?)')
    if [wrong for wrong in cidr(value) if "bits set" not in wrong]:
        told.append(_nonstandard(path, "CIDR value", value, str(found)))
    if not told and found.version == 6 and str(found) != value:
        told.append(f'{path}: IPv6 CIDR value "{value}" should be in RFC 5952 canonical format ("{found}")')
    return told


def _nonstandard(path: str, what: str, value: str, meant: str) -> str:
    future = "will be considered invalid in a future Kubernetes release"
    return f'{path}: non-standard {what} "{value}" {future}: use "{meant}"'


def fully_qualified(value: str) -> tuple[str, str]:
    """What is wrong with a domain of at least two labels, and in which part; ("", "") where nothing is."""
    name = value.removesuffix(".")
    if wrong := dns1123_subdomain(name):
        return ",".join(wrong), name
    labels = name.split(".")
    if len(labels) < 2:
        return "should be a domain with at least two segments separated by dots", name
    return next(((",".join(wrong), label) for label in labels if (wrong := dns1123_label(label))), ("", ""))
