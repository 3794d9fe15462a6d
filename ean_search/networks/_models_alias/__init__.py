"""What `import ean_search.models` imports; `setup.cfg` installs this folder under that name."""

import ean_search.networks.timm_models  # noqa: F401  (registers the networks with timm)
