"""Generators of displacement fields without training: what physics gives."""
