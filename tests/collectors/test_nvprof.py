"""nvprof: what it is told, and what its files become."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pydantic
import pytest

from capabilities import SHARED
from profiling_operator import artifacts
from profiling_operator.captures import Capture, Evidence, Fate, FileNote, Item, Metadata
from profiling_operator.collectors import Facts
from profiling_operator.collectors.nvprof import COLLECTOR, Options
from profiling_operator.convert import Circumstances, Conversion
from profiling_operator.entries import GPU_KINDS, Entry, Kind, Writer, epoch_nanoseconds
from profiling_operator.errors import Reason

SAMPLES = Path(__file__).parent.parent / "samples" / "nvprof"
REAL, MADE = SAMPLES / "11.8", SAMPLES / "hand-made"
STARTED = 10**18


def items(folder: Path, *, personal: bool = False, **options: Any) -> list[Item]:
    """What is read of a folder."""
    found = artifacts.scan(folder).artifacts
    chosen = Options.model_validate(options)
    return list(COLLECTOR.read(Capture(found, chosen, STARTED, personal=personal)))


def entries(folder: Path, **options: Any) -> list[Entry]:
    """The entries of a folder."""
    return [one for one in items(folder, **options) if isinstance(one, Entry)]


def notes(folder: Path) -> list[FileNote]:
    """The notes of a folder."""
    return [one for one in items(folder) if isinstance(one, FileNote)]


def evidence(folder: Path, **more: Any) -> Evidence:
    """What the verdict on a folder is made of."""
    kinds = Counter(one.kind.value for one in entries(folder))
    return Evidence(kinds.total(), kinds, notes(folder), **more)


def moment(entry: Entry) -> int:
    """Nanoseconds after the start of the run."""
    return epoch_nanoseconds(entry.time) - STARTED


@pytest.mark.parametrize(("options", "words"), [
    ({}, ["--print-gpu-trace"]),
    ({"api": True}, ["--print-gpu-trace", "--print-api-trace"]),
    ({"output": "summary"}, ["--print-gpu-summary"]),
    ({"output": "summary", "api": True}, ["--print-gpu-summary", "--print-api-summary"]),
    ({"metrics": ["ipc", "dram_utilization"], "events": ["all"]},
     ["--print-gpu-trace", "--metrics", "ipc,dram_utilization", "--events", "all"]),
    ({"args": ["--devices", "0"], "metrics": ["all"]},
     ["--print-gpu-trace", "--devices", "0", "--metrics", "all"]),
    ({"unifiedMemory": False}, ["--print-gpu-trace", "--unified-memory-profiling", "off"]),
])  # fmt: skip
def test_the_command_is_wrapped(options: dict[str, Any], words: list[str]) -> None:
    """nvprof prints traces or summaries, never both: the options cannot ask for it."""
    wrapper = COLLECTOR.wrap(Options.model_validate(options))

    assert list(wrapper.words) == [
        *("{tool}/bin/nvprof", "--profile-child-processes"),
        *("--csv", "--log-file", "{run}/nvprof/nvprof-%p.csv"),
        *("--normalized-time-unit", "ns", *words, "--"),
    ]
    assert wrapper.hides_exit_code
    assert not wrapper.is_inner


@pytest.mark.parametrize(("api", "words"), [
    (False, ["--profile-api-trace", "none"]), (True, []),
])  # fmt: skip
def test_a_database_goes_to_a_file_and_words_to_another(api: bool, words: list[str]) -> None:
    """What nvprof complains of is in the log, for the verdict."""
    wrapper = COLLECTOR.wrap(Options.model_validate({"output": "database", "api": api}))

    assert list(wrapper.words) == [
        *("{tool}/bin/nvprof", "--profile-child-processes"),
        *("--export-profile", "{run}/nvprof/nvprof-%p.nvprof"),
        *("--log-file", "{run}/nvprof/nvprof-%p.csv", *words, "--"),
    ]


def test_attached_it_measures_what_its_user_starts() -> None:
    """Until it is told to write, with the options of a wrapper."""
    attachment = COLLECTOR.attach(Options.model_validate({"metrics": ["ipc"]}))

    words = list(attachment.words)
    assert words[:2] == ["{tool}/bin/nvprof", "--profile-all-processes"]
    assert words[-3:] == ["--print-gpu-trace", "--metrics", "ipc"]
    assert "--" not in words
    assert (attachment.stop.signal, attachment.stop.target) == ("INT", "tool")


@pytest.mark.parametrize(("models", "options", "words"), [
    (["NVIDIA H100 80GB HBM3"], {}, "has compute capability 9.0"),
    (["NVIDIA-A100-SXM4-40GB", "NVIDIA L4"], {"output": "summary"}, "use nsys"),
    (["Tesla T4"], {"metrics": ["ipc"]}, "events and metrics"),
])  # fmt: skip
def test_newer_gpus_are_refused_before_the_start(
    models: list[str], options: dict[str, Any], words: str
) -> None:
    """With what measures them."""
    facts = Facts(gpus=1, gpu_models=tuple(models))

    (found,) = COLLECTOR.preflight(facts, Options.model_validate(options))

    assert found.reason is Reason.TOOLCHAIN_INCOMPATIBLE
    assert words in found.message


@pytest.mark.parametrize(("models", "options"), [
    (["Tesla V100-SXM2-16GB"], {"metrics": ["ipc"]}), (["Tesla T4"], {}), ([], {"events": ["all"]}),
    (["some GPU"], {}), (["NVIDIA A100", "Tesla V100"], {}), (["NVIDIA A100", "some GPU"], {}),
])  # fmt: skip
def test_gpus_that_may_do_are_tried(models: list[str], options: dict[str, Any]) -> None:
    """An unknown name, or several kinds of which the job may get the older."""
    facts = Facts(gpus=1, gpu_models=tuple(models))

    assert COLLECTOR.preflight(facts, Options.model_validate(options)) == []


@pytest.mark.parametrize(("admin_only", "capabilities", "options", "reasons"), [
    (True, [], {"metrics": ["ipc"]}, [Reason.COUNTERS_NOT_PERMITTED]),
    (True, ["SYS_ADMIN"], {"metrics": ["ipc"]}, []),
    (True, ["CAP_SYS_ADMIN"], {"events": ["all"]}, []),
    (True, [], {}, []),
    (False, [], {"events": ["all"]}, []),
    (None, [], {"events": ["all"]}, []),
])  # fmt: skip
def test_counters_for_administrators_are_refused_before_the_start(
    admin_only: bool | None, capabilities: list[str], options: dict[str, Any], reasons: list[Reason]
) -> None:
    """A trace needs no such right."""
    facts = Facts(gpus=1, gpu_counters_admin_only=admin_only, capabilities=frozenset(capabilities))

    found = COLLECTOR.preflight(facts, Options.model_validate(options))

    assert [one.reason for one in found] == reasons


@pytest.mark.parametrize("name", ["", "ipc,all", "--kernels", "a b", "ipc\n", "1st"])
def test_a_metric_is_one_name(name: str) -> None:
    """No option or list can hide in one."""
    with pytest.raises(pydantic.ValidationError):
        Options.model_validate({"metrics": [name]})


def test_the_application_is_ended_and_nvprof_is_not() -> None:
    """Only then does nvprof write its log; a signal would kill it on the way."""
    steps = [(step.signal, step.target, step.wait) for step in COLLECTOR.stop(Options())]

    assert steps == [
        ("INT", "app", "exit"), ("TERM", "app", "exit"), ("KILL", "app", "exit"),
        ("NONE", "tool", "exit"),
    ]  # fmt: skip


def test_no_gpu_is_no_reason_not_to_start() -> None:
    """What nvprof itself says is more exact."""
    assert COLLECTOR.preflight(Facts(gpus=0), Options()) == []
    assert COLLECTOR.clashes(Options()) == {"cupti"}


def test_a_trace_has_every_activity_with_its_time() -> None:
    """Copies, kernels and memsets, in nanoseconds after the start of the run."""
    found = entries(REAL / "imported-trace")

    kernel = next(one for one in found if one.kind is Kind.KERNEL)
    copy = found[0]
    assert Counter(one.kind for one in found) == {
        Kind.MEMCPY: 3, Kind.KERNEL: 4, Kind.MEMSET: 1,
    }  # fmt: skip
    assert kernel.name == "vectorAdd(float const *, float const *, float*, int)"
    assert (moment(kernel), kernel.duration, kernel.unit) == (3_000_000, 35_999, "ns")
    assert (kernel.device, kernel.stream, kernel.process) == (0, 7, None)
    assert kernel.attributes == {
        "deviceName": "Tesla V100-SXM2-16GB", "grid": [1024, 1, 1], "block": [256, 1, 1],
        "registersPerThread": 16, "staticSharedMemory": 0, "dynamicSharedMemory": 0,
        "context": 1, "correlationId": 103,
    }  # fmt: skip
    assert (copy.attributes or {})["bytes"] == 16_000_000
    assert (copy.attributes or {})["bytesPerSecond"] == 11_502_516_198
    assert all(one.additive and one.clock == "anchored" for one in found)


def test_names_with_quotes_are_whole() -> None:
    """nvprof does not escape them."""
    names = {one.name for one in entries(REAL / "imported-trace")}

    assert '_Z4hostILi32EEvPKfS1_Pf, "quoted"' in names


def test_calls_of_the_api_share_a_table_with_the_gpu() -> None:
    """They have no device; the correlation id tells which call began an activity."""
    found = entries(REAL / "imported-trace-api")

    calls = {(one.attributes or {})["correlationId"] for one in found if one.kind is Kind.API}
    kernels = [one for one in found if one.kind is Kind.KERNEL]
    assert len(calls) == 8
    assert {(one.attributes or {})["correlationId"] for one in kernels} <= calls
    assert [one.device for one in found if one.kind is Kind.API] == [None] * 8


def test_a_summary_tells_the_same_times_as_the_trace() -> None:
    """Sums by name, with their extremes."""
    traced: Counter[str] = Counter()
    for one in entries(REAL / "imported-trace"):
        traced[one.name] += int(one.duration or 0)

    found = entries(REAL / "imported-summary")

    summed = {one.name: one.inclusive for one in found if one.kind in GPU_KINDS}
    kernel = next(one for one in found if one.name.startswith("vectorAdd"))
    assert summed == traced
    assert (kernel.calls, kernel.min, kernel.max, kernel.mean) == (3, 35_999, 36_001, 36_000)
    assert {one.kind for one in found} == {*GPU_KINDS, Kind.API}
    assert all(one.additive for one in found)


def test_a_summary_per_gpu_names_the_gpu() -> None:
    """Its banner does; of a GPU that did nothing there is a note."""
    assert {one.device for one in entries(REAL / "imported-summary-per-gpu")} == {0}
    assert [one.message for one in notes(REAL / "imported-summary-per-gpu")] == [
        "No kernels were profiled.", "",
    ]  # fmt: skip


@pytest.mark.parametrize("case", ["imported-unified-trace", "imported-unified-summary"])
def test_unified_memory_is_told_alike(case: str) -> None:
    """Copies with their bytes, whose time kernels wait for, and page faults as counters."""
    found = {one.name: one for one in entries(REAL / case) if one.name.startswith("[Unified")}

    copy = found["[Unified Memory Memcpy HtoD]"]
    assert (copy.kind, copy.additive, copy.duration or copy.inclusive) == (Kind.MEMCPY, False, 800)
    assert (copy.attributes or {})["bytes"] == 65_536
    cpu, gpu = (found[f"[Unified Memory {one} page faults]"] for one in ("CPU", "GPU"))
    assert (cpu.kind, cpu.value, cpu.unit) == (Kind.COUNTER, 1, "1")
    assert (gpu.kind, gpu.value) == (Kind.COUNTER, 21 if "trace" in case else 1)


def test_metrics_of_a_trace_are_entries_of_their_own() -> None:
    """With the unit of their column; the kernel was run again for them, and says so."""
    found = entries(REAL / "imported-counters", events=["local_store"])

    first = {one.name: one for one in reversed(found) if one.metric not in (None, "TIME")}
    told = {name: (one.value, one.unit, one.kind) for name, one in first.items()}
    assert told == {
        "local_store": (1103, "1", Kind.COUNTER), "gld_request": (1103, "1", Kind.METRIC),
        "branch_efficiency": (93.75, "%", Kind.METRIC),
        "inst_executed": (458_752, "1", Kind.METRIC),
        "dram_read_throughput": (13_008_358_575, "By/s", Kind.METRIC),
        "dram_utilization": (6, "1", Kind.METRIC), "ipc": (1.25, "1", Kind.METRIC),
        "dram_read_bytes": (7_876_032, "By", Kind.METRIC),
    }  # fmt: skip
    kernels = [one for one in found if one.kind is Kind.KERNEL]
    assert all((one.attributes or {})["replayed"] is True for one in [*kernels, *first.values()])
    assert (first["dram_utilization"].attributes or {})["level"] == "Mid"
    assert (first["ipc"].attributes or {})["kernel"].startswith("vectorAdd(")


def test_counters_that_failed_have_no_value() -> None:
    """`<OVERFLOW>` and `<INVALID>` are told as attributes."""
    failed = [one for one in entries(REAL / "imported-counters") if one.value is None]
    flawed = [one for one in failed if one.kind is Kind.METRIC]

    assert [(one.name, (one.attributes or {}).get("overflow")) for one in flawed] == [
        ("inst_executed", True), ("ipc", None),
    ]  # fmt: skip
    assert (flawed[1].attributes or {})["invalid"] is True


def test_metrics_of_a_summary_have_their_units_glued_on() -> None:
    """Each cell has its own; events have totals, metrics means."""
    found = {one.name: one for one in entries(MADE / "metrics")}

    event, rate = found["warps_launched"], found["dram_read_throughput"]
    assert (event.kind, event.value, event.calls, event.additive) == (Kind.COUNTER, 128, 4, True)
    assert (event.min, event.max, event.mean) == (16, 48, 32)
    assert (rate.unit, rate.min, rate.max, rate.mean, rate.value) == (
        "By/s", 512 << 20, 2 << 30, 1280 << 20, 1280 << 20,
    )  # fmt: skip
    assert not rate.additive
    assert (found["dram_utilization"].value, found["dram_utilization"].max) == (5, 9)
    assert (found["inst_executed"].min, found["inst_executed"].value) == (1000, None)
    assert (found["ipc"].value, found["dram_read_bytes"].unit) == (None, "By")
    assert {(one.attributes or {})["kernel"] for one in found.values()} == {"saxpy(int, float*)"}
    assert [(one.message, one.line) for one in notes(MADE / "metrics")] == [
        ("Avg 'z' is no value", 18), ("1 malformed lines left out", 0),
    ]  # fmt: skip


def test_events_stand_beside_the_times() -> None:
    """One file, three sections; warnings between them are notes."""
    found = entries(REAL / "imported-events")

    sums = {one.name: one.value for one in found if one.kind is Kind.COUNTER}
    assert sums == {"local_store": 3312, "gld_request": 3312}
    assert any(one.kind is Kind.KERNEL and one.inclusive == 108_000 for one in found)
    assert sum("Rerun with" in one.message for one in notes(REAL / "imported-events")) == 2


def test_versions_before_cuda_9_are_read() -> None:
    """No correlation column, summaries without types, other units, named streams."""
    copy, kernel, memset = entries(MADE / "old-trace")

    assert kernel.name == "void saxpy<float, int=2>(int, float, float*, float*)"
    assert (kernel.attributes or {})["correlationId"] == 1148
    assert (moment(kernel), kernel.duration) == (250_010_000, 2250)
    assert ((copy.attributes or {})["bytes"], (memset.attributes or {})["bytes"]) == (4096, 8)
    assert (kernel.process, memset.stream) == (41, 7)
    assert [(one.kind, one.inclusive, one.max) for one in entries(MADE / "old-summary")] == [
        (Kind.KERNEL, 3_000_000, 2_000_000), (Kind.MEMCPY, 1_000_000, 1_000_000),
        (Kind.API, 80_000_000, 80_000_000),
    ]  # fmt: skip


def test_what_a_trace_counted_is_not_added_again() -> None:
    """Of each kind, the trace's entries are additive, else the summary's; nested timers never."""
    found = [(one.kind, one.additive, one.process) for one in entries(MADE / "processes")]

    assert found == [
        (Kind.API, True, 42), (Kind.API, False, 42), (Kind.MEMCPY, True, 42),
        (Kind.TIMER, False, 42),
    ]  # fmt: skip
    assert not any(one.additive for one in entries(MADE / "nvtx"))


def test_problems_are_named_with_their_lines() -> None:
    """Warnings whole, lines of the application's, impossible times; the rest is kept."""
    found = notes(MADE / "interleaved")

    assert [(one.line, one.fate) for one in found] == [
        (5, None), (11, None), (12, None), (13, None), (14, None), (0, Fate.CONVERTED),
    ]  # fmt: skip
    assert found[0].message.endswith("the buffer space using the option --device-buffer-size.")
    assert len(entries(MADE / "interleaved")) == 2


