"""The map viewer: worlds as maps, live while runs go on, and runs over dragged rectangles."""
