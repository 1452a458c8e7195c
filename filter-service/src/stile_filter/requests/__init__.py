"""What is done with requests after their admission."""
