"""Neural style transfer: its losses, and the picture that is optimised for them."""
