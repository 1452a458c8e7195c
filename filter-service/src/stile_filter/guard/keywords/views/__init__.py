"""Disguises of a word that leave it in sight.

Layout:
    ``leet``    digits and signs for letters, and masked vowels
    ``forms``   a word that is turned round or drawn out
    ``pieces``  a word whose letters stand apart, or that is cut in two or three
"""
