"""How the cost of training grows: measured, modelled and simulated; the figures of docs/growth.md."""
