"""A run from an experiment to its summary: costs, weight-sharing network, search, conclusions.

Retraining of the placements that were found belongs to retrain/. May import from all folders but
retrain/, bench/ and cli/.
"""
