"""What hypothesis draws from the source of modules, which a search leaves alone.

One number in twenty is a constant of a module that was imported from outside of site-packages: what a test compares
with is worth a try. Here it would make one seed draw other architectures in a checkout than in an installation, and
others again once a constant is edited, or a module imported, that has nothing to do with the model. Cells of a ledger
would come and go with them. The constants that hypothesis has of its own stay.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from unittest.mock import patch

from hypothesis.internal.conjecture import providers

COLLECTOR = "_get_local_constants"
"""The function of ``providers`` that reads the modules."""

NEEDED = (COLLECTOR, "Constants", "CONSTANTS_CACHE")
"""They are no part of hypothesis's interface: a release without one of them is left as it is, and our tests fail."""


@contextmanager
def constants_of_modules_left_out() -> Generator[None]:
    """Draw no constants of modules; other uses of hypothesis in this process draw theirs before and after."""
    collector, constants, known = (getattr(providers, name, None) for name in NEEDED)
    if collector is None or constants is None or known is None:
        yield
        return
    with patch.object(providers, COLLECTOR, return_value=constants()):
        known.cache.clear()
        try:
            yield
        finally:
            known.cache.clear()
