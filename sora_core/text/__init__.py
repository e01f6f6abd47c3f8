"""Words, tokenizers, text encoders and the prompt expander."""
