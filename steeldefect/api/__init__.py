"""The public functions of `import steeldefect`; each module holds one of them."""
