"""What an attempt that has ended comes to: another one, or the final status."""

from __future__ import annotations

from dataclasses import replace

from profiling_operator import pod_sightings
from profiling_operator.errors import Reason
from profiling_operator.observation import Observation, State
from profiling_operator.reconcile.accepting import accepting
from profiling_operator.reconcile.case import SUSPENDED, Case
from profiling_operator.reconcile.waiting import HUNG_SECONDS
from profiling_operator.reconcile.world import Body, Decision, Need, generation, is_suspended
from profiling_operator.reporting import NO_OUTCOME, Report, ending, from_essence
from profiling_operator.status import Collected, Facts, next_status, time_text

NEWS_SECONDS = 1.0  # of what the API server has, and we have not heard of yet
OF_MEMORY = {Reason.APP_KILLED, Reason.APP_FAILED, Reason.COLLECTOR_FAILED}


def ended(case: Case) -> Decision:
    """Its pod has ended."""
    if case.seen.failure is not None:
        return case.fail(*case.seen.failure)
    if Need.REPORT not in case.world.learned:
        return Decision(needs=frozenset({Need.REPORT}))
    if case.wants_suspension and case.seen.is_deleted:
        return case.close(SUSPENDED)
    return _conclude(case, "")


def vanished(case: Case) -> Decision:
    """The Job is not to be seen, nor is a pod. Somebody deleted it, or we have old news."""
    learned = case.world.learned
    if Need.JOB not in learned:
        return Decision(needs=frozenset({Need.JOB}))
    if learned[Need.JOB] is not None:
        return Decision(wake_seconds=NEWS_SECONDS)
    return _gone(case, f"its {case.words.job} is gone")


def without_pod(case: Case) -> Decision | None:
    """The Job is there, and its pod is no more; None where one is still to come."""
    if case.current is None or case.pods:
        return None
    was_seen = case.known is not None and bool(case.known.pod_uid)
    if pod_sightings.is_over(case.current):
        is_news = not was_seen and case.since(_over_since(case.current)) < HUNG_SECONDS
        return _unseen(case) if is_news else _gone(case, f"its {case.words.pod} is gone")
    if not was_seen:
        return None
    if is_suspended(case.current):  # when it goes on, it would run the application a second time
        return _gone(case, "its queue took the place away")
    return Decision(wake_seconds=HUNG_SECONDS)  # the Job's controller has the next word


def _unseen(case: Case) -> Decision:
    """The Job has ended before we heard of its pod: news of it are on their way, or it is gone."""
    if case.world.learned.get(Need.REPORT, True) is None:
        return Decision(wake_seconds=NEWS_SECONDS)
    return _gone(case, f"its {case.words.pod} is gone")


def _over_since(job: Body) -> str:
    listed = (job.get("status") or {}).get("conditions") or ()
    times = [str(one.get("lastTransitionTime") or "") for one in listed]
    return max(times, default="")


def _gone(case: Case, how: str) -> Decision:
    if Need.REPORT not in case.world.learned:
        return Decision(needs=frozenset({Need.REPORT}))
    return case.close(SUSPENDED) if case.wants_suspension else _conclude(case, how)


def _conclude(case: Case, vanished: str) -> Decision:
    """The attempt has ended: another one, or the final status."""
    report = _report(case)
    collected, observation = _judged(case, report, vanished)
    facts = Facts(
        time_text(case.world.now),
        generation(case.world.body),
        attempt=case.described(),
        observation=observation,
        collected=collected,
    )
    final = next_status(case.before_with_start(), facts)
    is_retried = case.is_retried(final.reason)
    decision = case.close(final.reason) if is_retried else accepting(case, final, report)
    return replace(decision, report=report, sighting=case.seen)


def _report(case: Case) -> Report | None:
    """What the uploader told: in the store, else as the container's last words."""
    found: Report | None = case.world.learned.get(Need.REPORT)
    if found is not None and found.uid == case.plan.uid:
        return found
    words = str((case.seen.uploader or {}).get("message") or "")
    return from_essence(words, case.plan.key, case.plan.uid)


def _judged(case: Case, report: Report | None, vanished: str) -> tuple[Collected, Observation]:
    if report is None:
        collected = Collected((), None, lost=vanished or _without_report(case))
        observation = _unreported(case)
    else:
        collected, observation = report.collected, report.observation()
    reason, message = _platform_reason(case, report, observation, vanished)
    told = message or observation.message
    return collected, replace(observation, node=case.seen.node, reason=reason, message=told)


def _unreported(case: Case) -> Observation:
    """What the kubelet knows of the application, where its launcher's own word is lost."""
    app = case.seen.app
    if app is None:
        return Observation(State.LOST, message=case.seen.message or NO_OUTCOME)
    code = app.get("exitCode")
    reason = Reason.COMPLETED if code == 0 else Reason.APP_FAILED
    times = (case.seen.started_at, case.seen.finished_at or case.seen.started_at)
    return Observation(State.ENDED, exit=ending(reason, code, *times))


def _without_report(case: Case) -> str:
    if case.seen.uploader is None:
        return "the uploader left no word"
    code, why = case.seen.uploader.get("exitCode"), case.seen.uploader.get("reason")
    return f"the uploader ended with exit code {code} ({why}) and left no word"


def _platform_reason(
    case: Case, report: Report | None, observation: Observation, vanished: str
) -> tuple[Reason | None, str]:
    """What the platform knows better than the launcher (docs/architecture.md has the order)."""
    if case.job.spec.cancel:
        return Reason.CANCELLED, "cancelled; the profile so far was kept" if report else ""
    if pod_sightings.outgrew(case.seen.disrupted):
        return Reason.OUTPUT_TOO_LARGE, case.seen.disrupted
    if why := _taken_away(case, report, vanished):
        return Reason.INFRASTRUCTURE_LOST, why
    if case.seen.ending is not None:
        return case.seen.ending
    said = observation.exit.reason if observation.exit else None
    oom = (case.seen.app or {}).get("reason") == "OOMKilled"
    if oom and (said is None or said in OF_MEMORY):
        return Reason.APP_OOM_KILLED, _memory(case)
    return None, ""


def _taken_away(case: Case, report: Report | None, vanished: str) -> str:
    """Why the application could not run to its end; empty where it could."""
    was_stopped = report is not None and _was_stopped_from_outside(report)
    if report is not None and not was_stopped:
        return ""
    seen = case.seen
    deleted = f"somebody deleted its {case.words.pod}" if seen.is_deleted else ""
    stopped = seen.message or f"the {case.words.pod} was ended from outside"
    otherwise = stopped if was_stopped else ""
    return seen.disrupted or vanished or deleted or otherwise


def _was_stopped_from_outside(report: Report) -> bool:
    """The launcher was told to end, and not by anybody who left word in the workspace."""
    said = report.exit.reason if report.exit else ""
    return said == Reason.CANCELLED and not report.stop_requested


def _memory(case: Case) -> str:
    limit = case.plan.app.resources.limits.memory
    return f"out of memory{f': the limit is {limit}' if limit else ''}"
