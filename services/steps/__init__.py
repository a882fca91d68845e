"""The rungs of the ladder, one module each: observe (bulk reads), decide (pure), act (one change). They do not know each other."""
