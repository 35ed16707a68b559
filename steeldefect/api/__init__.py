"""The public functions of `import steeldefect`, a module for each."""
