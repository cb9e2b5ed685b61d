"""`profjob`, also as `python -m profiling_operator`."""

from profiling_operator.cli import app


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