def test_a_log_that_is_cut_off_says_so() -> None:
    """What was whole is kept."""
    found = notes(MADE / "cut-off")

    assert [(one.line, one.message.partition(":")[0]) for one in found] == [
        (6, "truncated"), (0, "truncated"),
    ]  # fmt: skip
    assert len(entries(MADE / "cut-off")) == 1


def test_commands_never_reach_the_results() -> None:
    """A command line may hold a secret; who wants it can have it."""
    quiet, told = items(MADE / "old-trace"), items(MADE / "old-trace", personal=True)

    assert "SECRET" not in repr(quiet)
    assert [one.values for one in told if isinstance(one, Metadata)] == [
        {"application": "./saxpy --token=SECRET"}
    ]


def test_notes_are_bounded(tmp_path: Path) -> None:
    """A file may be one complaint after the other."""
    (tmp_path / "nvprof-1.csv").write_text("======== Warning: x\n" * 1000)

    found = notes(tmp_path)

    assert len(found) == 21
    assert found[-1].message == "980 more notes; holds no measurement"


def test_other_files_are_kept_with_a_reason() -> None:
    """Broken databases, temporary files, sessions, what is not nvprof's."""
    found = {one.path: one for one in [*notes(MADE / "foreign"), *notes(MADE / "session")]}

    assert {path: one.fate for path, one in found.items()} == {
        "notes.txt": Fate.RAW, "nvprof-41.nvvp": Fate.REFUSED, "nvprof-tmp-41-host": Fate.RAW,
        "profile.nvvp": Fate.RAW, "saxpy.nvvp": Fate.RAW,
    }  # fmt: skip
    assert found["nvprof-41.nvvp"].message == "damaged: file is not a database"
    assert "holds no data" in found["saxpy.nvvp"].message
    assert found["notes.txt"].message == "not a file of nvprof's"
    assert entries(MADE / "foreign") == []


