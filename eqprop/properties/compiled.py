"""What is compiled: not whether the model is right, but whether XLA computes what was traced.

Every other statement is judged operation by operation. What users run is a compiled program, and compilers err, too: a
gradient that is right as it was traced may be wrong as it runs.
"""

from __future__ import annotations

from eqprop.properties.base import Property
from eqprop.properties.hypotheses import floating_params
from eqprop.properties.parts import Sides, in_outputs, in_params
from eqprop.properties.point import Point

SOURCE = "what a compiler promises; jaxlib 0.10.2 with `xla_cpu_opt_preset=2` gave wrong gradients of a GRU"


def _compiled(point: Point) -> Sides:
    y, gradient = point.here.value, point.gradient.value
    return in_outputs(y, y), in_params(point, gradient, gradient)


def _compiled_hessian(point: Point) -> Sides:
    push = point.gradient.push(point.probe.tangent)
    return (in_params(point, push, push),)


COMPILED = Property(
    name="compiled",
    order=1,
    statement="the compiled program of outputs and gradient computes what its operations compute one by one",
    formula="f(θ, x) = XLA(f)(θ, x),  ∇L(θ) = XLA(∇L)(θ)",
    sides=_compiled,
    needs=frozenset({"params", "inputs", "targets"}),
    source=SOURCE,
    derivation=(
        "Compiling changes how a program is run, and not what it computes, but for rounding.\n"
        "Left NumPy's results, operation by operation; right XLA's, compiled as jax.jit does by itself."
    ),
    twofold=True,
)

COMPILED_HESSIAN = Property(
    name="compiled-hessian",
    order=2,
    statement="the compiled program of a Hessian product computes what its operations compute one by one",
    formula="H(θ) u = XLA(H(·) u)(θ)",
    sides=_compiled_hessian,
    needs=frozenset({"params", "inputs", "targets", "tangent"}),
    hypotheses=(floating_params,),
    source=SOURCE,
    derivation=(
        "Compiling changes how a program is run, and not what it computes, but for rounding.\n"
        "The derivative of a derivative is fused most, and is what a compiler is tried with least."
    ),
    twofold=True,
)
