"""What an encoder of weights must beat: statistics of the weights, and size alone."""
