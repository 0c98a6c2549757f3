"""The scorecard. Its files find the other helpers of the tests by the names that pytest and mypy know them by."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
