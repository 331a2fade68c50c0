"""What is asked of every catalog entry before its verdicts mean something: this repository's entries and anyone's.

An entry must obey its group's laws, hold where it claims to, compare something at nearly every probe, draw different
architectures, and be able to fail: each of its mutants is caught at its own order and not below.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hypothesis import Phase
from hypothesis import strategies as st

from eqprop.arguments import LARGEST_SEED, got, whole_number
from eqprop.engine import separated_caches
from eqprop.errors import InvalidInput
from eqprop.groups import check_laws
from eqprop.mutants import Mutant
from eqprop.profiles import PROFILES, Profile
from eqprop.properties import CORE, LIBRARY, Property, by_name
from eqprop.registry import Entry
from eqprop.registry import entry as named_entry
from eqprop.results import Verdict
from eqprop.search import Drawn, Options, Search, SearchTask, Tally, Violation, drive

LEAST_ARCHITECTURES = 12
"""Distinct ones that the default profile must meet."""

LEAST_USABLE = 0.95
"""The part of the probes that each property must be able to use: it compares something there, and settles it."""

JUDGED, JUDGED_BROKEN = 4, 2
"""Architectures on which the entry, and each mutant, is judged here."""


@dataclass(frozen=True)
class Checked:
    """What was seen of one entry.

    Attributes:
        entry: its name.
        architectures: distinct ones among those that the default profile draws.
        usable: of each property that applies, the part of its probes that are usable.
        mutants: the names of those that were caught at their own order and not below.
    """

    entry: str
    architectures: int
    usable: dict[str, float]
    mutants: tuple[str, ...]

    def __str__(self) -> str:
        least = min(self.usable.items(), key=lambda item: item[1], default=("", 1.0))
        usable = f", at least {least[1]:.1%} of the probes usable ({least[0]})" if least[0] else ""
        mutants = f", {len(self.mutants)} mutants caught at their orders" if self.mutants else ""
        return f"{self.entry}: {self.architectures} architectures{usable}{mutants}"


def check_entry(entry: Entry | str, *, mutants: Sequence[str] | None = None, seed: int = 0) -> Checked:
    """Check a catalog entry, with the properties that are judged at every probe.

    Args:
        entry: the entry, or its name.
        mutants: the names of those to judge; all by default.
        seed: of the searches.

    Returns:
        What was seen.

    Raises:
        InvalidInput: naming the entry, what is wrong, and how to mend it: too few architectures, a group whose laws
            fail, a property that is falsified or compares too little, a mutant that is not caught at its own order, a
            negative control whose premise holds on some architecture.
    """
    found = entry if isinstance(entry, Entry) else named_entry(entry)
    where = f"catalog entry {found.name!r} ({found.origin})"
    chosen = _chosen(found, mutants, where)
    seed = whole_number(seed, "the seed is", most=LARGEST_SEED)
    with separated_caches("float64"):
        architectures = _architectures(found, where, seed)
        if found.control:
            _check_control(found, where, seed)
            return Checked(found.name, architectures, {}, ())
        parts = _check_claims(found, where, seed)
    for mutant in chosen:
        _check_mutant(found, mutant, where, seed)
    return Checked(found.name, architectures, parts, tuple(mutant.name for mutant in chosen))


def _chosen(entry: Entry, mutants: object, where: str) -> tuple[Mutant, ...]:
    """The mutants to judge; a single name is a list of one."""
    if mutants is None:
        return entry.mutants
    if not isinstance(mutants, Iterable):
        msg = f"{where}: mutants is {got(mutants)}; expected names of its mutants."
        raise InvalidInput(msg)
    return tuple(entry.mutant(name) for name in ([mutants] if isinstance(mutants, str) else mutants))


def _profile(architectures: int) -> Profile:
    return PROFILES["gate"].budgeted(architectures, name="selfcheck", costly_batches=1)


def _explored(task: SearchTask, architectures: int, properties: Sequence[Property], seed: int) -> Search:
    options = Options(_profile(architectures), seed=seed, properties=tuple(properties), judge_blocked=True)
    search = Search(task, options)
    with separated_caches("float64"):
        search.explore()
    search.expect_evaluated()
    return search


def _architectures(entry: Entry, where: str, seed: int) -> int:
    """How many different ones the default profile draws; the laws of each different group are checked."""
    seen: set[Hashable] = set()
    groups: dict[str, object] = {}

    def body(structure: Drawn) -> bool:
        seen.add(structure.pair.key)
        group = structure.pair.transformation.group
        if repr(group) not in groups and len(groups) < JUDGED:
            groups[repr(group)] = group
            check_laws(group, count=16)
        return False

    drive(entry.pairs, body, PROFILES["gate"], Phase.generate, number=seed, digest=f"{entry.name}/selfcheck")
    if len(seen) < LEAST_ARCHITECTURES:
        msg = (
            f"{where}: {PROFILES['gate'].examples} draws gave {len(seen)} different architectures; expected at least "
            f"{LEAST_ARCHITECTURES}. Draw more of what the claim leaves open, and name all of it in architecture=."
        )
        raise InvalidInput(msg)
    return len(seen)


def _check_control(entry: Entry, where: str, seed: int) -> None:
    """The premise is falsified on every architecture."""
    premise = [by_name("equivariance")]
    fails: dict[Hashable, bool] = {}

    def body(structure: Drawn) -> bool:
        if structure.pair.key not in fails and len(fails) < JUDGED:
            alone = SearchTask(entry.name, st.just(structure.pair), control=entry.control)
            fails[structure.pair.key] = bool(_explored(alone, 1, premise, seed).gathered.violations)
        return False

    drive(entry.pairs, body, _profile(2 * JUDGED), Phase.generate, number=seed, digest=f"{entry.name}/control")
    if not all(fails.values()):
        key = next(key for key, failed in fails.items() if not failed)
        msg = f"{where}: the premise of the negative control was not falsified for {key}. Leave out what is symmetric."
        raise InvalidInput(msg)


def _check_claims(entry: Entry, where: str, seed: int) -> dict[str, float]:
    """The usable part of each property's probes, if nothing is falsified and the parts are large enough."""
    search = _explored(SearchTask(entry.name, entry.pairs, address=f"catalog:{entry.name}"), JUDGED, CORE, seed)
    violated = search.gathered.violations
    if violated:
        name = next(prop.name for prop in CORE if prop.name in violated)
        pair = violated[name].structure.pair
        msg = f"{where}: {name} is falsified for {pair!r}. `eqprop verify {entry.name}` has the counterexample."
        raise InvalidInput(msg)
    tallies = {name: tally for name, tally in search.gathered.tallies.items() if tally.probes}
    parts = {name: usable(name, tally) for name, tally in tallies.items()}
    for name, part in parts.items():
        if part < LEAST_USABLE:
            tally = tallies[name]
            msg = (
                f"{where}: {name} says something at {part:.1%} of its probes ({tally.inconclusive} of {tally.probes} "
                f"settle nothing, at {tally.vacuous} both sides vanish); expected at least {LEAST_USABLE:.0%}. Keep "
                "the parameters where the model is well conditioned (Model.domain), and off what makes the claim empty."
            )
            raise InvalidInput(msg)
    return parts


