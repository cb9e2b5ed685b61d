"""Everything that can go wrong, with the reason that ends up on the status.

`Reason` is closed: code, status, Prometheus labels and docs/reasons.md use these words only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Reason(StrEnum):
    """Why a job, a run, a collector or an upload ended as it did."""

    COMPLETED = "Completed"
    INVALID_SPEC = "InvalidSpec"
    COLLECTORS_CLASH = "CollectorsClash"
    POD_REJECTED = "PodRejected"
    QUOTA_EXCEEDED = "QuotaExceeded"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    UNSCHEDULABLE = "Unschedulable"
    QUEUE_TIMEOUT = "QueueTimeout"
    START_DEADLINE_EXCEEDED = "StartDeadlineExceeded"
    TOOLCHAIN_INCOMPATIBLE = "ToolchainIncompatible"
    TOOLCHAIN_MISSING = "ToolchainMissing"
    PROFILE_OVERWRITTEN = "ProfileOverwritten"
    APP_FAILED = "AppFailed"
    APP_OOM_KILLED = "AppOOMKilled"
    APP_TIMED_OUT = "AppTimedOut"
    APP_KILLED = "AppKilled"
    PLAYBACK_NOT_READY = "PlaybackNotReady"
    PLAYBACK_FAILED = "PlaybackFailed"
    COLLECTOR_FAILED = "CollectorFailed"
    COLLECTOR_HUNG = "CollectorHung"
    CANNOT_START = "CannotStart"
    CANNOT_STOP = "CannotStop"
    LAUNCHER_FAILED = "LauncherFailed"
    NOTHING_MEASURED = "NothingMeasured"
    NO_GPU_DATA = "NoGpuData"
    COUNTERS_NOT_PERMITTED = "CountersNotPermitted"
    OUTPUT_MISSING = "OutputMissing"
    OUTPUT_TRUNCATED = "OutputTruncated"
    OUTPUT_TOO_LARGE = "OutputTooLarge"
    OUTPUT_UNREADABLE = "OutputUnreadable"
    RESULTS_LOST = "ResultsLost"
    UPLOAD_FAILED = "UploadFailed"
    INFRASTRUCTURE_LOST = "InfrastructureLost"
    CANCELLED = "Cancelled"
    GATE_FAILED = "GateFailed"


MEANING: dict[Reason, str] = {
    Reason.COMPLETED: "it ended as wanted",
    Reason.INVALID_SPEC: "the job says something that is not allowed; the message names the field",
    Reason.COLLECTORS_CLASH: "two collectors need the same exclusive thing, such as CUPTI",
    Reason.POD_REJECTED: "the cluster refused the pod, for example by Pod Security",
    Reason.QUOTA_EXCEEDED: "a quota of the namespace leaves no room",
    Reason.IMAGE_PULL_FAILED: "an image could not be pulled",
    Reason.UNSCHEDULABLE: "no place can ever serve this job",
    Reason.QUEUE_TIMEOUT: "no place was free within deadlines.queueSeconds",
    Reason.START_DEADLINE_EXCEEDED: "the application did not start within deadlines.startSeconds",
    Reason.TOOLCHAIN_INCOMPATIBLE: "the collector's files do not work in the application's image",
    Reason.TOOLCHAIN_MISSING: "the collector's files were not found",
    Reason.PROFILE_OVERWRITTEN: "several processes wrote the same profile file",
    Reason.APP_FAILED: "the application returned an exit code other than 0",
    Reason.APP_OOM_KILLED: "the application was killed for memory",
    Reason.APP_TIMED_OUT: "the application reached timeoutSeconds with onTimeout: Fail",
    Reason.APP_KILLED: "the application died of a signal that nobody here sent",
    Reason.PLAYBACK_NOT_READY: "the playback server was not ready in time",
    Reason.PLAYBACK_FAILED: "the playback server ended before the application did",
    Reason.COLLECTOR_FAILED: "the collector's tool reported an error of its own",
    Reason.COLLECTOR_HUNG: "the collector's tool did not end when told to",
    Reason.CANNOT_START: "the application could not be started: not found, not executable, ...",
    Reason.CANNOT_STOP: "a process may not be signalled or does not die",
    Reason.LAUNCHER_FAILED: "the launcher could not do its work, for example write its workspace",
    Reason.NOTHING_MEASURED: "the collector ran, and its profile holds nothing",
    Reason.NO_GPU_DATA: "a GPU was asked for, and nothing of it was measured",
    Reason.COUNTERS_NOT_PERMITTED: "the kernel or the driver does not permit the counters",
    Reason.OUTPUT_MISSING: "no measured run ended, or its folder is gone: there is nothing to read",
    Reason.OUTPUT_TRUNCATED: "the collector's files end in the middle",
    Reason.OUTPUT_TOO_LARGE: "the output grew beyond output.sizeLimit",
    Reason.OUTPUT_UNREADABLE: "no file of the collector could be read",
    Reason.RESULTS_LOST: "the application ended, and its results could not be kept",
    Reason.UPLOAD_FAILED: "the store did not take the results",
    Reason.INFRASTRUCTURE_LOST: "the place where it ran went away",
    Reason.CANCELLED: "somebody cancelled the job",
    Reason.GATE_FAILED: "a gate was not met",
}


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an input: the field's path or the file, its value, what is allowed."""

    where: str
    message: str

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.where}: {self.message}" if self.where else self.message


