"""What looks at networks and searches settings: `python -m train summary`, `look` and `search`."""
