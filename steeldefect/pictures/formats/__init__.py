"""One module for each file format that is decoded; `pictures.decoding` chooses among them.

Each module checks the file's structure first. It then passes to the decoder only the parts of the
file that describe how and where the pixels are stored. Metadata (EXIF, XMP, ICC, texts) therefore
cannot rotate or recolour a picture, cost time or memory, or make a decoder fail.
"""
