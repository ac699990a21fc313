"""What programs import of the launcher."""
