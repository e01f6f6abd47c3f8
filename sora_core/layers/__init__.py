"""Building blocks that hold or move tensors; all weights come through an `ops` namespace."""
