"""ComfyUI's layouts, known here alone, and their way into the core's and back.

    IMAGE         float [F,H,W,C] in 0..1, F frames of one video (or single pictures)
    MASK          float [F,H,W]
    AUDIO         {"waveform": [B,C,S], "sample_rate": S per second}
    LATENT        {"samples": [B,C,T,H,W], "noise_mask"?: [B,1,T,H,W] 1 = make, "sora"?: LatentInfo}
    CONDITIONING  [[features [B,S,D], {...}]]
    VIDEO         an object with get_components, get_dimensions, get_stream_source

Torch and the core are imported inside the functions, so that listing the nodes costs nothing.
"""
