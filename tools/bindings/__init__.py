"""Makes the typed tables of Terraform's resources from the providers' own schemas."""
