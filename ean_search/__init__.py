"""Search where attention modules pay: placements of shared attention in any backbone.

The public names stand in `__init__.pyi`; each loads what it needs when it is first used, so that
importing the package is free. Gymnasium hears of the environment as soon as both are imported.
"""

import lazy_loader

from ean_search.search.gym_registration import register_when_possible

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
register_when_possible()
__version__ = "0.2.0"  # the only place: setup.cfg reads it here
