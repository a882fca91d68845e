"""One module per version of the schema, in the order of `down_revision`."""
