"""`profjob convert`: entries out of any profile, with no job at all."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from profiling_operator import artifacts, entries, plan
from profiling_operator.captures import Capture, Fate, FileNote
from profiling_operator.cli import console
from profiling_operator.cli.exits import Exit
from profiling_operator.collectors import Collector
from profiling_operator.convert import Conversion, Converted
from profiling_operator.errors import ArtifactError


def convert(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the tool's files.")],
    collector: Annotated[str, typer.Option("--collector", "-c", help="Which collector wrote it.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="JSON lines; gzipped when named .gz.")
    ],
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
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Name no files.")] = False,
) -> None:
    """Convert a folder that a tool wrote into entries.

    Every file is named on stderr with what became of it. Exit code 6: nothing was measured.
    """
    with console.reporting():
        one: Collector = plan.named("collectors", collector, "--collector")
        options = plan.checked_options(one, _given(option or []), "--option")
        try:
            scan = artifacts.scan(folder)
        except ArtifactError as error:
            console.fail(str(error), Exit.USAGE)
        capture = Capture(
            artifacts=scan.artifacts,
            options=options,
            started=min((file.modified for file in scan.artifacts), default=0),
            job=job,
            personal=personal,
        )
        converted = _write(one, capture, output)
    notes = [*converted.notes, *(_refused(file) for file in scan.refused)]
    _account(notes, converted, report, quiet)
    if not converted.verdict.usable:
        verdict = converted.verdict
        console.fail(f"{verdict.reason.value}: {verdict.message}", Exit.NOT_USABLE)


def _write(one: Collector, capture: Capture, output: Path) -> Converted:
    try:
        with entries.create(output) as writer:
            return Conversion(writer).take(one, capture)
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


def _account(notes: list[FileNote], converted: Converted, report: Path | None, quiet: bool) -> None:
    """What became of each file, on stderr and in the report."""
    stderr = console.stderr(quiet)
    for note in notes:
        where = f"{note.path}:{note.line}" if note.line else note.path
        said = [note.fate.value if note.fate else "warning", note.message]
        stderr.print(f"{where}: {': '.join(filter(None, said))}", markup=False)
    fates = Counter(note.fate.value for note in notes if note.fate)
    told = ", ".join(f"{count} {fate}" for fate, count in sorted(fates.items())) or "no files"
    stderr.print(f"{converted.entries} entries; {told}", markup=False)
    if report is not None:
        files = [
            {"path": note.path, "fate": note.fate, "line": note.line, "message": note.message}
            for note in notes
        ]
        body = {"entries": converted.entries, "metadata": converted.metadata, "files": files}
        report.write_text(json.dumps(body, indent=2, ensure_ascii=False), encoding="utf-8")
