"""Words, tokenizers and text encoders."""
