"""What a report says, as numbers and labels."""
