"""Property-based verification of the gradient and Hessian identities that a model's symmetries imply.

The public door. Names are imported at their first use (PEP 562), so that ``import eqprop``, ``eqprop --help`` and a
pytest run that verifies nothing import neither JAX nor hypothesis.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eqprop import conversions as conversions
    from eqprop import equinox as equinox
    from eqprop import flax as flax
    from eqprop import groups as groups
    from eqprop import haiku as haiku
    from eqprop import keras as keras
    from eqprop import torch as torch
    from eqprop import transformers as transformers
    from eqprop.actions import attention_heads as attention_heads
    from eqprop.actions import bias_shift as bias_shift
    from eqprop.actions import channels as channels
    from eqprop.actions import combined as combined
    from eqprop.actions import exchanged as exchanged
    from eqprop.actions import experts as experts
    from eqprop.actions import exponential_shift as exponential_shift
    from eqprop.actions import factor_swap as factor_swap
    from eqprop.actions import glu as glu
    from eqprop.actions import half_periods as half_periods
    from eqprop.actions import hidden_units as hidden_units
    from eqprop.actions import inspect as inspect
    from eqprop.actions import joint_shift as joint_shift
    from eqprop.actions import low_rank as low_rank
    from eqprop.actions import norm_gain as norm_gain
    from eqprop.actions import norm_scale as norm_scale
    from eqprop.actions import residual_stream as residual_stream
    from eqprop.actions import scaled_units as scaled_units
    from eqprop.actions import sigmoid_mirror as sigmoid_mirror
    from eqprop.actions import skip_mirror as skip_mirror
    from eqprop.actions import softmax_shift as softmax_shift
    from eqprop.actions import states as states
    from eqprop.actions import translations as translations
    from eqprop.authoring import check_entry as check_entry
    from eqprop.claims import Model as Model
    from eqprop.claims import Pair as Pair
    from eqprop.claims import Transformation as Transformation
    from eqprop.conversions import conversion as conversion
    from eqprop.errors import EqpropError as EqpropError
    from eqprop.errors import Falsified as Falsified
    from eqprop.errors import InvalidInput as InvalidInput
    from eqprop.faces.api import run as run
    from eqprop.faces.api import verify as verify
    from eqprop.faces.cases import Case as Case
    from eqprop.faces.cases import parametrize as parametrize
    from eqprop.finding import find as find
    from eqprop.groups import Group as Group
    from eqprop.groups import LieGroup as LieGroup
    from eqprop.probes import Probe as Probe
    from eqprop.properties import Property as Property
    from eqprop.registry import entry as entry
    from eqprop.registry import register as register
    from eqprop.results import Counterexample as Counterexample
    from eqprop.results import Outcome as Outcome
    from eqprop.results import Report as Report
    from eqprop.results import Verdict as Verdict
    from eqprop.runs import check as check
    from eqprop.runs import load as load

    __version__: str

_HOMES = {
    "Case": "eqprop.faces.cases",
    "Counterexample": "eqprop.results",
    "EqpropError": "eqprop.errors",
    "Falsified": "eqprop.errors",
    "Group": "eqprop.groups",
    "InvalidInput": "eqprop.errors",
    "LieGroup": "eqprop.groups",
    "Model": "eqprop.claims",
    "Outcome": "eqprop.results",
    "Pair": "eqprop.claims",
    "Probe": "eqprop.probes",
    "Property": "eqprop.properties",
    "Report": "eqprop.results",
    "Transformation": "eqprop.claims",
    "Verdict": "eqprop.results",
    "attention_heads": "eqprop.actions",
    "bias_shift": "eqprop.actions",
    "channels": "eqprop.actions",
    "check": "eqprop.runs",
    "check_entry": "eqprop.authoring",
    "combined": "eqprop.actions",
    "conversion": "eqprop.conversions",
    "entry": "eqprop.registry",
    "find": "eqprop.finding",
    "exchanged": "eqprop.actions",
    "experts": "eqprop.actions",
    "exponential_shift": "eqprop.actions",
    "factor_swap": "eqprop.actions",
    "glu": "eqprop.actions",
    "half_periods": "eqprop.actions",
    "hidden_units": "eqprop.actions",
    "inspect": "eqprop.actions",
    "joint_shift": "eqprop.actions",
    "load": "eqprop.runs",
    "low_rank": "eqprop.actions",
    "norm_gain": "eqprop.actions",
    "norm_scale": "eqprop.actions",
    "parametrize": "eqprop.faces.cases",
    "register": "eqprop.registry",
    "residual_stream": "eqprop.actions",
    "run": "eqprop.faces.api",
    "scaled_units": "eqprop.actions",
    "sigmoid_mirror": "eqprop.actions",
    "skip_mirror": "eqprop.actions",
    "softmax_shift": "eqprop.actions",
    "states": "eqprop.actions",
    "translations": "eqprop.actions",
    "verify": "eqprop.faces.api",
}
"""Public name → the room that has it; for type checkers the imports above are the same list."""

_ROOMS = ("conversions", "equinox", "flax", "groups", "haiku", "keras", "torch", "transformers")
"""Rooms that are public as they are."""

__all__ = [
    "Case",
    "Counterexample",
    "EqpropError",
    "Falsified",
    "Group",
    "InvalidInput",
    "LieGroup",
    "Model",
    "Outcome",
    "Pair",
    "Probe",
    "Property",
    "Report",
    "Transformation",
    "Verdict",
    "__version__",
    "attention_heads",
    "bias_shift",
    "channels",
    "check",
    "check_entry",
    "combined",
    "conversion",
    "conversions",
    "entry",
    "equinox",
    "exchanged",
    "experts",
    "exponential_shift",
    "factor_swap",
    "find",
    "flax",
    "glu",
    "groups",
    "haiku",
    "half_periods",
    "hidden_units",
    "inspect",
    "joint_shift",
    "keras",
    "load",
    "low_rank",
    "norm_gain",
    "norm_scale",
    "parametrize",
    "register",
    "residual_stream",
    "run",
    "scaled_units",
    "sigmoid_mirror",
    "skip_mirror",
    "softmax_shift",
    "states",
    "torch",
    "transformers",
    "translations",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("eqprop")
    elif name in _ROOMS:
        value = import_module(f"eqprop.{name}")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        msg = f"module 'eqprop' has no attribute {name!r}; the public names are: {', '.join(__all__)}"
        raise AttributeError(msg)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