@pytest.mark.parametrize(("case", "reason", "words"), [
    (REAL / "no-gpu", Reason.NO_GPU_DATA, "spec.gpu"),
    (REAL / "no-gpu-failed", Reason.NO_GPU_DATA, "GPU profiling skipped"),
    (REAL / "no-gpu-killed", Reason.NO_GPU_DATA, "GPU profiling skipped"),
    (REAL / "no-driver", Reason.NO_GPU_DATA, "driver library"),
    (REAL / "ampere", Reason.TOOLCHAIN_INCOMPATIBLE, "use nsys"),
    (REAL / "ended-by-term", Reason.OUTPUT_TRUNCATED, "before it had written its file"),
    (MADE / "not-permitted", Reason.COUNTERS_NOT_PERMITTED, "NVreg_Restrict"),
    (MADE / "no-cuda-application", Reason.NO_GPU_DATA, "No CUDA application"),
    (MADE / "session", Reason.NO_GPU_DATA, "holds no data"),
    (MADE / "foreign", Reason.OUTPUT_TRUNCATED, "file is not a database"),
])  # fmt: skip
def test_nothing_measured_has_a_reason_and_advice(case: Path, reason: Reason, words: str) -> None:
    """In nvprof's own words, with what to do."""
    verdict = COLLECTOR.usable(evidence(case))

    assert (verdict.usable, verdict.reason) == (False, reason)
    assert words in verdict.message


