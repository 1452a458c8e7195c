"""What `stile doctor` looks at."""
