"""The collector contract: every collector passes this suite. Samples are mandatory."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import msgspec
import pytest

from profiling_operator import artifacts, registry
from profiling_operator.captures import HEAD_BYTES, Capture, Evidence, Fate, FileNote, Item
from profiling_operator.collectors import AttachingCollector, Collector, Facts, Target
from profiling_operator.entries import Entry
from profiling_operator.errors import Reason

SAMPLES = Path(__file__).parent.parent / "samples"
NAMES = registry.names("collectors")
STARTED = 1_790_000_000_000_000_000
SIGNALS = {"NONE", "INT", "TERM", "USR1", "USR2", "HUP", "QUIT", "KILL"}


def cases(name: str) -> list[Path]:
    """The sample folders of a collector: tool version / case."""
    return sorted(path for path in (SAMPLES / name).glob("*/*") if path.is_dir())


ALL_CASES = [
    pytest.param(name, case, id=f"{name}-{case.parent.name}-{case.name}")
    for name in NAMES
    for case in cases(name)
]


def load(name: str) -> Collector:
    """A collector by name."""
    collector: Collector = registry.load("collectors", name)
    return collector


def capture(name: str, folder: Path) -> Capture:
    """What a sample folder is to a collector."""
    scanned = artifacts.scan(folder)
    return Capture(scanned.artifacts, load(name).options(), STARTED, job="ci/test", run=1)


def fates(items: Iterable[Item]) -> Counter[str]:
    """How many fates each file got."""
    notes = (item for item in items if isinstance(item, FileNote))
    return Counter(note.path for note in notes if note.fate is not None)


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    """Name, modes, formats and toolchain are filled in, and the name is the module's."""
    collector = load(name)

    assert collector.name == name
    assert collector.modes and set(collector.modes) <= {"wrap", "attach"}
    assert collector.formats
    assert collector.toolchain.file and collector.toolchain.install


@pytest.mark.parametrize("name", NAMES)
def test_its_options_have_defaults_and_descriptions(name: str) -> None:
    """A job need not name any option, and the reference can tell of each."""
    options = load(name).options

    assert options() == options()
    assert all(field.description for field in options.model_fields.values())


@pytest.mark.parametrize("name", NAMES)
def test_its_wrapper_goes_in_front_of_a_command(name: str) -> None:
    """The wrapper is words whose stand-ins are known ones."""
    collector = load(name)
    wrapper = collector.wrap(collector.options())
    texts = [*wrapper.words, *wrapper.env.values(), *wrapper.path]

    assert wrapper.words or wrapper.env
    for text in texts:
        for known in ("{run}", "{toolchain}", "{tool}", "{launcher}"):
            text = text.replace(known, "")
        assert "{" not in text, texts


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_attached_where_it_says_so(name: str) -> None:
    """Its tool is told the process, writes to its own folder, and ends in bounded time."""
    collector = load(name)
    assert hasattr(collector, "attach") == ("attach" in collector.modes)
    if "attach" not in collector.modes:
        return
    attachment = cast(AttachingCollector, collector).attach(collector.options())

    assert attachment.words[0].startswith("{tool}/")
    assert {"{pid}", "{pids}"} & set(attachment.words)
    assert any(word.startswith(f"{{run}}/{name}/") for word in attachment.words)
    assert attachment.stop.signal in SIGNALS
    assert attachment.stop.target is Target.TOOL
    assert 0 < attachment.stop.seconds <= 60
    known = ("{run}", "{tool}", "{pid}", "{pids}", "{root}")
    for word in (*attachment.words, *attachment.after, attachment.after_output):
        for one in known:
            word = word.replace(one, "")
        assert "{" not in word


@pytest.mark.parametrize("name", NAMES)
def test_its_stop_sequence_is_bounded(name: str) -> None:
    """Every step has a signal that the launcher knows, a target and a limit."""
    collector = load(name)

    for step in collector.stop(collector.options()):
        assert step.signal in SIGNALS
        assert step.target in set(Target) or step.target.startswith("mapped=")
        assert 0 < step.seconds <= 60


@pytest.mark.parametrize("name", NAMES)
def test_its_preflight_needs_no_io(name: str) -> None:
    """On a machine with everything it finds nothing impossible."""
    collector = load(name)
    facts = Facts("x86_64", 0, 0, -1, 8, frozenset({"SYS_PTRACE", "SYS_ADMIN", "PERFMON"}))

    assert collector.preflight(facts, collector.options()) == []


@pytest.mark.parametrize("name", NAMES)
def test_it_has_samples(name: str) -> None:
    """tests/samples/NAME/VERSION/CASE holds what the tool really wrote."""
    assert cases(name)


