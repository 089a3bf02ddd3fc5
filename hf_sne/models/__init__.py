"""Encoders of weights, and the baselines they must beat."""
