"""Policy, review and provenance."""
