"""What lies on disk: the catalogue (the truth), the vectors by content, and the dense generations (derived)."""
