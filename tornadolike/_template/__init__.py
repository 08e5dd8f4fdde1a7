"""Templates: text to tokens (scanner), tokens to a tree (parser, nodes), the tree to Python (compiler)."""
