"""The rungs of the ladder, one module each: observe (bulk reads), decide (pure), act. They do not know each other."""
