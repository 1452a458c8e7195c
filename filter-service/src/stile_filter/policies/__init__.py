"""The policy as something that the owner changes while everything runs.

Layout:
    ``guard``         a policy with its scanners running: what one request is judged by
    ``live``          the guard in use, and how a changed file replaces it
    ``draft``         a policy that is tried at the console
    ``expectations``  runs the policy's own ``tests:``
    ``archive``       keeps texts, sealed to the owner's key
    ``commands``      ``stile-filter policy``: check, test, diff, replay, archive-key
"""
