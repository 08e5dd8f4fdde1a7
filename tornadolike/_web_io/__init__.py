"""What waits in the web framework: requests until their handlers run, the tasks of these, and files on their way out."""
