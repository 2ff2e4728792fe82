"""What users' tests can assert of their own functions."""
