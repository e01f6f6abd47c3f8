"""Published weights in our own codec, text encoder and transformer: the Wan family."""
