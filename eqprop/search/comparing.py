"""Whether a model's compiled program is compared with its own operations, and why where it is not."""

from __future__ import annotations

from eqprop.claims import Pair
from eqprop.search.pool import ProgramPool
from eqprop.search.task import Options, SearchTask


def why_not_compared(task: SearchTask, options: Options, programs: ProgramPool, pair: Pair) -> str:
    """Why what is ``twofold`` is not asked of a pair; empty where it is."""
    if task.built_in:
        return "the compiler is asked about models of your own, and this one is built in"
    if options.evaluator == "numpy":
        return "nothing is compiled with evaluator 'numpy'"
    if programs.calls_back(pair):
        return "the model calls back into Python, which XLA does in threads that do not know of the precision here"
    return ""
