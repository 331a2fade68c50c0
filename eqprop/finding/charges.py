"""What gradient flow conserves because of a finding, in closed form: Q with ∇Q = k, where k is a gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from eqprop.finding.writing import Call
from eqprop.groups import ComplexLinear, ComplexScaling, DiscretePower, GeneralLinear, Scaling


def charge_of(call: Call) -> str:
    """The charge as text; empty where the generators are no gradients (rotations, shears), or the group is discrete.

    ‖w‖² is the sum of the squares of a unit's entries in a tensor w; ⟨w, w⟩ that of the products of two units' entries.

    Args:
        call: what declares the finding.
    """
    if call.constructor == "combined":
        return "; ".join(dict.fromkeys(filter(None, (charge_of(c) for c in call.positional if isinstance(c, Call)))))
    rule = RULES.get(call.constructor)
    return rule(call) if rule else ""


def _of_units(call: Call) -> str:
    group, named = call.positional[0], _named(call)
    base = group.factor if isinstance(group, DiscretePower) else group
    roles = ((1, named.get("writes", {})), (-named.get("power", 1), named.get("reads", {})))
    terms = [(number, path) for number, tensors in roles for path in tensors]
    if isinstance(base, Scaling | ComplexScaling):
        return f"{_sum(terms, '‖{}‖²')} of each unit"
    if isinstance(base, GeneralLinear | ComplexLinear):
        return f"{_sum(terms, '⟨{0}, {0}⟩')} of each two units"
    return ""


def _of_powers(call: Call) -> str:
    named = _named(call)
    origins = named.get("origins", {})
    terms = [(number, f"‖{path}{_less(origins.get(path, 0))}‖²") for number, path in _numbered(call)]
    logarithms = named.get("logarithms", {})
    terms += [(2 * number, f"Σ {path}") for number, tensors in logarithms.items() for path in tensors]
    return f"{_sum(terms, '{}')} of each unit"


def _less(origin: float) -> str:
    """``w + 1`` of what is scaled about −1."""
    return f" {'+' if origin < 0 else '−'} {abs(origin):g}" if origin else ""


def _of_exponentials(call: Call) -> str:
    named = _named(call)
    return f"{_sum([(2, named['bias'])], 'Σ {}')} {_sum([(-1, path) for path in named['reads']], '‖{}‖²')} of each unit"


def _of_sums(call: Call) -> str:
    return f"{_sum(_numbered(call), 'Σ {}')} of each unit"


def _of_shifts(call: Call) -> str:
    along: Any = call.positional[1]
    return "; ".join(
        f"each entry of {path}" if axis is None else f"Σ {path} along {axis}" for path, axis in along.items()
    )


def _named(call: Call) -> Any:
    return call.named


def _numbered(call: Call) -> list[tuple[float, str]]:
    """Numbers and tensors, as a mapping from the ones to the others has them."""
    listed: Any = call.positional[1]
    return [(number, path) for number, tensors in listed.items() for path in tensors]


def _sum(terms: Iterable[tuple[float, str]], form: str) -> str:
    """``‖a‖² − 2 ‖b‖²``."""
    said = ""
    for number, path in terms:
        sign = "−" if number < 0 else "+" if said else ""
        size = "" if abs(number) == 1 else f"{abs(number):g} "
        said += f"{' ' if said else ''}{sign}{' ' if said else ''}{size}{form.format(path)}"
    return said


RULES = {
    "exponential_shift": _of_exponentials,
    "hidden_units": _of_units,
    "scaled_units": _of_powers,
    "joint_shift": _of_sums,
    "translations": _of_shifts,
}
