"""A headless graph runtime: the same workflow JSON without ComfyUI."""
