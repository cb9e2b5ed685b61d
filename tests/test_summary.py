"""The numbers worth reading first."""

from __future__ import annotations

from typing import Any

import pytest

from profiling_operator import summary
from profiling_operator.entries import Entry, Kind
from profiling_operator.workspace import Origin, RunRecord

TIME = "2026-11-23T10:00:00.000000000Z"


def entry(name: str, **more: Any) -> Entry:
    """A timer's entry, unless told otherwise."""
    given = {"kind": Kind.TIMER, "additive": True, "metric": "TIME", "unit": "ns", "run": 0}
    given["collector"] = "c"
    return Entry(time=TIME, job="ci/x", name=name, **{**given, **more})


def record(index: int, **more: Any) -> RunRecord:
    """A run of one second."""
    given: dict[str, Any] = {
        "warmup": False, "started_monotonic_ns": 0, "finished_monotonic_ns": 10**9,
        "user_seconds": 0.5, "peak_memory_bytes": 1 << 20,
    }  # fmt: skip
    return RunRecord(
        index=index, reason="Completed", origin=Origin.APP, started_at=TIME, finished_at=TIME,
        **{**given, **more},
    )  # fmt: skip


def of(*entries: Entry) -> summary.Summary:
    """A summary of entries."""
    found = summary.Summary()
    for one in entries:
        found.add(one)
    return found


def values(found: summary.Summary, *records: RunRecord) -> dict[str, tuple[float, ...]]:
    """The measures by name."""
    return {one.measure: one.values for one in found.measures(records)}


def test_values_are_summed_over_threads_by_run() -> None:
    """Each measured repetition has one value; threads are added up; warm-ups do not count."""
    found = of(
        entry("hot", run=1, thread=0, inclusive=30, exclusive=20),
        entry("hot", run=1, thread=1, inclusive=5, exclusive=5),
        entry("hot", run=2, thread=0, inclusive=50, exclusive=40),
    )

    measured = values(found, record(0, warmup=True), record(1), record(2))

    assert measured["timer:hot/inclusive"] == (35, 50)
    assert measured["timer:hot/exclusive"] == (25, 40)
    assert measured["app/duration"] == (10**9, 10**9)
    assert measured["app/cpu"] == (500_000_000, 500_000_000)
    assert measured["app/peakMemory"] == (1 << 20, 1 << 20)


def test_what_repeats_other_entries_is_not_added() -> None:
    """Call paths count the same time again."""
    found = of(
        entry("hot", exclusive=10, inclusive=10),
        entry("hot", exclusive=10, inclusive=10, additive=False, path=("main", "hot")),
    )

    assert values(found, record(0))["timer:hot/exclusive"] == (10,)


def test_a_second_metric_is_not_mixed_with_time() -> None:
    """Only the first metric of a collector that measures time is told."""
    found = of(
        entry("hot", exclusive=10, inclusive=10),
        entry("hot", exclusive=7, inclusive=7, metric="CPU_TIME"),
        entry("hot", exclusive=10**6, inclusive=10**6, metric="PAPI_TOT_CYC", unit="1"),
    )

    assert values(found, record(0))["timer:hot/exclusive"] == (10,)


def test_counters_keep_their_unit() -> None:
    """A user event's total is a measure of its own."""
    found = of(entry("Message size", kind=Kind.COUNTER, value=4096, unit="By"))

    told = {one.measure: (one.unit, one.values) for one in found.measures([record(0)])}

    assert told["counter:Message size/value"] == ("By", (4096,))


def test_the_headline_names_what_took_most() -> None:
    """Name, share and total; without any time it is empty."""
    found = of(entry("hot", exclusive=8_100_000_000), entry("main", exclusive=1_900_000_000))

    assert found.headline(1) == "hot 81 % of 10 s"
    assert found.headline(2) == "hot 81 % of 5 s"
    assert summary.Summary().headline(1) == ""


def test_samples_are_told_where_timers_tell_nothing() -> None:
    """Under a sampling TAU the only timer is a root; the flat samples name the function."""
    found = of(
        entry(".TAU application", exclusive=100, inclusive=100),
        entry("hot", kind=Kind.SAMPLE, additive=False, exclusive=90),
        entry("cold", kind=Kind.SAMPLE, additive=False, exclusive=5),
    )

    assert found.headline(1).startswith("hot 95 %")
    assert values(found, record(0))["sample:hot/exclusive"] == (90,)


