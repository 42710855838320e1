"""Front ends that speak a protocol of their own: what they ask for, and how they are answered."""
