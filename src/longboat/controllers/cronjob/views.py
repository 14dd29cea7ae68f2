"""What the CronJob controller reads."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.machinery.kinds import Kind


class JobTemplate(Part):
    metadata: dict[str, Any] = {}
    spec: msgspec.Raw = msgspec.Raw(b"{}")


class CronJobSpec(Part):
    schedule: str = ""
    timeZone: str = ""
    startingDeadlineSeconds: int | None = None
    concurrencyPolicy: str = "Allow"
    suspend: bool = False
    successfulJobsHistoryLimit: int = 3
    failedJobsHistoryLimit: int = 1
    jobTemplate: JobTemplate = JobTemplate()


class ActiveJob(Part):
    name: str = ""
    uid: str = ""


class CronJobStatus(Part):
    active: list[ActiveJob] = []
    lastScheduleTime: str | None = None
    lastSuccessfulTime: str | None = None


class CronJob(View):
    KIND: ClassVar[Kind] = kinds.CRON_JOB

    spec: CronJobSpec = CronJobSpec()
    status: CronJobStatus = CronJobStatus()
