"""The table of the one resource in use, which is built into Terraform and in no provider's schema."""
