"""Many runs as lanes of compiled blocks, which sweeps and cross-validation share."""

from funclearn._lanes._blocks import map_blocks
from funclearn._lanes._compilation import compile_block
from funclearn._lanes._spread import Spread, spread_of
from funclearn._lanes._stages import cut
from funclearn._lanes._watch import MakeScore, Watch, watching

__all__ = [
    "MakeScore",
    "Spread",
    "Watch",
    "compile_block",
    "cut",
    "map_blocks",
    "spread_of",
    "watching",
]