@pytest.mark.parametrize(("printed", "reason"), [
    ("======== Error: internal error.", Reason.COLLECTOR_FAILED),
    ("======== Error: failed to access tmp directory.", Reason.COLLECTOR_FAILED),
    ("==7== Error: unable to locate profiling library libcuinj64.so.11.8.",
     Reason.TOOLCHAIN_INCOMPATIBLE),
    ("======== Warning: Skipping profiling on device 0 since profiling is not supported on devices "
     "with compute capability 7.5 and higher.", Reason.TOOLCHAIN_INCOMPATIBLE),
    ("======== Error: Application received signal 9", Reason.NO_GPU_DATA),
    ("my GPU has compute capability 7.0", Reason.NO_GPU_DATA),
    ("", Reason.NO_GPU_DATA),
])  # fmt: skip
def test_what_nvprof_prints_counts_too(printed: str, reason: Reason) -> None:
    """It may fail before it has its log; the application's own words do not count."""
    verdict = COLLECTOR.usable(Evidence(0, {}, [], log_tail=f"hello\n{printed}\nbye"))

    assert (verdict.usable, verdict.reason) == (False, reason)


def test_calls_of_the_api_alone_are_no_gpu_data() -> None:
    """The CPU's time is not what nvprof is for."""
    verdict = COLLECTOR.usable(Evidence(3, {"api": 3}, [FileNote("a", Fate.CONVERTED)]))

    assert (verdict.usable, verdict.reason) == (False, Reason.NO_GPU_DATA)
    assert "CUDA API" in verdict.message


