"""What is unsound in a system's manifests or live objects, with patches. Pure."""
