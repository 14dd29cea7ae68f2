"""Which answers of 500 and above are right."""

from __future__ import annotations

import re
from typing import Any

PARSE = r'strconv.ParseUint: parsing ".*": (invalid syntax|value out of range)'
ALLOWED = {
    # Each is upstream's own recorded answer to that mistake (Kubernetes 1.36.2).
    "a resourceVersion that is no number, in a body": (500, PARSE),
    "the same, in a query": (500, rf'resourceVersion: Invalid value: ".*": {PARSE}'),
    "a resourceVersion on a POST": (500, r"resourceVersion should not be set on objects to be created"),
    "a resourceVersion of the future": (504, r"Timeout: Too large resource version: \d+, current: \d+"),
    "a Service without a backend": (503, r"no endpoints available for service|no service port"),
    "a backend that is not there": (503, r"error trying to reach service"),
    "a node that does not answer": (500, r"Internal error occurred: error (dialing|reading from) backend"),
}
"""Answers of 500 and above that are right: what was asked, the status, the message."""
NO_STRING = "/.well-known/openid-configuration"  # upstream's document calls it a string, and its answer is an object


def allowed(finding: Any) -> bool:
    """Whether it is upstream's answer, too. An answer may hold several, where requests were sent in a row."""
    return (finding.get("path") == NO_STRING and finding["status"] == 200) or any(
        finding["status"] == code and re.search(pattern, finding["answer"].replace('\\"', '"'))
        for code, pattern in ALLOWED.values()
    )