@pytest.mark.parametrize(("name", "case"), ALL_CASES)
def test_every_file_of_a_sample_gets_one_fate(name: str, case: Path) -> None:
    """No file is skipped without being named, and none is named twice."""
    given = capture(name, case)

    found = fates(load(name).read(given))

    assert found == Counter(one.path for one in given.artifacts)


@pytest.mark.parametrize(("name", "case"), ALL_CASES)
def test_parts_give_what_the_whole_gives(name: str, case: Path) -> None:
    """Every file is in one part, and the parts' entries are the whole's, in its order."""
    given = capture(name, case)
    parts = load(name).split(given)

    assert sorted(one.path for part in parts for one in part.artifacts) == sorted(
        one.path for one in given.artifacts
    )
    read = [item for part in parts for item in load(name).read(part)]
    assert [one for one in read if isinstance(one, Entry)] == [
        one for one in load(name).read(given) if isinstance(one, Entry)
    ]
    assert fates(read) == fates(load(name).read(given))


@pytest.mark.parametrize(("name", "case"), ALL_CASES)
def test_its_files_are_known(name: str, case: Path) -> None:
    """No other collector claims a file; what becomes entries is known by itself."""
    given = capture(name, case)
    converted = {
        item.path
        for item in load(name).read(given)
        if isinstance(item, FileNote) and item.fate is Fate.CONVERTED
    }
    for one in given.artifacts:
        with one.open() as stream:
            head = stream.read(HEAD_BYTES)
        claims = [other for other in NAMES if load(other).knows(one.name, head)]

        assert set(claims) <= {name}, one.path
        if one.path in converted:
            assert claims == [name], one.path


@pytest.mark.parametrize(("name", "case"), ALL_CASES)
def test_entries_of_a_sample_are_whole(name: str, case: Path) -> None:
    """Entries carry job, run and collector, have a unit where they have a number, and encode."""
    numbers = ("value", "inclusive", "exclusive", "duration")
    for item in load(name).read(capture(name, case)):
        if not isinstance(item, Entry):
            continue
        assert (item.job, item.run, item.collector) == ("ci/test", 1, name)
        assert item.name == " ".join(item.name.split()) != ""
        assert item.unit is not None or all(getattr(item, one) is None for one in numbers)
        assert msgspec.json.decode(msgspec.json.encode(item), type=Entry) == item


@pytest.mark.parametrize(("name", "case"), ALL_CASES)
def test_reading_twice_gives_the_same(name: str, case: Path) -> None:
    """Reading has no memory."""
    collector = load(name)

    first = list(collector.read(capture(name, case)))

    assert first == list(collector.read(capture(name, case)))


@pytest.mark.parametrize(("name", "case"), ALL_CASES)
@pytest.mark.parametrize("seed", range(5))
def test_damaged_files_never_raise(name: str, case: Path, tmp_path: Path, seed: int) -> None:
    """Cut, flipped and shuffled bytes give entries or notes, and every file still has its fate."""
    chance = random.Random(seed)
    for file in (path for path in case.rglob("*") if path.is_file()):
        target = tmp_path / file.relative_to(case)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_damaged(file.read_bytes(), chance))
    given = capture(name, tmp_path)

    found = fates(load(name).read(given))

    assert found == Counter(one.path for one in given.artifacts)


def _damaged(content: bytes, chance: random.Random) -> bytes:
    cut = bytearray(content[: chance.randrange(len(content) + 1)])
    for _ in range(min(len(cut), 20)):
        cut[chance.randrange(len(cut))] = chance.randrange(256)
    return bytes(cut)


@pytest.mark.parametrize("name", NAMES)
def test_junk_is_named(name: str, tmp_path: Path) -> None:
    """A file that is none of the tool's is kept raw or refused, never an entry."""
    (tmp_path / "notes.txt").write_text("hello\n")

    items = list(load(name).read(capture(name, tmp_path)))

    assert [type(item) for item in items] == [FileNote]
    assert items[0].fate in {Fate.RAW, Fate.REFUSED}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_measured_is_never_usable(name: str) -> None:
    """No entries: not usable, with a reason and a message, whatever else there was."""
    collector = load(name)
    for notes in ([], [FileNote("a", Fate.CONVERTED)], [FileNote("a", Fate.REFUSED, "broken", 3)]):
        verdict = collector.usable(Evidence(entries=0, kinds={}, notes=notes))

        assert not verdict.usable
        assert verdict.reason is not Reason.COMPLETED
        assert verdict.message
