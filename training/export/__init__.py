"""Write a bundle: stage the models, convert, quantise, choose the precision, seal."""
