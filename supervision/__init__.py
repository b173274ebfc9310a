"""What is looked at beside the handling: late work, and samples of what one person alone decided."""
