"""Text in another writing: what it says when it is decoded.

Layout:
    ``encodings``  entities, escapes, base64, Morse; the two functions that read all of them
    ``codes``      words written as numbers: hex, binary, decimal, places in the alphabet
    ``invisible``  words in characters that nobody sees
"""

from stile_filter.guard.keywords.decoding.encodings import rewritten, words

__all__ = ["rewritten", "words"]
