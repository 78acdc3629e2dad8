"""What this project is built and tested with: programs, generators, checks on itself."""
