"""Screenshots of the page for the docs; asked for with STILE_SCREENSHOTS (a folder), as ``make screenshots`` does."""
