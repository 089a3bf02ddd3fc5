"""What an encoder of weights must beat: statistics, norms, other networks that read weights, and size alone."""
