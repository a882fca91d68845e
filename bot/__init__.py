"""The process: settings are read, everything is plugged together and started here; nothing is decided here."""
