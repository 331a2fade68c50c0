"""What is claimed of a model: f, and a transformation with its actions K, T and X."""

from eqprop.claims.functions import functions_of as functions_of
from eqprop.claims.model import Inputs as Inputs
from eqprop.claims.model import Model as Model
from eqprop.claims.model import Outputs as Outputs
from eqprop.claims.model import Params as Params
from eqprop.claims.pair import Pair as Pair
from eqprop.claims.transformation import Action as Action
from eqprop.claims.transformation import Transformation as Transformation
from eqprop.claims.transformation import unmoved as unmoved
