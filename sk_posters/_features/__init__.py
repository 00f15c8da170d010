"""From pixels to the features of pretrained networks."""
