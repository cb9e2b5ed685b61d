"""What to do about each way in which a job may end: the next step, for whoever opens the page."""

from __future__ import annotations

from profiling_operator.errors import Reason

ADVICE: dict[Reason, str] = {
    Reason.INVALID_SPEC: "Correct the field that the message names; docs/reference.md has all.",
    Reason.COLLECTORS_CLASH: "Ask for one of them in this job, and for the other in another job.",
    Reason.POD_REJECTED: (
        "Read the message for the rule that refused the pod; `profjob render` prints the pod that "
        "the job asks for."
    ),
    Reason.QUOTA_EXCEEDED: "Ask for less in spec.app.resources and spec.gpu, or for more quota.",
    Reason.IMAGE_PULL_FAILED: (
        "Check the image's name and tag, and that spec.app.imagePullSecrets name a secret for its "
        "registry."
    ),
    Reason.UNSCHEDULABLE: (
        "Check spec.gpu, spec.app.resources and spec.placement against the nodes that there are."
    ),
    Reason.QUEUE_TIMEOUT: "Start it again when there is room; or raise deadlines.queueSeconds.",
    Reason.START_DEADLINE_EXCEEDED: (
        "Look at the attempt's events (`profjob describe`); raise spec.deadlines.startSeconds "
        "where a large image needs longer."
    ),
    Reason.TOOLCHAIN_INCOMPATIBLE: (
        "Choose a toolchain that was built for the image's C library, or an image with a newer one."
    ),
    Reason.TOOLCHAIN_MISSING: (
        "Have the operator's settings name an image or a folder with the tool (toolchains.NAME)."
    ),
    Reason.PROFILE_OVERWRITTEN: (
        "Let each process write a file of its own; docs/collectors.md tells how the collector does "
        "that."
    ),
    Reason.APP_FAILED: "Read the end of the application's log below; it ended by itself.",
    Reason.APP_OOM_KILLED: (
        "Raise the memory limit in spec.app.resources, or give the application less to do: the "
        "collector needs memory, too."
    ),
    Reason.APP_TIMED_OUT: (
        "Raise spec.timeoutSeconds, or say `onTimeout: Stop` where a profile of the time until "
        "then is wanted."
    ),
    Reason.APP_KILLED: (
        "See whether it dies without the collector, too; the application's log below may tell why."
    ),
    Reason.PLAYBACK_NOT_READY: "Check the playback server's port and log, and how long it needs.",
    Reason.PLAYBACK_FAILED: "Read the playback server's log: it ended before the application did.",
    Reason.COLLECTOR_FAILED: "Read what the tool said in the application's log below.",
    Reason.COLLECTOR_HUNG: (
        "Run it again; where it hangs again, measure for a shorter time or with fewer options."
    ),
    Reason.CANNOT_START: "Check spec.app.command: the file must be there and executable.",
    Reason.CANNOT_STOP: (
        "The application changed its user or waits in the kernel: look at it on the node itself."
    ),
    Reason.LAUNCHER_FAILED: "See that the workspace can be written and has room.",
    Reason.NOTHING_MEASURED: (
        "Let the application run longer, or raise the collector's rate; docs/collectors.md tells "
        "what each collector can see."
    ),
    Reason.NO_GPU_DATA: (
        "See whether the application used the GPU at all, and whether the collector may trace it."
    ),
    Reason.COUNTERS_NOT_PERMITTED: (
        "Have the node permit the counters; docs/collectors.md tells who can change that, and how."
    ),
    Reason.OUTPUT_MISSING: (
        "See why no run ended (the runs below), or why the output folder was removed."
    ),
    Reason.OUTPUT_TRUNCATED: (
        "Give the collector more time to write (spec.gracePeriodSeconds), and the disk more room."
    ),
    Reason.OUTPUT_TOO_LARGE: "Raise spec.output.sizeLimit; or measure less, as by a lower rate.",
    Reason.OUTPUT_UNREADABLE: (
        "See below why each file was refused; `output.raw: true` keeps the files to look at them."
    ),
    Reason.RESULTS_LOST: "Run it again; the message tells where the files were lost.",
    Reason.UPLOAD_FAILED: "See that the store answers and has room; then run the job again.",
    Reason.INFRASTRUCTURE_LOST: "Run it again; spec.retries.infrastructure does so by itself.",
    Reason.CANCELLED: "Nothing: somebody ended it. What had been measured by then is here.",
    Reason.GATE_FAILED: (
        "Compare it with the baseline (`profjob compare`); where the change is wanted, accept it "
        "with `profjob baseline accept`."
    ),
}


def for_reason(reason: str) -> str:
    """The next step; empty where none is needed, or known."""
    try:
        return ADVICE.get(Reason(reason), "")
    except ValueError:
        return ""
