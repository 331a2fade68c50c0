"""How torch is called: one call at a time, with one thread, whatever the caller has switched on."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from threading import RLock

import torch

_LOCK = RLock()
"""``functional_call`` puts parameters into the module for the time of a call, and XLA calls from threads of its own."""


@contextmanager
def alone() -> Generator[None]:
    """Within it nobody else here calls torch, derivatives are kept, and the same numbers give the same bits."""
    with _LOCK:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        _tell_of_loops(False)
        try:
            with torch.enable_grad(), warnings.catch_warnings():
                # Of what torch has deprecated: nothing to mend here.
                warnings.simplefilter("ignore")
                yield
        finally:
            _tell_of_loops(True)
            torch.set_num_threads(threads)


def _tell_of_loops(told: bool) -> None:
    """Whether torch prints a line for each operation that it batches by a loop; True is how it starts."""
    torch._C._functorch._set_vmap_fallback_warning_enabled(told)  # noqa: SLF001 - there is no public switch
