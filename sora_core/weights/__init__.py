"""The bundled weights."""
