"""The table of scenarios, one module for each subject."""
