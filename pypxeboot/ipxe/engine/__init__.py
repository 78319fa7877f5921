"""The machine that runs a script: lines, variables, images, errors."""
