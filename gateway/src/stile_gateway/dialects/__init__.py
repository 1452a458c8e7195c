"""The gateway's APIs: a folder for each, all of the shape that ``base`` describes.

A new API is a new folder, and its name in ``app.DIALECTS``.
"""
