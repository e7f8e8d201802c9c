"""What comes from outside goes through here first: files, pictures and words that somebody may have made to harm."""
