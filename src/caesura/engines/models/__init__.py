"""Models as files: which there are, how they come here whole, and where they lie."""
