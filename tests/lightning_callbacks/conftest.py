"""One Lightning package alone, where LIGHTNING_UNDER_TEST names it: the other cannot be imported."""

import os
import sys

OTHER = {"pytorch-lightning": "lightning", "lightning": "pytorch_lightning"}

if wanted := os.environ.get("LIGHTNING_UNDER_TEST"):
    sys.modules[OTHER[wanted]] = None
