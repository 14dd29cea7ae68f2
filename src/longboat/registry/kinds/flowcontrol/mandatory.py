"""Objects of priority and fairness that are always there: for what must not wait, and for what nothing else catches.

Upstream's, to the letter: who changes one must be told (flowcontrol, internalbootstrap).
"""

from __future__ import annotations

from longboat.machinery.objects import Object

EXEMPT, CATCH_ALL = "exempt", "catch-all"
ANYTHING: Object = {
    "resourceRules": [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    ],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
}


def groups(*names: str) -> list[Object]:
    return [{"kind": "Group", "group": {"name": f"system:{name}"}} for name in names]


SCHEMAS: dict[str, Object] = {
    EXEMPT: {
        "priorityLevelConfiguration": {"name": EXEMPT},
        "matchingPrecedence": 1,
        "rules": [{"subjects": groups("masters"), **ANYTHING}],
    },
    CATCH_ALL: {
        "priorityLevelConfiguration": {"name": CATCH_ALL},
        "matchingPrecedence": 10000,
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [{"subjects": groups("unauthenticated", "authenticated"), **ANYTHING}],
    },
}
LEVELS: dict[str, Object] = {
    EXEMPT: {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}},
    CATCH_ALL: {
        "type": "Limited",
        "limited": {"nominalConcurrencyShares": 5, "lendablePercent": 0, "limitResponse": {"type": "Reject"}},
    },
}
