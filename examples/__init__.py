"""Networks of the kind that users have, verified: run any of these modules, or give it to ``eqprop verify``."""
