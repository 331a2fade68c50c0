"""The property library: every prediction, in the order in which reports list them."""

from eqprop.errors import InvalidInput
from eqprop.properties.base import Property as Property
from eqprop.properties.first_order import GRADIENT_COVARIANCE, JACOBIAN_COVARIANCE, JACOBIAN_GENERATOR, NOETHER
from eqprop.properties.gauss_newton import GAUSS_NEWTON_COVARIANCE, GAUSS_NEWTON_NULL, TANGENT_KERNEL_COVARIANCE
from eqprop.properties.premise import EQUIVARIANCE, GROUP_LAWS
from eqprop.properties.second_order import (
    HESSIAN_COVARIANCE,
    HESSIAN_GENERATOR,
    MODEL_SECOND_ORDER,
    ORBIT_CURVATURE,
)

LIBRARY: tuple[Property, ...] = (
    GROUP_LAWS,
    EQUIVARIANCE,
    JACOBIAN_COVARIANCE,
    GRADIENT_COVARIANCE,
    JACOBIAN_GENERATOR,
    NOETHER,
    HESSIAN_COVARIANCE,
    MODEL_SECOND_ORDER,
    GAUSS_NEWTON_COVARIANCE,
    TANGENT_KERNEL_COVARIANCE,
    HESSIAN_GENERATOR,
    ORBIT_CURVATURE,
    GAUSS_NEWTON_NULL,
)


def by_name(name: str) -> Property:
    """The property of this name.

    Raises:
        InvalidInput: naming all properties, where there is none.
    """
    for candidate in LIBRARY:
        if candidate.name == name:
            return candidate
    msg = f"no property is called {name!r}; the properties are: {', '.join(p.name for p in LIBRARY)}."
    raise InvalidInput(msg)
