"""The commands of `stile`, one module each."""
