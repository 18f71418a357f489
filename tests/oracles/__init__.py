"""What layers, losses, optimisers and metrics come to, written a second time and without the library."""
