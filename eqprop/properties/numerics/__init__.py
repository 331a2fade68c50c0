"""Integrals, flows and Krylov spaces inside compiled programs, with their own errors."""

from eqprop.properties.numerics.integrators import collocation as collocation
from eqprop.properties.numerics.integrators import combined as combined
from eqprop.properties.numerics.integrators import largest_curvature as largest_curvature
from eqprop.properties.numerics.krylov import Lanczos as Lanczos
from eqprop.properties.numerics.krylov import depth_for as depth_for
from eqprop.properties.numerics.krylov import eliminated as eliminated
from eqprop.properties.numerics.krylov import lanczos as lanczos
from eqprop.properties.numerics.krylov import orthonormalising as orthonormalising
from eqprop.properties.numerics.quadratures import Integral as Integral
from eqprop.properties.numerics.quadratures import Start as Start
from eqprop.properties.numerics.quadratures import increment as increment
from eqprop.properties.numerics.quadratures import integral as integral
