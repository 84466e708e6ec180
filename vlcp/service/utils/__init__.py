"""Small services: in-memory storage, automatic loading."""
