"""The release report: one HTML file that shows a world, its evidence, and how to check both."""
