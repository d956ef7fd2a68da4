import os
import sys
from pathlib import Path

# The tests of models from a config need no hub, and ask none.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
