"""The nodes without ComfyUI."""
