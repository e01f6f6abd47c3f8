"""Tests are tiny: one thread is the fastest there, and the same everywhere."""

import torch

torch.set_num_threads(1)
