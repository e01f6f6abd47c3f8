"""What the nodes ask of ComfyUI; the only modules that import `comfy`."""
