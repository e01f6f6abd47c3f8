"""How the published files name things, as data.

Our modules have the original names (for the text encoder those of its safetensors files). Other layouts are brought to
them: prefixes fall away, then the rules of a layout are applied in order, each a regular expression and its
replacement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["LAYOUTS", "LORA_PREFIXES", "PREFIXES", "REFUSED", "SCALES", "SPARE", "Layout", "renamed"]

PREFIXES = (
    *("model.diffusion_model.", "diffusion_model.", "first_stage_model.", "text_encoders.umt5xxl.transformer."),
    *("umt5xxl.transformer.", "transformer.", "text_encoder.", "vae.", "model."),
)
"""what repackaged files put before every name"""
LORA_PREFIXES = (
    *("base_model.model.", "lora_unet__", "lora_unet_", "lora_transformer_", "model.", "diffusion_model."),
    *("transformer.", "unet.", "pipe.", "dit."),
)
"""what LoRA files put before every name, in this order"""
SPARE = re.compile(
    r"(^|\.)(scaled_fp8|spiece_model|comfy_quant|scale_input|input_scale)$|^encoder\.embed_tokens\.weight$|norm_added_q"
)
"""names that carry nothing our modules hold"""
SCALES = (".scale_weight", ".weight_scale")
"""endings of the scale of an fp8 weight"""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A naming of one kind of model: it is at hand where `mark` is among the names."""

    mark: str
    rules: tuple[tuple[str, str], ...]


TRANSFORMER = Layout(
    mark="condition_embedder.time_proj.weight",
    rules=(
        (r"^scale_shift_table$", "head.modulation"),
        (r"scale_shift_table$", "modulation"),
        (r"^condition_embedder\.time_embedder\.linear_1", "time_embedding.0"),
        (r"^condition_embedder\.time_embedder\.linear_2", "time_embedding.2"),
        (r"^condition_embedder\.text_embedder\.linear_1", "text_embedding.0"),
        (r"^condition_embedder\.text_embedder\.linear_2", "text_embedding.2"),
        (r"^condition_embedder\.time_proj", "time_projection.1"),
        (r"^condition_embedder\.image_embedder", "img_emb"),
        (r"^proj_out", "head.head"),
        (r"\.attn1\.", ".self_attn."),
        (r"\.attn2\.", ".cross_attn."),
        (r"\.to_out\.0\.", ".o."),
        (r"\.to_([qkv])\.", r".\1."),
        (r"\.norm2\.", ".norm3."),
        (r"\.ffn\.net\.0\.proj\.", ".ffn.0."),
        (r"\.ffn\.net\.2\.", ".ffn.2."),
    ),
)
CODEC = (
    (r"^post_quant_conv", "conv2"),
    (r"^quant_conv", "conv1"),
    (r"\.conv_in\.", ".conv1."),
    (r"\.norm_out\.", ".head.0."),
    (r"\.conv_out\.", ".head.2."),
    (r"\.mid_block\.resnets\.0\.", ".middle.0."),
    (r"\.mid_block\.attentions\.0\.", ".middle.1."),
    (r"\.mid_block\.resnets\.1\.", ".middle.2."),
)
RESIDUAL = (
    (r"(\.\d+)\.norm1\.", r"\1.residual.0."),
    (r"(\.\d+)\.conv1\.", r"\1.residual.2."),
    (r"(\.\d+)\.norm2\.", r"\1.residual.3."),
    (r"(\.\d+)\.conv2\.", r"\1.residual.6."),
    (r"\.conv_shortcut\.", ".shortcut."),
)
CODEC_21 = Layout(
    mark="encoder.down_blocks.0.norm1.gamma",
    rules=(
        *CODEC,
        (r"\.down_blocks\.", ".downsamples."),
        *((rf"\.up_blocks\.{i}\.resnets\.{j}\.", f".upsamples.{4 * i + j}.") for i in range(4) for j in range(3)),
        *((rf"\.up_blocks\.{i}\.upsamplers\.0\.", f".upsamples.{4 * i + 3}.") for i in range(4)),
        *RESIDUAL,
    ),
)
CODEC_22 = Layout(
    mark="encoder.down_blocks.0.resnets.0.norm1.gamma",
    rules=(
        *CODEC,
        (r"\.down_blocks\.(\d)\.resnets\.", r".downsamples.\1.downsamples."),
        (r"\.down_blocks\.(\d)\.downsampler\.", r".downsamples.\1.downsamples.2."),
        (r"\.up_blocks\.(\d)\.resnets\.", r".upsamples.\1.upsamples."),
        (r"\.up_blocks\.(\d)\.upsampler\.", r".upsamples.\1.upsamples.3."),
        *RESIDUAL,
    ),
)
TEXT = Layout(
    mark="blocks.0.pos_embedding.embedding.weight",
    rules=(
        (r"^token_embedding\.", "shared."),
        (r"^norm\.", "encoder.final_layer_norm."),
        (
            r"^blocks\.(\d+)\.pos_embedding\.embedding\.",
            r"encoder.block.\1.layer.0.SelfAttention.relative_attention_bias.",
        ),
        (r"^blocks\.(\d+)\.attn\.", r"encoder.block.\1.layer.0.SelfAttention."),
        (r"^blocks\.(\d+)\.norm1\.", r"encoder.block.\1.layer.0.layer_norm."),
        (r"^blocks\.(\d+)\.norm2\.", r"encoder.block.\1.layer.1.layer_norm."),
        (r"^blocks\.(\d+)\.ffn\.gate\.0\.", r"encoder.block.\1.layer.1.DenseReluDense.wi_0."),
        (r"^blocks\.(\d+)\.ffn\.fc1\.", r"encoder.block.\1.layer.1.DenseReluDense.wi_1."),
        (r"^blocks\.(\d+)\.ffn\.fc2\.", r"encoder.block.\1.layer.1.DenseReluDense.wo."),
    ),
)
LAYOUTS = (TRANSFORMER, CODEC_21, CODEC_22, TEXT)
"""other than our own"""

