"""Trains a population of networks of one shape at once, each with its own weights, images and hyper-parameters.

Activations have the layout [networks, features, ..., images]: the images innermost, so that a convolution is one
batched matrix product over all networks and every other layer works on long contiguous runs.
"""
