"""`profjob render`: what would run, without running it."""

from __future__ import annotations

from typing import Annotated

import typer

from profiling_operator import launching, plan
from profiling_operator.cli import console
from profiling_operator.cli.run import JobFile, folder_of


def render(
    file: JobFile,
    changes: console.Changes = None,
    output: Annotated[str, typer.Option("--output", "-o", help="yaml or json.")] = "yaml",
) -> None:
    """Print the plan of a job: defaults filled in, options checked, the launcher's command line."""
    job = console.read_job(file, changes or ())
    with console.reporting():
        planned = plan.build_plan(job, folder=folder_of(file))
    places = launching.Places(
        workspace=planned.output.path,
        launcher="{launcher}",
        toolchains={},
    )
    body = planned.model_dump(mode="json", exclude_none=True)
    body["launch"] = launching.launcher_words(planned, places)
    console.print_data(body, output)