@pytest.mark.parametrize("case", ["imported-trace", "imported-summary"])
def test_trace_and_summary_have_the_same_headline(case: str, tmp_path: Path) -> None:
    """What most of the GPU's time went to."""
    with (tmp_path / "entries").open("wb") as stream:
        conversion = Conversion(Writer(stream))
        capture = Capture(artifacts.scan(REAL / case).artifacts, Options(), STARTED)
        converted = conversion.take(COLLECTOR, capture, Circumstances(gpus=1))

    assert converted.verdict.usable
    assert conversion.numbers.summary.headline(1) == "[CUDA memcpy HtoD] 66 % of 4.2 ms"
    assert conversion.numbers.stacks.chosen()


@pytest.mark.needs("shared")
@pytest.mark.parametrize(("name", "kinds", "total", "first", "last"), [
    ("BlackScholes_gpu_trace.csv", {"kernel": 512, "memcpy": 5}, 311_076_238, 736_292_000,
     1_010_578_000),
    ("conjugateGradient_gpu_trace.csv", {"kernel": 75, "memcpy": 24}, 107_132_430, 610_447_538,
     711_746_028),
])  # fmt: skip
def test_real_traces_add_up(
    name: str, kinds: dict[str, int], total: int, first: int, last: int, tmp_path: Path
) -> None:
    """Counts, the sum of all durations, and when the first and the last activity began."""
    (tmp_path / name).write_bytes((SHARED / "nvprof" / name).read_bytes())

    found = entries(tmp_path)

    assert Counter(one.kind.value for one in found) == kinds
    assert sum(one.duration or 0 for one in found) == total
    assert (moment(found[0]), moment(found[-1])) == (first, last)
    assert {(one.process, one.device, one.stream) for one in found} == {(found[0].process, 0, 7)}
    assert all((one.attributes or {}).get("correlationId") for one in found if one.kind == "kernel")
    assert not any(one.name.endswith("]") for one in found if one.kind is Kind.KERNEL)


