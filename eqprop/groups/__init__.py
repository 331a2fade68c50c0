"""Groups: how elements are drawn, composed and inverted, and how they act on hidden units."""

from eqprop.groups.base import Group as Group
from eqprop.groups.base import LieGroup as LieGroup
from eqprop.groups.complex import ComplexLinear as ComplexLinear
from eqprop.groups.conformance import check_laws as check_laws
from eqprop.groups.discrete import Cyclic as Cyclic
from eqprop.groups.discrete import Integers as Integers
from eqprop.groups.discrete import Permutation as Permutation
from eqprop.groups.discrete import Sign as Sign
from eqprop.groups.discrete import SignedPermutation as SignedPermutation
from eqprop.groups.discrete import Trivial as Trivial
from eqprop.groups.linear import GeneralLinear as GeneralLinear
from eqprop.groups.linear import Orthogonal as Orthogonal
from eqprop.groups.linear import Rotation as Rotation
from eqprop.groups.monomial import Monomial as Monomial
from eqprop.groups.product import DirectSum as DirectSum
from eqprop.groups.product import Power as Power
from eqprop.groups.product import Product as Product
from eqprop.groups.scaling import ComplexScaling as ComplexScaling
from eqprop.groups.scaling import Scaling as Scaling
from eqprop.groups.scaling import Translation as Translation
