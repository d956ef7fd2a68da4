"""Put a training back as it was."""
