"""Training of codec, text encoder and transformer."""