@pytest.mark.needs("shared")
def test_real_metrics_have_their_units(tmp_path: Path) -> None:
    """120 metrics of one kernel; rates and shares in UCUM, levels as numbers."""
    source = SHARED / "nvprof" / "BlackScholes_metrics.csv"
    (tmp_path / source.name).write_bytes(source.read_bytes())

    found = {one.name: one for one in entries(tmp_path)}

    assert len(found) == 120
    assert {one.unit for one in found.values()} == {"1", "%", "By/s"}
    assert {one.calls for one in found.values()} == {512}
    rate = found["gld_requested_throughput"]
    assert (rate.min, rate.value) == (round(196.597344 * 2**30), round(197.421759 * 2**30))
    assert found["branch_efficiency"].value == 100
    assert found["l2_read_transactions"].value == 1_500_440
    levels = {(one.attributes or {}).get("level") for one in found.values()}
    assert levels == {"Idle", "Low", "High", None}


@pytest.mark.needs("shared")
def test_real_events_and_metrics_share_a_file(tmp_path: Path) -> None:
    """Two sections of one process."""
    source = SHARED / "nvprof" / "events_metrics.csv"
    (tmp_path / source.name).write_bytes(source.read_bytes())

    found = {one.name: (one.kind, one.value, one.process) for one in entries(tmp_path)}

    assert len(found) == 10
    assert found["warps_launched"] == (Kind.COUNTER, 32_768, 7838)
    assert found["dram_write_transactions"] == (Kind.METRIC, 142_439, 7838)


