"""The command line: `python -m cvdemo VERB ...`."""
