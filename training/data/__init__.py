"""A folder of labelled pictures, and how it becomes batches."""
