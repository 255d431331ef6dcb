"""Predictors that are fitted in closed form or without gradients: one interface, data module in."""
