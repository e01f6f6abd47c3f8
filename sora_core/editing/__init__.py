"""The verbs: pure functions that prepare a latent state."""
