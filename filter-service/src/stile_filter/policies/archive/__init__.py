"""Texts of requests, sealed to the owner's key, in files that are bounded by age and bytes.

Layout:
    ``records``  what is kept of a request, and how it is sealed
    ``files``    the files: written in turn, deleted from the oldest
    ``writer``   takes records without making a request wait
"""

from stile_filter.policies.archive.writer import Archive, NoArchive

__all__ = ["Archive", "NoArchive"]
