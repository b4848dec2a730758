"""Upscaling: the networks to choose from, and a picture enlarged by one of them, tile by tile.

catalogue   which networks there are
network     what they have in common; onnx_graph: how the CPU runs them
upscale     the settings, and the tiles
quality     PSNR and SSIM against an original
run         the one way to run it
"""
