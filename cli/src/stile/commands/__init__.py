"""The commands of `stile`, one module each. Those that change the installation are in ``setup``."""
