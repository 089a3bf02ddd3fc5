"""Train predictors on zoos: examples, losses, the Accelerate loop, results."""
