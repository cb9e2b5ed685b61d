"""`profjob convert`: entries out of any profile, with no job at all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from profiling_operator import artifacts, entries, plan, recognition, registry
from profiling_operator.artifacts import Artifact
from profiling_operator.captures import Capture, Fate, FileNote
from profiling_operator.cli import console
from profiling_operator.cli.exits import Exit
from profiling_operator.collectors import Collector
from profiling_operator.convert import Conversion, Converted
from profiling_operator.errors import ArtifactError, Problem, Reason, SpecError

Results = Mapping[str, Converted]


def convert(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the tools' files.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="JSON lines; gzipped when named .gz.")
    ],
    collector: Annotated[
        str,
        typer.Option(
            "--collector",
            "-c",
            help="Which collector wrote them all; otherwise each file goes to "
            "the one that knows it.",
        ),
    ] = "",
    option: Annotated[
        list[str] | None,
        typer.Option(help="An option of the collector as NAME=JSON; may be repeated."),
    ] = None,
    job: Annotated[str, typer.Option(help="Written into each entry.")] = "",
    personal: Annotated[
        bool, typer.Option(help="Keep command line, user and host in the metadata.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write what became of each file to this JSON file.")
    ] = None,
    processes: Annotated[
        int, typer.Option(min=0, help="How many read a large profile; 0: one a processor.")
    ] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Name no files.")] = False,
) -> None:
    """Convert a folder that one tool or several wrote into entries.

    Every file is named on stderr with what became of it. Exit code 6: nothing was measured.
    """
    with console.reporting():
        given = _given(option or [])
        if given and not collector:
            raise SpecError([Problem("--option", "needs --collector: whose option is it?")])
        scan = _scan(folder)
        sorted_ = (
            recognition.Sorted({collector: scan.artifacts}, ())
            if collector
            else recognition.sort(scan.artifacts)
        )
        captures = {
            name: _capture(name, files, given, job, personal)
            for name, files in sorted_.by_collector.items()
        }
        converted = _write(captures, output, processes)
    notes = [note for one in converted.values() for note in one.notes]
    notes += [*sorted_.others, *map(_refused, scan.refused)]
    _account(notes, converted, report, quiet)
    _judge(converted)


def _scan(folder: Path) -> artifacts.Scan:
    try:
        return artifacts.scan(folder)
    except ArtifactError as error:
        console.fail(str(error), Exit.USAGE)


def _capture(
    name: str, files: Sequence[Artifact], given: dict[str, Any], job: str, personal: bool
) -> Capture:
    """What a collector is to read. A profile without a clock begins with its oldest file."""
    one: Collector = plan.named("collectors", name, "--collector")
    return Capture(
        artifacts=files,
        options=plan.checked_options(one, given, "--option"),
        started=min((file.modified for file in files), default=0),
        job=job,
        personal=personal,
    )


def _write(captures: Mapping[str, Capture], output: Path, processes: int) -> Results:
    try:
        with entries.create(output) as writer:
            conversion = Conversion(writer, output.absolute().parent, processes)
            return {
                name: conversion.take(registry.load("collectors", name), capture)
                for name, capture in captures.items()
            }
    except OSError as error:
        console.fail(f"{output}: {error.strerror}", Exit.USAGE)


def _given(options: list[str]) -> dict[str, Any]:
    """Options from `rate=200`, `format="raw"` or `format=raw`: JSON, or else a string."""
    body: dict[str, Any] = {}
    for text in options:
        name, _, value = text.partition("=")
        try:
            body[name] = json.loads(value)
        except ValueError:
            body[name] = value
    return body


def _refused(file: artifacts.Refused) -> FileNote:
    return FileNote(file.path, Fate.REFUSED, file.reason)


def _account(notes: list[FileNote], results: Results, report: Path | None, quiet: bool) -> None:
    """What became of each file, on stderr and in the report."""
    stderr = console.stderr(quiet)
    for note in notes:
        where = f"{note.path}:{note.line}" if note.line else note.path
        said = [note.fate.value if note.fate else "warning", note.message]
        stderr.print(f"{where}: {': '.join(filter(None, said))}", markup=False)
    fates = Counter(note.fate.value for note in notes if note.fate)
    told = ", ".join(f"{count} {fate}" for fate, count in sorted(fates.items())) or "no files"
    count = sum(one.entries for one in results.values())
    stderr.print(f"{count} entries; {told}", markup=False)
    if report is not None:
        files = [
            {"path": note.path, "fate": note.fate, "line": note.line, "message": note.message}
            for note in notes
        ]
        of_collectors = {name: _told(one) for name, one in results.items()}
        body = {"entries": count, "collectors": of_collectors, "files": files}
        report.write_text(json.dumps(body, indent=2, ensure_ascii=False), encoding="utf-8")


def _told(one: Converted) -> dict[str, Any]:
    """What a collector brought, for the report."""
    verdict = one.verdict
    reason = {} if verdict.usable else {"reason": verdict.reason, "message": verdict.message}
    told = {"entries": one.entries, "usable": verdict.usable, "metadata": one.metadata}
    return {**told, **reason}


def _judge(results: Results) -> None:
    """Say what is not usable; where nothing is, that is the exit code."""
    bad = {name: one.verdict for name, one in results.items() if not one.verdict.usable}
    told = [f"{name}: {one.reason.value}: {one.message}" for name, one in bad.items()]
    if not results:
        told = [f"{Reason.NOTHING_MEASURED.value}: no collector knows any of the files"]
    if len(bad) == len(results):
        console.fail("; ".join(told), Exit.NOT_USABLE)
    for text in told:
        console.stderr().print(text, markup=False)
