"""The page: one tab per file, each with one build function; Detect, with its four ways, is a package.

The only place that imports gradio.
"""
