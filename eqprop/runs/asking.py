"""What is asked of a run, from what users write: every face comes through here."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import replace
from math import inf
from typing import Any

from eqprop.arguments import LARGEST_SEED, flag, got, one_of, positive, short, suggestion, whole_number
from eqprop.counterexamples import folder_of
from eqprop.errors import InvalidInput
from eqprop.evaluation import CHOICES, Choice
from eqprop.profiles import GATE_SEED, MOST, Profile, example_database, profile_named
from eqprop.properties import CORE, KNOWN, LIBRARY, TWOFOLD, Property, by_name
from eqprop.search import Options


def make_options(
    *,
    profile: str = "gate",
    seed: int | None = None,
    precision: str = "float64",
    properties: str | Property | Iterable[str | Property] | None = None,
    save: object = None,
    optimizer: object = None,
    unseen: bool = True,
    evaluator: str = "auto",
    max_architectures: int | None = None,
    probes: int | None = None,
    max_time: float | None = None,
) -> Options:
    """The options of a run.

    Args:
        profile: a profile's name.
        seed: of the run; without one the profile decides whether runs repeat each other.
        precision: ``"float64"`` or ``"model"``.
        properties: names (or properties) to verify, or a single one; all of the library by default, or (in ``quick``)
            its cheap part, and what is asked about the compiler.
        save: the folder for counterexample files.
        optimizer: with optax's ``init`` and ``update``, a class of ``torch.optim``, or ``"package.module:attribute"``
            of one; adds its properties.
        unseen: whether what a claim that holds does not look at is found out and said.
        evaluator: ``"auto"``, ``"numpy"`` or ``"xla"``.
        max_architectures: how many distinct ones are probed, instead of the profile's number.
        probes: how many are evaluated on each, instead of the profile's number; of costly properties at most so many.
        max_time: after how many seconds the search of a pair ends, but for what was falsified by then.

    Raises:
        InvalidInput: for a name that there is not (naming those that there are), a number out of range, a value of the
            wrong type; where ``EQPROP_DATABASE`` names no place for what failed before.
    """
    example_database()  # what is wrong with it is said before anything is searched
    budget = _budget(profile, max_architectures, probes)
    if seed is None:
        seed = GATE_SEED if budget.fixed_seed else secrets.randbelow(LARGEST_SEED)
    one_of(precision, ("float64", "model"), "the precision")
    return Options(
        profile=budget,
        seed=whole_number(seed, "the seed is", most=LARGEST_SEED),
        precision="model" if precision == "model" else "float64",
        properties=_chosen(properties, optimizer, (*(LIBRARY if budget.costly_batches else CORE), *TWOFOLD)),
        save=folder_of(save),
        unseen=flag(unseen, "unseen"),
        evaluator=_evaluator(evaluator),
        max_time=inf if max_time is None else positive(max_time, "the maximal time is"),
    )


def _budget(profile: Any, max_architectures: object, probes: object) -> Profile:
    budget = profile_named(profile)
    if max_architectures is not None:
        budget = budget.budgeted(whole_number(max_architectures, "the number of architectures is", least=1, most=MOST))
    if probes is not None:
        most = whole_number(probes, "the number of probes is", least=1, most=MOST)
        budget = replace(budget, probes=most, costly_probes=min(budget.costly_probes, most))
    return budget


def _evaluator(named: Any) -> Choice:
    one_of(named, CHOICES, "the evaluator")
    return named


def _chosen(properties: object, optimizer: object, usual: tuple[Property, ...]) -> tuple[Property, ...]:
    """In the order of the library; properties that are not of the library come last.

    Those of the optimiser are added, unless some of them are asked for by name.
    """
    of_optimizer: dict[str, Property] = {}
    if optimizer is not None:
        from eqprop.runs.optimizer_targets import properties_of

        of_optimizer = {p.name: p for p in properties_of(optimizer)}
    if properties is None:
        return (*usual, *of_optimizer.values())
    given = _listed(properties)
    if of_optimizer.keys().isdisjoint(p for p in given if isinstance(p, str)):
        given += of_optimizer.values()
    asked = [(of_optimizer.get(p) or _named(p)) if isinstance(p, str) else p for p in given]
    _check_names(asked, (*KNOWN, *of_optimizer.values()))
    return (*(p for p in LIBRARY if p in asked), *dict.fromkeys(p for p in asked if p not in LIBRARY))


def _listed(properties: object) -> list[str | Property]:
    """The names and properties that were given; a single one is a list of one."""
    if isinstance(properties, str | Property):
        return [properties]
    if not isinstance(properties, Iterable) or isinstance(properties, bytes):
        msg = f"properties is {got(properties)}; expected names of properties, as in ['noether', 'equivariance']."
        raise InvalidInput(msg)
    given: list[Any] = list(properties)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    for prop in given:
        if not isinstance(prop, str | Property):
            msg = f"properties has {got(prop)} in it; expected names of properties, or eqprop.Property."
            raise InvalidInput(msg)
    if not given:
        msg = f"properties is empty; expected some of: {', '.join(p.name for p in LIBRARY)}."
        raise InvalidInput(msg)
    return given


def _named(name: str) -> Property:
    if name.startswith("optimizer-"):
        msg = f"no property is called {name!r} without an optimizer: pass optimizer= (--optimizer on the command line)."
        raise InvalidInput(msg)
    return by_name(name)


def _check_names(asked: Iterable[Property], library: Iterable[Property]) -> None:
    """A verdict names its property, and what a property rests on is found by name: both must be unambiguous."""
    known = {prop.name: prop for prop in library}
    for prop in asked:
        if known.setdefault(prop.name, prop) is not prop:
            msg = f"properties: two properties are called {prop.name!r}; give yours a name of its own."
            raise InvalidInput(msg)
    for prop in asked:
        for name in prop.rests_on:
            if name not in known:
                close = suggestion(name, known)
                msg = f"property {prop.name!r} rests on {short(name)}, which is no property. {close}".strip()
                raise InvalidInput(msg)
