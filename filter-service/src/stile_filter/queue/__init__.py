"""The queue of approved requests: who is served next, how long the others wait, what they are sent of it.

Modules: ``order`` (who is next), ``view`` (what is known of CHAT), ``speed`` and ``estimate`` (how long
requests take and wait), ``claims`` (how much of CHAT one client may take), ``positions`` (what waiting
clients are sent).
"""
