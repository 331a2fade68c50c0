"""What a transformation is like, read off its own derivatives: hypotheses are decided by it."""

from eqprop.properties.traits.actions import action_traits_of as action_traits_of
from eqprop.properties.traits.generators import Special as Special
from eqprop.properties.traits.generators import Traits as Traits
from eqprop.properties.traits.generators import traits_of as traits_of
from eqprop.properties.traits.layers import layers_of as layers_of
from eqprop.properties.traits.losses import keeps_distances as keeps_distances
from eqprop.properties.traits.losses import keeps_loss as keeps_loss
from eqprop.properties.traits.samples import samples_of as samples_of
from eqprop.properties.traits.stabilisers import Stabiliser as Stabiliser
from eqprop.properties.traits.stabilisers import stabiliser_of as stabiliser_of
from eqprop.properties.traits.still import Still as Still
from eqprop.properties.traits.straightness import straight_loss as straight_loss
from eqprop.properties.traits.straightness import straight_model as straight_model
from eqprop.properties.traits.straightness import straight_objective as straight_objective
from eqprop.properties.traits.subspaces import Subspace as Subspace
