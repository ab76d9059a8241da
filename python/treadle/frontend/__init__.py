"""The front end: from a Python function to the MLIR text of the `tile` dialect."""
