"""What a Job may say of its policies, and how its status and its template may change."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery.fieldpath import Errors
from unit.registry.kinds.checks import BY_RESOURCE, Thing, changed, made, said

JOBS = BY_RESOURCE["jobs.batch"]
JOB: Thing = {
    "metadata": {"name": "work", "uid": "u"},
    "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}},
}
INDEXED = changed(JOB, spec__completionMode="Indexed", spec__completions=5, spec__parallelism=5)
BY_INDEX = changed(INDEXED, spec__backoffLimitPerIndex=1)
CODES = {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [1]}}
CONDITIONS = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}


def failing(**changes: Any) -> Thing:
    return changed(JOB, spec__podFailurePolicy={"rules": [changed({**CODES}, **changes)]})


def succeeding(**rule: Any) -> Thing:
    return changed(INDEXED, spec__successPolicy={"rules": [rule]})


RULE, MET = "spec.podFailurePolicy.rules[0]", "spec.successPolicy.rules[0]"


@pytest.mark.parametrize("job", [
    JOB, INDEXED, BY_INDEX, failing(), failing(onExitCodes__containerName="c"),
    changed(JOB, spec__podFailurePolicy={"rules": [CONDITIONS]}), changed(JOB, spec__managedBy="acme.io/queue"),
    changed(BY_INDEX, spec__podFailurePolicy={"rules": [{**CODES, "action": "FailIndex"}]}),
    changed(BY_INDEX, spec__maxFailedIndexes=5), succeeding(succeededIndexes="0,2-4", succeededCount=4),
])  # fmt: skip
def test_good_ones(job: Thing) -> None:
    assert said(JOBS, job) == []


@pytest.mark.parametrize(("job", "expected"), [
    (failing(action=None), f'{RULE}.action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]'),
    (failing(action="Quit"), f'{RULE}.action: Unsupported value: "Quit": supported values: "Count", "FailIndex", '
                             '"FailJob", "Ignore"'),
    (failing(action="FailIndex"), f'{RULE}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be '
                                  'set'),
    (failing(onExitCodes=None),
     f"{RULE}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required"),
    (failing(onPodConditions=[{"type": "T"}]),
     f"{RULE}: Invalid value: specifying both OnExitCodes and OnPodConditions is not supported"),
    (failing(onExitCodes__values=[0]),
     f"{RULE}.onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator"),
    (failing(onExitCodes__values=[]), f"{RULE}.onExitCodes.values: Invalid value: []: at least one value is required"),
    (failing(onExitCodes__values=[2, 1]), f"{RULE}.onExitCodes.values: Invalid value: [2,1]: must be ordered"),
    (failing(onExitCodes__values=[1, 1]), f"{RULE}.onExitCodes.values[1]: Duplicate value: 1"),
    (failing(onExitCodes__values=list(range(1, 257))),
     f"{RULE}.onExitCodes.values: Too many: 256: must have at most 255 items"),
    (failing(onExitCodes__operator=None),
     f'{RULE}.onExitCodes.operator: Required value: valid values: ["In" "NotIn"]'),
    (failing(onExitCodes__containerName="d"), f'{RULE}.onExitCodes.containerName: Invalid value: "d": must be one of '
                                              'the container or initContainer names in the pod template'),
    (changed(failing(), spec__podReplacementPolicy="TerminatingOrFailed"),
     'spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"'),
    (changed(failing(), spec__template__spec__restartPolicy="OnFailure"),
     'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is '
     'specified'),
    (changed(JOB, spec__podReplacementPolicy="Never"), 'spec.podReplacementPolicy: Unsupported value: "Never": '
                                                       'supported values: "Failed", "TerminatingOrFailed"'),
    (changed(JOB, spec__backoffLimitPerIndex=1),
     "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"),
    (changed(INDEXED, spec__maxFailedIndexes=1),
     "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified"),
    (changed(BY_INDEX, spec__maxFailedIndexes=6),
     "spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions"),
    (changed(BY_INDEX, spec__completions=100_001),
     "spec.maxFailedIndexes: Required value: must be specified when completions is above 100000"),
    (changed(INDEXED, spec__parallelism=100_001), "spec.parallelism: Invalid value: 100001: must be less than or equal "
                                                  "to 100000 when completion mode is Indexed"),
    (changed(INDEXED, spec__completions=None),
     "spec.completions: Required value: when completion mode is Indexed"),
    (changed(INDEXED, metadata__name="w" * 62), 'metadata.name: Invalid value: "' + "w" * 62 + '": will not able to '
                                                "create pod with invalid DNS label: " + "w" * 62 + "-4"),
    (changed(JOB, spec__managedBy="queue"),
     'spec.managedBy: Invalid value: "queue": must be a domain-prefixed path (such as "acme.io/foo")'),
    (changed(JOB, spec__managedBy="a.io/" + "q" * 60), "spec.managedBy: Too long: may not be more than 63 bytes"),
    (changed(INDEXED, spec__successPolicy={}), "spec.successPolicy.rules: Required value: at least one rules must be "
                                               "specified when the successPolicy is specified"),
    (succeeding(), f"{MET}: Required value: at least one of succeededCount or succeededIndexes must be specified"),
    (succeeding(succeededCount=6), f"{MET}.succeededCount: Invalid value: 6: must be less than or equal to 5 (the "
                                   "number of specified completions)"),
    (succeeding(succeededIndexes="0-1", succeededCount=3),
     f"{MET}.succeededCount: Invalid value: 3: must be less than or equal to 2 (the number of indexes in the specified "
     "succeededIndexes field)"),
    (succeeding(succeededIndexes="1-5"),
     f'{MET}.succeededIndexes: Invalid value: "1-5": error parsing succeededIndexes: too large index: "5"'),
    (succeeding(succeededIndexes="3,1"), f'{MET}.succeededIndexes: Invalid value: "3,1": error parsing '
                                         'succeededIndexes: non-increasing order, previous: 3, current: 1'),
    (succeeding(succeededIndexes="1-2-3"),
     f'{MET}.succeededIndexes: Invalid value: "1-2-3": error parsing succeededIndexes: the fragment "1-2-3" violates '
     "the requirement that an index interval can have at most two parts separated by '-'"),
    (succeeding(succeededIndexes="x"), f'{MET}.succeededIndexes: Invalid value: "x": error parsing succeededIndexes: '
                                       'cannot convert string to integer for index: "x"'),
])  # fmt: skip
def test_bad_ones(job: Thing, expected: str) -> None:
    assert said(JOBS, job) == [expected]


def test_labels_that_tell_jobs_apart_are_not_the_users_to_choose() -> None:
    job = changed(JOB, spec__template__metadata={"labels": {"job-name": "other"}})
    assert said(JOBS, job)[0].endswith("must be 'work'")
    assert (
        said(JOBS, changed(job, spec__manualSelector=True, spec__selector={"matchLabels": {"job-name": "other"}})) == []
    )


def test_defaults_follow_the_policies() -> None:
    assert made(JOBS, failing())["spec"]["podReplacementPolicy"] == "Failed"
    assert made(JOBS, JOB)["spec"]["podReplacementPolicy"] == "TerminatingOrFailed"
    assert made(JOBS, BY_INDEX)["spec"]["backoffLimit"] == (1 << 31) - 1
    found = made(JOBS, changed(JOB, spec__podFailurePolicy={"rules": [CONDITIONS]}))
    assert found["spec"]["podFailurePolicy"]["rules"][0]["onPodConditions"][0]["status"] == "True"


def updated(old: Thing, status: Thing | None = None, **changes: Any) -> list[str]:
    before = {**made(JOBS, old), "status": status or {}}
    after, err = changed(before, **changes), Errors()
    JOBS.validate(after, err)
    JOBS.validate_update(after, before, err)
    return [str(cause) for cause in err]


@pytest.mark.parametrize(("change", "expected"), [
    ({"spec__completions": 4}, ["spec.completions: Invalid value: 4: can only be modified in tandem with "
                                "spec.parallelism"]),
    ({"spec__completions": 4, "spec__parallelism": 4}, []),
    ({"spec__backoffLimitPerIndex": 0}, ["spec.backoffLimitPerIndex: Invalid value: 0: field is immutable"]),
    ({"spec__managedBy": "acme.io/q"}, ['spec.managedBy: Invalid value: "acme.io/q": field is immutable']),
    ({"spec__parallelism": 2, "spec__suspend": True, "spec__maxFailedIndexes": 1}, []),
])  # fmt: skip
def test_what_may_change(change: Thing, expected: list[str]) -> None:
    assert updated(BY_INDEX, **change) == expected


def test_the_template_of_a_job_that_rests_may_be_adjusted() -> None:
    resting = changed(JOB, spec__suspend=True)
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": "2"}}}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "k", "operator": "Exists"}]}]}}}  # fmt: skip
    adjusted = {
        "spec__template__spec__containers__0__resources": container["resources"],
        "spec__template__spec__nodeSelector": {"disk": "ssd"}, "spec__template__spec__affinity": affinity,
        "spec__template__spec__tolerations": [{"key": "k", "operator": "Exists"}],
        "spec__template__metadata__annotations": {"a": "b"},
    }  # fmt: skip
    stopped = {"startTime": "2026-01-01T00:00:00Z", "conditions": [{"type": "Suspended", "status": "True"}]}
    assert updated(resting, None, **adjusted) == updated(resting, stopped, **adjusted) == []
    for status in ({"active": 1}, {"startTime": "2026-01-01T00:00:00Z"}):
        metadata, why = updated(resting, status, **adjusted)
        assert metadata.startswith("spec.template.metadata: Invalid value: {")
        assert why.startswith('spec.template.spec: Invalid value: {"Volumes":null,') and why.endswith(
            ": field is immutable"
        )
    assert len(updated(JOB, None, **adjusted)) == 2
    assert len(updated(resting, None, spec__template__spec__containers__0__image="j")) == 1


START, END = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"


def conditions(*kinds: str) -> list[Thing]:
    return [{"type": kind, "status": "True"} for kind in kinds]


DONE = {"startTime": START, "completionTime": END, "conditions": conditions("SuccessCriteriaMet", "Complete")}
LOST = {"startTime": START, "conditions": conditions("FailureTarget", "Failed")}


def status(job: Thing, before: Thing, after: Thing) -> list[str]:
    """What is wrong with this change of its status."""
    old, err = made(JOBS, job), Errors()
    JOBS.validate_status({**old, "status": after}, {**old, "status": before}, err)
    return [str(cause).removeprefix("status.") for cause in err]


@pytest.mark.parametrize("after", [DONE, LOST, {"active": 3, "ready": 3}, {"startTime": START}])
def test_good_statuses(after: Thing) -> None:
    assert status(JOB, {}, after) == []


@pytest.mark.parametrize(("before", "after", "expected"), [
    ({}, {"terminating": -1}, "terminating: Invalid value: -1: must be greater than or equal to 0"),
    ({}, {"ready": 1}, "ready: Invalid value: 1: cannot set more ready pods than active"),
    ({"failed": 2}, {"failed": 1}, "failed: Invalid value: 1: cannot decrease the failed counter"),
    ({"succeeded": 2}, {}, "succeeded: Invalid value: 0: cannot decrease the succeeded counter"),
    ({}, {**DONE, "conditions": conditions("Complete")},
     "conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition"),
    ({}, {**LOST, "conditions": conditions("Failed")},
     "conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition"),
    ({}, {"conditions": conditions("FailureTarget", "SuccessCriteriaMet")},
     "conditions: Invalid value: cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"),
    (LOST, {"startTime": START, "conditions": conditions("FailureTarget")},
     "conditions: Invalid value: cannot disable the terminal Failed=True condition"),
    ({"conditions": conditions("SuccessCriteriaMet")}, {},
     "conditions: Invalid value: cannot disable the SuccessCriteriaMet=True condition"),
    ({}, {**DONE, "completionTime": None}, "completionTime: Required value: completionTime is required for Complete "
                                           "jobs"),
    ({}, {"completionTime": END}, f'completionTime: Invalid value: "{END}": cannot set completionTime when there is no '
                                  "Complete=True condition"),
    (DONE, {**DONE, "completionTime": "2026-01-01T00:02:00Z"},
     'completionTime: Invalid value: "2026-01-01T00:02:00Z": completionTime cannot be mutated'),
    ({}, {**DONE, "startTime": "2026-01-01T00:02:00Z"},
     f'completionTime: Invalid value: "{END}": completionTime cannot be set before startTime'),
    ({"startTime": START}, {}, "startTime: Required value: startTime cannot be removed for unsuspended job"),
    ({}, {**DONE, "startTime": None}, "startTime: Required value: startTime is required for finished job"),
    ({}, {**DONE, "active": 1}, "active: Invalid value: 1: active>0 is invalid for finished job"),
    ({}, {**DONE, "terminating": 1}, "terminating: Invalid value: 1: terminating>0 is invalid for finished job"),
    ({}, {"uncountedTerminatedPods": {"failed": ["a", "a"]}},
     'uncountedTerminatedPods.failed[1]: Duplicate value: "a"'),
    ({}, {"completedIndexes": "1"}, 'completedIndexes: Invalid value: "1": cannot set non-empty completedIndexes when '
                                    "non-indexed completion mode"),
    ({}, {"failedIndexes": ""}, 'failedIndexes: Invalid value: "": cannot set non-null failedIndexes when '
                                "backoffLimitPerIndex is null"),
])  # fmt: skip
def test_bad_statuses(before: Thing, after: Thing, expected: str) -> None:
    assert status(changed(JOB, spec__completions=2), before, after) == [expected]


def test_no_index_is_done_and_failed() -> None:
    found = status(BY_INDEX, {}, {"completedIndexes": "0,2-4", "failedIndexes": "1,3"})
    assert found == ['failedIndexes: Invalid value: "1,3": failedIndexes and completedIndexes overlap at index: 3']
    assert status(BY_INDEX, {}, {"completedIndexes": "0,2-4", "failedIndexes": "1"}) == []
