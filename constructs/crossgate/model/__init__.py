"""Values: what a user may write, checked as it is made; pure Python, no engine, no cloud."""
