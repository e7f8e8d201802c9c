"""What the embedders that run on torch share."""
