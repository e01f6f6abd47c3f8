"""Thin ComfyUI nodes over the core."""
