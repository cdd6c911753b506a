"""The reference model: what its image is made of, and the server inside it. Nothing here runs in the suite itself."""