def amount(entry: Entry) -> object:
    """What is alike in a table for people and in CSV, whose numbers have more digits."""
    return entry.kind, entry.name, entry.additive, entry.calls


@pytest.mark.parametrize("case", ["imported-text-trace", "imported-text-units"])
def test_tables_for_people_tell_what_csv_tells(case: str) -> None:
    """Of the same database: each activity, its time to five digits, and what else there is."""
    told, known = entries(REAL / case), entries(REAL / "imported-p2p-trace")

    assert list(map(amount, told)) == list(map(amount, known))
    for one, other in zip(told, known, strict=True):
        assert (one.duration, one.value, one.stream) == (other.duration, other.value, other.stream)
        assert moment(one) == pytest.approx(moment(other), rel=2e-4)
    kernel = next(one for one in told if one.kind is Kind.KERNEL)
    assert (kernel.attributes or {})["grid"] == [4, 2, 1]
    assert (kernel.attributes or {})["correlationId"] == 5


def test_a_summary_for_people_is_whole() -> None:
    """Types stand once above their lines; ranges repeat what is counted already."""
    found = entries(REAL / "imported-text-summary")

    kernel = next(one for one in found if one.kind is Kind.KERNEL)
    assert (kernel.name, kernel.inclusive, kernel.calls) == ("kernel(float const *, int)", 1500, 1)
    kinds = Counter(one.kind for one in found if one.additive)
    assert kinds == {Kind.KERNEL: 1, Kind.MEMCPY: 9, Kind.MEMSET: 1, Kind.API: 4, Kind.COUNTER: 2}
    assert (
        sum(one.inclusive or 0 for one in found if one.additive and one.kind in GPU_KINDS) == 2010
    )
    assert {one.name for one in found if one.kind is Kind.RANGE} == {"step 1", "step 2", "step 3"}


@pytest.mark.parametrize(("case", "pattern"), [
    ("imported-summary", r'"(?:GPU activities|API calls)",([0-9.]+),.*'),
    ("imported-text-summary", r" +(?:GPU activities:|API calls:)? +([0-9.]+)%.*"),
])  # fmt: skip
def test_shares_are_those_of_the_summary_itself(case: str, pattern: str) -> None:
    """Of the GPU's time and of the calls' time, to the digits that it prints."""
    (log,) = (REAL / case).iterdir()
    whole = log.read_text().partition("NVTX result")[0]
    printed = [float(found[1]) for found in re.finditer(f"^{pattern}$", whole, re.MULTILINE)]
    found = [one for one in entries(REAL / case) if one.additive and one.inclusive]

    shares = []
    for kinds in (GPU_KINDS, {Kind.API}):
        times = [one.inclusive or 0 for one in found if one.kind in kinds]
        shares += [100 * time / sum(times) for time in times]

    assert len(printed) == len(found)
    assert shares == pytest.approx(printed, abs=0.006)


def test_calls_for_people_have_their_correlation() -> None:
    """It stands behind the kernel that a call launched."""
    found = entries(REAL / "imported-text-trace-api")

    calls = {one.name: (one.attributes or {}).get("correlationId") for one in found}
    assert calls["cudaLaunchKernel"] == 5
    assert (calls["cudaMalloc"], calls["kernel(float const *, int)"]) == (None, 5)
    assert {one.duration for one in found if one.kind is Kind.RANGE} == {5000, None}


