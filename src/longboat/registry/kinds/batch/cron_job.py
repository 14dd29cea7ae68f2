"""CronJob: jobs that are made at set times."""

from __future__ import annotations

from datetime import datetime

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column, since
from longboat.registry.kinds import cells, fill, rules
from longboat.registry.kinds.batch import job_spec as jobs
from longboat.registry.kinds.core.pod import defaults, notes
from longboat.registry.strategy import Context, Strategy

_SPEC = Path("spec")
_TEMPLATE = _SPEC.at("jobTemplate", "spec")
LONGEST_NAME = 52  # a job's name is this one and eleven characters more
POLICIES = ("Allow", "Forbid", "Replace")
RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
NICKNAMES = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")


def _last(cron: Object, now: datetime) -> str:
    found = dig(cron, "status", "lastScheduleTime")
    return since(found, now) if found else cells.NONE


class CronJob(Strategy):
    kind = kinds.CRON_JOB
    columns = (
        Column("Schedule", str, cells.at("spec.schedule"), description="When its jobs are made."),
        Column("Timezone", str, lambda cron: dig(cron, "spec", "timeZone") or cells.NONE,
               description="Whose clock the schedule goes by."),
        Column("Suspend", str, lambda cron: cells.boolean(dig(cron, "spec", "suspend")),
               description="Whether none are made for now."),
        Column("Active", int, lambda cron: len(dig(cron, "status", "active", default=())),
               description="How many of its jobs are running."),
        Column("Last Schedule", str, _last, description="When the last one was made.", timed=True),
        AGE,
        *cells.template("spec", "jobTemplate", "spec", "template"),
        Column("Selector", str, lambda cron: cells.selector(dig(cron, "spec", "jobTemplate", "spec", "selector")), 1,
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
        fill.part(template, "metadata")
        defaults.template(fill.part(fill.part(template, "spec"), "template"))
        fill.part(obj, "status")

    def prepare_create(self, new: Object, ctx: Context) -> None:
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
    elif problem := mistake(text):
        err.invalid(path, text, problem)


def mistake(text: str) -> str:
    """What is wrong with a schedule, "" where nothing is (robfig/cron's standard parser)."""
    if text.startswith("@"):
        if text in NICKNAMES or text.startswith("@every "):
            return ""
        return f"unrecognized descriptor: {text}"
    parts = text.split()
    if len(parts) != 5:
        return f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]"
    named: tuple[list[str], ...] = ([], [], [], MONTHS, DAYS)
    for part, (low, high), words in zip(parts, RANGES, named, strict=True):
        for piece in part.split(","):
            if problem := _piece(piece, low, high, words):
                return problem
    return ""


def _piece(piece: str, low: int, high: int, words: list[str]) -> str:
    span, slash, step = piece.partition("/")
    if slash and not (step.isdigit() and int(step) > 0):
        return f'failed to parse int from {step}: strconv.Atoi: parsing "{step}": invalid syntax'
    if span in ("*", "?"):
        return ""
    ends = []
    for end in span.split("-"):
        if end.lower() in words:
            ends.append(words.index(end.lower()) + low)
        elif end.isdigit():
            ends.append(int(end))
        else:
            return f'failed to parse int from {end}: strconv.Atoi: parsing "{end}": invalid syntax'
    if len(ends) > 2:
        return f"too many hyphens: {piece}"
    if ends[0] < low:
        return f"beginning of range ({ends[0]}) below minimum ({low}): {piece}"
    if ends[-1] > high:
        return f"end of range ({ends[-1]}) above maximum ({high}): {piece}"
    if ends[0] > ends[-1]:
        return f"beginning of range ({ends[0]}) beyond end of range ({ends[-1]}): {piece}"
    return ""


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