def test_of_two_collectors_the_first_is_told() -> None:
    """Both measured the same time: their numbers are not added up, and each name is told once."""
    found = of(
        entry("hot", exclusive=70, inclusive=70),
        entry("hot", exclusive=9, inclusive=9, collector="d"),
        entry("cold", exclusive=1, inclusive=1, collector="d"),
    )

    told = [(one.measure, one.values) for one in found.measures([record(0)])]

    assert [one for one in told if one[0].endswith("/exclusive")] == [
        ("timer:hot/exclusive", (70,)), ("timer:cold/exclusive", (1,)),
    ]  # fmt: skip
    assert found.headline(1).startswith("hot 100 %")


def test_shares_are_parts_of_all_time_of_a_kind() -> None:
    """Of all names and runs, but not where two collectors measured the same."""
    found = of(
        entry("a", exclusive=5, run=0), entry("b", exclusive=7, run=1),
        entry("k", kind=Kind.KERNEL, duration=3), entry("k", kind=Kind.KERNEL, duration=4),
        entry("r", kind=Kind.RANGE, duration=9),
        entry("r", kind=Kind.RANGE, duration=9, collector="other"),
    )  # fmt: skip

    assert found.totals() == {"timer": 12, "kernel": 7}


def test_ranges_and_calls_of_the_system_are_measures() -> None:
    """By their durations; ranges count however they overlap."""
    found = of(
        entry("step", kind=Kind.RANGE, duration=5, additive=False),
        entry("step", kind=Kind.RANGE, duration=6, additive=False),
        entry("read", kind=Kind.OS, duration=4),
    )

    told = values(found, record(0))

    assert told["range:step/duration"] == (11,)
    assert told["os:read/duration"] == (4,)


@pytest.mark.parametrize(
    ("nanoseconds", "text"), [(12_430_000_000, "12.4 s"), (310_000_000, "310 ms"), (0, "0 ms")]
)
def test_times_are_written_for_people(nanoseconds: int, text: str) -> None:
    """Three digits are enough."""
    assert summary.seconds(nanoseconds) == text


def test_statistics_are_over_the_values() -> None:
    """Median, extremes and mean."""
    told = summary.Measured("m", "ns", (1.0, 9.0, 2.0)).as_json()

    assert (told["median"], told["min"], told["max"], told["mean"]) == (2.0, 1.0, 9.0, 4.0)


def kernel(name: str, **more: Any) -> Entry:
    """What a GPU did for some time."""
    return entry(name, kind=more.pop("kind", Kind.KERNEL), **more)


def test_what_a_gpu_did_is_told_first() -> None:
    """Durations of launches, or sums of them; copies are told of as well, the CPU's calls after."""
    found = of(
        entry("main", exclusive=10**9, inclusive=10**9),
        kernel("vectorAdd(float const *, int)", duration=6_000_000),
        kernel("vectorAdd(float const *, int)", duration=4_044_000),
        kernel("[CUDA memcpy HtoD]", kind=Kind.MEMCPY, inclusive=2_356_000, calls=3),
        kernel("[Unified Memory Memcpy HtoD]", kind=Kind.MEMCPY, duration=9, additive=False),
        kernel("cudaMalloc", kind=Kind.API, duration=10**9),
    )

    told = values(found, record(0))

    assert found.headline(1) == "vectorAdd 81 % of 12.4 ms"
    assert [name for name in told if not name.startswith("app/")] == [
        "kernel:vectorAdd(float const *, int)/duration", "memcpy:[CUDA memcpy HtoD]/duration",
        "timer:main/exclusive", "timer:main/inclusive", "api:cudaMalloc/duration",
    ]  # fmt: skip
    assert told["kernel:vectorAdd(float const *, int)/duration"] == (10_044_000,)
    assert found.top(2)[1][:2] == ("[CUDA memcpy HtoD]", 2_356_000)


