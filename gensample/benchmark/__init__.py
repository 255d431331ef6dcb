"""What `gensample benchmark` is made of: its settings, the kinds of rows, the workspace, the evaluation."""
