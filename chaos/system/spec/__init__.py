"""What people write about the system under test."""
