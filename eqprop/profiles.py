"""How much is searched: fully specified profiles."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqprop.arguments import short, whole_number
from eqprop.errors import InvalidInput

if TYPE_CHECKING:
    from hypothesis import Phase, settings
    from hypothesis.database import ExampleDatabase

GATE_SEED = 0


@dataclass(frozen=True)
class Profile:
    """A search budget. Every field is explicit: nothing is inherited from hypothesis's own (CI-dependent) profiles.

    Attributes:
        name: as in ``--profile``.
        examples: how many structures hypothesis draws for a pair.
        architectures: how many distinct ones of them are compiled.
        first_order: on how many of these the properties of first order are judged as well, besides those of order 0.
        second_order: on how many of these all properties are, whatever their order.
        probes: evaluated on each.
        costly_batches: how many batches the costly properties are judged on (trajectories, quadratures, spectra): every
            fourth one, at most so many. With 0 they are judged where they are asked for by name.
        costly_probes: evaluated in each of these.
        shrinks: how many smaller architectures the shrinker may compile.
        fixed_seed: whether runs without an explicit seed repeat each other.
    """

    name: str
    examples: int
    architectures: int
    first_order: int
    second_order: int
    probes: int
    costly_batches: int
    costly_probes: int
    shrinks: int
    fixed_seed: bool

    def highest_order(self, place: int) -> float:
        """Up to which order properties are judged on an architecture, by its place among them: evenly spread."""
        if self._among(self.second_order, place):
            return inf
        return 1 if self._among(self.first_order, place) else 0

    def _among(self, chosen: int, place: int) -> bool:
        return place * chosen % self.architectures < chosen

    def budgeted(self, architectures: int, **changes: Any) -> Profile:
        """The same for another number of architectures, all of which are judged in full.

        Args:
            architectures: how many.
            changes: of other fields.
        """
        each = -(-self.examples // self.architectures)
        full = {"architectures": architectures, "first_order": architectures, "second_order": architectures}
        return replace(self, **{**full, "examples": architectures * each, **changes})

    def hypothesis_settings(self, *phases: Phase) -> settings:
        """The settings of a search with these phases; the example database serves those that shrink or reuse."""
        from hypothesis import HealthCheck, Phase, Verbosity, settings

        remembers = Phase.shrink in phases or Phase.reuse in phases
        return settings(
            max_examples=self.examples,
            derandomize=False,
            database=example_database() if remembers else None,
            verbosity=Verbosity.quiet,
            phases=phases,
            stateful_step_count=50,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
            deadline=None,
            print_blob=True,
            backend="hypothesis",
        )


MOST = 10**7
"""Architectures of a pair, and probes on an architecture, that may be asked for: more would never end."""

DATABASE = "EQPROP_DATABASE"
"""The environment variable that says where hypothesis keeps what failed."""

SHARED = re.compile(r"github:(?P<owner>[\w.-]+)/(?P<repository>[\w.-]+)")


def example_database() -> ExampleDatabase:
    """Where hypothesis keeps what failed, for the next search to begin with; ``EQPROP_DATABASE`` names another place.

    ``github:OWNER/REPOSITORY`` reads the artifact that a build of that repository has uploaded, beside the folder,
    which takes what is new; ``redis://HOST/NUMBER`` is one for many machines; anything else is a folder.

    Raises:
        InvalidInput: for a text that is none of these, and for Redis where its library is not installed.
    """
    from hypothesis.database import DirectoryBasedExampleDatabase, GitHubArtifactDatabase, MultiplexedDatabase

    named = os.environ.get(DATABASE, "")
    storage = Path(os.environ.get("HYPOTHESIS_STORAGE_DIRECTORY", ".hypothesis")) / "examples"
    if named.startswith(("redis:", "rediss:")):
        return _redis(named)
    if named.startswith("github:"):
        shared = SHARED.fullmatch(named)
        if shared is None:
            msg = f"{DATABASE} is {short(named)}; expected github:OWNER/REPOSITORY."
            raise InvalidInput(msg)
        artifact = GitHubArtifactDatabase(shared["owner"], shared["repository"])
        return MultiplexedDatabase(DirectoryBasedExampleDatabase(storage), artifact)
    if named and (not named.isprintable() or Path(named).is_file()):
        msg = f"{DATABASE} is {short(named)}; expected a folder, github:OWNER/REPOSITORY or redis://HOST/NUMBER."
        raise InvalidInput(msg)
    return DirectoryBasedExampleDatabase(Path(named) if named else storage)


def _redis(address: str) -> ExampleDatabase:
    try:
        from hypothesis.extra.redis import RedisExampleDatabase
        from redis import Redis  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        msg = f"{DATABASE} is {short(address)}, and the library of Redis is not installed: pip install redis."
        raise InvalidInput(msg) from error
    try:
        return RedisExampleDatabase(Redis.from_url(address))
    except ValueError as error:
        msg = f"{DATABASE} is {short(address)}: {error}; expected redis://HOST/NUMBER."
        raise InvalidInput(msg) from error


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("quick", 18, 6, 2, 1, 64, costly_batches=0, costly_probes=8, shrinks=60, fixed_seed=True),
        Profile("gate", 36, 12, 4, 2, 64, costly_batches=1, costly_probes=16, shrinks=60, fixed_seed=True),
        Profile("wide", 150, 100, 4, 2, 64, costly_batches=1, costly_probes=16, shrinks=60, fixed_seed=True),
        Profile("explore", 120, 40, 40, 40, 128, costly_batches=10, costly_probes=16, shrinks=120, fixed_seed=False),
        Profile("deep", 900, 300, 300, 300, 256, costly_batches=75, costly_probes=32, shrinks=300, fixed_seed=False),
    )
}


def profile_named(name: str, *, examples: int | None = None) -> Profile:
    """The profile of this name, with another number of examples where one is given.

    Raises:
        InvalidInput: naming the profiles, where there is none of this name, or for a number below 1.
    """
    if not isinstance(name, str) or name not in PROFILES:
        msg = f"no profile is called {short(name)}; the profiles are: {', '.join(PROFILES)}."
        raise InvalidInput(msg)
    if examples is not None:
        whole_number(examples, "the number of examples is", least=1)
    profile = PROFILES[name]
    return profile if examples is None else replace(profile, examples=examples)
