"""The package `ean_search.models`: `setup.cfg` installs this folder under that name.

Importing it registers the networks of timm_models.py with timm.
"""

import ean_search.networks.timm_models  # noqa: F401  (the import is what registers)