@pytest.mark.parametrize(("case", "ways"), [
    ("bottom-up", {("main", "solve(int)", "dot"): 700, ("main", "solve(int)"): 200,
                   ("main", "__nanosleep"): 50, ("main",): 50}),
    ("threads", {("main", "solve(int)", "dot"): 700, ("main", "solve(int)"): 200,
                 ("main", "__nanosleep"): 50, ("main",): 50}),
    ("top-down", {("main", "solve(int)", "dot"): 700, ("main", "solve(int)"): 200,
                  ("main", "__nanosleep"): 50, ("main",): 50}),
    ("flat", {}),
])  # fmt: skip
def test_a_profile_of_the_cpu_adds_up(case: str, ways: dict[tuple[str, ...], int]) -> None:
    """Each mode has the same times of functions; the ways to them where it has any."""
    found = entries(REAL / f"imported-cpu-{case}")

    own = {one.name: one.exclusive for one in found if one.additive}
    assert own == {"dot": 7 * 10**8, "solve(int)": 2 * 10**8, "__nanosleep": 5 * 10**7,
                   "main": 5 * 10**7}  # fmt: skip
    assert {one.path: (one.exclusive or 0) // 10**6 for one in found if one.path} == ways
    assert {one.thread for one in found} == ({4711} if case == "threads" else {None})


def test_a_profile_of_the_cpu_is_one_where_no_gpu_was_asked_for() -> None:
    """Else the GPU's is missing."""
    given = evidence(REAL / "imported-cpu-flat")

    assert COLLECTOR.usable(given).usable
    verdict = COLLECTOR.usable(evidence(REAL / "imported-cpu-flat", gpus=1))
    assert (verdict.usable, verdict.reason) == (False, Reason.NO_GPU_DATA)


@pytest.mark.needs("shared")
@pytest.mark.parametrize(("name", "launches", "counters", "metrics", "written"), [
    ("rodinia-b+tree-default.log", {"findRangeK", "findK"}, 164, 352, 91_822),
    ("rodinia-hotspot-512.log", {"calculate_temp"}, 82, 176, 10_563),
])  # fmt: skip
def test_real_tables_for_people_are_read(
    name: str, launches: set[str], counters: int, metrics: int, written: int, tmp_path: Path
) -> None:
    """Events and metrics of each kernel, with units and levels; they agree with each other."""
    (tmp_path / name).write_bytes((SHARED / "nvprof" / name).read_bytes())

    found = entries(tmp_path)

    kinds = Counter(one.kind for one in found)
    assert kinds == {Kind.COUNTER: counters, Kind.METRIC: metrics}
    kernels = {str((one.attributes or {})["kernel"]).partition("(")[0] for one in found}
    assert kernels == launches
    assert {one.device for one in found} == {0}
    assert {one.unit for one in found if one.kind is Kind.METRIC} == {"1", "%", "By/s", "By"}
    first = {one.name: one for one in reversed(found)}
    assert first["dram_utilization"].value in {1, 3}
    assert (first["dram_utilization"].attributes or {})["level"] == "Low"
    misses = [first[f"l2_subp{half}_write_sector_misses"].value or 0 for half in (0, 1)]
    assert sum(misses) == first["dram_write_transactions"].value == written
    assert not [one for one in items(tmp_path) if isinstance(one, FileNote) and one.line]


@pytest.mark.needs("shared")
@pytest.mark.parametrize("name", ["atila-born-profile.nvvp", "xstupi00-nbody-profile.nvvp"])
def test_real_sessions_hold_no_data(name: str, tmp_path: Path) -> None:
    """Half of the .nvvp files that people publish."""
    content = (SHARED / "nvvp" / name).read_bytes()
    (tmp_path / name).write_bytes(content)

    (found,) = notes(tmp_path)

    assert (found.fate, COLLECTOR.knows(name, content[:4096])) == (Fate.RAW, True)
    assert "holds no data" in found.message
