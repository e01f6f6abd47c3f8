"""Causal video codecs."""
