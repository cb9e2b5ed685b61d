"""`profjob crd`: the CustomResourceDefinition."""

from __future__ import annotations

import typer

from profiling_operator import crd as definition


def crd() -> None:
    """Print the CustomResourceDefinition, for `kubectl apply -f -`."""
    typer.echo(definition.render(), nl=False)
