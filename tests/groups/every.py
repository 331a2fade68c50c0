"""Every group: those with a size in several, and some that are made of others."""

from __future__ import annotations

from eqprop import groups
from eqprop.groups.base import SizedGroup

SIZES = (0, 1, 3)
SIZED = tuple(kind for kind in vars(groups).values() if isinstance(kind, type) and issubclass(kind, SizedGroup))
"""Those that the door offers: a new group is asked as soon as it is exported."""
COMPOSITES = {
    "trivial": groups.Trivial(),
    "product-with-the-trivial-group": groups.Product(groups.Trivial(), groups.Sign(2)),
    "cyclic-4": groups.Cyclic(4),
    "dihedral-4": groups.Dihedral(4),
    "complex-linear-in-halves": groups.ComplexLinear(2, "halves"),
    "direct-sum-of-linear-groups": groups.DirectSum(groups.GeneralLinear(2), groups.Scaling(1)),
    "direct-sum-with-a-discrete-factor": groups.DirectSum(groups.Orthogonal(2), groups.Permutation(3)),
    "complex-scaling-in-halves": groups.ComplexScaling(3, "halves"),
    "product-of-lie-groups": groups.Product(groups.Scaling(2), groups.Translation(3)),
    "product-with-a-discrete-factor": groups.Product(groups.Scaling(2), groups.Permutation(3)),
    "nested-product-with-a-discrete-factor": groups.Product(
        groups.Product(groups.Sign(2), groups.GeneralLinear(2)), groups.Cyclic(3)
    ),
    "power-of-a-mixed-sum": groups.Power(groups.DirectSum(groups.Sign(2), groups.Scaling(1)), 2),
    "power-of-scaling": groups.Power(groups.Scaling(3), 2),
    "power-of-signed-permutation": groups.Power(groups.SignedPermutation(3), 2),
    "power-of-general-linear": groups.Power(groups.GeneralLinear(2), 3),
    "product-of-a-power-and-a-trivial-group": groups.Product(groups.Power(groups.Sign(2), 2), groups.Permutation(1)),
}
ALL = {f"{kind.__name__}-{n}": kind(n) for kind in SIZED for n in SIZES} | COMPOSITES
