"""What runs in a load pod."""
