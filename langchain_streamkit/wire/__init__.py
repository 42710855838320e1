"""How events look on a wire: views choose what is shown, encoders make bytes; no IO here."""
