"""Assets that are taken away together: whom to name for them, what their licences say, and their models in one zip."""
