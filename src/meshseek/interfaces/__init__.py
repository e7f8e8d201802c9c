"""What people and programs touch: the command line, the HTTP API, the front end."""
