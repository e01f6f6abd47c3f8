"""Small stores, networks and losses for the tests of training."""

import torch
from sora_nodes.sora_core.data.clips import LEVELS, PARTS, Clip, ClipKind
from sora_nodes.sora_core.data.store import ClipStore
from sora_nodes.sora_core.dit import DiT, DiTConfig
from sora_nodes.sora_core.grid import Geometry
from sora_nodes.sora_core.perception.classifier import ATTRIBUTES
from sora_nodes.sora_core.text.encoder import TextConfig, TextEncoder
from sora_nodes.sora_core.training.forward import TextToVideo
from sora_nodes.sora_core.vae import BundledCodec, CodecConfig

WORDS = ("a", "red", "ball", "rolls", "left")
TEXT_TOKENS = 8
GEOMETRY = Geometry(channels=4)


def kind_of(frames: int = 13, *, width: int = 64, family: str | None = None, window: int = 0) -> ClipKind:
    """Clips of width x 32 at 8 fps, encoded at two sizes."""
    return ClipKind(
        height=32,
        width=width,
        frames=frames,
        fps=8.0,
        family=family,
        window=window,
        scales=((32, width), (16, width // 2)),
    )


def clip_of(kind: ClipKind, seed: int) -> Clip:
    """A clip of noise whose every caption has another length; things in one cell in five."""
    generator = torch.Generator().manual_seed(seed)
    shape = kind.shape
    ids = torch.randint(2, len(WORDS) + 2, (len(LEVELS), PARTS, TEXT_TOKENS), generator=generator)
    lengths = torch.randint(1, TEXT_TOKENS, (len(LEVELS), PARTS, 1), generator=generator)
    frames = (shape.frames, shape.height, shape.width)
    return Clip(
        kind=kind.name,
        video=torch.randint(0, 256, (*frames, 3), generator=generator, dtype=torch.uint8),
        ids=torch.where(torch.arange(TEXT_TOKENS) < lengths, ids, 0).short(),
        starts=torch.tensor([0.0, 0.75 if kind.family in ("shots", "storyboard") else 1e9]),
        things=(torch.rand(kind.latents(), shape.height // 8, shape.width // 8, generator=generator) < 0.2).byte(),
        answers=torch.zeros(len(ATTRIBUTES)).short(),
        track=torch.rand(shape.frames, 2, generator=generator),
    )


def store_of(kind: ClipKind, clips: int = 4, *, unlike: float = 0.0) -> ClipStore:
    """A full store whose latents hold, in every cell, the clip's number * 100 + the latent frame's."""
    store = ClipStore(kind, clips, GEOMETRY, TEXT_TOKENS, "cpu", unlike)
    for seed in range(clips):
        assert store.add(clip_of(kind, seed))

    def encode(video: torch.Tensor) -> torch.Tensor:
        n, _, frames, height, width = video.shape
        latents = torch.arange((frames - 1) // 4 + 1.0).view(1, 1, -1, 1, 1).expand(n, 4, -1, height // 8, width // 8)
        return latents + 100 * (torch.arange(n).view(-1, 1, 1, 1, 1) + store.encoded)

    store.encode(encode, 4)
    return store


def tiny_model() -> TextToVideo:
    """Text encoder and transformer of random weights."""
    torch.manual_seed(0)
    text = TextEncoder(TextConfig(vocabulary=WORDS, width=16, depth=1, heads=2, mlp_width=32, tokens=TEXT_TOKENS))
    config = DiTConfig(
        width=32, depth=2, heads=2, mlp_width=32, channels=4, text_width=16, text_tokens=TEXT_TOKENS, patch=(1, 2, 2),
        prediction="clean", per_position_time=True, rope_theta=100.0, grid_features=True, input_gate=True,
    )  # fmt: skip
    model = TextToVideo(text, DiT(config))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def tiny_codec() -> BundledCodec:
    """A codec of random weights."""
    torch.manual_seed(0)
    return BundledCodec(CodecConfig(channels=4, widths=(8, 16), encoder_blocks=(1, 1), decoder_blocks=(1, 1)))
