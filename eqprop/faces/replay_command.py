"""``eqprop replay``."""

from __future__ import annotations

from pathlib import Path

import click

from eqprop.errors import InvalidInput
from eqprop.faces.console import echo
from eqprop.results import Answer, Replayed


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--script", is_flag=True, help="Print it for a bug report: a script that needs JAX, or PyTorch, and not eqprop."
)
def replay(*, file: Path, script: bool) -> int:
    """Try a saved counterexample again.

    Answers FIXED (exit code 0), STILL FAILS (1), or CANNOT RUN (2) with the reason.
    """
    from eqprop.engine import persistent_cache
    from eqprop.runs import replay as replayed
    from eqprop.runs import script as written

    if script:
        with persistent_cache():
            echo(written(file))
        return 0
    with persistent_cache():
        found = replayed(file)
    if found.answer is Answer.CANNOT_RUN:
        raise InvalidInput(told(found))
    if found.verdict is not None and found.verdict.counterexample is not None:
        echo(f"{found.verdict.counterexample}\n")
    echo(told(found))
    return found.exit_code


def told(found: Replayed) -> str:
    """The answer, with the reason where there is one."""
    return f"{found.answer}: {found.reason}" if found.reason else str(found.answer)
