"""What the pytest plugin tells of a run: its table and its reports."""

from __future__ import annotations

from textwrap import dedent

import pytest

pytestmark = pytest.mark.installed

NETS = """
    import numpy as np
    import eqprop
    from eqprop import groups

    def pair(name, apply, **rest):
        signs = eqprop.Transformation(groups.Sign(1), on_params=lambda s, p: s * p, on_outputs=lambda s, y: s * y)
        return eqprop.Pair(eqprop.Model(apply, np.ones(1), np.ones(1), name="m"), signs, name=name, **rest)
"""

PREMISE = ("--eqprop-property", "equivariance")


@pytest.fixture
def files(folder, monkeypatch):
    """Write modules, for runs in this process."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def write(**modules: str) -> None:
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(dedent(text))

    return write


def test_names_of_pairs_are_whole_where_the_output_is_no_terminal(run_here, files):
    names = ["transformer/attention-queries", "transformer/attention-values"]
    files(pairs=f"import nets\nboth = [nets.pair(name, lambda p, x: x * p) for name in {names}]")
    run_here("--eqprop", "pairs:both", *PREMISE).stdout.fnmatch_lines([f"{name} *1/1*holds" for name in names])