def test_calls_of_the_api_alone_are_no_headline() -> None:
    """They wait for the GPU: their time says nothing of the program."""
    found = of(kernel("cudaMalloc", kind=Kind.API, inclusive=10**9))

    assert found.headline(1) == ""
    assert values(found, record(0))["api:cudaMalloc/duration"] == (10**9,)


@pytest.mark.parametrize(("name", "shown"), [
    ("k()", "k"), ("void f<g(int)>(float (*)(int), int)", "void f<g(int)>"), ("hot", "hot"),
    ("(k)", "(k)"), ("k)", "k)"), ("void (anonymous namespace)::k(int)", "void (anonymous "
     "namespace)::k"), ("[CUDA memset]", "[CUDA memset]"), ("", ""),
])  # fmt: skip
def test_the_headline_leaves_out_parameters(name: str, shown: str) -> None:
    """What stands in the last parentheses, if the name ends with them."""
    assert summary._without_parameters(name) == shown


def wanted_beside_most(*wanted: str) -> list[str]:
    """Which measures wanted names and patterns add to those of a profile with many functions."""
    many = [entry(f"f{n}", exclusive=10 + n, inclusive=10 + n) for n in range(summary.TOP)]
    rest = [entry(f"small {name}", exclusive=1, inclusive=2) for name in ("a", "b*", "c")]
    found = of(*many, *rest, entry("bytes", kind=Kind.COUNTER, value=7, unit="By"))
    told = [one.measure for one in found.measures([record(0)])]

    asked = [one.measure for one in found.measures([record(0)], wanted)]

    assert asked[: len(told)] == told
    return asked[len(told) :]


@pytest.mark.parametrize(("wanted", "added"), [
    (["timer:small a/inclusive"], ["timer:small a/inclusive"]),
    (["timer:f1/inclusive", "nothing", "timer:", ""], []),
    (["timer:small */exclusive"], [f"timer:small {name}/exclusive" for name in ("a", "b*", "c")]),
    (["timer:small b*/exclusive", "timer:small [ac]/exclusive", "timer:small b*/exclusive"],
     [f"timer:small {name}/exclusive" for name in ("b*", "a", "c")]),
    (["timer:f?/exclusive", "counter:*"], []),
], ids=str)  # fmt: skip
def test_what_is_wanted_is_told_too(wanted: list[str], added: list[str]) -> None:
    """However little it measures, and each once; a name that holds a `*` is that name first."""
    assert wanted_beside_most(*wanted) == added


def test_what_patterns_add_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names go first."""
    monkeypatch.setattr(summary, "WANTED_LIMIT", 2)

    assert wanted_beside_most("timer:*", "timer:small c/inclusive") == [
        "timer:small c/inclusive", "timer:small a/exclusive",
    ]  # fmt: skip


def test_what_is_wanted_has_values_and_units() -> None:
    """Also of timers that are not told since the samples tell more."""
    found = of(
        entry(".TAU application", exclusive=100, inclusive=100),
        entry("hot", kind=Kind.SAMPLE, additive=False, exclusive=90),
    )

    told = {one.measure: one for one in found.measures([record(0)], ["timer:.TAU *"])}

    assert told["timer:.TAU application/inclusive"].values == (100,)
    assert told["timer:.TAU application/inclusive"].unit == "ns"


def test_metrics_are_told_in_their_unit() -> None:
    """Their means by themselves; the largest readings where they are wanted."""

    def read(name: str, value: float, **more: Any) -> Entry:
        return entry(name, kind=Kind.METRIC, additive=False, metric=name, unit="%", value=value,
                     **more)  # fmt: skip

    found = of(read("occupancy", 40), read("occupancy", 60), read("warm", 1, run=7))

    assert [one for one in found.measures([record(0)]) if one.measure.startswith("metric:")] == [
        summary.Measured("metric:occupancy/mean", "%", (50,))
    ]
    wanted = {one.measure: one.values for one in found.measures([record(0)], ["metric:*/max"])}
    assert wanted["metric:occupancy/max"] == (60,)
    assert "metric:warm/max" not in wanted
    named = {one.measure for one in found.measures([record(0)], ["metric:occupancy/max"])}
    assert "metric:occupancy/max" in named
