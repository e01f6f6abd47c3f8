"""Sora Nodes: the pack that ComfyUI loads, and the package `sora_nodes`.

Nothing is imported here but by `comfy_entrypoint`, so that the core stays light to import.
"""
