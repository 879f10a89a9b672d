"""What a paper may ask of the analysis: items.py has all models, common.py what they share."""
