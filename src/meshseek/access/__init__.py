"""Who may ask, and for what: keys, their scopes, and the file of a workspace that remembers them."""
