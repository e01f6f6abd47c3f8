"""The refiner: a second network that brings drafts of the transformer up to any size."""

from .network import Refiner, RefinerConfig, load_refiner
from .stream import memory_need, passes, reach, refined, work_of

__all__ = ["Refiner", "RefinerConfig", "load_refiner", "memory_need", "passes", "reach", "refined", "work_of"]
