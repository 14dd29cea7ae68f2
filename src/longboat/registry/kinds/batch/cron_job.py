"""CronJob: jobs that are made at set times."""

from __future__ import annotations

from datetime import datetime

from longboat.api import kinds
from longboat.machinery import cron
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column, since
from longboat.registry.kinds import cells, fill, rules
from longboat.registry.kinds.batch import job_spec as jobs
from longboat.registry.kinds.core.pod import defaults, notes
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write

_SPEC = Path("spec")
_TEMPLATE = _SPEC.at("jobTemplate", "spec")
LONGEST_NAME = 52  # a job's name is this one and eleven characters more
POLICIES = ("Allow", "Forbid", "Replace")


def _last(obj: Object, now: datetime) -> str:
    found = dig(obj, "status", "lastScheduleTime")
    return since(found, now) if found else cells.NONE


class CronJob(Strategy):
    kind = kinds.CRON_JOB
    columns = (
        Column("Schedule", str, cells.at("spec.schedule"), description="When its jobs are made."),
        Column("Timezone", str, lambda obj: dig(obj, "spec", "timeZone") or cells.NONE,
               description="Whose clock the schedule goes by."),
        Column("Suspend", str, lambda obj: cells.boolean(dig(obj, "spec", "suspend")),
               description="Whether none are made for now."),
        Column("Active", int, lambda obj: len(dig(obj, "status", "active", default=())),
               description="How many of its jobs are running."),
        Column("Last Schedule", str, _last, description="When the last one was made.", timed=True),
        AGE,
        *cells.template("spec", "jobTemplate", "spec", "template"),
        Column("Selector", str, lambda obj: cells.selector(dig(obj, "spec", "jobTemplate", "spec", "selector")), 1,
               "Which pods are its jobs' own."),
    )  # fmt: skip
    has_status = True

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        fill.empty(spec, "concurrencyPolicy", "Allow")
        fill.absent(spec, "suspend", False)
        fill.absent(spec, "successfulJobsHistoryLimit", 3)
        fill.absent(spec, "failedJobsHistoryLimit", 1)
        template = fill.part(spec, "jobTemplate")
        defaults.template(fill.part(fill.part(template, "spec"), "template"))

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        _schedule(spec.get("schedule") or "", err)
        rules.one_of(spec.get("concurrencyPolicy"), POLICIES, _SPEC.at("concurrencyPolicy"), err)
        for field in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
            rules.not_negative(spec.get(field), _SPEC.at(field), err)
        if (zone := spec.get("timeZone")) is not None:
            _zone(zone, err)
        job_spec = dig(spec, "jobTemplate", "spec", default={})
        jobs.validate(job_spec, _TEMPLATE, err)
        if job_spec.get("manualSelector"):
            err.not_supported(_TEMPLATE.at("manualSelector"), True, ("nil", "false"))
        if job_spec.get("selector") is not None:
            err.invalid(_TEMPLATE.at("selector"), job_spec["selector"], "`selector` will be auto-generated")

    def validate_create(self, new: Object, err: Errors) -> None:
        if len(dig(new, "metadata", "name", default="")) > LONGEST_NAME:
            path = Path("metadata", "name")
            err.invalid(path, new["metadata"]["name"], f"must be no more than {LONGEST_NAME} characters")

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        name = notes.pods_names(new) if old is None else []
        return [*name, *jobs.warnings(dig(new, "spec", "jobTemplate", "spec", default={}), _TEMPLATE)]


def _schedule(text: str, err: Errors) -> None:
    path = _SPEC.at("schedule")
    if not text:
        err.required(path)
    elif "TZ" in text:
        err.invalid(path, text, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
    else:
        try:
            cron.parse(text)
        except cron.BadSchedule as error:
            err.invalid(path, text, str(error))


def _zone(zone: str, err: Errors) -> None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    path = _SPEC.at("timeZone")
    if not zone:
        err.invalid(path, zone, "timeZone must be nil or non-empty string")
    elif zone.lower() == "local":
        err.invalid(path, zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones")
    else:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            err.invalid(path, zone, f"unknown time zone {zone}")
