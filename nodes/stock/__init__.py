"""The few nodes of ComfyUI that our workflows use, and its workflows of Wan, under their own names: registered where
ComfyUI is not, never within it.

Names, inputs and their order are ComfyUI's, so that a saved workflow reads the same. Each is one call into the core.
"""

from ...runtime import schema as io

__all__ = ["StockExtension"]


class StockExtension(io.ComfyExtension):
    """ComfyUI's nodes, as far as they are here."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        from . import loaders, media, pictures, sampling, values

        return [*media.NODES, *pictures.NODES, *values.NODES, *sampling.NODES, *loaders.NODES]
