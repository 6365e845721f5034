"""The command of each stage: parse the arguments, read files, call the science, write files."""
