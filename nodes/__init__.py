"""Thin ComfyUI nodes over the core, a file per menu group. Importing them imports neither torch nor a model."""

from .host import ComfyExtension, add_routes, io, plain_errors

__all__ = ["SoraExtension"]


class SoraExtension(ComfyExtension):
    """The nodes of this pack."""

    async def on_load(self) -> None:
        add_routes()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        from . import cache, editing, loading, lora, patches, prompting, sampling, video

        groups = (loading, prompting, sampling, video, editing, patches, cache, lora)
        return [plain_errors(node) for group in groups for node in group.NODES]
