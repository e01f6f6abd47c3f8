"""Speed and memory beside another implementation's on the same weights."""
