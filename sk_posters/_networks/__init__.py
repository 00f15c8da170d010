"""Everything that imports Keras: the classifier and its networks."""
