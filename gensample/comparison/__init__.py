"""What generated futures are judged by: one registry of quantities, and the comparison that fills it.

To add a quantity, write a module here that calls `quantities.register` with its `Quantity`: what to sum up of
one configuration, how means over configurations become values, and the words of its row. Nothing else needs
to know of it; the contract test is ``tests/comparison/test_quantities.py``.
"""
