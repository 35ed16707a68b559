"""One module for each file format that is decoded; `pictures.decoding` chooses among them.

Every module checks the file's structure first, and gives the decoder only what says how and where
the pixels are stored. Metadata (EXIF, XMP, ICC, texts) therefore cannot turn or recolour a picture,
cost time or memory, or make a decoder fail.
"""
