"""Sampling from a DCGAN: pictures of a seed, ways between latents, and films of them."""
