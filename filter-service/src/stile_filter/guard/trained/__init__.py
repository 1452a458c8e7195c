"""The trained check that ships: linear heads over n-grams and a lexicon, which say what a text asks for."""
