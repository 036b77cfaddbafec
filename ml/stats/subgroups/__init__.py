"""Groups of cases side by side."""
