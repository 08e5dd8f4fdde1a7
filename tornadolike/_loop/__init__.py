"""Event loops by name, and what they lack: time, interrupts, watching descriptors from a thread."""
