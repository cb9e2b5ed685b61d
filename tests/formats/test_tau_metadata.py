"""Metadata as TAU writes it: not always XML, and not all of it fit to be shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiling_operator.formats import tau_metadata

SAMPLES = Path(__file__).parent.parent / "samples/tau"


def header(**values: str) -> bytes:
    """A header line with these attributes."""
    pairs = {name.replace("_", " "): value for name, value in values.items()}
    return "".join(
        f"<attribute><name>{name}</name><value>{value}</value></attribute>"
        for name, value in pairs.items()
    ).encode()


def sample(case: str) -> bytes:
    """The header line of a sample."""
    return (SAMPLES / case / "profile.0.0.0").read_bytes().split(b"\n", 2)[1]


def test_all_attributes_of_a_real_file() -> None:
    """Every simple attribute is found."""
    found = tau_metadata.attributes(sample("2.34/sigusr1"))

    assert len(found) == sample("2.34/sigusr1").count(b"<attribute>")
    assert found["Command Line"] == "/app/forever"
    assert found["Metric Name"] == "TIME"


def test_control_bytes_wrong_utf8_cdata_and_entities() -> None:
    """What strict XML parsers refuse is read; what is nested or of one timer's call is left out."""
    found = tau_metadata.attributes(sample("hand-made/odd-metadata"))

    assert found["Command Line"] == "./app <in> & out"
    assert found["OS Name"] == "Li�nux & <more>\nx"
    assert not {"Nested", "Late"} & set(found)


def test_old_files_have_a_prefix() -> None:
    """`tau:` before each element's name."""
    old = header(Timestamp="1795436464427427", Metric_Name="PAPI_FP_OPS")
    old = old.replace(b"</", b"</tau:").replace(b"<a", b"<tau:a")
    old = old.replace(b"<n", b"<tau:n").replace(b"<v", b"<tau:v")

    assert tau_metadata.attributes(old)["Metric Name"] == "PAPI_FP_OPS"
    assert tau_metadata.value_of(old, b"Metric Name") == "PAPI_FP_OPS"
    assert tau_metadata.started(old) == 1795436464427427000


def test_one_value_is_found_without_the_others() -> None:
    """Also in CDATA and with entities; what is not there is None."""
    line = header(A="x", Metric_Name="<![CDATA[a<b]]>", C="1 &amp; 2")

    assert tau_metadata.value_of(line, b"Metric Name") == "a<b"
    assert tau_metadata.value_of(line, b"C") == "1 & 2"
    assert tau_metadata.value_of(line, b"Nothing") is None
    assert tau_metadata.value_of(b"<name>A</name>", b"A") is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (header(Starting_Timestamp="1795436464427427", Timestamp="1795436464428000"), 427427),
        (header(Timestamp="1795436464428000"), 428000),
        (header(Starting_Timestamp="0", Timestamp="1795436464428000"), 428000),
        (header(Starting_Timestamp="17954364644274270000000000"), None),
        (header(Starting_Timestamp="soon"), None),
        (b"", None),
    ],
)
def test_start(line: bytes, expected: int | None) -> None:
    """The start is preferred to the later time at which metadata was filled; both must be sane."""
    whole = None if expected is None else (1795436464 * 10**6 + expected) * 1000

    assert tau_metadata.started(line) == whole


def test_people_and_secrets_are_left_out() -> None:
    """An allow-list: what is not known to be harmless is not kept."""
    found = tau_metadata.attributes(sample("2.34/sigusr1")) | {
        "API_TOKEN": "secret",
        "TAU_CUDA_BINARY_EXE": "/home/me/app",
        "GPU[0] Name": "Tesla V100",
        "username": "me",
        "MPI Processor Name": "node7.example.org",
    }
    kept = tau_metadata.of_run(found, personal=False)

    personal = {"Command Line", "CWD", "Executable", "Hostname", "Node Name", "username"}
    personal |= {"API_TOKEN", "TAU_CUDA_BINARY_EXE", "MPI Processor Name", "TAU Config"}
    assert not personal & set(kept)
    assert {"CPU Type", "TAU Version", "TAU_SAMPLING", "GPU[0] Name", "OS Release"} <= set(kept)


def test_people_and_secrets_are_kept_when_asked_for() -> None:
    """Only what belongs to one file is left out."""
    found = tau_metadata.attributes(sample("2.34/sigusr1"))
    kept = tau_metadata.of_run(found, personal=True)

    assert set(found) - set(kept) == {"Metric Name", "pid", "tid"}


def test_endless_metadata_is_cut() -> None:
    """Neither many attributes nor long values fill the memory or the time."""
    many = b"<attribute><name><![CDATA[" * 300_000
    long = header(A="x" * 100_000)

    assert tau_metadata.attributes(many) == {}
    assert len(tau_metadata.attributes(long)["A"]) == tau_metadata.LONGEST_VALUE
