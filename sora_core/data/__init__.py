"""What training sees: the rendered world and packed batches."""
