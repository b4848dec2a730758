"""Picture files read: decoding, metadata, colour profiles, and a process of its own for what may do harm."""
