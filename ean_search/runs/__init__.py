"""A run from an experiment to its summary: costs, weight-sharing network, search, conclusions.

Retraining what was found is the business of retrain/. May import from all folders but retrain/,
bench/ and cli/.
"""
