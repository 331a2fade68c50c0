"""What is claimed of a model: f, and a transformation with its actions K, T and X."""

from eqprop.claims.model import Model as Model
from eqprop.claims.pair import Pair as Pair
from eqprop.claims.transformation import Transformation as Transformation
from eqprop.claims.transformation import unmoved as unmoved
