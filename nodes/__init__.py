"""Thin ComfyUI nodes over the core, a file per menu group. Importing them imports neither torch nor a model."""

from .host import ComfyExtension, io

__all__ = ["SoraExtension"]


class SoraExtension(ComfyExtension):
    """The nodes of this pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        from . import editing, loading, patches, prompting, sampling, video

        return [*loading.NODES, *prompting.NODES, *sampling.NODES, *video.NODES, *editing.NODES, *patches.NODES]
