"""From labelled field recordings to a species classifier: the science behind the workflow's stages."""
