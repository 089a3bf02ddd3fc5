"""Model zoos: populations of small networks, trained to very different test accuracies."""
