"""Sampling with generative models in the physics of glasses."""

__version__ = "0.1.0"
