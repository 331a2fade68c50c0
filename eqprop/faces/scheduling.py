"""How pytest-xdist hands out tests: the cases of a pair go to one worker, because they share a search.

``--dist loadgroup`` would do it, but with pytest 9.2 it has no effect (xdist 3.8 appends the group to ``Item._nodeid``,
from which pytest no longer takes the id): the group is read from the id instead.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController


class ByPair(LoadScopeScheduling):
    """Every other test is a group of its own, as under ``--dist load``."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

    def remove_node(self, node: WorkerController) -> str | None:
        """Take what a worker had; what it died with is not tried again, to take the next worker along.

        Returns:
            The test that it died with, if any.
        """
        work = self.assigned_work[node]
        running = next(((unit, test) for unit in work.values() for test, done in unit.items() if not done), None)
        if running is None:
            return super().remove_node(node)
        unit, died_with = running
        unit[died_with] = True
        super().remove_node(node)
        return died_with

    def _reschedule(self, node: WorkerController) -> None:
        """Give a worker more, so that it is never left with one test.

        A worker begins a test when it knows the next one, or that there is none: one that took over the last test of
        another would wait for ever.
        """
        super()._reschedule(node)
        if self._pending_of(self.assigned_work[node]) == 1:
            super()._reschedule(node)


def group_of(nodeid: str) -> str:
    """``eqprop::pair::property`` → ``eqprop::pair``, ``test.py::test[pair::property]`` → ``test.py::test[pair``."""
    file, bracket, parameters = nodeid.partition("[")
    if bracket:
        return f"{file}[{parameters.rpartition('::')[0]}" if "::" in parameters else nodeid
    return nodeid.rpartition("::")[0] if nodeid.startswith("eqprop::") else nodeid
