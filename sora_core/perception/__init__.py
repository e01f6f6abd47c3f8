"""What looks at clips: the classifier of their attributes."""
