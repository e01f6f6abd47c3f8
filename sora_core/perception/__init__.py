"""What looks at clips: the classifier of their attributes, and what it sees of a clip that is edited."""
