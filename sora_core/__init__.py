"""A pure PyTorch library for spacetime video diffusion: codec, transformer, samplers, editing, training.

It knows nothing of ComfyUI. Rooms import only from rooms earlier in this line (a test walks the imports):

    errors, types, grid, files -> checkpoints -> layers -> diffusion -> text, vae, dit -> media -> editing -> pipeline
    -> safety -> data -> training -> evaluation
"""
