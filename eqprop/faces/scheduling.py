"""How pytest-xdist hands out tests: the cases of a pair go to one worker, because they share a search.

``--dist loadgroup`` would do it, but with pytest 9.2 it has no effect (xdist 3.8 appends the group to ``Item._nodeid``,
from which pytest no longer takes the id): the group is read from the id instead.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling


class ByPair(LoadScopeScheduling):
    """Every other test is a group of its own, as under ``--dist load``."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """``eqprop::pair::property`` → ``eqprop::pair``, ``test.py::test[pair::property]`` → ``test.py::test[pair``."""
    file, bracket, parameters = nodeid.partition("[")
    if bracket:
        return f"{file}[{parameters.rpartition('::')[0]}" if "::" in parameters else nodeid
    return nodeid.rpartition("::")[0] if nodeid.startswith("eqprop::") else nodeid
