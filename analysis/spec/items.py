"""What a paper may ask of the analysis: figures, tables and claims, as typed models (pydantic only).

A paper's YAML holds lists of these. Each model is one *kind*; `kind` picks it, unknown keys are refused. A new kind
needs its model and one function, which is found by the kind's name. `normalisation` and `interval` have defaults here;
whoever builds the JSON may fill them from the main config.
"""

from analysis.spec.claims import *  # noqa: F403 - every kind's model, so that a new one is not named here too
from analysis.spec.common import *  # noqa: F403
from analysis.spec.figures import *  # noqa: F403
from analysis.spec.tables import *  # noqa: F403