class ProfilingError(Exception):
    """Ends what was asked for. `reason` goes to the status; `retry`: waiting may help."""

    reason: Reason
    retry: ClassVar[bool] = False


class SpecError(ProfilingError):
    """The job cannot be accepted; `problems` holds every one that was found."""

    reason = Reason.INVALID_SPEC

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the problems and join them into the message."""
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class CollectorsClashError(SpecError):
    """Two collectors of the job cannot work together."""

    reason = Reason.COLLECTORS_CLASH


class RefusedError(Exception):
    """The platform does not take an attempt as it is, and says why."""


class CancelledError(ProfilingError):
    """Somebody wanted the job to end while it was being started."""

    reason = Reason.CANCELLED


class ToolchainError(ProfilingError):
    """A collector's files are not where they should be."""

    reason = Reason.TOOLCHAIN_MISSING


class PreflightError(ProfilingError):
    """A collector found before the start that it cannot measure here."""

    def __init__(self, reason: Reason, message: str) -> None:
        """Carry the reason that the preflight found."""
        self.reason = reason
        super().__init__(message)


class ExecutorError(ProfilingError):
    """The platform did not do what was asked; trying again may help."""

    reason = Reason.INFRASTRUCTURE_LOST
    retry = True


class WorkspaceGoneError(ExecutorError):
    """There is nothing left of an attempt to collect."""

    retry = False


class StartError(ProfilingError):
    """The platform refuses to start it as it is."""

    reason = Reason.CANNOT_START


class StartDeadlineError(ProfilingError):
    """Starting took longer than deadlines.startSeconds."""

    reason = Reason.START_DEADLINE_EXCEEDED


class ImageError(ProfilingError):
    """An image is not there and could not be pulled."""

    reason = Reason.IMAGE_PULL_FAILED


class UnschedulableError(ProfilingError):
    """The platform lacks what the job asks for, such as a GPU."""

    reason = Reason.UNSCHEDULABLE


class PlaybackError(ProfilingError):
    """The playback server did not become ready."""

    reason = Reason.PLAYBACK_NOT_READY


class LauncherError(ProfilingError):
    """The launcher's binary is not there."""

    reason = Reason.LAUNCHER_FAILED


class ApiError(ProfilingError):
    """The API server said no."""

    reason = Reason.INFRASTRUCTURE_LOST

    def __init__(
        self, code: int, said: str, message: str, retry_after: float | None = None
    ) -> None:
        """Carry the HTTP status, the API's own reason, and how long it wants us to wait."""
        self.code = code
        self.said = said
        self.retry_after = retry_after
        super().__init__(message)


class UnauthorizedError(ApiError):
    """Nobody is known by that token or certificate."""


class ForbiddenError(ApiError):
    """Whoever asks lacks the right, or an admission policy refused it."""


class NotFoundError(ApiError):
    """There is no such object."""


class ConflictError(ApiError):
    """There is one already, or it is not as it was."""


class ExpiredError(ApiError):
    """The version of a list or watch is too old."""


class UnreachableError(ApiError):
    """The API server did not answer."""

    retry = True

    def __init__(self, message: str) -> None:
        """Without an HTTP status."""
        super().__init__(0, "", message)


class LeaseLostError(ProfilingError):
    """Another agent of the same name has the host now."""

    reason = Reason.INFRASTRUCTURE_LOST


class ArtifactError(ProfilingError):
    """One file that a collector left cannot be used; the message names it."""

    reason = Reason.OUTPUT_UNREADABLE


class StoreError(ProfilingError):
    """Results could not be written where they should go."""

    reason = Reason.UPLOAD_FAILED
    retry = True