CONTROL = "a control model (VACE, camera, speech, ...): text to video (T2V) and TI2V-5B weights run here"
REFUSED = (
    (
        r"lora_(up|down|A|B|a|b)\b|\.lora\.|lokr_|hada_w|\.diff(_b)?$",
        "a LoRA, not a model: load a model and put the LoRA on it with Sora Load LoRA",
    ),
    (r"^(vace_blocks|vace_patch_embedding)", CONTROL),
    (
        r"^(control_adapter|ref_conv|face_adapter|motion_encoder|audio_proj|casual_audio_encoder)",
        "a control model: T2V and TI2V-5B weights run here",
    ),
    (
        r"^img_emb|\.k_img\.|\.add_k_proj\.",
        "an image-to-video model (i2v): animate an image with T2V or TI2V-5B weights instead",
    ),
    (
        r"\.(absmax|quant_map|qweight|qzeros|weight_scale_2)$",
        "quantised to integers or to four bits: use a float32, bfloat16, float16 or fp8 file",
    ),
    (
        r"^(model\.diffusion_model|first_stage_model|text_encoders|cond_stage_model|conditioner)\.",
        "a checkpoint of several models in one: take transformer, codec (VAE) and text encoder as files of their own",
    ),
)
"""what a name betrays, and what to do"""


def renamed(names: list[str]) -> dict[str, str]:
    """Each name in the file -> the name our modules have for it. Unknown names stay as they are."""
    prefix = next((p for p in PREFIXES if sum(n.startswith(p) for n in names) * 2 > len(names)), "")
    short = {name: name.removeprefix(prefix) for name in names}
    layout = next((layout for layout in LAYOUTS if layout.mark in short.values()), None)
    return {name: apply(layout, to) for name, to in short.items()} if layout else short


def apply(layout: Layout, name: str) -> str:
    for pattern, replacement in layout.rules:
        name = re.sub(pattern, replacement, name)
    return name