def usable(name: str, seen: Tally | Verdict) -> float:
    """The part of a property's probes that compare something and settle it.

    From the second order on the sides may vanish by nature, for a model that is linear in its parameters, say; where a
    property has a hypothesis on the point itself, so may they at any order.

    Args:
        name: of the property.
        seen: with its numbers of ``probes``, of which some are ``inconclusive`` or ``vacuous``; at least one.
    """
    prop = by_name(name)
    unusable = seen.inconclusive + (seen.vacuous if prop.order < 2 and not prop.reason_if_vacuous else 0)
    return 1 - unusable / seen.probes


def _check_mutant(entry: Entry, mutant: Mutant, where: str, seed: int) -> None:
    """The mutant is caught by a property of its order, and by none of a lower one; costly ones where no other does."""
    name = f"{entry.name}[{mutant.name}]"
    task = SearchTask(name, mutant.of(entry.pairs), address=f"catalog:{name}")
    caught: Mapping[str, Violation] = {}
    for library in (CORE, LIBRARY):
        asked = [prop for prop in library if prop.order <= mutant.order]
        caught = caught or _explored(task, JUDGED_BROKEN, asked, seed).gathered.violations
    lowest = min((by_name(prop).order for prop in caught), default=None)
    if lowest != mutant.order:
        seen = f"caught at order {lowest}, by {', '.join(caught)}" if caught else "not caught at all"
        msg = (
            f"{where}: the mutant {mutant.name!r} ({mutant.why}) is {seen}; expected at order {mutant.order} and not "
            "below. A defect that commutes with the group is invisible: move it, or make it depend on the value."
        )
        raise InvalidInput(msg)
