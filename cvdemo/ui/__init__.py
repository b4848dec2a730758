"""The page: one tab per file, each with one build function. The only place that imports gradio."""
