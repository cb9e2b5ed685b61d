"""Readers of the files that tools write, one module per format. They know no collector."""
